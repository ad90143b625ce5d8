"""Plots as SVG, without a library: bars that lie, in groups, each with its value at its end.

Pure: numbers in, text out. Readable on light and on dark pages: a plot brings its own ground and takes the reader's colours; who shows no
styles shows the light one.
"""

from xml.sax.saxutils import escape

WIDTH, NAMES_WIDTH, VALUES_WIDTH = 760, 190, 150
ROW, BAR, HEAD, GROUP_GAP = 20, 14, 34, 14
# By what they fill, on light and on dark ground.
COLOURS = {"ground": ("#ffffff", "#0d1117"), "words": ("#0f172a", "#e6edf3"), "ours": ("#c2410c", "#fb923c"), "others": ("#64748b", "#8b98a9"),
           "whisker": ("#0f172a", "#f8fafc")}
DARK = "".join(f".{name}{{fill:{dark}}}" for name, (_, dark) in COLOURS.items() if name != "whisker")
STYLE = f"<style>@media (prefers-color-scheme: dark){{{DARK}.whisker{{stroke:{COLOURS['whisker'][1]}}}}}</style>"


def bars(title, groups, form):
    """`groups` is [(name, [(row, middle, least, most)])]; rows of fanfare have a colour of their own. Each group has its own scale: beside one
    message in flight sixteen would not be seen."""
    lines, at = [], HEAD
    for name, rows in groups:
        scale = (WIDTH - NAMES_WIDTH - VALUES_WIDTH) / (max((most for *_, most in rows), default=0) or 1)
        lines.append(text(8, at + 13, name, "font-weight='600'"))
        at += ROW
        for row, middle, least, most in rows:
            lines += one(at, row, (middle, least, most), scale, form)
            at += ROW
        at += GROUP_GAP
    head = (f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{at}' viewBox='0 0 {WIDTH} {at}' role='img' "
            f"aria-label='{escape(title, {chr(39): '&apos;'})}' font-family='system-ui, sans-serif' font-size='12'>")
    ground = f"<rect width='{WIDTH}' height='{at}' {filled('ground')}/>"
    return "\n".join([head, STYLE, ground, text(8, 20, title, "font-size='14' font-weight='700'"), *lines, "</svg>"]) + "\n"


def one(at, row, figures, scale, form):
    """A bar to the median, and a line from the least to the greatest."""
    middle, least, most = figures
    right = NAMES_WIDTH + most * scale
    is_ours = row.startswith("fanfare") or row.startswith("two ")
    lines = [text(NAMES_WIDTH - 8, at + 12, row, "text-anchor='end'"),
             f"<rect x='{NAMES_WIDTH}' y='{at + 1}' width='{middle * scale:.1f}' height='{BAR}' {filled('ours' if is_ours else 'others')}/>",
             text(right + 6, at + 12, format(middle, form))]
    if least != most:
        y = at + 1 + BAR / 2
        lines.append(f"<line x1='{NAMES_WIDTH + least * scale:.1f}' x2='{right:.1f}' y1='{y}' y2='{y}' class='whisker' "
                     f"stroke='{COLOURS['whisker'][0]}' stroke-width='1.5'/>")
    return lines


def filled(what):
    return f"class='{what}' fill='{COLOURS[what][0]}'"


def text(x, y, words, more=""):
    return f"<text x='{x:.1f}' y='{y}' {filled('words')} {more}>{escape(words)}</text>"
