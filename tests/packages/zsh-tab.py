#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# zsh-tab.py - what zsh makes of a command line when somebody presses tab
#
# usage: zsh-tab.py LINE
#
# A zsh with a terminal of its own; the completion is _virtnbdbackup in the
# directory LAB/bin.  Behind the tab, a key is pressed that writes the line into
# a file.

import os
import pty
import select
import sys
import tempfile

DEADLINE = 60  # seconds without a word from zsh

work = tempfile.mkdtemp()
result = os.path.join(work, 'line')
with open(os.path.join(work, '.zshrc'), 'w', encoding='utf-8') as rc:
    rc.write(f'''
        fpath=({os.environ['LAB']}/bin $fpath)
        autoload -Uz compinit
        compinit -u -D
        setopt no_beep
        tell() {{ print -r -- "$BUFFER" >{result}; exit }}
        zle -N tell
        bindkey '^T' tell
        PS1='ready> '
    ''')

pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(ZDOTDIR=work, TERM='dumb')
    os.execvp('zsh', ['zsh', '-d', '-i'])

seen = b''
sent = False
while True:
    ready, _, _ = select.select([terminal], [], [], DEADLINE)
    if not ready:
        sys.exit(f'zsh says nothing more: {seen!r}')
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if not sent and b'ready> ' in seen:
        sent = True
        # The line editor takes keys in order, the next one when a completion
        # is complete.
        os.write(terminal, sys.argv[1].encode() + b'\t\x14')
os.waitpid(pid, 0)
with open(result, encoding='utf-8') as file:
    print(file.read().strip('\n').rstrip(' '))
os.unlink(result)
os.unlink(os.path.join(work, '.zshrc'))
os.rmdir(work)
