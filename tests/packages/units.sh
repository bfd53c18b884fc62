#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# units.sh - systemd understands the units, and how far the service is confined
#
# usage: units.sh BUILT-DIRECTORY SOURCE-DIRECTORY
#
# BUILT-DIRECTORY is that of packaging/ in the build, SOURCE-DIRECTORY this one.

set -eu
export LC_ALL=C

if ! command -v systemd-analyze >/dev/null; then
    echo "systemd-analyze is not installed"
    exit 77
fi
built=$1
source=$2/../../packaging/systemd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The programs of a unit have to be there for its verification.
sed "s,^\(Exec[A-Za-z]*=\)[^ ]*/scheduled,\1/bin/true," \
    "$built/virtnbdbackup@.service" >"$work/virtnbdbackup@.service"
cp "$source"/virtnbdbackup* "$work"
rm "$work"/*.in
mkdir "$work/root"
sed -i 's,=/etc/virtnbdbackup/failed %i,=/bin/true %i,' \
    "$work/virtnbdbackup-failed@.service"
for unit in virtnbdbackup@vm1.service virtnbdbackup@vm1.timer \
    virtnbdbackup-failed@vm1.service virtnbdbackup.slice; do
    if ! SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no \
        --recursive-errors=no "$unit" >"$work/out" 2>&1 || [ -s "$work/out" ]
    then
        echo "$unit:"
        cat "$work/out"
        exit 1
    fi
done

# exposure FILE: times ten, as a whole number
exposure() {
    systemd-analyze security --offline=true --no-pager "$1" |
        sed -n 's/^.*Overall exposure level for .*: \([0-9]*\)\.\([0-9]\) .*/\1\2/p'
}
level=$(exposure "$work/virtnbdbackup@.service")
echo "exposure of the service, times ten: ${level:-unknown}"
[ -n "$level" ] && [ "$level" -lt 20 ]
