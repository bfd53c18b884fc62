#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# valgrind.sh - the tests under valgrind: memory that was never written, is read
# or written where it is not, or is lost
#
# usage: scripts/valgrind.sh BUILD_DIRECTORY
#
# The unit tests of a build without sanitizers (but a few that it cannot run), then
# some backups and restores, end to end.  Exit status 0: the tests
# pass, and valgrind had nothing to say, be it of the programs or of the guardians
# that they start.

set -u
cd "$(dirname "$0")/.." || exit 1
build=$(cd "$1" && pwd) || exit 64
work=$build/valgrind
failed=0

rm -rf "$work"
mkdir "$work" "$work/log"
# The programs of a lab run as somebody else.
chmod 777 "$work/log"
cc -shared -fPIC -D_GNU_SOURCE -O1 -Wall -Wextra -o "$work/valgrind.so" \
    tests/lib/valgrind.c || exit 1
VALGRIND_PIDFD=$work/pidfd
tests/lib/valgrind-pidfd.py "$VALGRIND_PIDFD" &
opener=$!
trap 'kill $opener' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

VALGRIND_OPTS="--quiet --error-exitcode=99 --leak-check=full
    --errors-for-leak-kinds=definite --show-leak-kinds=definite
    --child-silent-after-fork=yes
    --suppressions=$PWD/tests/lib/valgrind.supp --log-file=$work/log/%p"
# On one line.
# shellcheck disable=SC2086,SC2116
VALGRIND_OPTS=$(echo $VALGRIND_OPTS)
variables="VALGRIND_OPTS='$VALGRIND_OPTS' VALGRIND_PIDFD='$VALGRIND_PIDFD'"

# wrap FILE COMMAND: a script that runs it with its arguments
wrap() {
    printf '#!/bin/sh\nexport %s\nexec valgrind %s "$@"\n' \
        "$variables LD_PRELOAD='$work/valgrind.so'" "$2" >"$1"
    chmod 755 "$1"
}

wrap "$work/run" ''
wrap "$work/virtnbdbackup" "$build/backup/virtnbdbackup"
wrap "$work/virtnbdrestore" "$build/restore/virtnbdrestore"

# One has a malloc of its own, one looks at what openat2 refuses, one at descriptors,
# among which are those of valgrind, two execute /proc/self/exe from a fork.
unfit='allocations|file|guardian|guardian-wire|zip-faults'
# As many mutations as are done in a minute.
MUTATIONS=100
export MUTATIONS
# Words: names of tests.
# shellcheck disable=SC2046
meson test -C "$build" --no-rebuild --print-errorlogs -t 20 \
    --wrapper "$work/run" \
    $(meson test -C "$build" --list --suite unit 2>/dev/null |
        sed -n 's/.* \/ //p' | grep -vxE "$unfit") || failed=1
# Fulls, increments, restores, and one that is stopped and undone.  (strace, by which
# other tests kill at a place of their choice, does not see the places.)
some='each point is exact|the same, compressed|auto: full|SIGTERM in an increment'
BACKUP=$work/virtnbdbackup RESTORE=$work/virtnbdrestore \
    bats -f "$some" tests/backup/increments.bats || failed=1

# Lines with "--" tell of system calls that it does not know; the programs have
# other ways.
if grep -rh '^==' "$work/log"; then
    failed=1
fi
exit $failed
