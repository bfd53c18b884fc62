#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""record.py - a terminal's screen as a picture

usage: tmux capture-pane -e -p | demo/record.py TITLE >docs/run.svg

Reads text with colours (SGR sequences) and writes it as an SVG that needs
nothing from elsewhere.
"""

import re
import sys
from xml.sax.saxutils import escape

COLOURS = ["#6e7681", "#ff7b72", "#7ee787", "#e3b341",
           "#79c0ff", "#d2a8ff", "#76e3ea", "#e6edf3"]
WIDTH, HEIGHT, LEFT, TOP = 8.0, 17, 14, 44


def spans(line):
    """The parts of a line, each with its colour and weight."""
    style = {"fill": None, "bold": False}
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b["):
            if part:
                yield part, dict(style)
            continue
        for code in part[2:-1].split(";"):
            number = int(code or 0)
            if number == 0:
                style = {"fill": None, "bold": False}
            elif number == 1:
                style["bold"] = True
            elif 30 <= number <= 37 or 90 <= number <= 97:
                style["fill"] = COLOURS[number % 10]
            elif number == 39:
                style["fill"] = None


def main():
    title = escape(sys.argv[1])
    lines = sys.stdin.read().rstrip("\n").split("\n")
    columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", l)) for l in lines)
    width = int(columns * WIDTH + 2 * LEFT)
    height = TOP + HEIGHT * len(lines) + 8
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
          f'height="{height}" role="img" aria-label="{title}">')
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>')
    for i, colour in enumerate(["#ff5f56", "#ffbd2e", "#27c93f"]):
        print(f'<circle cx="{18 + 18 * i}" cy="16" r="5" fill="{colour}"/>')
    print('<g font-family="ui-monospace,DejaVu Sans Mono,monospace" '
          'font-size="13" fill="#e6edf3" xml:space="preserve">')
    for i, line in enumerate(lines):
        x = LEFT
        for text, style in spans(line):
            fill = f' fill="{style["fill"]}"' if style["fill"] else ""
            bold = ' font-weight="bold"' if style["bold"] else ""
            if text.strip():
                print(f'<text style="white-space:pre" x="{x:g}" y="{TOP + HEIGHT * i}" textLength="'
                      f'{len(text) * WIDTH:g}"{fill}{bold}>'
                      f'{escape(text)}</text>')
            x += len(text) * WIDTH
    print("</g></svg>")


main()
