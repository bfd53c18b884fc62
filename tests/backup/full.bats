#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# full.bats - levels full and copy of running guests, restored and compared
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

seed() {
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
}

# One to three disks: odd sizes, one empty, one full of data.
three_disks() {
    lab_domain vm1 vda=a.qcow2,size=33554944 vdb=b.qcow2,size=9437696 \
        vdc=c.qcow2,size=5M,cluster_size=4K
    seed
    random_disk vm1 vda 33554944 "$SEED"
    lab_write vm1 vdc 0xc7 0 5M
    lab_write vm1 vda 0x42 33554432 512
}

# back_up_and_compare ARGUMENT...
back_up_and_compare() {
    local disk
    for disk in vda vdb vdc; do
        lab_snapshot_truth vm1 $disk "$LAB/$disk.raw"
    done
    backup_while_writing vm1 vda -o "$T/b" "$@"
    restore -i "$T/b" -o verify
    restore -i "$T/b" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
    same "$T/r/b.qcow2" "$LAB/vdb.raw"
    same "$T/r/c.qcow2" "$LAB/vdc.raw"
}

@test "full of three disks, while one is written" {
    three_disks
    back_up_and_compare -l full
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    [ "$(cat "$T/b/vm1.cpt")" = '["virtnbdbackup.0"]' ]
    [ -f "$T/b/checkpoints/virtnbdbackup.0.xml" ]
    [ -f "$T/b/manifest.virtnbdbackup.0.json" ]
    [ -f "$T/b/vda.full.data.chksum" ]
    [ -f "$T/b/vmconfig.virtnbdbackup.0.xml" ]
    ls "$T"/b/backup.full.*.log
    none "$T"/b/*.partial "$T"/b/intent.*
}

@test "full of three disks, compressed" {
    three_disks
    back_up_and_compare -l full -z
}

@test "copy of three disks makes no checkpoint" {
    three_disks
    back_up_and_compare -l copy
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    [ -d "$T/b/checkpoints" ]
}

@test "copy, compressed at another level, one disk at a time" {
    three_disks
    back_up_and_compare -z 9 -w 1
    jq -e '.[].compressed == 9' <(restore -i "$T/b" -o dump)
}

# covers: S4:FID
@test "a backup is private: 0600 in 0700, whatever the umask" {
    lab_domain vm1 vda=a.qcow2,size=1M
    for level in full inc diff; do
        (umask 0; backup -d vm1 -l $level -o "$T/b")
    done
    [ "$(stat -c %a "$T/b")" = 700 ]
    [ -z "$(find "$T/b" -type f ! -perm 600)" ]
    [ -z "$(find "$T/b" -type d ! -perm 700)" ]
}

# covers: S4:ID
@test "increments too; --group lets one group read" {
    local group
    group=$(id -g games)
    lab_domain vm1 vda=a.qcow2,size=1M
    [ "$(id -u)" != 0 ] || LAB_AS=(setpriv "--reuid=$LAB_USER"
        "--regid=$(id -g "$LAB_USER")" "--groups=$group" --)
    [[ " $(lab_run id -G) " == *" $group "* ]] ||
        skip "not a member of the group games"
    (umask 0; backup -d vm1 -l full -o "$T/b")
    (umask 0; backup -d vm1 -l inc -o "$T/b")
    (umask 0; backup -d vm1 -l diff -o "$T/b")
    [ -z "$(find "$T/b" -type f ! -perm 600)" ]
    [ -z "$(find "$T/b" -type d ! -perm 700)" ]
    for level in full inc diff; do
        (umask 077; backup -d vm1 -l $level -o "$T/g" --group games)
    done
    [ -z "$(find "$T/g" -type f ! \( -perm 640 -group games \))" ]
    [ -z "$(find "$T/g" -type d ! \( -perm 750 -group games \))" ]
    run -1 backup -d vm1 -l inc -o "$T/g" --group root
    [[ $output == *"to group 0"* ]]
    run -64 backup -d vm1 -l inc -o "$T/g" --group nobody-has-this
}

# covers: D12:F
@test "a full replaces the checkpoints of an older default chain" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b1"
    lab_virsh checkpoint-create-as vm1 --name other >/dev/null
    backup -d vm1 -l full -o "$T/b2"
    lab_virsh checkpoint-list vm1 --name >"$LAB/names"
    grep -qx virtnbdbackup.0 "$LAB/names"
    grep -qx other "$LAB/names"
    point=$(jq -r .point "$T/b2/manifest.virtnbdbackup.0.json")
    lab_virsh checkpoint-dumpxml vm1 virtnbdbackup.0 | grep -q "$point"
}

@test "a full after copies in one directory is right for every reader" {
    lab_domain vm1 vda=a.qcow2,size=4M
    lab_write vm1 vda 0x11 0 2M
    backup -d vm1 -o "$T/b"
    lab_write_zeroes vm1 vda 0 1M
    lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    backup -d vm1 -l full -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
}

@test "disks are chosen with -i and -x, and skipped with a reason" {
    lab_domain vm1 vda=a.qcow2,size=1M vdb=b.qcow2,size=1M \
        vdc=c.raw,format=raw,size=1M hda=,device=cdrom,bus=ide
    backup -d vm1 -i vdb -o "$T/b1" 2>"$LAB/err"
    [ ! -e "$T/b1/vda.copy.data" ] && [ -e "$T/b1/vdb.copy.data" ]
    backup -d vm1 -x vda,vdc -o "$T/b2"
    [ ! -e "$T/b2/vda.copy.data" ] && [ -e "$T/b2/vdb.copy.data" ]
    backup -d vm1 -o "$T/b3" 2>"$LAB/err"
    grep -q 'vdc: not backed up: .*raw' "$LAB/err"
    grep -q 'hda: not backed up' "$LAB/err"
    [ ! -e "$T/b3/vdc.copy.data" ]
}

@test "a qcow2 image of version 2: copy works, full says what to do" {
    lab_domain vm1 vda=a.qcow2,size=1M,compat=0.10
    lab_write vm1 vda 0x11 0 64K
    lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    run -1 backup -d vm1 -l full -o "$T/b1"
    [[ $output == *"qemu-img amend"*compat=1.1* ]]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    backup -d vm1 -o "$T/b2"
    restore -i "$T/b2" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
    qemu-img info "$T/r/a.qcow2" | grep -q 'compat: 0.10'
}

@test "a guest without disks: its configuration is saved" {
    lab_domain vm1
    backup -d vm1 -l full -o "$T/b"
    [ -f "$T/b/vmconfig.virtnbdbackup.0.xml" ]
    restore -i "$T/b" -o "$T/r"
    cmp "$T/b/vmconfig.virtnbdbackup.0.xml" "$T/r/vmconfig.xml"
}

@test "another socket and another scratch directory" {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 8M
    mkdir -p "$T/s"
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$T/s"
    backup_while_writing vm1 vda -o "$T/b" -f "$T/nbd.sock" --scratchdir "$T/s"
    [ -z "$(ls "$T/s")" ]
    [ ! -e "$T/nbd.sock" ]
}

@test "quiet says nothing on stderr, the log file has it all" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -o "$T/b" --quiet 2>"$LAB/err"
    [ ! -s "$LAB/err" ]
    grep -q "finished in" "$T"/b/backup.copy.*.log
}

@test "no escape codes in a redirected stderr" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -o "$T/b" 2>"$LAB/err"
    lacks $'\x1b' "$LAB/err"
    grep -q 'vda: 100%' "$LAB/err"
}

@test "-V prints the bare version" {
    run -0 backup -V
    [[ $output =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]
    run -0 restore -V
    [[ $output =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]
}
