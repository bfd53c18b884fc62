#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open pidfds for processes under valgrind (valgrind.c): valgrind-pidfd.py SOCKET

A connection sends a process id, and gets an errno and, if it is 0, a pidfd.
"""

import os
import socket
import struct
import sys


def answer(client):
    try:
        fd = os.pidfd_open(struct.unpack("i", client.recv(4))[0])
    except OSError as e:
        client.send(struct.pack("i", e.errno))
        return
    socket.send_fds(client, [struct.pack("i", 0)], [fd])
    os.close(fd)


def main():
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(sys.argv[1])
    # The programs of a lab run as somebody else.
    os.chmod(sys.argv[1], 0o777)
    server.listen(64)
    while True:
        client, _ = server.accept()
        with client:
            try:
                answer(client)
            except (OSError, struct.error):
                pass


main()
