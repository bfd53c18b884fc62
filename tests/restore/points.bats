#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# points.bats - choosing a point with -u, and sets in which something is missing
# or not in its place: refused, or right
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# A full and two increments whose files have the same size.
three_points() {
    lab_domain vm1 vda=a.qcow2,size=8M
    local n what=full
    for n in 0 1 2; do
        lab_write vm1 vda 0x1$n "${n}M" 512K
        lab_write_zeroes vm1 vda "$((n * 64))K" 32K
        remember $n
        backup -d vm1 -l $what -o "$T/b"
        what=inc
    done
    INC=vda.inc.virtnbdbackup
}

# Times of points have seconds: one each.
next_second() {
    local now=$EPOCHSECONDS
    while [ "$EPOCHSECONDS" = "$now" ]; do :; done
}

@test "-u takes names and numbers; the configuration is that of the point" {
    three_points
    local n
    for n in 0 1 2; do
        restores "$T/b" $n -u virtnbdbackup.$n
        restores "$T/b" $n -u $n
        restore -i "$T/b" -o "$T/r" --until=$n
        cmp "$T/b/vmconfig.virtnbdbackup.$n.xml" "$T/r/vmconfig.xml"
        rm -rf "$T/r"
    done
    restores "$T/b" 2
}

@test "-u takes times in UTC" {
    lab_domain vm1 vda=a.qcow2,size=2M
    local n what=full at
    for n in 0 1 2; do
        lab_write vm1 vda 0x1$n "${n}K" 4K
        remember $n
        next_second
        backup -d vm1 -l $what -o "$T/b"
        what=inc
        next_second
        at[n]=$(date -u +%FT%TZ)
    done
    jq -r .time "$T"/b/manifest.*
    for n in 0 1 2; do
        restores "$T/b" $n -u "${at[n]}"
        restores "$T/b" $n -u "$(tr T ' ' <<<"${at[n]%Z}")"
    done
    restores "$T/b" 1 -u "$(jq -r .time "$T/b/manifest.virtnbdbackup.1.json")"
    restores "$T/b" 2 -u "$(date -u +%F)"
    refused "$T/b" 1 "'virtnbdbackup.0' (20" -u 2020-01-01
}

@test "-u and a differential, with its configuration" {
    three_points
    lab_write vm1 vda 0x55 4M 64K
    remember 3
    backup -d vm1 -l diff -o "$T/b"
    diff=$(names "$T/b" | cut -d' ' -f4)
    lab_write vm1 vda 0x66 5M 64K
    remember 4
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 3 -u "$diff"
    restores "$T/b" 3 -u "${diff#diff.}"
    run -0 restore -i "$T/b" -o "$T/r" -u "$diff"
    [[ $output != *WARNING* ]]
    cmp "$T/b/vmconfig.$diff.xml" "$T/r/vmconfig.xml"
    restores "$T/b" 4
}

@test "-u with what is not there: what is there is listed" {
    three_points
    refused "$T/b" 1 "'virtnbdbackup.0'" -u virtnbdbackup.3
    refused "$T/b" 1 "'virtnbdbackup.2'" -u 3
    refused "$T/b" 1 "'virtnbdbackup.1'" -u yesterday
    refused "$T/b" 1 "no point ''" -u ''
    [ ! -e "$T/r" ]
}

@test "dump and verify up to a point" {
    three_points
    lab_write vm1 vda 0x77 3M 64K
    [ "$(restore -i "$T/b" -o dump -u 1 2>/dev/null | jq length)" = 2 ]
    [ "$(restore -i "$T/b" -o dump 2>/dev/null | jq length)" = 3 ]
    printf x | dd of="$T/b/$INC.2.data" bs=1 seek=900 conv=notrunc status=none
    run -3 restore -i "$T/b" -o verify
    [[ $output == *"$INC.2.data"* ]]
    run -0 restore -i "$T/b" -o verify -u 1
    [[ $output == *"2 files verified"* ]]
    refused "$T/b" 3 "$INC.2"
    restores "$T/b" 1 -u virtnbdbackup.1
}

