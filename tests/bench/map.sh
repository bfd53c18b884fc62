#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# map.sh - how fast a mapped chain answers: a full and 30 compressed increments
#
# usage: map.sh BUILD_DIRECTORY [GIB [SECONDS]]
#
# Prints, for a disk of 8 GiB (GIB), the median of five starts: from the start of
# nbdkit to the first byte; random reads of 4 KiB a second, one after the other;
# and all of the disk in order. Data and frames are warm in the page cache.

set -eu
build=$1
gib=${2:-8}
seconds=${3:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/vnb-bench.XXXXXX")
trap 'rm -rf "${work:?}"' EXIT
mkdir "$work/set"
"$build/tests/map/map-make-set" "$work/set" "$gib" 30 10

# serve COMMAND: with the chain at $uri.
serve() {
    nbdkit -U - -f "$build/map/virtnbdmap-plugin.so" "$work/set" --run "$1"
}

milliseconds() {
    date +%s%3N
}

median() {
    sort -n | sed -n 3p
}

for run in 1 2 3 4 5; do
    begin=$(milliseconds)
    serve "$build/tests/bench/random-read \"\$uri\" 4096 0" >/dev/null
    echo $(($(milliseconds) - begin))
done | median >"$work/start"
serve "$build/tests/bench/random-read \"\$uri\" 4096 $seconds" >"$work/reads"
begin=$(milliseconds)
serve "nbdcopy \"\$uri\" null:"
took=$(($(milliseconds) - begin))
printf '%-44s %8s ms\n' "start to first byte (full and 30 increments)" \
    "$(cat "$work/start")"
printf '%-44s %8s\n' "random reads of 4 KiB a second, one client" \
    "$(cut -d' ' -f2 "$work/reads")"
printf '%-44s %8s MiB/s\n' "in order, nbdcopy to nowhere" \
    $((gib * 1024 * 1000 / took))
