#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# damage.bats - a damaged set is refused by verify and by restore: exit status
# 3, the file is named, no image is left
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() {
    cli_setup
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 1M 3M
    lab_write vm1 vda 0x22 6M 64K
}
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# refused FILE [TEXT]: verify and restore of $T/b fail with 3 and name FILE.
refused() {
    local text=${2:-}
    run -3 restore -i "$T/b" -o verify
    echo "$output"
    [[ $output == *"$1"* ]] && [[ $output == *"$text"* ]]
    run -3 restore -i "$T/b" -o "$T/r"
    echo "$output"
    [[ $output == *"$1"* ]]
    [ ! -e "$T/r" ] || [ -z "$(ls -A "$T/r")" ]
}

# flip FILE OFFSET: change one bit.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059
    printf "$(printf '\\%03o' $((byte ^ 4)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# covers: F1:RV
@test "a flipped bit in plain data, found with its offset" {
    backup -d vm1 -o "$T/b"
    flip "$T/b/vda.copy.data" 2500000
    refused vda.copy.data "damaged at 20"
}

# covers: F1:RV
@test "a flipped bit in compressed data" {
    backup -d vm1 -z -o "$T/b"
    flip "$T/b/vda.copy.data" 2000
    refused vda.copy.data "damaged at"
}

@test "a flipped bit in a frame header is found by verify" {
    backup -d vm1 -o "$T/b"
    offset=$(grep -abo 'zero 0000' "$T/b/vda.copy.data" | head -1 | cut -d: -f1)
    flip "$T/b/vda.copy.data" "$offset"
    run -3 restore -i "$T/b" -o verify
    [[ $output == *vda.copy.data* ]]
}

# covers: F2:RV
@test "a truncated data file" {
    backup -d vm1 -o "$T/b"
    truncate -s -40 "$T/b/vda.copy.data"
    refused vda.copy.data
}

@test "a longer data file" {
    backup -d vm1 -o "$T/b"
    echo >>"$T/b/vda.copy.data"
    refused vda.copy.data
}

# covers: F3:RV
@test "a missing data file, a missing index" {
    backup -d vm1 -o "$T/b"
    mv "$T/b/vda.copy.data" "$T/away"
    refused vda.copy.data
    mv "$T/away" "$T/b/vda.copy.data"
    rm "$T/b/vda.copy.index"
    refused vda.copy.index
}

@test "a damaged index, a damaged manifest" {
    backup -d vm1 -o "$T/b"
    cp "$T/b/vda.copy.index" "$T/index"
    flip "$T/b/vda.copy.index" 100
    refused vda.copy.index
    cat "$T/index" >"$T/b/vda.copy.index"
    flip "$T/b/manifest.copy.json" 300
    refused manifest.copy.json
}

@test "a damaged configuration" {
    backup -d vm1 -o "$T/b"
    flip "$T/b/vmconfig.copy.xml" 300
    refused vmconfig.copy.xml
}

@test "a foreign file under a name of ours" {
    backup -d vm1 -o "$T/b"
    cp "$T/b/vda.copy.data" "$T/b/vdb.copy.data"
    refused vdb.copy.data
}

# covers: F23:V B7:V
@test "a missing checksum file is found by verify" {
    backup -d vm1 -o "$T/b"
    rm "$T/b/vda.copy.data.chksum"
    run -3 restore -i "$T/b" -o verify
    [[ $output == *vda.copy.data.chksum* ]]
}

# covers: F1:RV F2:RV F5:R
@test "a set of the Python suite: flipped bit, truncation, unknown frame" {
    [ -x "$PEER_BACKUP" ] || skip "the Python suite is not installed"
    NO_LEFTOVERS=
    lab_run "$PEER_BACKUP" -d vm1 -l copy -o "$T/peer" 2>/dev/null
    cp -r "$T/peer" "$T/b"
    truncate -s -40 "$T/b/vda.copy.data"
    refused vda.copy.data
    rm -rf "$T/b"
    cp -r "$T/peer" "$T/b"
    offset=$(grep -abo 'data 0000' "$T/b/vda.copy.data" | head -1 | cut -d: -f1)
    flip "$T/b/vda.copy.data" "$offset"
    refused vda.copy.data
    rm -rf "${T:?}/b" "${LAB_TMP:?}"/*
    cp -r "$T/peer" "$T/b"
    # It writes no checksums itself at this age; newer releases do.
    /usr/bin/python3 -c 'import sys, zlib; print(zlib.adler32(open(sys.argv[1], "rb").read()), end="")' \
        "$T/b/vda.copy.data" >"$T/b/vda.copy.data.chksum"
    flip "$T/b/vda.copy.data" 2500000
    refused vda.copy.data adler32
    [ -z "${LAB_TMP:-}" ] || rm -rf "${LAB_TMP:?}"/*
}

# covers: F1:V
@test "random changes to the data file are all found" {
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    backup -d vm1 -z -o "$T/b"
    size=$(stat -c %s "$T/b/vda.copy.data")
    RANDOM=$SEED
    cp "$T/b/vda.copy.data" "$T/good"
    for ((round = 0; round < 60; round++)); do
        cat "$T/good" >"$T/b/vda.copy.data"
        at=$(((RANDOM * 32768 + RANDOM) % size))
        flip "$T/b/vda.copy.data" $at
        echo "byte $at of $size"
        run -3 restore -i "$T/b" -o verify
    done
}