# covers: F3:CRV G3:R
@test "a missing increment is refused, with all that belongs to it too" {
    three_points
    mv "$T/b/$INC.1.data" "$T/away"
    refused "$T/b" 3 "$INC.1.data"
    run -3 restore -i "$T/b" -o verify
    restores "$T/b" 0 -u virtnbdbackup.0
    mv "$T/away" "$T/b/$INC.1.data"
    restores "$T/b" 2
    rm "$T/b"/*virtnbdbackup.1.*
    refused "$T/b" 3 "number 1"
    refused "$T/b" 3 "number 1" -u virtnbdbackup.2
    run -3 restore -i "$T/b" -o verify
    restores "$T/b" 0 -u virtnbdbackup.0
    # Nor can it be continued.
    run -3 backup -d vm1 -l inc -o "$T/b"
    [ "$(ls "$T"/b/*.data | wc -l)" = 2 ]
}

# covers: F4:R F3:RV
@test "swapped files are refused" {
    three_points
    [ "$(stat -c %s "$T/b/$INC.1.data")" = "$(stat -c %s "$T/b/$INC.2.data")" ]
    swap() {
        mv "$T/b/$1" "$T/swap"
        mv "$T/b/$2" "$T/b/$1"
        mv "$T/swap" "$T/b/$2"
    }
    swap $INC.1.data $INC.2.data
    refused "$T/b" 3 "$INC"
    run -3 restore -i "$T/b" -o verify
    swap $INC.1.index $INC.2.index
    refused "$T/b" 3 "$INC"
    swap manifest.virtnbdbackup.1.json manifest.virtnbdbackup.2.json
    refused "$T/b" 3 "manifest.virtnbdbackup"
    swap manifest.virtnbdbackup.1.json manifest.virtnbdbackup.2.json
    swap $INC.1.index $INC.2.index
    swap $INC.1.data $INC.2.data
    restores "$T/b" 2
}

@test "the file of an older attempt, of the same size, is refused" {
    three_points
    cp "$T/b/$INC.2.data" "$T/old"
    lab_run cp -r "$T/b" "$T/before"
    rm -rf "$T/b"
    lab_virsh checkpoint-delete vm1 virtnbdbackup.2
    lab_virsh checkpoint-delete vm1 virtnbdbackup.1
    lab_virsh checkpoint-delete vm1 virtnbdbackup.0
    backup -d vm1 -l full -o "$T/b"
    backup -d vm1 -l inc -o "$T/b"
    lab_write vm1 vda 0x99 2M 512K
    lab_write_zeroes vm1 vda 128K 32K
    backup -d vm1 -l inc -o "$T/b"
    [ "$(stat -c %s "$T/b/$INC.2.data")" = "$(stat -c %s "$T/old")" ]
    cat "$T/old" >"$T/b/$INC.2.data"
    refused "$T/b" 3 "$INC.2.data"
    restores "$T/before" 2
}

# covers: B7:RV F3:CRV
@test "the newest manifest is deleted: refused, but for -u" {
    three_points
    local between
    rm "$T/b/manifest.virtnbdbackup.2.json"
    refused "$T/b" 3 "$INC.2.data"
    run -3 restore -i "$T/b" -o verify
    refused "$T/b" 1 "'virtnbdbackup.1'" -u virtnbdbackup.2
    run -0 restore -i "$T/b" -o verify -u 1
    restores "$T/b" 1 -u virtnbdbackup.1
    restores "$T/b" 1 -u 1
    restores "$T/b" 0 -u 0
    # A time must not quietly mean the one before.
    refused "$T/b" 3 "by its name, 'virtnbdbackup.1'" -u "$(date -u +%FT%TZ)"
    run -1 backup -d vm1 -l inc -o "$T/b"
    [[ $output == *"$INC.2.data"* ]]
}

# covers: F1:R
@test "the newest manifest is damaged: refused, but for -u" {
    three_points
    truncate -s -10 "$T/b/manifest.virtnbdbackup.2.json"
    refused "$T/b" 3 manifest.virtnbdbackup.2.json
    refused "$T/b" 3 manifest.virtnbdbackup.2.json -u virtnbdbackup.2
    restores "$T/b" 1 -u virtnbdbackup.1
    restores "$T/b" 0 -u 0
}

# covers: F4:R D9:R
@test "file times decide nothing" {
    three_points
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    RANDOM=$SEED
    local file
    for file in "$T"/b/* "$T"/b/checkpoints/*; do
        touch -d "@$((RANDOM * 30000))" "$file"
    done
    touch -d "2001-01-01" "$T/b/$INC.2.data"
    touch -d "2030-01-01" "$T/b/vda.full.data"
    restores "$T/b" 2
    restores "$T/b" 1 -u 1
    lab_write_zeroes vm1 vda 1M 64K
    remember 3
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 3
}

# covers: F20:RV
@test "vda beside vdaa" {
    lab_domain vm1 vda=a.qcow2,size=4M vdaa=aa.qcow2,size=4M
    lab_write vm1 vda 0x11 0 1M
    lab_write vm1 vdaa 0x22 0 1M
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x33 512K 64K
    lab_write vm1 vdaa 0x44 256K 64K
    remember 1 vda vdaa
    backup -d vm1 -l inc -o "$T/b"
    touch -d "2030-01-01" "$T"/b/vdaa.*
    restores "$T/b" 1
    restore -i "$T/b" -o verify
    restore -i "$T/b" -o "$T/r" -d vda
    [ ! -e "$T/r/aa.qcow2" ]
    same "$T/r/a.qcow2" "$T/truth.1.vda"
    [ "$(restore -i "$T/b" -o dump -d vda 2>/dev/null | jq length)" = 2 ]
}

@test "a copy of the directory under another name, and one that is read-only" {
    three_points
    lab_run cp -r "$T/b" "$T/copy of it"
    rm -rf "$T/b"
    restores "$T/copy of it" 2
    restores "$T/copy of it" 1 -u 1
    chmod -R a-w "$T/copy of it"
    restores "$T/copy of it" 2
    restore -i "$T/copy of it" -o verify
    chmod -R u+w "$T/copy of it"
}

# covers: A9:R
@test "files of another set in between are refused" {
    three_points
    backup -d vm1 -l full --chain other -o "$T/c"
    lab_run cp "$T"/c/manifest.virtnbdbackup.other.0.json "$T/b/"
    refused "$T/b" 3 "two chains"
    rm "$T"/b/manifest.virtnbdbackup.other.0.json
    lab_run cp "$T/c/vda.full.data" "$T/b/vdb.full.data"
    refused "$T/b" 3 vdb.full.data
    restores "$T/b" 2 -u 2
}
