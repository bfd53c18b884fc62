# SPDX-License-Identifier: LGPL-2.1-or-later
"""measure.py OUT COMMAND...: run it, write "SECONDS KIB" to OUT

The memory is the largest resident set of any process of the command.
"""
import os
import sys
import time

begin = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - begin
with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write(f"{seconds:.4f} {usage.ru_maxrss}\n")
sys.exit(os.waitstatus_to_exitcode(status) != 0)
