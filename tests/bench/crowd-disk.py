# SPDX-License-Identifier: LGPL-2.1-or-later
"""crowd-disk.py IMAGE RUN: fill a qcow2 image with small extents

Every free cluster of the (empty or nearly empty, 64 KiB clusters) image gets a
place: RUN clusters of data, then RUN of zeroes, and so on.  All data clusters
are one and the same on the host, which QEMU reads without noticing, so that a
disk with millions of extents takes a few megabytes.  The reference counts are
wrong afterwards: such an image must not be written to.
"""
import struct
import sys

CLUSTER = 65536
ENTRIES = CLUSTER // 8
ZERO = 1


def main():
    run = int(sys.argv[2])
    with open(sys.argv[1], "r+b") as image:
        head = image.read(104)
        magic, _, _, _, bits, size, _, l1_size, l1_at = struct.unpack(
            ">IIQIIQIIQ", head[:48])
        assert magic == 0x514649FB and 1 << bits == CLUSTER
        image.seek(0, 2)
        end = -(-image.tell() // CLUSTER) * CLUSTER
        image.seek(end)
        image.write(bytes(range(256)) * (CLUSTER // 256))
        pattern = ([end] * run + [ZERO] * run) * (ENTRIES // (2 * run) + 2)
        free = end + CLUSTER
        image.seek(l1_at)
        l1 = list(struct.unpack(f">{l1_size}Q", image.read(8 * l1_size)))
        for i, entry in enumerate(l1):
            phase = i * ENTRIES % (2 * run)
            table = pattern[phase: phase + ENTRIES]
            at = entry & 0x00FFFFFFFFFFFE00
            if at:
                image.seek(at)
                old = struct.unpack(f">{ENTRIES}Q", image.read(CLUSTER))
                table = [o or t for o, t in zip(old, table)]
            else:
                at, free = free, free + CLUSTER
                l1[i] = at
            image.seek(at)
            image.write(struct.pack(f">{ENTRIES}Q", *table))
        image.seek(l1_at)
        image.write(struct.pack(f">{l1_size}Q", *l1))
        image.truncate(free)
        assert size <= l1_size * ENTRIES * CLUSTER


main()
