#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# restore.bats - what a restored image is good for, and what it looks like
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() {
    [ -z "${LAB:-}" ] || umount "$LAB/mnt" 2>/dev/null || true
    cli_teardown
}
teardown_file() { cli_teardown_file; }

@test "a file system in a restored image is mounted, its files are there" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    truncate -s 48M "$LAB/fs.raw"
    mkdir -p "$LAB/files"
    seq 1 100000 >"$LAB/files/numbers"
    cp -r /usr/share/doc/bash "$LAB/files/"
    mkfs.ext4 -q -d "$LAB/files" "$LAB/fs.raw"
    lab_run qemu-img convert -O qcow2 "$LAB/fs.raw" "$LAB_DISKS/a.qcow2"
    lab_domain vm1 vda=a.qcow2
    backup -d vm1 -l full -z -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    qemu-img convert -O raw "$T/r/a.qcow2" "$LAB/restored.raw"
    e2fsck -fn "$LAB/restored.raw"
    mkdir -p "$LAB/mnt"
    mount -o loop,ro "$LAB/restored.raw" "$LAB/mnt" || {
        umount "$LAB/mnt"
        false
    }
    diff -r --no-dereference --exclude=lost+found "$LAB/files" "$LAB/mnt"
    umount "$LAB/mnt"
}

@test "a restored image is attached to a running guest" {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x3c 1M 1M
    backup -d vm1 -l full -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    lab_virsh attach-disk vm1 "$T/r/a.qcow2" vdb --driver qemu \
        --subdriver qcow2 >/dev/null
    lab_io vm1 virtio-disk1 "read -P 0x3c 1M 1M"
    lab_io vm1 virtio-disk1 "read -P 0 2M 6M"
    lab_write vm1 virtio-disk1 0x3d 2M 64K
}

@test "a restored configuration starts the guest again" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b"
    lab_virsh destroy vm1
    lab_virsh undefine vm1 --checkpoints-metadata
    restore -i "$T/b" -o "$T/r"
    cmp "$T/b/vmconfig.virtnbdbackup.0.xml" "$T/r/vmconfig.xml"
    lab_virsh define "$T/r/vmconfig.xml"
    lab_virsh start vm1
}

@test "the image is made like the original" {
    lab_domain vm1 vda=a.qcow2,size=8M,cluster_size=16K,lazy_refcounts=on \
        vdb=b.qcow2,size=8M,compression_type=zstd,extended_l2=on,cluster_size=128K
    backup -d vm1 -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    for disk in a b; do
        cmp <(qemu-img info -U --output json "$LAB_DISKS/$disk.qcow2" |
            jq '.["cluster-size"], .["format-specific"].data |
                del(.bitmaps?, .corrupt?)') \
            <(qemu-img info --output json "$T/r/$disk.qcow2" |
                jq '.["cluster-size"], .["format-specific"].data |
                    del(.bitmaps?, .corrupt?)')
    done
}

@test "holes stay holes" {
    lab_domain vm1 vda=a.qcow2,size=64M
    lab_write vm1 vda 0x11 32M 1M
    # qemu-img below looks at the file, not into QEMU's caches.
    lab_flush vm1 vda
    backup -d vm1 -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    [ "$(stat -c '%b * %B' "$T/r/a.qcow2" | sed 's/ //g' | xargs -I{} \
        bash -c 'echo $(({}))')" -lt 3000000 ]
    cmp <(qemu-img map -U --output json "$LAB_DISKS/a.qcow2" |
        jq -c '.[] | [.start, .length, .zero]') \
        <(qemu-img map --output json "$T/r/a.qcow2" |
            jq -c '.[] | [.start, .length, .zero]')
}

@test "one disk with -d, then the other into the same directory" {
    lab_domain vm1 vda=a.qcow2,size=1M vdb=b.qcow2,size=1M
    backup -d vm1 -o "$T/b"
    restore -i "$T/b" -o "$T/r" -d vdb
    [ -e "$T/r/b.qcow2" ] && [ ! -e "$T/r/a.qcow2" ]
    restore -i "$T/b" -o "$T/r" -d vda
    [ -e "$T/r/a.qcow2" ]
    run -1 restore -i "$T/b" -o "$T/r2" -d vdx
    [[ $output == *"'vdx'"* ]]
}

# covers: G1:R
@test "nothing that exists is replaced" {
    lab_domain vm1 vda=a.qcow2,size=1M vdb=b.qcow2,size=1M
    backup -d vm1 -o "$T/b"
    lab_run mkdir "$T/r"
    echo precious | lab_run tee "$T/r/b.qcow2"
    run -1 restore -i "$T/b" -o "$T/r"
    [[ $output == *"b.qcow2"*"not replaced"* ]]
    [ "$(cat "$T/r/b.qcow2")" = precious ]
    [ "$(ls -A "$T/r")" = b.qcow2 ]
}

@test "two images of one name do not collide" {
    mkdir "$LAB_DISKS/one" "$LAB_DISKS/two"
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$LAB_DISKS/one" "$LAB_DISKS/two"
    lab_domain vm1 vda=one/d.qcow2,size=1M vdb=two/d.qcow2,size=2M
    backup -d vm1 -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    [ "$(qemu-img info --output json "$T/r/d.qcow2" |
        jq '.["virtual-size"]')" = 1048576 ]
    [ "$(qemu-img info --output json "$T/r/vdb-d.qcow2" |
        jq '.["virtual-size"]')" = 2097152 ]
}

@test "dump prints a JSON list, the same for -a and -o" {
    lab_domain vm1 vda=a.qcow2,size=1M vdb=b.qcow2,size=1M
    backup -d vm1 -o "$T/b"
    restore -i "$T/b" -a dump >"$LAB/1" 2>/dev/null
    restore -i "$T/b" -o dump >"$LAB/2" 2>/dev/null
    cmp "$LAB/1" "$LAB/2"
    [ "$(jq length "$LAB/1")" = 2 ]
    restore -i "$T/b" -o dump -d vdb 2>/dev/null |
        jq -e 'length == 1 and .[0].diskName == "vdb"'
}

@test "stdout of a restore is empty" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -o "$T/b"
    [ -z "$(restore -i "$T/b" -o "$T/r" 2>/dev/null)" ]
}

# covers: E14:R G2:R
@test "a full disk of the target: nothing half there, the reason is said" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 8M
    backup -d vm1 -o "$T/b"
    mkdir -p "$LAB/mnt"
    mount -t tmpfs -o "size=4m,uid=$(id -u "$LAB_USER")" tmpfs "$LAB/mnt"
    run restore -i "$T/b" -o "$LAB/mnt/r"
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"o space left"* ]]
    [ -z "$(ls -A "$LAB/mnt/r")" ]
    umount "$LAB/mnt"
}
