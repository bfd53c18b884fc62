#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# looks.bats - list and verify: what they say of a set, and of damage in it
bats_require_minimum_version 1.5.0

# The set of maker.h: points virtnbdbackup.0, .1, diff.1700000000 and .2 of the
# disks vda, vdb, and a raw vdc in the first.
setup() {
    command -v qemu-img >/dev/null || skip "qemu-img is not installed"
    T=$(mktemp -d /tmp/looks.XXXXXX)
    "$MAKE_SET" "$T/s" 1
}

teardown() {
    rm -rf "${T:?}"
}

restore() {
    "$RESTORE" -L "$T/log" -i "$T/s" "$@"
}

list() {
    restore -a list --json "$@" 2>/dev/null
}

# damage FILE OFFSET: change a byte.
damage() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$T/s/$1")
    # shellcheck disable=SC2059
    printf "$(printf '\\%03o' $((byte ^ 4)))" |
        dd of="$T/s/$1" bs=1 seek="$2" conv=notrunc status=none
}

# record FILE KIND: disk offset, length and file offset of the first record of
# an index of that kind (1 data, 2 zero).
record() {
    od -An -v -tu8 -w64 -j 64 "$T/s/$1" |
        awk -v k="$2" '($5 % 256) == k { print $1, $2, $3; exit }'
}

@test "the list for people" {
    run -0 restore -a list
    echo "$output"
    [[ $output == *"POINT"*"TIME (UTC)"*"LEVEL"*"SIZE"*"RESTORE"*"DISKS"* ]]
    [[ $output =~ virtnbdbackup\.0\ +2026-01-02T03:04:05Z\ +full\ +[0-9.]+\ KiB\ +yes\ +vda\ vdb\ vdc ]]
    [[ $output =~ diff\.1700000000\ +2026-01-02T03:04:05Z\ +diff\ +[0-9.]+\ .*yes\ +vda\ vdb ]]
    [ "$(restore -o list -u virtnbdbackup.1 2>/dev/null | grep -c yes)" = 2 ]
    [[ $(restore -o list -d vdb 2>/dev/null) != *vda* ]]
}

@test "the list for programs" {
    list >"$T/list"
    jq -e '.domain == "vm one ä" and .chain and (.faults | length == 0)' \
        "$T/list"
    jq -e '[.points[].name] == ["virtnbdbackup.0", "virtnbdbackup.1",
        "diff.1700000000", "virtnbdbackup.2"]' "$T/list"
    jq -e 'all(.points[]; .restorable and .manifest and
        .time == "2026-01-02T03:04:05Z" and (.faults | length == 0))' "$T/list"
    jq -e '.points[0].disks[2] | .target == "vdc" and .raw and
        .format == "raw" and .virtualSize == 9000 and .file == "vdc.full.data"
        and .fileSize == 9000' "$T/list"
    jq -e '.points[3] | .level == "inc" and .disks[1].level == "full"' \
        "$T/list"
    list -d vda -u 1 | jq -e '(.points | length == 2) and
        all(.points[]; .disks | length == 1)'
    run -64 restore -o verify --json
}

@test "the list tells which points cannot be restored, and why" {
    local status=0
    rm "$T/s/vda.inc.virtnbdbackup.1.data"
    list >"$T/list" || status=$?
    [ $status = 3 ]
    jq -e '[.points[].restorable] == [true, false, false, false]' "$T/list"
    jq -e 'all(.points[1:][].faults[]; test("vda.inc.virtnbdbackup.1.data"))' \
        "$T/list"
    run -3 restore -a list
    echo "$output"
    [ "$(grep -c '  NO  ' <<<"$output")" = 3 ]
    [[ $output == *"3 of 4 points cannot be restored"* ]]
    # The second disk does not need it, and is whole in the last point.
    list -d vdb | jq -e 'all(.points[]; .restorable)'
    damage vdb.inc.virtnbdbackup.1.index 100
    run -3 restore -a list -d vdb --json
    list -d vdb >"$T/list" || true
    jq -e '[.points[].restorable] == [true, false, false, true]' "$T/list"
}

@test "the list tells what else the directory holds" {
    cp "$T/s/vda.full.data" "$T/s/vdz.full.data"
    run -3 restore -a list
    [[ $output == *"In the directory:"*vdz.full.data* ]]
    list >"$T/list" || true
    jq -e '.faults | length == 1' "$T/list"
    rm "$T/s/vdz.full.data" "$T/s/manifest.virtnbdbackup.2.json"
    list >"$T/list" || true
    jq -e '(.points | length == 3) and (.faults | length > 0)' "$T/list"
}

