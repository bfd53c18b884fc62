# SPDX-License-Identifier: LGPL-2.1-or-later
"""terminal.py ANSWER COMMAND...: run it at a terminal, and answer once.

The answer is typed when the first "password" shows up.  All that the terminal
shows is printed; the exit status is the command's (128 and more: its signal).
"""

import os
import pty
import sys


def main():
    answer, command = sys.argv[1], sys.argv[2:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    shown = b""
    asked = False
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # nobody has it open any more
            break
        if not some:
            break
        shown += some
        if not asked and b"assword of" in shown:
            asked = True
            os.write(terminal, answer.encode() + b"\n")
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


sys.exit(main())
