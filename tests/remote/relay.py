# SPDX-License-Identifier: LGPL-2.1-or-later
"""relay.py - a link between two hosts, longer than it is

usage: relay.py LISTEN_PORT HOST PORT MODE

Passes on what one client and the server say, each byte DELAY seconds late
(MODE is a number of seconds), or counts what is under way (MODE is "count"):
once the server has sent 16 MiB nothing of its is passed on for as long as more
comes; when for a second nothing has come, the number of bytes that are held is
printed, and all goes on.  What comes then had been asked for without waiting for
an answer: no clock decides the number.
"""
import collections
import select
import socket
import sys
import time

HOLD_AFTER = 16 << 20
QUIET = 1.0


class Way:
    """One direction: bytes, and when they are to be passed on."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.queue = collections.deque()
        self.held = 0
        self.ended = False


def main():
    port, host, to, mode = sys.argv[1:5]
    delay = 0.0 if mode == "count" else float(mode)
    listener = socket.create_server(("", int(port)))
    print("ready", flush=True)
    client, _ = listener.accept()
    server = socket.create_connection((host, int(to)))
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    up, down = Way(client, server), Way(server, client)
    sent, counting, last = 0, mode == "count", time.monotonic()
    while not (up.ended and down.ended and not up.queue and not down.queue):
        now = time.monotonic()
        holding = counting and sent >= HOLD_AFTER
        if holding and now - last >= QUIET:
            print("held", down.held, flush=True)
            counting = holding = False
        wait = QUIET if holding else 0.5
        for way in (up, down):
            if way.queue and not (way is down and holding):
                wait = min(wait, max(way.queue[0][0] - now, 0))
        ready, _, _ = select.select(
            [w.source for w in (up, down) if not w.ended], [], [], wait)
        now = time.monotonic()
        for way in (up, down):
            if way.source in ready:
                data = way.source.recv(1 << 18)
                way.ended = not data
                if data:
                    way.queue.append((now + delay, data))
                    way.held += len(data)
                if way is down:
                    last = now
            while way.queue and way.queue[0][0] <= now and not (
                    way is down and holding):
                data = way.queue.popleft()[1]
                way.held -= len(data)
                if way is down:
                    sent += len(data)
                try:
                    way.sink.sendall(data)
                except OSError:
                    return
            if way.ended and not way.queue:
                try:
                    way.sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass


main()
