#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# coverage.sh - which lines and branches of the programs the tests reach
#
# usage: scripts/coverage.sh BUILD_DIRECTORY [SUITE...]
#
# Runs the suites (unit, virt, cli, faults and interop) in a build of its own that
# counts, and prints what gcovr makes of it; the same to look at is
# BUILD_DIRECTORY/coverage.html.  A few tests fail there, which count system
# calls: writing the counts takes more of them.  Exit status 0: at least 90 % of
# the lines and 80 % of the branches.

set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
[ $# -gt 0 ] || set -- unit virt cli faults interop

scripts/build.sh "$build" -Db_coverage=true -Doptimization=0 || exit 1
# The programs run as other users, too, and all of them write there.
find "$build" -name '*.gcda' -delete
chmod -R a+rwX "$build"
umask 000
suites=
for suite; do
    suites="$suites --suite $suite"
done
list() {
    # shellcheck disable=SC2086
    meson test -C "$build" --list $suites 2>/dev/null | sed -n 's/.* \/ //p'
}

# Not those with another host: sshd wants its directories private.
# shellcheck disable=SC2046
meson test -C "$build" --no-rebuild -t 5 $(list | grep -v '^remote-')
umask 022
# shellcheck disable=SC2046
[ -z "$(list | grep '^remote-')" ] || meson test -C "$build" --no-rebuild -t 5 \
    --logbase remote $(list | grep '^remote-')
gcovr --root . --filter 'common/|backup/|restore/|map/' \
    --object-directory "$build" --exclude-unreachable-branches \
    --exclude-throw-branches --html-details "$build/coverage.html" \
    --sort-percentage --print-summary --fail-under-line 90 \
    --fail-under-branch 80 "$build"
