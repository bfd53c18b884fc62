#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# chain.bats - what happens between the points of a chain: to the disks, their
# images and bitmaps, the clock; every point stays exact
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() {
    cli_setup_file
    [ ! -e "$BATS_FILE_TMPDIR/lab" ] || cp "$CLOCK" "$LAB/clock.so"
}
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

guest() {
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 4M
    backup -d vm1 -l full -o "$T/b"
    N=0
}

# point LEVEL [OPTION...]: change a little, remember, back up.
point() {
    N=$((N + 1))
    lab_write vm1 vda 0x$((20 + N)) "$((N * 700))K" 128K
    lab_write_zeroes vm1 vda "$((N * 300))K" 64K
    remember "$N"
    backup -d vm1 -o "$T/b" -l "$@"
}

# All points since guest, in their order, are as remembered.
exact() {
    local i
    local -a when
    read -r -a when <<<"$(names "$T/b")"
    [ "${#when[@]}" = $((N + 1)) ]
    for ((i = 1; i <= N; i++)); do
        restores "$T/b" $i -u "${when[i]}"
    done
    restore -i "$T/b" -o verify
}

# covers: C19:CIR
@test "a disk grows while it runs and while it is off, and shrinks" {
    guest
    lab_virsh blockresize vm1 vda 20M
    point inc
    lab_write vm1 vda 0x77 19M 1M
    point diff
    lab_virsh destroy vm1
    lab_run qemu-img resize -q "$LAB_DISKS/a.qcow2" 24M
    lab_virsh start vm1
    lab_write vm1 vda 0x78 23M 1M
    point inc -z
    lab_virsh blockresize vm1 vda 12M
    point inc
    lab_virsh blockresize vm1 vda 18M
    point inc
    exact
}

