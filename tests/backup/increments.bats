#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# increments.bats - inc, diff and auto: every point is exact, whatever happened
# between them
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

guest() {
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 4M
}

# covers: G3:R B7:R
@test "full, inc, diff, diff, inc, diff: each point is exact" {
    lab_domain vm1 vda=a.qcow2,size=33554944 vdb=b.qcow2,size=5M,cluster_size=4K
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    local i=0 what when
    for what in full inc diff diff inc diff; do
        random_disk vm1 vda 33554944 $((SEED + i))
        random_disk vm1 vdb 5242880 $((SEED + i + 100))
        remember $i vda vdb
        backup_while_writing vm1 vda -l $what -o "$T/b"
        i=$((i + 1))
    done
    restore -i "$T/b" -o verify
    read -r -a when <<<"$(names "$T/b")"
    echo "${when[@]}"
    [ "${#when[@]}" = 6 ]
    for ((i = 0; i < 6; i++)); do
        restores "$T/b" $i -u "${when[i]}"
    done
    restores "$T/b" 5
    [ "$(cat "$T/b/vm1.cpt")" = \
        '["virtnbdbackup.0", "virtnbdbackup.1", "virtnbdbackup.2"]' ]
    [ "$(lab_virsh checkpoint-list vm1 --name | sort | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2" ]
    [ -e "$T/b/vda.inc.virtnbdbackup.1.data" ]
    [ -e "$T/b/vdb.${when[5]}.data" ]
    [ -e "$T/b/checkpoints/virtnbdbackup.2.xml" ]
}

@test "the same, compressed" {
    guest
    backup -d vm1 -l full -z -o "$T/b"
    lab_write vm1 vda 0x22 1M 2M
    lab_write_zeroes vm1 vda 2M 512K
    remember 1
    backup_while_writing vm1 vda -l inc -z -o "$T/b"
    lab_discard vm1 vda 0 1M
    remember 2
    backup -d vm1 -l inc -z 9 -o "$T/b"
    restores "$T/b" 1 -u 1
    restores "$T/b" 2
    restore -i "$T/b" -o verify
}

@test "zeroes and discards since the full are not lost, whatever the option" {
    local how set
    guest
    backup -d vm1 -l full --chain a -o "$T/plain"
    backup -d vm1 -l full --chain b -o "$T/frames"
    backup -d vm1 -l full --chain c -o "$T/all"
    backup -d vm1 -l full --chain d -o "$T/lz4"
    lab_write_zeroes vm1 vda 0 128K
    lab_write_zeroes --keep vm1 vda 1M 128K
    lab_discard vm1 vda 2M 1M
    lab_write vm1 vda 0x55 3M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/plain"
    backup -d vm1 -l inc --zero-frames -o "$T/frames"
    backup -d vm1 -l inc --no-sparse-detection -o "$T/all"
    backup -d vm1 -l inc -z -o "$T/lz4"
    for set in plain frames all lz4; do
        echo "$set"
        [ "$(ls "$T/$set"/vda.inc.*.data | wc -l)" = 1 ]
        restores "$T/$set" 1
        restore -i "$T/$set" -o verify
    done
    # Zeroes take no room: they are holes, or headers.
    [ "$(du -k "$T"/plain/vda.inc.*.data | cut -f1)" -lt 300 ]
    [ "$(stat -c %s "$T"/frames/vda.inc.*.data)" -lt 300000 ]
}

@test "nothing has changed: a point nevertheless" {
    guest
    remember 0
    backup -d vm1 -l full -o "$T/b"
    backup -d vm1 -l inc -o "$T/b"
    backup -d vm1 -l inc -o "$T/b"
    [ "$(stat -c %s "$T/b/vda.inc.virtnbdbackup.2.data")" -lt 2000 ]
    lab_write vm1 vda 0x22 1M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1
    restores "$T/b" 0 -u virtnbdbackup.2
}