@test "verify names the damaged ranges, and the points that lose them" {
    local offset length at
    read -r offset length at < <(record vda.full.index 1)
    damage vda.full.data $((at + 20))
    run -3 restore -o verify
    echo "$output"
    [[ $output == *"'vda.full.data': damaged ranges of disk vda: $length bytes at $offset"* ]]
    [[ $output == *"point 'virtnbdbackup.0', disk vda: cannot be restored"*"$length bytes at $offset"* ]]
    [[ $output != *"point 'virtnbdbackup.0', disk vdb"* ]]
    [[ $output == *"1 fault found"* ]]
    # What it says of the other points is what a restore finds.
    local point
    for point in virtnbdbackup.1 diff.1700000000 virtnbdbackup.2; do
        if grep -q "'$point', disk vda: cannot be restored" <<<"$output"; then
            run ! restore -o "$T/r" -u $point
        else
            grep -q "'$point', disk vda: newer data hides" <<<"$output"
            restore -o "$T/r" -u $point 2>/dev/null
            rm -r "$T/r"
        fi
        run -3 restore -o verify
    done
}

@test "verify goes on behind the first damage of a file" {
    local size
    size=$(stat -c %s "$T/s/vda.full.data")
    damage vda.full.data $((size / 3))
    damage vda.full.data $((size * 2 / 3))
    damage vdb.full.data 700
    echo x >>"$T/s/vmconfig.virtnbdbackup.0.xml"
    rm "$T/s/vda.diff.1700000000.data"
    run -3 restore -o verify
    echo "$output"
    [[ $output == *"'vda.full.data': damaged ranges"* ]]
    [[ $output == *vdb.full.data* ]]
    [[ $output == *vmconfig.virtnbdbackup.0.xml* ]]
    [[ $output == *"'diff.1700000000' cannot be restored: disk 'vda'"*"is missing"* ]]
    [[ $output == *"point 'diff.1700000000', disk vdb: "* ]]
    [[ $output =~ ([0-9]+)\ faults ]]
    [ "${BASH_REMATCH[1]}" -ge 5 ]
}

@test "verify finds data where the index says zeroes" {
    local offset length at
    read -r offset length at < <(record vdc.full.index 2)
    damage vdc.full.data $((at + 10))
    run -3 restore -o verify
    echo "$output"
    [[ $output == *"'vdc.full.data' holds data where"* ]]
}

@test "verify names files that do not belong there" {
    run -0 restore -o verify
    [[ $output != *WARNING* ]]
    touch "$T/s/notes.txt" "$T/s/checkpoints/other.xml" \
        "$T/s/vmconfig.xml.new-0123456789abcdef"
    run -0 restore -o verify
    echo "$output"
    [[ $output == *"'notes.txt' is no part of the backup"* ]]
    [[ $output == *"'checkpoints/other.xml' is no part of the backup"* ]]
    [[ $output == *"'vmconfig.xml.new-0123456789abcdef' was left by a run"* ]]
    rm "$T/s/checkpoints/virtnbdbackup.1.xml"
    run -3 restore -o verify
    [[ $output == *"checkpoints/virtnbdbackup.1.xml"* ]]
}

@test "a sample: the same for the same number, all of it after some" {
    local n found=0 seen offset length at
    read -r offset length at < <(record vda.full.index 1)
    damage vda.full.data $((at + 20))
    for ((n = 100; n < 105; n++)); do
        seen=
        restore -o verify --sample 20% --seed $n 2>"$T/err" || seen=1
        grep -q "number $n (--seed $n" "$T/err"
        if [ -n "$seen" ]; then
            found=$((found + 1))
            run -3 restore -o verify --sample 20 --seed $n
        fi
    done
    [ $found = 1 ]
    run restore -o verify --sample 5%
    [[ $output == *"number $(($(date +%s) / 86400)) "* ]]
    run -3 restore -o verify --sample 100%
    # What is not data is always looked at.
    rm "$T/s/vdb.inc.virtnbdbackup.1.index"
    run -3 restore -o verify --sample 0.0001% --seed 1
    local wrong
    for wrong in 0 101 x 5%% -1 ''; do
        run -64 restore -o verify --sample="$wrong"
    done
    run -64 restore -o verify --seed 1
    run -64 restore -o list --sample 5%
}

@test "-B is accepted and changes nothing" {
    restore -o verify -B 1
    restore -o verify --buffsize=1048576
    run -64 restore -o verify -B 0
}

@test "file times decide nothing, and nothing needs to be writable" {
    local file
    for file in "$T"/s/*; do
        touch -d "@$((RANDOM * 30000))" "$file"
    done
    chmod -R a-w "$T/s"
    restore -o verify
    restore -o "$T/r"
    qemu-img convert -O raw "$T/r/a.qcow2" "$T/raw"
    cmp "$T/raw" "$T/s.virtnbdbackup.2.vda"
    chmod -R u+w "$T/s"
}

@test "several restores into one directory at a time: one wins" {
    local n won=0 pids=()
    for n in 1 2 3 4; do
        restore -o "$T/r" 2>"$T/err.$n" &
        pids+=($!)
    done
    for n in "${pids[@]}"; do
        if wait "$n"; then won=$((won + 1)); fi
    done
    [ $won = 1 ]
    [ "$(ls -A "$T/r" | wc -l)" = 4 ]
    qemu-img convert -O raw "$T/r/b.qcow2" "$T/raw"
    cmp "$T/raw" "$T/s.virtnbdbackup.2.vdb"
}
