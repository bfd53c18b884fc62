#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""matrix.py - which test covers which fault, in which operation

usage: matrix.py (--write | --check | --open) SOURCE_ROOT

Reads tests/faults/matrix.tsv and the comments "covers: A1:FID A5:F" of all
tests.  Such a comment stands right above what it speaks of: a @test of bats, a
function of C; in another script (.bash, .py, .sh) it speaks of the whole file.
Several comments above one test add up.

--write  put the table into docs/RELIABILITY.md, between its two markers
--check  fail if that table is not the present one, or if a comment is wrong
--open   print the cells that have neither
"""
import collections
import pathlib
import re
import sys

BEGIN = "<!-- matrix: made by tests/faults/matrix.py --write -->"
END = "<!-- end of the matrix -->"
SECTIONS = {
    "A": "The target's storage",
    "B": "Death of the program or the host",
    "C": "Hypervisor and guest",
    "D": "Checkpoints, bitmaps, order",
    "E": "NBD",
    "F": "Damaged and hostile backups",
    "G": "Restore",
    "H": "Map",
    "S": "Security",
}
COVERS = re.compile(r"^\s*(?:#|//|/\*|\*)\s*covers:\s*(.*?)\s*(?:\*/)?$")
BATS = re.compile(r'^@test "(.*)" \{$')
C_FUNCTION = re.compile(r"^(?:[a-z][\w ]*[ *])?(\w+)\(")

Row = collections.namedtuple("Row", "id operations fault right limits")


class Wrong(Exception):
    """Something that the user of this has to mend."""


def read_rows(path):
    """The rows of the table, by ID, in its order."""
    rows = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) not in (4, 5):
            raise Wrong(f"{path}:{number}: not 4 or 5 fields")
        limits = {}
        for limit in filter(None, fields[4:]):
            operations, sep, reason = limit.partition(": ")
            if not sep:
                raise Wrong(f"{path}:{number}: limits are 'OPERATIONS: reason'")
            limits[operations] = reason
        if fields[0] in rows:
            raise Wrong(f"{path}:{number}: {fields[0]} again")
        rows[fields[0]] = Row(*fields[:4], limits)
    return rows


def subject(path, lines, at):
    """What the comment before lines[at] speaks of."""
    if path.suffix not in (".c", ".bats"):
        return ""
    # The rest of a comment may follow, no blank line.
    while at < len(lines) and re.match(r"\s*(#|//|/\*|\*)", lines[at]):
        at += 1
    pattern = BATS if path.suffix == ".bats" else C_FUNCTION
    match = pattern.match(lines[at]) if at < len(lines) else None
    return match[1] if match else None


def read_tests(root, rows):
    """{(ID, operation): [test]}, in the order of files and lines."""
    cells = collections.defaultdict(list)
    wrong = []
    for path in sorted((root / "tests").rglob("*")):
        if path.suffix not in (".c", ".bats", ".bash", ".py", ".sh"):
            continue
        if path.name in ("matrix.py", "matrix.sh"):
            continue
        lines = path.read_text().splitlines()
        name = str(path.relative_to(root))
        for at, line in enumerate(lines):
            match = COVERS.match(line)
            if not match:
                continue
            where = f"{name}:{at + 1}"
            test = subject(path, lines, at + 1)
            if test is None:
                wrong.append(f"{where}: no test right below")
            for word in match[1].split():
                fault, _, operations = word.partition(":")
                if fault not in rows:
                    wrong.append(f"{where}: no fault {fault} in the table")
                    continue
                for operation in operations or "?":
                    if operation not in rows[fault].operations:
                        wrong.append(f"{where}: {fault} has no {operation}")
                    if (name, test) not in cells[fault, operation]:
                        cells[fault, operation].append((name, test))
    if wrong:
        raise Wrong("\n".join(wrong))
    return cells


def limited(row, operation):
    return any(operation in operations for operations in row.limits)


def open_cells(rows, cells):
    """Cells with neither a test nor a reason."""
    return [(row.id, o) for row in rows.values() for o in row.operations
            if not cells.get((row.id, o)) and not limited(row, o)]


def row_tests(row, cells):
    """What the last column of a row says."""
    tests = {}
    for operation in row.operations:
        for test in cells.get((row.id, operation), []):
            tests[test] = tests.get(test, "") + operation
    out = [f"{operations} `{name}`" + (f": {test}" if test else "")
           for (name, test), operations in tests.items()]
    out += [f"*{operations}: {reason}*"
            for operations, reason in row.limits.items()]
    missing = "".join(o for r, o in open_cells({row.id: row}, cells))
    if missing:
        out.append(f"**{missing}: no test**")
    return "<br>".join(text.replace("|", "\\|") for text in out)


def counts(rows, cells):
    """The table of numbers."""
    yield "| | Rows | Cells | With a test | Marked only | Open |"
    yield "|---|--:|--:|--:|--:|--:|"
    total = [0] * 5
    for letter in [*SECTIONS, ""]:
        mine = [r for r in rows.values() if r.id[0] == letter]
        of_all = [(r, o) for r in mine for o in r.operations if o != "-"]
        tested = sum(1 for r, o in of_all if cells.get((r.id, o)))
        missing = sum(1 for r, o in of_all
                      if not cells.get((r.id, o)) and not limited(r, o))
        numbers = [len(mine), len(of_all), tested,
                   len(of_all) - tested - missing, missing]
        if letter:
            total = [a + b for a, b in zip(total, numbers)]
            name = f"{letter}. {SECTIONS[letter]}"
        else:
            numbers, name = total, "**All**"
        yield f"| {name} | " + " | ".join(map(str, numbers)) + " |"


def render(rows, cells):
    """The text between the markers."""
    out = [*counts(rows, cells)]
    for letter, title in SECTIONS.items():
        out += ["", f"### {letter}. {title}", "",
                "| | Fault | What must happen | Tests |", "|---|---|---|---|"]
        out += [f"| {r.id} | {r.fault} | {r.right} | {row_tests(r, cells)} |"
                for r in rows.values() if r.id[0] == letter]
    return "\n".join(out)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("--write", "--check", "--open"):
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[2])
    page = root / "docs" / "RELIABILITY.md"
    try:
        rows = read_rows(root / "tests" / "faults" / "matrix.tsv")
        cells = read_tests(root, rows)
    except Wrong as wrong:
        sys.exit(str(wrong))
    missing = [f"{row}:{o}" for row, o in open_cells(rows, cells)]
    if sys.argv[1] == "--open":
        print(" ".join(missing))
        return
    head, middle, rest = page.read_text().partition(BEGIN)
    old, end, tail = rest.partition(END)
    if not middle or not end:
        sys.exit(f"{page}: without its markers")
    new = "\n\n" + render(rows, cells) + "\n\n"
    if sys.argv[1] == "--write":
        page.write_text(head + BEGIN + new + END + tail)
        return
    if missing:
        print("no test yet for " + " ".join(missing))
    if old != new:
        sys.exit(f"{page} is stale: tests/faults/matrix.py --write .")


if __name__ == "__main__":
    main()
