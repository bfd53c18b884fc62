#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""rude-client.py - asks for much, and hangs up before the answers are there

usage: rude-client.py SOCKET EXPORT TIMES
"""
import socket
import struct
import sys

REQUESTS = 64
LENGTH = 65536


def be_rude(path, export):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.recv(18, socket.MSG_WAITALL)
        # No zeroes behind the answer; NBD_OPT_EXPORT_NAME.
        s.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 1, len(export)))
        s.sendall(export)
        s.recv(10, socket.MSG_WAITALL)
        for i in range(REQUESTS):
            s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, i, i * 4096,
                                  LENGTH))
        s.recv(1, socket.MSG_WAITALL)


for _ in range(int(sys.argv[3])):
    be_rude(sys.argv[1], sys.argv[2].encode())