@test "auto: full, then increments" {
    guest
    backup -d vm1 -l auto -o "$T/b"
    lab_write vm1 vda 0x22 1M 64K
    remember 1
    backup -d vm1 -l auto -o "$T/b"
    [ "$(names "$T/b")" = "virtnbdbackup.0 virtnbdbackup.1" ]
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    [ "$(jq -r .levelAsked "$T/b/manifest.virtnbdbackup.1.json")" = auto ]
    ls "$T"/b/backup.auto.*.log
    restores "$T/b" 1
}

@test "auto into a directory that holds a copy: a full" {
    guest
    backup -d vm1 -l copy -o "$T/b"
    lab_write_zeroes vm1 vda 0 1M
    remember 1
    backup -d vm1 -l auto -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.0)" = full ]
    restores "$T/b" 1
}

@test "inc and diff need a full" {
    guest
    run -1 backup -d vm1 -l inc -o "$T/b"
    [[ $output == *full* ]]
    run -1 backup -d vm1 -l diff -o "$T/b"
    [[ $output == *full* ]]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    none "$T"/b/manifest.* "$T"/b/*.data
}

@test "a month's rotation with auto: a directory each" {
    guest
    local month n
    for month in 10 11; do
        for n in 0 1 2; do
            lab_write vm1 vda 0x$month$n "${n}M" 192K
            remember $month.$n
            backup -d vm1 -l auto -o "$T/vm1-2026-$month"
        done
    done
    for month in 10 11; do
        [ "$(names "$T/vm1-2026-$month")" = \
            "virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2" ]
        [ "$(level "$T/vm1-2026-$month" virtnbdbackup.0)" = full ]
        [ "$(level "$T/vm1-2026-$month" virtnbdbackup.2)" = inc ]
        for n in 0 1 2; do
            restores "$T/vm1-2026-$month" $month.$n -u $n
        done
    done
    # No more bitmaps than one chain has.
    [ "$(lab_virsh checkpoint-list vm1 --name | sort | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2" ]
    [ "$(qemu-img info -U --output json "$LAB_DISKS/a.qcow2" |
        jq '.["format-specific"].data.bitmaps | length')" -le 3 ]
}

# covers: A1:IC
@test "a failed increment in a cron job with auto is made up for" {
    guest
    backup -d vm1 -l auto -o "$T/b"
    lab_write vm1 vda 0x22 0 1M
    run -1 faulty -P "$T/b/vda.inc.virtnbdbackup.1.data.partial" \
        -e inject=write,pwrite64,pwritev,pwritev2:error=ENOSPC:when=1+ \
        virtnbdbackup -d vm1 -l auto -o "$T/b"
    echo "$output"
    [[ $output == *vda.inc.virtnbdbackup.1.data*"No space left"* ]]
    lab_leftovers
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    none "$T"/b/*.partial "$T"/b/intent.*
    lab_write vm1 vda 0x33 2M 1M
    remember 1
    backup -d vm1 -l auto -o "$T/b"
    [ "$(names "$T/b")" = "virtnbdbackup.0 virtnbdbackup.1" ]
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    restores "$T/b" 1
    restore -i "$T/b" -o verify
}

# Until the run LAB_PID has begun to write its increment.
wait_for_data() {
    until [ -e "$T/b/vda.inc.virtnbdbackup.1.data.partial" ]; do
        kill -0 "$LAB_PID" || return 1
    done
}

# covers: B1:IC
@test "an increment is killed when its job has begun; the next covers it" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 0 1M
    # When it is about to make its data file.
    run -137 faulty -P vda.inc.virtnbdbackup.1.data.partial \
        -e inject=openat:signal=KILL virtnbdbackup -d vm1 -l inc -o "$T/b"
    lab_leftovers
    none "$T"/b/*.partial "$T"/b/intent.*
    lab_write vm1 vda 0x33 2M 1M
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    [ "$(lab_virsh checkpoint-list vm1 --name | sort | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1" ]
    restores "$T/b" 1
}

# covers: B1:IC B8:I
@test "the same, and its guardian with it" {
    guest
    lab_write vm1 vda 0x11 0 16M
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 0 12M
    lab_spawn virtnbdbackup -d vm1 -l inc -o "$T/b"
    wait_for_data
    kill -STOP "$LAB_PID"
    # shellcheck disable=SC2046
    kill -KILL $(lab_processes | awk '/--guardian/ { print $1 }') "$LAB_PID"
    wait "$LAB_PID" || true
    lab_virsh domjobinfo vm1 | grep -q 'Operation:.*Backup'
    lab_write vm1 vda 0x33 2M 1M
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    none "$T"/b/*.partial "$T"/b/intent.*
    restores "$T/b" 1
    restore -i "$T/b" -o verify
}

# covers: B3:IC
@test "SIGTERM in an increment: 143, nothing is left, the next covers it" {
    guest
    lab_write vm1 vda 0x11 0 16M
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 0 16M
    lab_spawn virtnbdbackup -d vm1 -l inc -o "$T/b"
    wait_for_data
    kill -TERM "$LAB_PID"
    status=0
    wait "$LAB_PID" || status=$?
    [ $status = 143 ]
    lab_leftovers
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    [ "$(names "$T/b")" = virtnbdbackup.0 ]
    none "$T"/b/*.partial "$T"/b/intent.*
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1
}

# covers: D5:IC
@test "two directories in turn: nothing between the turns is missing" {
    guest
    local n dir
    backup -d vm1 -l full -o "$T/one"
    backup -d vm1 -l full -o "$T/two"
    for n in 1 2 3 4; do
        for dir in one two; do
            lab_write vm1 vda 0x${n}1 "$((n * 2))M" 256K
            [ $dir = one ] || lab_write_zeroes vm1 vda "$((n - 1))M" 64K
            remember $dir.$n
            backup -d vm1 -l inc -o "$T/$dir"
        done
    done
    for dir in one two; do
        restore -i "$T/$dir" -o verify
        names "$T/$dir"
        # shellcheck disable=SC2046
        set -- $(names "$T/$dir")
        for n in 1 2 3 4; do
            shift
            restores "$T/$dir" $dir.$n -u "$1"
        done
    done
}

# covers: D5:IC D12:FC
@test "two directories in turn, a chain each: increments stay small" {
    guest
    local n dir
    backup -d vm1 -l full --chain one -o "$T/one"
    backup -d vm1 -l auto --chain two -o "$T/two"
    for n in 1 2 3; do
        for dir in one two; do
            lab_write vm1 vda 0x${n}1 "$((n * 2))M" 256K
            remember $dir.$n
            backup -d vm1 -l inc --chain $dir -o "$T/$dir"
            [ "$(level "$T/$dir" virtnbdbackup.$dir.$n)" = inc ]
        done
    done
    for dir in one two; do
        for n in 1 2 3; do
            restores "$T/$dir" $dir.$n -u $n
        done
    done
    # A full of the default chain leaves the others alone.
    backup -d vm1 -l full -o "$T/three"
    lab_write vm1 vda 0x77 9M 64K
    remember one.4
    backup -d vm1 -l inc -o "$T/one"
    [ "$(level "$T/one" virtnbdbackup.one.4)" = inc ]
    restores "$T/one" one.4
    run -1 backup -d vm1 -l inc --chain two -o "$T/one"
    [[ $output == *chain* ]]
}

# covers: D10:ICR
@test "an increment, the guest is off, on again: no increment is replaced" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 0 1M
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    sum=$(sha256sum <"$T/b/vda.inc.virtnbdbackup.1.data")
    lab_write vm1 vda 0x33 1M 1M
    lab_virsh destroy vm1
    backup -d vm1 -l inc -o "$T/b"
    lab_virsh start vm1
    lab_write vm1 vda 0x44 2M 1M
    remember 2
    backup -d vm1 -l inc -o "$T/b"
    [ "$sum" = "$(sha256sum <"$T/b/vda.inc.virtnbdbackup.1.data")" ]
    [ "$(level "$T/b" virtnbdbackup.2)" = inc ]
    restores "$T/b" 1 -u virtnbdbackup.1
    restores "$T/b" 2
}

# QEMU stores its bitmaps when it ends in order only.
crash() {
    kill -KILL "$(lab_qemu vm1)"
    until [ "$(lab_virsh domstate vm1)" = "shut off" ]; do :; done
    lab_virsh start vm1
}

# covers: D3:IC D11:CR B6:C
@test "QEMU is killed and its bitmaps lost: that disk is saved whole" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_flush vm1 vda
    crash
    lab_write_zeroes vm1 vda 0 128K
    remember 1
    run -1 backup -d vm1 -l inc --no-fallback -o "$T/b"
    [[ $output == *vda* ]]
    lab_leftovers
    [ "$(names "$T/b")" = virtnbdbackup.0 ]
    run -0 backup -d vm1 -l inc -o "$T/b"
    [[ $output == *WARNING*vda* ]]
    [ "$(level "$T/b" virtnbdbackup.1)" = full ]
    lab_write_zeroes vm1 vda 1M 128K
    remember 2
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.2)" = inc ]
    lab_flush vm1 vda
    crash
    lab_write vm1 vda 0x22 3M 64K
    remember 3
    backup -d vm1 -l diff -o "$T/b"
    lab_write vm1 vda 0x23 3M 32K
    remember 4
    backup -d vm1 -l auto -o "$T/b"
    restores "$T/b" 1 -u virtnbdbackup.1
    restores "$T/b" 2 -u virtnbdbackup.2
    restores "$T/b" 3 -u "$(names "$T/b" | cut -d' ' -f4)"
    restores "$T/b" 4
    restore -i "$T/b" -o verify
}

# covers: D1:IC
@test "one disk's bitmap is gone: the other one's increment goes on" {
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=8M
    lab_write vm1 vda 0x11 0 4M
    lab_write vm1 vdb 0x12 0 4M
    backup -d vm1 -l full -o "$T/b"
    lab_virsh destroy vm1
    lab_run qemu-img bitmap --remove "$LAB_DISKS/b.qcow2" virtnbdbackup.0
    lab_virsh start vm1
    lab_write vm1 vda 0x22 1M 64K
    lab_write_zeroes vm1 vdb 1M 64K
    remember 1 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1 vda)" = inc ]
    [ "$(level "$T/b" virtnbdbackup.1 vdb)" = full ]
    restores "$T/b" 1
    lab_write_zeroes vm1 vda 2M 64K
    lab_write_zeroes vm1 vdb 2M 64K
    remember 2 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.2 vdb)" = inc ]
    restores "$T/b" 2
    restores "$T/b" 1 -u 1
}

# covers: C17:IC
@test "a disk is added: whole at first, then increments; both points right" {
    guest
    remember 1
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 1M 64K
    lab_image b.qcow2 qcow2 8M
    cat >"$T/vdb.xml" <<XML
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='$LAB_DISKS/b.qcow2'/><target dev='vdb' bus='virtio'/>
<alias name='ua-vdb'/></disk>
XML
    lab_virsh attach-device vm1 "$T/vdb.xml" --config --live
    lab_write vm1 vdb 0x33 1M 1M
    remember 2 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1 vda)" = inc ]
    [ "$(level "$T/b" virtnbdbackup.1 vdb)" = full ]
    lab_write_zeroes vm1 vdb 1M 64K
    remember 3 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.2 vdb)" = inc ]
    restores "$T/b" 1 -u 0
    restores "$T/b" 2 -u 1
    restores "$T/b" 3
}

# covers: D2:IC
@test "libvirt has forgotten the checkpoints: it is told again" {
    guest
    local dir=$T/c n
    backup -d vm1 -l full -C "$dir" -o "$T/b"
    backup -d vm1 -l inc -C "$dir" -o "$T/b"
    [ -e "$dir/virtnbdbackup.1.xml" ] && [ ! -e "$T/b/checkpoints" ]
    for n in 1 0; do
        lab_virsh checkpoint-delete --metadata vm1 virtnbdbackup.$n
    done
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    lab_write_zeroes vm1 vda 0 128K
    remember 2
    backup -d vm1 -l inc -C "$dir" -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.2)" = inc ]
    restores "$T/b" 2
}

# covers: D4:I D2:I
@test "a checkpoint of that name which is not ours is no parent" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_virsh checkpoint-delete vm1 virtnbdbackup.0
    lab_write_zeroes vm1 vda 0 128K
    lab_virsh checkpoint-create-as vm1 --name virtnbdbackup.0 >/dev/null
    lab_write vm1 vda 0x22 3M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" "$(names "$T/b" | cut -d' ' -f2)")" = full ]
    restores "$T/b" 1
}

# covers: D4:I
@test "foreign checkpoints are no obstacle and no parent" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 0 64K
    lab_virsh checkpoint-create-as vm1 --name other >/dev/null
    lab_write_zeroes vm1 vda 1M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    lab_virsh checkpoint-list vm1 --name | grep -qx other
    lab_write vm1 vda 0x33 2M 64K
    remember 2
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1 -u 1
    restores "$T/b" 2
}

# fragments FILE SIZE LENGTH: every other sector of the first LENGTH bytes.
fragments() {
    lab_run /usr/bin/python3 - "$LAB_DISKS/f.raw" "$3" <<'PYTHON'
import sys
with open(sys.argv[1], "wb") as f:
    f.write((b"\x42" * 512 + bytes(512)) * (int(sys.argv[2]) // 1024))
PYTHON
    lab_run truncate -s "$2" "$LAB_DISKS/f.raw"
    lab_run qemu-img convert -S 512 -O qcow2 -o cluster_size=512 \
        "$LAB_DISKS/f.raw" "$LAB_DISKS/$1"
    rm "$LAB_DISKS/f.raw"
}

# covers: E5:I
@test "an image of 143360 fragments: the increment has what has changed" {
    fragments a.qcow2 5G 73400320
    lab_domain vm1 vda=a.qcow2
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x77 110M 64K
    lab_write_zeroes vm1 vda 1M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    [ "$(jq '.disks[0].dataSize' "$T/b/manifest.virtnbdbackup.1.json")" -gt 65535 ]
    restores "$T/b" 1
}

# covers: E11:FI
@test "the same fragments on a disk of 128 MiB" {
    fragments a.qcow2 128M 73400320
    lab_domain vm1 vda=a.qcow2
    remember 0
    backup -d vm1 -l full -o "$T/b"
    restores "$T/b" 0
    lab_write vm1 vda 0x77 127M 1M
    remember 1
    backup -d vm1 -l inc -z -o "$T/b"
    restores "$T/b" 1
}

# covers: A2:IC
@test "no room for the list of checkpoints: the point is there, the list later" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 0 64K
    remember 1
    run -4 faulty -P vm1.cpt \
        -e inject=rename,renameat,renameat2,linkat:error=ENOSPC \
        virtnbdbackup -d vm1 -l inc -o "$T/b"
    echo "$output"
    [[ $output == *vm1.cpt*"No space left"* ]]
    lab_leftovers
    [ "$(cat "$T/b/vm1.cpt")" = '["virtnbdbackup.0"]' ]
    restores "$T/b" 1
    lab_write vm1 vda 0x33 1M 64K
    remember 2
    backup -d vm1 -l inc -o "$T/b"
    [ "$(cat "$T/b/vm1.cpt")" = \
        '["virtnbdbackup.0", "virtnbdbackup.1", "virtnbdbackup.2"]' ]
    restores "$T/b" 1 -u 1
    restores "$T/b" 2
}

# covers: A2:IC
@test "no room for index or manifest: no point, and the same command works" {
    guest
    backup -d vm1 -l full -o "$T/b"
    local path
    for path in "$T/b/vda.inc.virtnbdbackup.1.index.partial" \
        manifest.virtnbdbackup.1.json; do
        echo "$path"
        lab_write vm1 vda 0x22 0 64K
        run -1 faulty -P "$path" \
            -e inject=write,pwrite64,renameat,renameat2,linkat:error=ENOSPC \
            virtnbdbackup -d vm1 -l inc -o "$T/b"
        echo "$output"
        [[ $output == *virtnbdbackup.1*"No space left"* ]]
        lab_leftovers
        [ "$(names "$T/b")" = virtnbdbackup.0 ]
        none "$T"/b/*.partial "$T"/b/intent.* "$T"/b/vda.inc.*
    done
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1
}

# covers: A1:F A3:F
@test "a failed full: the same command works" {
    guest
    remember 0
    run -1 faulty -P "$T/b/vda.full.data.partial" \
        -e inject=write,pwrite64,pwritev,pwritev2:error=EIO:when=1+ \
        virtnbdbackup -d vm1 -l full -o "$T/b"
    echo "$output"
    [[ $output == *vda.full.data* ]]
    lab_leftovers
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    backup -d vm1 -l full -o "$T/b"
    restores "$T/b" 0
}

@test "a copy of the directory goes on, and so does the original" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_run cp -r "$T/b" "$T/elsewhere"
    lab_write vm1 vda 0x22 0 64K
    remember 1
    backup -d vm1 -l inc -o "$T/elsewhere"
    [ "$(level "$T/elsewhere" virtnbdbackup.1)" = inc ]
    lab_write_zeroes vm1 vda 1M 64K
    remember 2
    backup -d vm1 -l inc -o "$T/b"
    lab_write vm1 vda 0x33 2M 64K
    remember 3
    backup -d vm1 -l inc -o "$T/elsewhere"
    restores "$T/elsewhere" 1 -u virtnbdbackup.1
    restores "$T/b" 2
    restores "$T/elsewhere" 3
}

# covers: D1:IC
@test "--no-fallback: no full of a disk in the place of an increment" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_virsh destroy vm1
    qemu-img bitmap --remove "$LAB_DISKS/a.qcow2" virtnbdbackup.0
    lab_virsh start vm1
    run -1 backup -d vm1 -l inc --no-fallback -o "$T/b"
    [[ $output == *"vda"*"--no-fallback"* ]]
    [ ! -e "$T/b/manifest.virtnbdbackup.1.json" ]
    backup -d vm1 -l inc -o "$T/b"
    jq -e '.disks[0].level == "full"' "$T/b/manifest.virtnbdbackup.1.json"
}

# covers: A9:I
@test "a directory stays with its chain" {
    guest
    backup -d vm1 -l full --chain weekly -o "$T/b"
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.weekly.0 ]
    backup -d vm1 -l inc -o "$T/b"
    [ -e "$T/b/manifest.virtnbdbackup.weekly.1.json" ]
    run -1 backup -d vm1 -l inc --chain daily -o "$T/b"
    [[ $output == *"weekly"*"daily"* ]]
    run -64 backup -d vm1 -l full --chain 7 -o "$T/c"
}

# covers: D1:F
@test "stray bitmaps of the name are no obstacle for a full" {
    lab_domain vm1 vda=a.qcow2,size=4M vdb=b.qcow2,size=4M
    backup -d vm1 -l full -o "$T/b"
    lab_virsh checkpoint-delete --metadata vm1 virtnbdbackup.0 >/dev/null
    backup -d vm1 -l full -o "$T/c"
    lab_virsh destroy vm1
    qemu-img bitmap --remove "$LAB_DISKS/a.qcow2" virtnbdbackup.0
    lab_virsh start vm1
    lab_write vm1 vda 0x17 1M 64K
    lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    backup -d vm1 -l full -o "$T/d"
    restore -i "$T/d" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
}

# covers: C18:IR
@test "a disk that was detached does not come back" {
    lab_domain vm1 vda=a.qcow2,size=4M vdb=b.qcow2,size=4M
    backup -d vm1 -l full -o "$T/b"
    lab_virsh detach-disk vm1 vdb --config >/dev/null
    lab_virsh destroy vm1
    lab_virsh start vm1
    backup -d vm1 -l inc -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    [ -e "$T/r/a.qcow2" ] && [ ! -e "$T/r/b.qcow2" ]
    restore -i "$T/b" -o "$T/r0" -u 0
    [ -e "$T/r0/b.qcow2" ]
}
