#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fake-qemu-nbd.py - stands in for qemu-nbd where the kernel has no nbd devices

Only for --connect and --disconnect, as qemu-nbd(8) describes them; everything
else is done by the real one.  A device is attached if the file $LAB/attached.N
is there, N being the last part of its name; it holds the process that serves it
and the arguments.
"""
import os
import signal
import subprocess
import sys

REAL = "/usr/bin/qemu-nbd"


def state(device):
    return "%s/attached.%s" % (os.environ["LAB"], os.path.basename(device))


def argument(name):
    for word in sys.argv[1:]:
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return None


def connect(device):
    uri = sys.argv[-1]
    # The real one opens the image before it touches the device.
    size = subprocess.run(["nbdinfo", "--size", uri], stdout=subprocess.PIPE)
    if size.returncode != 0:
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        with open(state(device), "x") as f:
            f.write("%d %s\n" % (os.getpid(), " ".join(sys.argv[1:])))
    except FileExistsError:
        print("qemu-nbd: Failed to set NBD socket", file=sys.stderr)
        sys.exit(1)
    if "--verbose" not in sys.argv[1:]:
        sys.exit("it would go to the background")
    print("NBD device %s is now connected to %s" % (device, uri),
          file=sys.stderr, flush=True)
    signal.sigwait([signal.SIGTERM])
    # A process that ends takes the device with it, unless it is killed here.
    try:
        os.unlink(state(device))
    except FileNotFoundError:
        pass


def disconnect(device):
    try:
        with open(state(device)) as f:
            pid = int(f.read().split()[0])
        os.unlink(state(device))
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        pass
    print("%s disconnected" % device)


if argument("--connect"):
    connect(argument("--connect"))
elif "--disconnect" in sys.argv[1:-1]:
    disconnect(sys.argv[-1])
else:
    os.execv(REAL, ["qemu-nbd"] + sys.argv[1:])
