#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sweep-state.bats - a sweep that remembers what it has tried
bats_require_minimum_version 1.5.0

# a_sweep STATE: two points of a restore, always the same.
a_sweep() {
    "$BATS_TEST_DIRNAME/sweep.bash" --seed 1 --op restore --kill 2 --state "$1"
}

@test "what was tried is not tried again, and a first time is not nothing" {
    run -0 a_sweep "$BATS_TEST_TMPDIR/state"
    [[ $output == *"2 points to try"* ]]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/state")" = 2 ]
    run -0 a_sweep "$BATS_TEST_TMPDIR/state"
    [[ $output == *"0 points to try"* ]]
    run -1 a_sweep "$BATS_TEST_TMPDIR/nowhere/state"
}
