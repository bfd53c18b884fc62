#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sweep-points.py - which faults there are for a run, from a log of strace -y
#
# usage: sweep-points.py OP LAB LOG SEED KILL FAIL SHORT STATE
#
# KILL, FAIL and SHORT: how many of each kind, or "all".  Prints "OP FAULT CALL
# NTH EARLY" for what STATE has not, or WRONG: FAULT is KILL, SHORT or an errno; NTH
# counts the calls of that name in one thread, as strace does; EARLY 1: in that
# run the point was reached before anything could exist.
import random
import re
import sys

op, lab, log, seed, kill, fail, short, state = sys.argv[1:]

SPACE = ["ENOSPC", "EDQUOT", "EIO"]
ERRORS = {
    "write": SPACE + ["EINTR"], "pwrite64": SPACE + ["EINTR"],
    "writev": SPACE, "pwritev": SPACE, "ftruncate": SPACE,
    "fallocate": SPACE + ["EINTR"], "copy_file_range": SPACE,
    "fsync": SPACE + ["EINTR"], "fdatasync": SPACE + ["EINTR"],
    "openat": SPACE + ["EINTR", "EMFILE", "EACCES"],
    "openat2": SPACE + ["EINTR", "EMFILE", "EACCES"],
    "rename": SPACE, "renameat": SPACE, "renameat2": SPACE,
    "link": SPACE, "linkat": SPACE, "mkdir": SPACE, "mkdirat": SPACE,
    "unlink": ["EIO"], "unlinkat": ["EIO"], "rmdir": ["EIO"],
    "close": SPACE + ["EINTR"],
    "read": ["EIO", "EINTR"], "pread64": ["EIO", "EINTR"],
    "getdents64": ["EIO"], "newfstatat": ["EIO"], "statx": ["EIO"],
    "lseek": ["EIO"], "fcntl": ["EIO"], "flock": ["ENOLCK", "EINTR"],
    "chmod": ["EIO"], "fchmod": ["EIO"], "fchown": ["EIO"],
    "faccessat2": ["EIO"], "statfs": ["EIO"], "fstatfs": ["EIO"],
}
NEVER = {"exit", "exit_group", "rt_sigreturn", "execve"}
# Files of ours: in the targets, the private directories, the private sockets.
OURS = re.compile(re.escape(lab) + r"/(target|tmp|r)(?!/libvirt)")
BEGIN = {"restore": r'target/r[">/]'}.get(op, r"intent\.")

counts = {}
first = {}  # (call, nth) -> (line number, is it on a file of ours)
begin = None
for number, line in enumerate(open(log, errors="replace")):
    m = re.match(r"(?:(\d+) +)?([a-z_0-9]+)\(", line)
    if not m or m[2] in NEVER:
        continue
    if begin is None and re.search(BEGIN, line):
        begin = number
    key = (m[1], m[2])
    counts[key] = counts.get(key, 0) + 1
    first.setdefault((m[2], counts[key]), (number, bool(OURS.search(line))))
if begin is None:
    sys.exit(f"{log}: nowhere is {BEGIN}")

done = {tuple(line.split()[:4]) for line in open(state, errors="replace")
        if not line.rstrip().endswith("WRONG")}
rng = random.Random(f"{seed} {op}")


def some(points, how_many):
    # A call more or less, as threads have it, does not make it another sample.
    points = sorted(points, key=lambda p: random.Random(f"{seed} {p}").random())
    return points if how_many == "all" else points[:int(how_many)]


chosen = [("KILL", call, nth) for call, nth in some(first, kill)]
chosen += some({(error, call, nth)
                for (call, nth), (_, ours) in first.items() if ours
                for error in ERRORS.get(call, [])}, fail)
chosen += [("SHORT", "-", rng.randrange(10 ** 9))
           for _ in range(100 if short == "all" else int(short))]
for fault, call, nth in chosen:
    if (op, fault, call, str(nth)) not in done:
        early = (call, nth) in first and first[call, nth][0] < begin
        print(op, fault, call, nth, int(early))
