# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# peer-lib.bash - what the tests with the peer's chains share
#
# A guest vm1 with two disks; its backups lie in $T/b.  What the disks held at a
# point is kept in $T/truth.

PEER_SIZES=([0]=17301504 [1]=9437696)

peer_backup() {
    lab_run "$PEER_BACKUP" -d vm1 "$@" >"$LAB/peer.log" 2>&1 ||
        { cat "$LAB/peer.log"; return 1; }
}

# What the peer restores, it restores into images named like the sources.
peer_restore() {
    lab_run "$PEER_RESTORE" "$@" >"$LAB/peer.log" 2>&1 ||
        { cat "$LAB/peer.log"; return 1; }
}

peer_guest() {
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    lab_domain vm1 "vda=a.qcow2,size=${PEER_SIZES[0]}" \
        "vdb=b.qcow2,size=${PEER_SIZES[1]},cluster_size=4K"
    mkdir "$T/truth"
    rewrite_guest
}

# random_commands DISK BYTES: lines for lab_io_many.
random_commands() {
    local i offset length
    for ((i = 0; i < 25; i++)); do
        offset=$(((RANDOM * 32768 + RANDOM) % $2 / 512 * 512))
        length=$(((RANDOM % 600 + 1) * 512))
        [ $((offset + length)) -le "$2" ] || length=$(($2 - offset))
        case $((RANDOM % 6)) in
        0) echo "$1 write -z -u $offset $length" ;;
        1) echo "$1 write -z $offset $length" ;;
        2) echo "$1 discard $offset $length" ;;
        *) echo "$1 write -P $((RANDOM % 255 + 1)) $offset $length" ;;
        esac
    done
}

# Writes, zeroes and discards all over the disks.
rewrite_guest() {
    lab_io_many vm1 < <(
        # Here, as a shell in between has random numbers of its own.
        RANDOM=$SEED
        random_commands vda "${PEER_SIZES[0]}"
        random_commands vdb "${PEER_SIZES[1]}"
    ) || return 1
    SEED=$((SEED + 1))
}

# flip FILE: change one byte in its middle.
flip() {
    python3 - "$1" <<'PY'
import os, sys
with open(sys.argv[1], "r+b") as f:
    at = os.path.getsize(sys.argv[1]) // 2
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 1]))
PY
}

take_truth() {
    lab_snapshot_truth vm1 vda "$T/truth/$1.vda" &&
        lab_snapshot_truth vm1 vdb "$T/truth/$1.vdb"
}

# peer_point NAME ARGUMENT...: change the guest, and let the peer back it up.
peer_point() {
    local name=$1
    shift
    rewrite_guest && take_truth "$name" && peer_backup -o "$T/b" "$@"
}

# check_images DIRECTORY NAME: are they what the disks held at that point?
check_images() {
    same "$1/a.qcow2" "$T/truth/$2.vda" && same "$1/b.qcow2" "$T/truth/$2.vdb"
}