# covers: C20:CIR
@test "an external snapshot is made, committed, made again and pulled" {
    guest
    point inc
    lab_virsh snapshot-create-as vm1 s1 --disk-only --no-metadata \
        --diskspec "vda,file=$LAB_DISKS/s1.qcow2" >/dev/null
    point inc
    point diff
    lab_virsh blockcommit vm1 vda --active --pivot --wait >/dev/null
    point inc
    lab_virsh snapshot-create-as vm1 s2 --disk-only --no-metadata \
        --diskspec "vda,file=$LAB_DISKS/s2.qcow2" >/dev/null
    point inc
    lab_virsh blockpull vm1 vda --wait >/dev/null
    point inc
    [ "$(names "$T/b" | wc -w)" = 7 ]
    restore -i "$T/b" -o verify
    local i name
    for ((i = 1; i <= N; i++)); do
        rm -rf "$T/r"
        restore -i "$T/b" -o "$T/r" -u "$(names "$T/b" | cut -d' ' -f$((i + 1)))"
        name=$(ls "$T"/r/*.qcow2)
        same "$name" "$T/truth.$i.vda"
    done
}

# covers: C18:CIR
@test "another image takes the disk's place: saved whole, and goes on" {
    guest
    point inc
    lab_virsh destroy vm1
    mv "$LAB_DISKS/a.qcow2" "$LAB_DISKS/old.qcow2"
    lab_run cp "$LAB_DISKS/old.qcow2" "$LAB_DISKS/a.qcow2"
    lab_run qemu-io -f qcow2 -c "write -P 9 8M 1M" -c "write -z 0 1M" \
        "$LAB_DISKS/old.qcow2"
    lab_virsh start vm1
    point inc
    [ "$(level "$T/b" virtnbdbackup.2)" = full ]
    point inc
    [ "$(level "$T/b" virtnbdbackup.3)" = inc ]
    # And the old one comes back.
    lab_virsh destroy vm1
    mv "$LAB_DISKS/old.qcow2" "$LAB_DISKS/a.qcow2"
    lab_virsh start vm1
    point inc
    point diff
    exact
}

# covers: C17:D
@test "a disk is added: a differential has it whole" {
    guest
    lab_virsh destroy vm1
    LAB_UUID=$(lab_virsh domuuid vm1)
    LAB_UUID=$LAB_UUID lab_domain --off vm1 vda=a.qcow2 vdb=b.qcow2,size=4M
    lab_virsh start vm1
    lab_write vm1 vdb 0x33 1M 1M
    lab_write vm1 vda 0x34 1M 64K
    remember 1 vda vdb
    backup -d vm1 -l diff -o "$T/b"
    restores "$T/b" 1
    lab_write_zeroes vm1 vdb 1M 64K
    remember 2 vda vdb
    backup -d vm1 -l diff -o "$T/b"
    restores "$T/b" 2
}

# covers: C16:I
@test "a guest that is off: started paused for a full and increments" {
    guest
    lab_virsh destroy vm1
    rm -rf "$T/b"
    backup -d vm1 -l full -S -o "$T/b"
    lab_run qemu-io -f qcow2 -c "write -P 9 3M 1M" -c "write -z 0 64K" \
        "$LAB_DISKS/a.qcow2" >/dev/null
    remember 1
    backup -d vm1 -l inc -S -o "$T/b"
    [ "$(lab_virsh domstate vm1)" = "shut off" ]
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    restores "$T/b" 1
}

# covers: D4:FD D12:F
@test "foreign checkpoints in every order: no obstacle, no parent, not removed" {
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 4M
    lab_virsh checkpoint-create-as vm1 --name first >/dev/null
    backup -d vm1 -l full -o "$T/b"
    N=0
    lab_virsh checkpoint-create-as vm1 --name virtnbdbackups.1 >/dev/null
    point diff
    lab_virsh checkpoint-create-as vm1 --name virtnbdbackup.x >/dev/null
    point diff
    exact
    remember new
    backup -d vm1 -l full -o "$T/c"
    restores "$T/c" new
    [ "$(lab_virsh checkpoint-list vm1 --name | sort | xargs)" = \
        "first virtnbdbackup.0 virtnbdbackup.x virtnbdbackups.1" ]
    # A chain that lost its checkpoints goes on with whole disks.
    point inc
    exact
}

# covers: D7:CI
@test "disks are left out in turn: each has its own parent" {
    local i=0 choice
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=8M
    backup -d vm1 -l full -o "$T/b"
    for choice in "-i vda" "-x vda" "-i vda" "" "-x vdb" "-i vdb" ""; do
        i=$((i + 1))
        lab_write vm1 vda $((i + 16)) "${i}M" 300K
        lab_write vm1 vdb $((i + 32)) "${i}M" 300K
        lab_write_zeroes vm1 vda 64K 64K
        # shellcheck disable=SC2086
        backup -d vm1 -l inc $choice -o "$T/b"
    done
    remember 7 vda vdb
    restores "$T/b" 7
    restore -i "$T/b" -o verify
}

# covers: D8:C D1:CI
@test "QEMU finds no room to store its bitmaps, and nobody is told" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    mkdir "$LAB_DISKS/small"
    mount -t tmpfs -o size=24m,mode=777 none "$LAB_DISKS/small"
    lab_domain vm1 vda="$LAB_DISKS/small/a.qcow2",size=8M,preallocation=full
    lab_write vm1 vda 0x11 0 4M
    backup -d vm1 -l full -o "$T/b"
    lab_write_zeroes --keep vm1 vda 1M 1M
    lab_write vm1 vda 0x22 3M 64K
    lab_flush vm1 vda
    lab_run dd if=/dev/zero of="$LAB_DISKS/small/fill" bs=4K status=none || true
    lab_virsh destroy --graceful vm1
    rm "$LAB_DISKS/small/fill"
    lab_virsh start vm1
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1)" = full ]
    restores "$T/b" 1
    lab_virsh destroy vm1
    umount "$LAB_DISKS/small"
    rmdir "$LAB_DISKS/small"
}

# covers: D9:IDR
@test "the clock goes back years, far ahead, and stands still" {
    guest
    local time
    # The run sees another time; 0 is the right one.
    backup() {
        lab_run env LD_PRELOAD="$LAB/clock.so" CLOCK_AT="$time" \
            ASAN_OPTIONS=verify_asan_link_order=0 virtnbdbackup "$@"
    }
    time=@1000000000 point inc
    time=@1000000000 point diff
    time=@1000000000 point diff
    time=@4000000000 point inc
    time=@951782400 point inc
    time=@1795831199 point diff
    time=@0 point inc
    exact
    restores "$T/b" 7
}

# covers: C8:CI
@test "a domain is renamed, undefined, and another one gets its name" {
    guest
    lab_virsh destroy vm1
    lab_virsh undefine --checkpoints-metadata vm1
    LAB_UUID=4b5c6d7e-0000-4000-8000-000000000001 lab_domain vm1 vda=a.qcow2
    run -1 backup -d vm1 -l inc -o "$T/b"
    echo "$output"
    [[ $output == *"another domain"* ]]
    lab_leftovers
    [ "$(names "$T/b")" = virtnbdbackup.0 ]
    restore -i "$T/b" -o verify
}

# covers: A9:DV
@test "the directory of another guest or chain: no differential, no verify" {
    guest
    lab_domain vm2 vda=b.qcow2,size=8M
    run -1 backup -d vm2 -l diff -o "$T/b"
    [[ $output == *"another domain"* ]]
    run -1 backup -d vm1 -l diff --chain other -o "$T/b"
    [[ $output == *"chain"* ]]
    backup -d vm1 -l full --chain other -o "$T/c"
    lab_run cp "$T"/c/manifest.* "$T/b/"
    run -3 restore -i "$T/b" -o verify
    [[ $output == *"two chains"* ]]
}
