//! The pictures on buttons, as strokes on a grid of 16. Owned by console and admin together. Bounds: one path each.
//! It must build elements: the pages' policy forbids markup that a script writes.

const SVG = 'http://www.w3.org/2000/svg';

const PATHS = {
  system: 'M2 3h12v8H2zM6 14h4M8 11v3',
  light: 'M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6M8 1v1M8 14v1M1 8h1M14 8h1M3 3l.8.8M12.2 12.2l.8.8M3 13l.8-.8M12.2 3.8l.8-.8',
  dark: 'M13.5 9.5A6 6 0 0 1 6.5 2.5A6 6 0 1 0 13.5 9.5z',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M5 3l8 5l-8 5z',
  more: 'M8 3.2v.01M8 8v.01M8 12.8v.01',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9M10.5 10.5l3.5 3.5',
  settings: 'M2 4.5h6M12 4.5h2M10 2.7v3.6M2 11.5h2M8 11.5h6M6 9.7v3.6',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.5 5.5h8v8h-8zM2.5 10.5v-8h8',
  link: 'M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5L7.5 13a3 3 0 0 1-4.5-4.5L4.5 7',
  code: 'M5 4.5L1.5 8L5 11.5M11 4.5L14.5 8L11 11.5',
  file: 'M9 2H4v12h8.5V5.5zM9 2v3.5h3.5',
  star: 'M8 2l1.9 3.9l4.2.6l-3 3l.7 4.2L8 11.7l-3.8 2l.7-4.2l-3-3l4.2-.6z',
  repeat: 'M2.5 8a5.5 5.5 0 0 1 9.5-3.8M13.5 8a5.5 5.5 0 0 1-9.5 3.8M12.5 1.5v3h-3M3.5 14.5v-3h3',
  send: 'M2 8l12-5.5l-4 11l-2.5-4.5zM7.5 9L14 2.5',
  trash: 'M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9',
  save: 'M8 2v8M4.5 7L8 10.5L11.5 7M2.5 13.5h11',
  down: 'M8 3v9M4 8.5L8 12.5l4-4',
  cut: 'M2 8h4M10 8h4M6.5 5.5l-1-2M9.5 10.5l1 2M6.5 10.5l-1 2M9.5 5.5l1-2',
  check: 'M3 8.5l3.5 3.5L13 4.5',
  book: 'M3 2.5h7.5a2 2 0 0 1 2 2v9H5a2 2 0 0 1-2-2zM3 11.5a2 2 0 0 1 2-2h7.5',
  help: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M6 6.2a2 2 0 1 1 2.8 1.9c-.5.3-.8.6-.8 1.2M8 11.7v.01',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.5v3h-3',
};

/** The picture of this name; screen readers pass over it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'glyph');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name] ?? '');
  svg.append(path);
  return svg;
}

/** Puts a picture in front of each element below `root` that has `data-icon`. */
export function applyIcons(root) {
  for (const element of root.querySelectorAll('[data-icon]')) element.prepend(icon(element.dataset.icon));
}
