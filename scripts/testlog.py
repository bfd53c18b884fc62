#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""testlog.py - count what meson says of its tests

usage: scripts/testlog.py TESTLOG.json [--failed-builds N] [--status N]

Reads the log that `meson test` leaves: one JSON object a line, one line a
test.  Names what failed, with its last words, and what was skipped and why,
single cases of a test included, and ends with the line

    N passed, N failed, N skipped

--failed-builds N  add these to the failures: what could not be built
--status N         the exit status of meson; a failure that no test explains
                   is one, too

Exit status 0 if at least one test passed and none failed, otherwise 1.
"""

import argparse
import json
import re
import sys

GOOD = {"OK", "EXPECTEDFAIL"}

# A case of a TAP test that was not run: "ok 3 - name # SKIP reason".
SKIPPED_CASE = re.compile(r"^ok\b\s*\d*\s*-?\s*(.*?)\s*#\s*skip\S*\s*(.*)$",
                          re.IGNORECASE)
# A TAP test that was not run at all: "1..0 # SKIP reason".
SKIPPED_TEST = re.compile(r"^1\.\.0\s*#\s*skip\S*\s*(.*)$", re.IGNORECASE)


def read_log(path):
    """The tests of the log; none if there is no log."""
    tests = []
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    tests.append(json.loads(line))
                except ValueError:
                    # meson was interrupted while it wrote.
                    tests.append({"name": "(unreadable)", "result": "ERROR"})
    except FileNotFoundError:
        pass
    return tests


def reason(test):
    """Why a test was skipped: TAP's word, or the last line it printed."""
    lines = (test.get("stdout") or "").splitlines()
    for line in lines:
        match = SKIPPED_TEST.match(line)
        if match and match[1]:
            return match[1]
    lines += (test.get("stderr") or "").splitlines()
    words = [line.strip() for line in lines if line.strip()]
    return words[-1] if words else "no reason given"


def skipped_cases(test):
    """(name, reason) of each case that a test skipped."""
    for line in (test.get("stdout") or "").splitlines():
        match = SKIPPED_CASE.match(line)
        if match:
            yield match[1] or "a case", match[2] or "no reason given"


def last_words(test):
    """What a test that failed said of it: TAP's failures, or its end."""
    lines = [line for stream in ("stdout", "stderr")
             for line in (test.get(stream) or "").splitlines()]
    said = [line for line in lines if not re.match(r"ok\b|1\.\.\d", line)]
    return said[-40:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("--failed-builds", type=int, default=0)
    parser.add_argument("--status", type=int, default=0)
    options = parser.parse_args()

    passed = skipped = 0
    failed = options.failed_builds
    if failed:
        print(f"Not built: {failed} of the two builds")
    for test in read_log(options.log):
        name, result = test["name"], test["result"]
        if result in GOOD:
            passed += 1
            for case, why in skipped_cases(test):
                print(f"Skipped in {name}: {case}: {why}")
        elif result == "SKIP":
            skipped += 1
            print(f"Skipped: {name}: {reason(test)}")
        else:
            failed += 1
            print(f"Failed: {name}: {result}")
            for line in last_words(test):
                print(f"    {line}")
    if options.status != 0 and failed == 0:
        print(f"meson ended with status {options.status}")
        failed = 1
    if passed == 0 and failed == 0:
        print("No test has run")

    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed > 0 and failed == 0 else 1


sys.exit(main())
