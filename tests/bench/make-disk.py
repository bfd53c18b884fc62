# SPDX-License-Identifier: LGPL-2.1-or-later
"""make-disk.py FILE GIB: a raw disk that holds what this machine's /usr holds

Data lies in runs of 1.5 MiB on average with gaps of 0.87 MiB between them, as
on a used file system, all of them multiples of 64 KiB; the same for the same
/usr.  The file is sparse.
"""
import os
import random
import sys

BLOCK = 65536


def contents(top):
    """All bytes of the files below, for ever."""
    while True:
        for where, names, files in os.walk(top):
            names.sort()
            for name in sorted(files):
                path = os.path.join(where, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                try:
                    with open(path, "rb") as f:
                        while part := f.read(1 << 20):
                            yield part
                except OSError:
                    continue


def blocks(draw, mean):
    return max(1, round(draw.expovariate(1 / mean) / BLOCK)) * BLOCK


def main():
    size = int(float(sys.argv[2]) * (1 << 30))
    draw = random.Random(20261)
    source = contents("/usr")
    rest = b""
    with open(sys.argv[1], "wb") as out:
        out.truncate(size)
        at = 0
        while at < size:
            end = min(at + blocks(draw, 1.5 * (1 << 20)), size)
            out.seek(at)
            while at < end:
                if not rest:
                    rest = next(source)
                out.write(rest[: end - at])
                n = min(len(rest), end - at)
                rest = rest[n:]
                at += n
            at += blocks(draw, 0.87 * (1 << 20))


main()
