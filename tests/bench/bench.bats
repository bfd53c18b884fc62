#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# bench.bats - that the benchmarks run, and that their arithmetic is right
#
# No figure is judged here.

setup() {
    T=$(mktemp -d)
    chmod 711 "$T"
    HERE=$BATS_TEST_DIRNAME
}

teardown() {
    rm -rf "$T"
}

# result SCENARIO ROUND NAME VALUE UNIT [PEAK [BYTES]]
result() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" \
        "${6:-}" "${7:-}" >>"$T/results"
}

@test "ratios are formed inside a round, and held against the goals" {
    # A machine that is half as fast in the second round, and a lucky third.
    result s 1 ours 2 s 2048 4000000
    result s 1 peer 10 s
    result s 2 ours 4 s 4096 4000000
    result s 2 peer 20 s
    result s 3 ours 4 s 1024 4000000
    result s 3 peer 8 s
    printf '%s\n' 'peer / ours >= 5' 'ours / max(peer, ours) <= 0.1' \
        'nobody / ours >= 1' >"$T/goals.s"
    echo "what it is" >"$T/about.s"
    run python3 "$HERE/report.py" "$T" "$T/out.json" s
    [ "$status" -eq 0 ]
    grep -F 'reached  peer / ours >= 5: 5.00' <<<"$output"
    grep -F 'missed   ours / max(peer, ours) <= 0.1: 0.20' <<<"$output"
    [[ $output != *nobody* ]]
    [ "$(jq '.scenarios.s.contenders.ours | .median, .peak, .mb_per_s' \
        "$T/out.json" | xargs)" = "4 4096 1" ]
}

@test "a scenario runs all its contenders in every round" {
    command -v nbdcopy >/dev/null || skip "nbdcopy is not installed"
    mkdir "$T/build" "$T/build/backup" "$T/build/restore" "$T/build/map"
    ln -s "$BACKUP" "$T/build/backup/virtnbdbackup"
    ln -s "$RESTORE" "$T/build/restore/virtnbdrestore"
    ln -s "$RESTORE" "$T/build/map/virtnbdmap"
    ROUNDS=2 GIB=0.03125 FAST=$T JSON=$T/out.json TARGET=$T \
        "$HERE/bench.bash" "$T/build" full
    [ "$(jq '.scenarios.full.contenders | .ours, .read, .write |
        .values | length' "$T/out.json" | xargs)" = "2 2 2" ]
    [ "$(jq '.scenarios.full.contenders.ours | .median > 0 and
        .peak > 1024 and .bytes > 10000000' "$T/out.json")" = true ]
    # Nothing is left.
    ! compgen -G "$T/vnb-bench.*"
}

@test "a scenario that is not there" {
    run "$HERE/bench.bash" "$T" nonsense
    [ "$status" -eq 1 ]
    grep "no scenario 'nonsense'" <<<"$output"
}
