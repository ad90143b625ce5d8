//! The few things every part of the page does with elements: find, make, copy, tell. Owned by page.js.
//! Bounds: one notice at a time. It must not parse markup: every text becomes a text node, since it may come from a peer.

/** The element with this id; the page's own markup promises that it exists. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new element with a class and children; a string child becomes a text node. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Shows or hides; `hidden` keeps it from screen readers as well. */
export function show(element, visible) {
  element.hidden = !visible;
}

/** Copies a text; answers whether that worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

// The clipboard interface exists only on https and localhost, and this page is often opened by a LAN address.
function copyBySelection(text) {
  const area = make('textarea', 'unseen');
  area.value = text;
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  before?.focus?.();
  return copied;
}

/** Offers a text as a file to save. */
export function download(name, type, text) {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  // The browser has taken the blob by the next turn; without this it lives as long as the page.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

let noticeTimer = 0;

/** Tells something for a few seconds, aloud to screen readers. */
export function notice(text) {
  const box = byId('notice');
  box.textContent = text;
  show(box, true);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => show(box, false), 4000);
}
