//! The few things every part of a page does with elements: find, make, copy, save, tell. Owned by console and admin together.
//! Bounds: one toast at a time. It must not parse markup: every text becomes a text node, since it may come from a peer.

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

/** A new button; `click` is called when it is pressed. */
export function button(className, text, click) {
  const element = make('button', className, text);
  element.type = 'button';
  if (click) element.addEventListener('click', click);
  return element;
}

/** Shows or hides; `hidden` keeps it from screen readers as well. */
export function show(element, visible) {
  element.hidden = !visible;
}

/** Puts a text into an element, unless it is there: what does not change is not announced or laid out again. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Faster than this nobody reads a figure.
const PACE_MS = 150;

/** A function that calls `draw` at the next frame, and again only after a while, however often it is called. */
export function paced(draw) {
  let isAsked = false;
  let isResting = false;
  const run = () => {
    isAsked = false;
    isResting = true;
    draw();
    setTimeout(() => {
      isResting = false;
      if (isAsked) requestAnimationFrame(run);
    }, PACE_MS);
  };
  return () => {
    if (!isAsked && !isResting) requestAnimationFrame(run);
    isAsked = true;
  };
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

// The clipboard interface exists only on https and localhost, and a page is often opened by a LAN address.
function copyBySelection(text) {
  const area = make('textarea', 'unseen');
  area.value = text;
  const before = document.activeElement;
  // Inside an open dialog nothing else can be selected.
  (before?.closest('dialog') ?? document.body).append(area);
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

let toast = null;
let toastTimer = 0;

/** Tells something for a few seconds, aloud to screen readers. */
export function notice(text) {
  if (toast === null) {
    toast = make('p', 'toast');
    toast.id = 'notice';
    toast.setAttribute('role', 'alert');
  }
  // An open dialog hides everything outside of itself.
  const open = document.querySelector('dialog[open]') ?? document.body;
  if (toast.parentNode !== open) open.append(toast);
  toast.textContent = text;
  show(toast, true);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => show(toast, false), 4000);
}
