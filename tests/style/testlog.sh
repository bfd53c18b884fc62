#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# testlog.sh - scripts/testlog.py counts right
#
# usage: testlog.sh SOURCE_ROOT
#
# Whether a change passes hangs on these counts: what failed must never be
# overlooked, and nothing is not success.

set -eu
export LC_ALL=C

root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect STATUS LAST-LINE [ARGUMENT...]: of $work/log
expect() {
    status=$1
    line=$2
    shift 2
    got=0
    "$root/scripts/testlog.py" "$work/log" "$@" >"$work/out" || got=$?
    if [ "$got" != "$status" ] || [ "$(tail -n 1 "$work/out")" != "$line" ]
    then
        echo "expected status $status and '$line', got $got and:"
        cat "$work/out"
        failures=$((failures + 1))
    fi
}

expect 1 '0 passed, 0 failed, 0 skipped'
expect 1 '0 passed, 1 failed, 0 skipped' --failed-builds 1

cat >"$work/log" <<'END'
{"name": "a", "result": "OK", "stdout": "1..2\nok 1 - x\nok 2 - y # SKIP no z"}
{"name": "b", "result": "EXPECTEDFAIL", "stdout": ""}
{"name": "c", "result": "SKIP", "stdout": "1..0 # SKIP no guest"}
END
expect 0 '2 passed, 0 failed, 1 skipped' --status 0
grep -q '^Skipped in a: y: no z$' "$work/out"
grep -q '^Skipped: c: no guest$' "$work/out"
expect 1 '2 passed, 1 failed, 1 skipped' --status 1
expect 1 '2 passed, 1 failed, 1 skipped' --failed-builds 1

for result in FAIL ERROR TIMEOUT INTERRUPT UNEXPECTEDPASS PENDING; do
    cat >"$work/log" <<END
{"name": "a", "result": "OK"}
{"name": "b", "result": "$result"}
END
    expect 1 '1 passed, 1 failed, 0 skipped' --status 1
    grep -q "^Failed: b: $result\$" "$work/out"
done

# The end of the log is all that one may see: it says why.
cat >"$work/log" <<'END'
{"name": "a", "result": "OK"}
{"name": "b", "result": "ERROR", "stdout": "ok 1 x\n# y is 3\nnot ok 2 y\n"}
END
expect 1 '1 passed, 1 failed, 0 skipped' --status 1
grep -q '^    # y is 3$' "$work/out"
grep -q '^    not ok 2 y$' "$work/out"
if grep -q 'ok 1 x' "$work/out"; then failures=$((failures + 1)); fi

# meson died while it wrote the second line.
printf '{"name": "a", "result": "OK"}\n{"name": "b", "resu' >"$work/log"
expect 1 '1 passed, 1 failed, 0 skipped'

printf '{"name": "a", "result": "SKIP"}\n' >"$work/log"
expect 1 '0 passed, 0 failed, 1 skipped'

[ $failures = 0 ]
