#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# plugin.bats - nbdkit shows points of real backups
#
# Everything is compared with what virtnbdrestore makes of the same point.
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
load plugin-lib
setup_file() { plugin_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# A small guest with a full, compressed, and an increment.
small() {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 4M
    lab_write vm1 vda 0x12 1M 8K
    backup -d vm1 -l full "$@" -o "$T/b"
    lab_write vm1 vda 0x22 2M 640K
    remember 1
    backup -d vm1 -l inc "$@" -o "$T/b"
}

# made LEVEL OPTION...: change the guest, and back it up.
made() {
    random_disk vm1 vda 25166336 "$SEED"
    random_disk vm1 vdb 5242880 "$((SEED + 100))"
    SEED=$((SEED + 1))
    backup -d vm1 -o "$T/b" -l "$@"
}

# covers: H2:M H3:M D11:M
@test "every point of a chain of every kind" {
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    local name
    lab_domain vm1 vda=a.qcow2,size=25166336 vdb=b.qcow2,size=5M,cluster_size=4K
    made full
    made inc -z
    made diff
    made inc --zero-frames
    # Nothing has changed.
    backup -d vm1 -o "$T/b" -l inc
    lab_virsh blockresize vm1 vda 30M
    lab_write vm1 vda 0x77 29M 1M
    made inc -z
    # The bitmaps of one disk are lost: it is saved whole.
    lab_virsh destroy vm1
    for name in $(qemu-img info --output json "$LAB_DISKS/b.qcow2" |
        jq -r '."format-specific".data.bitmaps[].name'); do
        lab_run qemu-img bitmap --remove "$LAB_DISKS/b.qcow2" "$name"
    done
    lab_virsh start vm1
    made inc
    made diff -z
    made inc -z
    name=$(names "$T/b" | wc -w)
    [ "$name" = 9 ]
    [ "$(level "$T/b" virtnbdbackup.5 vdb)" = full ]
    for name in $(names "$T/b"); do
        is_restored "$T/b" "$name"
    done
    # The newest one, and the same by the names of its files.
    remember end vda vdb
    mapfile -t files < <(files_of "$T/b" vda)
    [ ${#files[@]} = 7 ]
    is "$T/truth.end.vda" "$T/b" disk=vda
    is "$T/truth.end.vda" "${files[@]}" cache=1M
    mapfile -t files < <(files_of "$T/b" vdb)
    [ ${#files[@]} = 2 ]
    is "$T/truth.end.vdb" "${files[@]}" cache=0
}

@test "extents: what is zero is known without reading it" {
    small
    map "$T/b" --run 'nbdinfo --map "$uri"' >"$LAB/map"
    cat "$LAB/map"
    [ "$(awk '{ print $1, $2, $4 }' "$LAB/map" | xargs)" = \
        "0 4194304 data 4194304 4194304 hole,zero" ]
    # From inside, and no more than was asked for.
    map "$T/b" --run 'nbdsh --base-allocation -u "$uri" -c "
def see(name, offset, entries, err):
    print(offset, entries)
h.block_status(1000, 4194304 - 500, see)
h.block_status(10000, 4194304 - 500, see, nbd.CMD_FLAG_REQ_ONE)
"' >"$LAB/map"
    cat "$LAB/map"
    [ "$(sed -n 1p "$LAB/map")" = "4193804 [500, 0, 4194304, 3]" ] ||
        [ "$(sed -n 1p "$LAB/map")" = "4193804 [500, 0, 500, 3]" ]
    [ "$(sed -n 2p "$LAB/map")" = "4193804 [500, 0]" ]
    # qemu sees the same.
    map "$T/b" --run 'qemu-img map --output json "$uri"' >"$LAB/map"
    [ "$(jq -c 'map([.start, .length, .zero])' "$LAB/map")" = \
        '[[0,4194304,false],[4194304,4194304,true]]' ]
}

@test "every disk is an export" {
    lab_domain vm1 vda=a.qcow2,size=4M vdb=b.qcow2,size=2M
    lab_write vm1 vdb 0x31 1M 1K
    remember 0 vda vdb
    backup -d vm1 -l full -o "$T/b"
    map "$T/b" --run 'nbdinfo --list --json "$uri"' >"$LAB/list"
    [ "$(jq -c '[.exports[] | ."export-name", ."export-size"]' "$LAB/list")" = \
        '["vda",4194304,"vdb",2097152]' ]
    jq -r '.exports[0].description' "$LAB/list" |
        grep -x 'disk vda of vm1 at point virtnbdbackup.0'
    jq -e '.exports | all(."is_read_only" and ."can_multi_conn")' "$LAB/list"
    map "$T/b" --run 'nbdcopy "nbd+unix:///vdb?socket=$unixsocket" -' |
        cmp - "$T/truth.0.vdb"
    # With two of them there is no default.
    run -1 map "$T/b" --run 'nbdinfo "nbd+unix:///?socket=$unixsocket"'
    run -1 map "$T/b" --run 'nbdinfo "nbd+unix:///vdc?socket=$unixsocket"'
    [[ $output == *"there is no export 'vdc'"* ]]
    # With one there is; its name can be another.
    is "$T/truth.0.vdb" "$T/b" disk=vdb
    map "$T/b" disk=vdb export=x \
        --run 'nbdcopy "nbd+unix:///x?socket=$unixsocket" -' |
        cmp - "$T/truth.0.vdb"
    # In the order in which they are named.
    map "$T/b" disk=vdb disk=vda --run 'nbdinfo --list --json "$uri"' |
        jq -e '[.exports[]."export-name"] | sort == ["vda", "vdb"]'
}

# covers: F3:M F13:M F22:M
@test "what cannot be shown is refused, with a reason" {
    small
    refused() {
        local text=$1
        shift
        run -1 map "$@" --run 'echo served'
        echo "$output"
        [[ $output == *"$text"* && $output != *served* ]]
    }
    refused "what is to be shown"
    refused "what is to be shown" "$T/b" "file=$T/b/vda.full.data"
    refused "no disk 'vdx'" "$T/b" disk=vdx
    refused "named twice" "$T/b" disk=vda disk=vda
    refused "no point 'x'" "$T/b" point=x
    refused "'$T/nothing'" "$T/nothing"
    refused "no parameter 'color'" "$T/b" color=red
    refused "given twice" "$T/b" point=0 point=1
    refused "a directory only" "file=$T/b/vda.full.data" disk=vda
    refused "does not build upon" "file=$T/b/vda.full.data" \
        "file=$T/b/vda.full.data"
    refused "has to be a full" "file=$T/b/vda.inc.virtnbdbackup.1.data"
    refused "size string" "$T/b" cache=lots
    lab_run mkdir "$T/empty"
    refused "no complete backup" "$T/empty"
    # Files of no point: what is newest?
    lab_run cp "$T/b/vda.full.data" "$T/b/vda.inc.virtnbdbackup.2.data"
    refused "'vda.inc.virtnbdbackup.2.data' belongs to no point" "$T/b"
    is "$T/truth.1.vda" "$T/b" point=virtnbdbackup.1
    rm "$T/b/vda.inc.virtnbdbackup.2.data"
    # A point in the middle is lost: the ones behind it cannot be shown.
    mv "$T/b/vda.full.index" "$T/index"
    refused "vda.full.index" "$T/b"
    mv "$T/index" "$T/b/vda.full.index"
    truncate -s -1 "$T/b/vda.full.data"
    refused "vda.full.data" "$T/b"
    for what in mkfifo mkdir "ln -s $T/b/vda.inc.virtnbdbackup.1.data"; do
        rm -r "$T/b/vda.full.data"
        $what "$T/b/vda.full.data"
        refused "vda.full.data" "$T/b"
    done
}

@test "the point by name, number and time" {
    small
    is "$T/truth.1.vda" "$T/b" point=newest
    is "$T/truth.1.vda" "$T/b" point=1
    is "$T/truth.1.vda" "$T/b" point="$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    restored "$T/b" 0
    is "$T/restored.vda" "$T/b" point=0
    ! cmp -s "$T/restored.vda" "$T/truth.1.vda"
}

@test "from another directory, as a daemon" {
    small
    (
        cd "$T"
        lab_run nbdkit -U "$T/socket" -P "$T/pid" \
            "$LAB/bin/virtnbdmap-plugin.so" b
    )
    nbdcopy "nbd+unix:///?socket=$T/socket" - | cmp - "$T/truth.1.vda"
    kill "$(cat "$T/pid")"
    tail --pid "$(cat "$T/pid")" -f /dev/null
    rm "$T/socket"
}

# covers: H7:M
@test "a damaged frame: an error for its range, and its name in the log" {
    local how at
    for how in "" -z; do
        # shellcheck disable=SC2086
        small $how
        at=$(od -A n -t u8 -j $((64 + 16)) -N 8 "$T/b/vda.full.index" |
            tr -d ' ')
        flip_at "$T/b/vda.full.data" $((at + 20))
        run -0 map "$T/b" --run 'nbdsh -u "$uri" -c "
import errno
with open(\"'"$T/truth.1.vda"'\", \"rb\") as f: truth = f.read()
failed = []
for at in range(0, len(truth), 65536):
    try:
        assert h.pread(65536, at) == truth[at:at + 65536]
    except nbd.Error as e:
        assert e.errno == \"EIO\"
        failed.append(at // 65536)
print(failed)
try:
    h.pread(len(truth), 0)
    print(\"no error\")
except nbd.Error:
    pass
print(\"alive\", h.pread(512, 2097152) == truth[2097152:2097664])
"'
        echo "$output"
        [[ $output == *"[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]"* ]]
        [[ $output != *"no error"* && $output == *"alive True"* ]]
        [[ $output == *"bytes at 65536 of the disk 'vda': 'vda.full.data' is damaged at $at"* ]]
        lab_virsh destroy vm1
        lab_virsh undefine --checkpoints-metadata vm1
        rm -rf "$T/b" "$T"/truth.* "${LAB_DISKS:?}"/*
    done
}

# flip_at FILE OFFSET: change one byte.
flip_at() {
    python3 - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 4]))
PY
}

@test "two at once, while a backup is appended, and the directory moved" {
    small -z
    restored "$T/b" 0
    map "$T/b" --run "set -e
        touch $T/up
        for i in \$(seq 600); do [ ! -e $T/b2 ] || break; sleep 0.1; done
        nbdcopy \"\$uri\" - | cmp - $T/truth.1.vda
        map-compare \"\$uri\" $T/truth.1.vda 8" &
    local pid=$!
    while [ ! -e "$T/up" ]; do sleep 0.05; done
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$T/restored.vda" "$T/truth.1.vda"
    lab_write vm1 vda 0x33 0 1M
    remember 2
    map "$T/b" point=0 --run "set -e
        virtnbdbackup --quiet -d vm1 -l inc -o $T/b
        nbdcopy \"\$uri\" - | cmp - $T/restored.vda
        map-compare \"\$uri\" $T/restored.vda 8"
    is "$T/truth.2.vda" "$T/b"
    mv "$T/b" "$T/b2"
    wait $pid
}

@test "on a read-only file system" {
    [ "$(id -u)" = 0 ] || skip "needs root"
    small -z
    mkdir "$T/ro"
    mount --bind "$T/b" "$T/ro"
    mount -o remount,bind,ro "$T/ro"
    run is "$T/truth.1.vda" "$T/ro"
    umount "$T/ro"
    echo "$output"
    [ $status = 0 ]
}

@test "what is read of the files, and when" {
    small
    traced() {
        # A file for each thread, so that no line is cut in two.
        rm -f "$LAB"/trace.*
        lab_run strace -ff -y -qq -e trace=read,pread64,readv,preadv,mmap \
            -o "$LAB/trace" nbdkit -U - -f "$LAB/bin/virtnbdmap-plugin.so" "$@"
        # Bytes of data files.
        cat "$LAB"/trace.* | awk '/\.data>/ && !/mmap/ { sum += $NF }
            /\.data>/ && /mmap/ { sum += 1000000 } END { print sum + 0 }'
    }
    [ "$(traced "$T/b" --run 'nbdinfo --map "$uri" >/dev/null')" = 0 ]
    # A place that is zero.
    [ "$(traced "$T/b" --run 'nbdsh -u "$uri" \
        -c "h.pread(65536, 5 * 1048576)"')" = 0 ]
    # One byte: the MiB whose hash covers it, in whole blocks of the file;
    # another one: itself.
    costs() {
        local read
        read=$(traced "$T/b" --run "$2")
        [ "$read" -ge "$1" ] && [ "$read" -le $(($1 + 8192)) ] && return
        echo "$read bytes were read, not $1"
        return 1
    }
    costs 1048576 'nbdsh -u "$uri" -c "h.pread(1, 100000)"'
    costs $((1048576 + 7 + 1048576)) 'nbdsh -u "$uri" \
        -c "h.pread(1, 100000)" -c "h.pread(7, 5)" -c "h.pread(1048576, 0)"'
    # Without manifests: headers.
    rm "$T"/b/manifest.* "$T"/b/*.index
    [ "$(traced "$T/b" --run 'nbdinfo --map "$uri" >/dev/null')" -lt 20000 ]
    [ "$(traced "$T/b" --run 'nbdsh -u "$uri" -c "h.pread(1, 100000)"')" -lt \
        20001 ]
    is "$T/truth.1.vda" "$T/b"
}
