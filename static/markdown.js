//! The documents' Markdown as elements: headings, paragraphs, lists, tables, code, links. Owned by doc.js.
//! Bounds: what the documents use, one level of lists in lists. It must make text nodes only, and link to nothing but what
//! `link(href)` answers.

import { make } from './dom.js';

const ITEM = /^(\s*)(?:[*-]|\d+\.)\s+(.*)$/;

/** The elements of a text. `link(href)` answers where a link leads, or an empty text for one that leads nowhere here. */
export function render(text, link) {
  // Pictures are not in the binary.
  const lines = text.replace(/!\[[^\]]*\]\([^)]*\)/g, '').split('\n');
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const [element, next] = block(lines, at, link);
    if (element !== null) out.push(element);
    at = next;
  }
  return out;
}

/** A heading as it stands in an address. */
export function anchor(heading) {
  return heading.toLowerCase().replace(/[`*]/g, '').replace(/[^\p{L}\p{N}\s-]/gu, '').trim().replace(/\s+/g, '-');
}

function block(lines, at, link) {
  const line = lines[at];
  if (line.trim() === '' || /^<!--/.test(line)) return [null, at + 1];
  if (line.startsWith('```')) return code(lines, at);
  const heading = /^(#{1,4})\s+(.*)$/.exec(line);
  if (heading) {
    const element = make(`h${heading[1].length}`, '', ...inline(heading[2], link));
    element.id = anchor(heading[2]);
    return [element, at + 1];
  }
  if (line.startsWith('|') && /^\|[\s:|-]+\|?$/.test(lines[at + 1] ?? '')) return table(lines, at, link);
  if (ITEM.test(line)) return list(lines, at, link);
  if (line.startsWith('>')) return quoted(lines, at, link);
  let end = at + 1;
  while (end < lines.length && lines[end].trim() !== '' && !/^(#|```|\||>)/.test(lines[end]) && !ITEM.test(lines[end])) end += 1;
  return [make('p', '', ...inline(joined(lines.slice(at, end)), link)), end];
}

function code(lines, at) {
  let end = at + 1;
  while (end < lines.length && !lines[end].startsWith('```')) end += 1;
  const pre = make('pre', '', make('code', '', lines.slice(at + 1, end).join('\n')));
  // It may be wider than its frame, and is scrolled by keys then.
  pre.tabIndex = 0;
  return [pre, end + 1];
}

function table(lines, at, link) {
  let end = at + 2;
  while (end < lines.length && lines[end].startsWith('|')) end += 1;
  const cells = (line) => line.replace(/^\||\|\s*$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, '|'));
  const row = (tag, line) => make('tr', '', ...cells(line).map((cell) => make(tag, '', ...inline(cell, link))));
  const isHeaded = cells(lines[at]).some((cell) => cell !== '');
  const filled = lines.slice(at + 2, end).filter((line) => cells(line).some((cell) => cell !== ''));
  if (filled.length === 0) return [null, end];
  const body = make('tbody', '', ...filled.map((line) => row('td', line)));
  const made = make('table', 'table', ...(isHeaded ? [make('thead', '', row('th', lines[at]))] : []), body);
  const frame = make('div', 'table-frame', made);
  frame.tabIndex = 0;
  return [frame, end];
}

function list(lines, at, link) {
  const [, indent] = ITEM.exec(lines[at]);
  const root = make(/^\s*\d/.test(lines[at]) ? 'ol' : 'ul');
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || item[1].length < indent.length) break;
    if (item[1].length > indent.length) {
      const [inner, next] = list(lines, end, link);
      root.lastChild.append(inner);
      end = next;
      continue;
    }
    const text = [item[2]];
    end += 1;
    while (end < lines.length && /^\s+\S/.test(lines[end]) && !ITEM.test(lines[end])) {
      text.push(lines[end]);
      end += 1;
    }
    root.append(make('li', '', ...inline(joined(text), link)));
    // A blank line between two items is no end.
    if ((lines[end] ?? '').trim() === '' && ITEM.test(lines[end + 1] ?? '')) end += 1;
  }
  return [root, end];
}

function quoted(lines, at, link) {
  let end = at;
  while (end < lines.length && lines[end].startsWith('>')) end += 1;
  const text = joined(lines.slice(at, end).map((line) => line.replace(/^>\s?/, '')));
  return [make('blockquote', 'callout', ...inline(text, link)), end];
}

/** Lines that were broken for their width: Chinese needs no blank where it was. */
function joined(lines) {
  return lines.map((line) => line.trim()).reduce((all, line) => (/[\u3000-\u9fff\uff00-\uffef]$/.test(all) && /^[\u3000-\u9fff\uff00-\uffef]/.test(line) ? all + line : `${all} ${line}`));
}

function inline(text, link) {
  const parts = [];
  const mark = /`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)\s]+)\)|\*(\S.*?)\*/g;
  let from = 0;
  for (const found of text.matchAll(mark)) {
    parts.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[1] !== undefined) parts.push(make('code', '', found[1]));
    else if (found[2] !== undefined) parts.push(make('strong', '', ...inline(found[2], link)));
    else if (found[3] !== undefined) parts.push(linked(found[3], link(found[4]), link));
    else parts.push(make('em', '', ...inline(found[5], link)));
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== '');
}

function linked(text, href, link) {
  if (href === '') return make('span', '', ...inline(text, link));
  const element = make('a', '', ...inline(text, link));
  element.href = href;
  return element;
}
