#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# commands.py - the commands that a document tells its readers to type
#
# usage: commands.py FILE.pod|FILE.md [SECTION] >SCRIPT
#
# Those of indented blocks (of a POD: of its whole, or of the section with that
# heading) and of fenced ones, in order, as a script of bash.  Of a line of a
# crontab the command is taken.  Left out are, besides blocks that are no
# commands, the few that LEFT_OUT names, each with its reason.

import re
import sys

# Blocks that begin so are files, tables or output.
NO_COMMANDS = re.compile(
    r'\[|<|include |nbd\+unix:|nbds?:|#!|virtnbdbackup\.\d|option|full  ')

LEFT_OUT = [
    (r'make\b|git clone|cd virtnbdbackup|meson\b|ninja\b',
     'building it is what make check does'),
    (r'apt-get install|dnf install', 'the packages are installed already'),
    (r'.*(qemu-system-x86_64|--owner|virsh (at|de)tach-device)',
     'tests/map/people.bats does that'),
    (r'modprobe\b|.*/dev/nbd\d', 'the kernel here has no nbd'),
    (r'.*guestfish', 'tests/map/people.bats does that'),
    (r'export LIBGUESTFS', 'tests/map/people.bats does that'),
    (r'.*(mount|umount) .*/mnt/files', 'tests/map/fuse.bats does that'),
    (r'.*192\.0\.2\.', 'no such address here; tests/map/places.bats'),
    (r'.*qemu\+ssh://', 'no second host here; tests/remote/'),
    (r'podman\b|docker\b', 'no containers here'),
]


def blocks(path, section):
    """The blocks of the file, each a list of lines without its margin."""
    with open(path, encoding='utf-8') as file:
        lines = file.read().split('\n')
    inside = section is None
    fenced = False
    block = []
    for line in lines + ['']:
        heading = re.match(r'(?:=head1|##?) +(.*)', line)
        if heading and not fenced and section is not None:
            inside = heading.group(1) == section
        if line.startswith('```'):
            fenced = not fenced
            line = ''
        code = fenced or line.startswith('    ')
        if code and inside:
            block.append(line if fenced else line[4:])
        elif line == '' and not fenced:
            if block:
                yield block
            block = []


def commands(block):
    """The commands of a block, each with its continuations."""
    command = []
    end = None
    for line in block:
        command.append(line)
        if end:
            if line == end:
                end = None
            else:
                continue
        here = re.search(r"<<'?(\w+)'?", line)
        if here and len(command) == 1:
            end = here.group(1)
            continue
        text = '\n'.join(command)
        if line.endswith(('\\', '|', '&&', '||')):
            continue
        # An open quotation goes on.
        if len(re.findall(r"(?<!\\)'", re.sub(r'#.*$', '', text))) % 2:
            continue
        yield text
        command = []
    if command:
        yield '\n'.join(command)


def main():
    section = sys.argv[2] if len(sys.argv) > 2 else None
    for block in blocks(sys.argv[1], section):
        if NO_COMMANDS.match(block[0]):
            continue
        for command in commands(block):
            cron = re.match(r'(?:[\d*/,-]+ +){5}(.*)', command, re.S)
            if cron:
                command = cron.group(1).replace('\\%', '%')
            if command in ('', '...'):
                continue
            for pattern, reason in LEFT_OUT:
                if re.match(pattern, command, re.S):
                    print(f'# left out ({reason}):')
                    command = re.sub('(?m)^', '# ', command)
                    break
            print(command)


main()
