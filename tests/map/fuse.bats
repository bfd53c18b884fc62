#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fuse.bats - disks as files, and the file systems in them
#
# As root it is root who mounts, since on many test machines nobody else may
# open /dev/fuse; one test gives others a /dev/fuse of their own.
bats_require_minimum_version 1.5.0
load ../lib/cli
load map
setup_file() { map_setup_file; }
setup() {
    map_setup
    [ "$(id -u)" != 0 ] || MAP_AS=()
    [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "/dev/fuse cannot be opened"
}
teardown() { map_teardown; }
teardown_file() { cli_teardown_file; }

@test "a file for each disk, of its size, read-only" {
    map_start -n 2 -i "$SET" -u 1 --fuse "$T/f"
    [ "$(ls "$T/f")" = $'vda\nvdb' ]
    cmp "$T/f/vda" "$SET.1.vda"
    cmp "$T/f/vdb" "$SET.1.vdb"
    run ! dd if=/dev/zero of="$T/f/vda" bs=4K count=1 conv=notrunc
    # Many at once, at odd places.
    local i pids=()
    for ((i = 0; i < 8; i++)); do
        cmp -i $((i * 77777 + 1)) "$T/f/vda" "$SET.1.vda" &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    map_end 0
    [ ! -e "$T/f" ]
}

@test "a directory that is there stays; a name with blanks is fine" {
    mkdir "$T/my disks"
    echo mine >"$T/my disks/note"
    (cd "$T" && map -i "$SET" --fuse 'my disks' -- \
        cmp 'my disks/vdb' "$SET.2.vdb")
    [ "$(ls "$T/my disks")" = note ]
    map_start -n 2 -i "$SET" --fuse "$T/my disks"
    cmp "$T/my disks/vda" "$SET.2.vda"
    kill -KILL "$MAP_PID"
    wait "$MAP_PID" || true
    map_clean
    [ "$(ls "$T/my disks")" = note ]
}

@test "nothing that exists is covered" {
    mkdir "$T/f"
    echo mine >"$T/f/vdb"
    run -1 map -i "$SET" --fuse "$T/f"
    [[ $output == *"$T/f/vdb' exists already"* ]]
    [ "$(cat "$T/f/vdb")" = mine ]
    [ "$(ls "$T/f")" = vdb ]
    run -1 map -i "$SET" --fuse "$T/no/parent"
    [[ $output == *"$T/no/parent"* ]]
    run -1 map -i "$SET" --fuse "$T/f/vdb"
    map_clean
}

@test "writable, thrown away and kept" {
    map_start -i "$SET" --disk vda --fuse "$T/f" -w
    cp "$SET.2.vda" "$T/expected"
    head -c 100000 /dev/urandom >"$T/new"
    dd if="$T/new" of="$T/f/vda" bs=33333 oflag=seek_bytes seek=1234567 \
        conv=notrunc status=none
    dd if="$T/new" of="$T/expected" bs=33333 oflag=seek_bytes seek=1234567 \
        conv=notrunc status=none
    cmp "$T/f/vda" "$T/expected"
    map_end 0
    map_start -i "$SET" --disk vda --fuse "$T/f" --keep-changes "$T/keep"
    cmp "$T/f/vda" "$SET.2.vda"
    dd if="$T/new" of="$T/f/vda" bs=33333 oflag=seek_bytes seek=1234567 \
        conv=notrunc status=none
    map_end 0
    map_start -i "$SET" --disk vda
    qemu-img rebase -u -F raw -b "$URI" "$T/keep/vda.qcow2"
    same "$T/keep/vda.qcow2" "$T/expected"
    map_end 0
}

@test "unmounted by the user: it ends when all are, status 0" {
    local status=0
    map_start -n 2 -i "$SET" --fuse "$T/f"
    fusermount3 -u "$T/f/vda" 2>/dev/null || umount "$T/f/vda"
    cmp "$T/f/vdb" "$SET.2.vdb"
    kill -0 "$MAP_PID"
    fusermount3 -u "$T/f/vdb" 2>/dev/null || umount "$T/f/vdb"
    wait "$MAP_PID" || status=$?
    [ $status = 0 ]
    map_clean
    [ ! -e "$T/f" ]
}

@test "a file that is in use goes away all the same" {
    map_start -n 2 -i "$SET" --fuse "$T/f"
    exec 7<"$T/f/vda"
    head -c 100 <&7 >/dev/null
    map_end 0
    [ ! -e "$T/f" ]
    # What has not been read ahead.
    run ! dd bs=1M skip=6 count=1 of=/dev/null <&7
    exec 7<&-
}

@test "nbdfuse dies: status 1, and no mount is left" {
    local status=0
    map_start -n 2 -i "$SET" --fuse "$T/f"
    kill -KILL "$(pgrep -P "$MAP_PID" -x nbdfuse | head -1)"
    wait "$MAP_PID" || status=$?
    cat "$T/stderr"
    [ $status = 1 ]
    map_clean
    [ ! -e "$T/f" ]
}

@test "killed: dead mounts are removed, with a client, too" {
    map_start -n 2 -i "$SET" --fuse "$T/f"
    exec 7<"$T/f/vda"
    kill -KILL "$MAP_PID"
    wait "$MAP_PID" || true
    map_clean
    [ ! -e "$T/f" ]
    exec 7<&-
}

# covers: H7:M
@test "damage is an I/O error in the file, there alone" {
    cp -r "$SET" "$T/b"
    printf damage | dd of="$T/b/vda.full.data" bs=1 conv=notrunc status=none \
        seek=$(($(stat -c %s "$T/b/vda.full.data") / 2))
    map_start -n 2 -i "$T/b" -u 0 --fuse "$T/f"
    run ! cmp "$T/f/vda" "$SET.0.vda"
    [[ $output == *"nput/output error"* ]]
    cmp "$T/f/vdb" "$SET.0.vdb"
    map_end 0
    grep -q "ERROR.*'vda.full.data' is damaged" "$T/stderr"
}

@test "without root" {
    [ "$(id -u)" = 0 ] || skip "the other tests of this file have shown it"
    cat >"$T/script" <<'SCRIPT'
set -eu
mknod "$LAB/fuse" c 10 229
chmod 666 "$LAB/fuse"
mount --bind "$LAB/fuse" /dev/fuse
as() { setpriv --reuid="$LAB_USER" --regid="$GROUP" --clear-groups "$@"; }
as virtnbdmap -L "$T/map.log" -i "$SET" --fuse "$T/f" -- \
    sh -c 'cmp "$T/f/vda" "$SET.2.vda" && cmp "$T/f/vdb" "$SET.2.vdb"'
[ ! -e "$T/f" ]
# Killed, the guardian has to do it without root.
as virtnbdmap -L "$T/map.log" -i "$SET" --fuse "$T/f" -- \
    sh -c 'cmp "$T/f/vda" "$SET.2.vda" && kill -KILL $PPID' || true
for i in $(seq 100); do
    [ -e "$T/f" ] || break
    sleep 0.05
done
[ ! -e "$T/f" ]
if grep -F " $T/f" /proc/self/mountinfo; then
    exit 1
fi
SCRIPT
    chown "$LAB_USER" "$T"
    # Where namespaces are not to be had, there is nothing to be shown.
    unshare -m true || skip "no mount namespaces"
    env -i "${LAB_ENV[@]}" LAB_USER="$LAB_USER" GROUP="$(id -g "$LAB_USER")" \
        T="$T" SET="$SET" unshare -m --propagation private bash "$T/script"
    rm -f "$LAB/fuse"
    map_clean
}

# A disk with two partitions, ext4 in both, and its backup: full and increment.
real_file_systems() {
    mkdir "$T/one" "$T/two"
    echo "from the full" >"$T/one/note"
    head -c 700000 /dev/urandom >"$T/one/random"
    mkdir "$T/two/deep"
    echo "on the second" >"$T/two/deep/other"
    mkfs.ext4 -q -d "$T/one" "$T/1.ext4" 12M
    mkfs.ext4 -q -d "$T/two" "$T/2.ext4" 12M
    truncate -s 32M "$T/disk"
    printf '2048,24576\n26624,24576\n' | sfdisk -q "$T/disk"
    dd if="$T/1.ext4" of="$T/disk" bs=1M seek=1 conv=notrunc status=none
    dd if="$T/2.ext4" of="$T/disk" bs=1M seek=13 conv=notrunc status=none
    qemu-img convert -O qcow2 "$T/disk" "$LAB_DISKS/a.qcow2"
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$LAB_DISKS/a.qcow2"
    lab_domain vm1 vda=a.qcow2
    backup -d vm1 -l full -z -o "$T/b"
    # What the guest would have written meanwhile: another text in the file.
    at=$(grep -abo "from the full" "$T/disk" | head -1 | cut -d: -f1)
    lab_write vm1 vda 0x58 "$((at / 512 * 512))" 512
    backup -d vm1 -l inc -o "$T/b"
}

@test "real file systems, listed and read through loop devices" {
    [ "$(id -u)" = 0 ] || skip "only root can mount"
    command -v sfdisk >/dev/null || skip "sfdisk is not installed"
    real_file_systems
    mkdir "$T/m1" "$T/m2"
    map_start -i "$T/b" -u 0 --fuse "$T/f"
    mount -o ro,noload,loop,offset=1M,sizelimit=12M "$T/f/vda" "$T/m1"
    mount -o ro,noload,loop,offset=13M,sizelimit=12M "$T/f/vda" "$T/m2"
    sfdisk -l "$T/f/vda" | grep -q 'vda1.* 2048 '
    ls "$T/m1" "$T/m2/deep"
    [ "$(cat "$T/m1/note")" = "from the full" ]
    cmp "$T/m1/random" "$T/one/random"
    [ "$(cat "$T/m2/deep/other")" = "on the second" ]
    umount "$T/m1" "$T/m2"
    map_end 0
    # The increment, writable: the journal is played back, files are made.
    map_start -i "$T/b" -w --fuse "$T/f"
    mount -o loop,offset=1M,sizelimit=12M "$T/f/vda" "$T/m1"
    [ "$(head -c 13 "$T/m1/note")" = XXXXXXXXXXXXX ]
    cmp "$T/m1/random" "$T/one/random"
    echo new >"$T/m1/new"
    sync -f "$T/m1"
    umount "$T/m1"
    map_end 0
}

@test "a volume group over two disks is complete" {
    [ "$(id -u)" = 0 ] || skip "loop devices need root"
    command -v vgs >/dev/null || skip "lvm2 is not installed"
    local a b config='devices { use_devicesfile=0 filter=["a|^/dev/loop|","r|.*|"] }'
    truncate -s 16M "$T/a.raw" "$T/b.raw"
    a=$(losetup --show -f "$T/a.raw") || skip "no loop devices"
    b=$(losetup --show -f "$T/b.raw")
    pvcreate -q --config "$config" "$a" "$b" 3>&-
    vgcreate -q --config "$config" "vg$$" "$a" "$b" 3>&-
    losetup -d "$a"
    losetup -d "$b"
    qemu-img convert -f raw -O qcow2 "$T/a.raw" "$LAB_DISKS/a.qcow2"
    qemu-img convert -f raw -O qcow2 "$T/b.raw" "$LAB_DISKS/b.qcow2"
    chown "$LAB_USER" "$LAB_DISKS"/?.qcow2
    lab_domain --off vm1 vda=a.qcow2 vdb=b.qcow2
    backup -d vm1 -l copy -z -o "$T/b"
    map_start -n 2 -i "$T/b" --fuse "$T/f"
    a=$(losetup --show -rf "$T/f/vda")
    b=$(losetup --show -rf "$T/f/vdb")
    vgs --config "$config" --noheadings -o pv_count,missing_pv_count "vg$$" \
        3>&- >"$T/vgs"
    losetup -d "$a"
    losetup -d "$b"
    map_end 0
    [ "$(xargs <"$T/vgs")" = "2 0" ]
}
