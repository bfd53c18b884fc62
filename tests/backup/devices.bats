#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# devices.bats - what a guest can have besides two qcow2 files: raw disks, block
# devices, volumes, drives, odd names, many disks, firmware, snapshots
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() {
    cli_setup
    LOOPS=()
}
teardown() {
    cli_teardown
    local loop
    for loop in "${LOOPS[@]}"; do
        losetup -d "$loop"
    done
}
teardown_file() { cli_teardown_file; }

# loop_device BYTES: LOOP becomes a block device that the lab's user may use.
loop_device() {
    local file
    [ "$(id -u)" = 0 ] || skip "block devices need root"
    file=$(mktemp "$LAB/loop.XXXXXX")
    truncate -s "$1" "$file"
    LOOP=$(losetup --show -f "$file") || skip "no loop devices"
    LOOPS+=("$LOOP")
    rm "$file"
    chown "$LAB_USER" "$LOOP"
}

@test "a raw disk is left out with a reason, and saved with --raw" {
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.raw,format=raw,size=3M
    lab_write vm1 vda 0x11 0 1M
    lab_write vm1 vdb 0x12 1M 512K
    run backup -d vm1 -l full -o "$T/a"
    [ "$status" = 0 ]
    [[ $output == *"vdb: not backed up: "*"--raw"* ]]
    run ! ls "$T/a"/vdb*
    backup -d vm1 -l full -r -z -o "$T/b"
    # Never compressed, without a header, as large as the disk.
    cmp "$T/b/vdb.copy.data" "$LAB_DISKS/b.raw"
    [ ! -e "$T/b/vdb.copy.data.chksum" ]
    [ "$(jq -r '.disks[1] | "\(.raw) \(.checkpoint) \(.level)"' \
        "$T/b/manifest.virtnbdbackup.0.json")" = "true  copy" ]
    [ "$(du -k "$T/b/vdb.copy.data" | cut -f1)" -lt 1024 ]
    lab_virsh checkpoint-dumpxml vm1 virtnbdbackup.0 |
        grep -E "vdb.*checkpoint='no'"
    # Increments go on without it.
    lab_write vm1 vda 0x21 2M 64K
    run backup -d vm1 -l inc -r -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"--raw is for full and copy"* ]]
    remember 1 vda
    restores "$T/b" 1 -d vda
    restore -i "$T/b" -o verify
}

@test "only raw disks: a full becomes a copy" {
    lab_domain vm1 vda=a.raw,format=raw,size=4M
    lab_write vm1 vda 0x11 1M 512K
    run backup -d vm1 -l full -r -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"becomes a copy"* ]]
    cmp "$T/b/vda.copy.data" "$LAB_DISKS/a.raw"
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    restore -i "$T/b" -o verify
}

@test "raw output of qcow2 disks" {
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=3M
    lab_write vm1 vda 0x11 0 1M
    lab_write_zeroes vm1 vda 256K 64K
    remember 0 vda vdb
    backup -d vm1 -t raw -l copy -o "$T/b"
    cmp "$T/b/vda.copy.data" "$T/truth.0.vda"
    cmp "$T/b/vdb.copy.data" "$T/truth.0.vdb"
    [ "$(du -k "$T/b/vda.copy.data" | cut -f1)" -le 1024 ]
    backup -d vm1 -t raw -l full -o "$T/c"
    cmp "$T/c/vda.full.data" "$T/truth.0.vda"
    restore -i "$T/c" -o verify
    # A byte that changes is found.
    printf x | dd of="$T/c/vda.full.data" bs=1 seek=1000 conv=notrunc status=none
    run ! restore -i "$T/c" -o verify
}

@test "block devices: qcow2 like any disk, raw only with --raw" {
    loop_device 16M
    local qcow=$LOOP
    lab_run qemu-img create -q -f qcow2 "$qcow" 8M
    loop_device 4M
    lab_domain vm1 "vda=$qcow" "vdb=$LOOP,format=raw"
    lab_write vm1 vda 0x11 0 1M
    lab_write vm1 vdb 0x12 1M 512K
    run backup -d vm1 -l full -o "$T/a"
    [[ $output == *"vdb: not backed up: "* ]]
    backup -d vm1 -l full -r -o "$T/b"
    lab_flush vm1 vdb
    cmp "$T/b/vdb.copy.data" "$LOOP"
    lab_write vm1 vda 0x21 2M 64K
    lab_snapshot_truth vm1 vda "$T/truth.raw"
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    restore -i "$T/b" -o "$T/r" -d vda
    same "$T"/r/loop* "$T/truth.raw"
    # Powered off as well.
    lab_virsh destroy vm1
    backup -d vm1 -l copy -r -o "$T/off"
    cmp "$T/off/vdb.copy.data" "$LOOP"
    lab_virsh undefine --checkpoints-metadata vm1
}

@test "a volume of a pool, a CD-ROM, a floppy, drives without medium" {
    mkdir "$LAB_DISKS/pool"
    chown "$LAB_USER" "$LAB_DISKS/pool"
    lab_virsh pool-create-as p1 dir --target "$LAB_DISKS/pool"
    lab_image "$LAB_DISKS/pool/v.qcow2" qcow2 8M
    lab_virsh pool-refresh p1
    truncate -s 1M "$LAB_DISKS/cd.iso" "$LAB_DISKS/fd.img"
    chown "$LAB_USER" "$LAB_DISKS/cd.iso" "$LAB_DISKS/fd.img"
    lab_domain vm1 vda=,pool=p1,volume=v.qcow2 sda=cd.iso,device=cdrom \
        sdb=,device=cdrom fda=fd.img,device=floppy
    lab_write vm1 vda 0x11 0 1M
    run backup -d vm1 -l full --freeze-timeout 0 --strict -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"sda: not backed up"* && $output == *"fda: not backed up"* ]]
    [ "$(jq '.disks | length' "$T/b/manifest.virtnbdbackup.0.json")" = 1 ]
    lab_write vm1 vda 0x21 2M 64K
    lab_virsh suspend vm1
    lab_flush vm1 vda
    qemu-img convert -U -O raw "$LAB_DISKS/pool/v.qcow2" "$T/truth.raw"
    backup -d vm1 -l inc -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    same "$T"/r/*.qcow2 "$T/truth.raw"
    lab_virsh destroy vm1
    lab_virsh undefine --checkpoints-metadata vm1
    lab_virsh pool-destroy p1
}

# covers: S9:F
@test "an image with a blank, a quote and an equals sign in its path, on and off" {
    mkdir "$LAB_DISKS/my disks"
    chown "$LAB_USER" "$LAB_DISKS/my disks"
    local image="$LAB_DISKS/my disks/it's=a.qcow2"
    lab_image "$image" qcow2 4M
    lab_domain vm1 "vda=$image"
    lab_write vm1 vda 0x11 0 1M
    backup -d vm1 -l full -o "$T/b"
    lab_virsh destroy vm1
    qemu-img convert -O raw "$image" "$T/truth.raw"
    backup -d vm1 -l copy -o "$T/c"
    restore -i "$T/b" -o "$T/r.b"
    same "$T/r.b/it's=a.qcow2" "$T/truth.raw"
    restore -i "$T/c" -o "$T/r.c"
    same "$T/r.c/it's=a.qcow2" "$T/truth.raw"
}

# covers: S9:F
@test "an image with a comma in its path, on and off" {
    lab_image "$LAB_DISKS/x.qcow2" qcow2 4M
    lab_domain_xml vm1 vda=x.qcow2 | sed 's/x\.qcow2/a, b.qcow2/' >"$LAB/vm.xml"
    mv "$LAB_DISKS/x.qcow2" "$LAB_DISKS/a, b.qcow2"
    lab_virsh define "$LAB/vm.xml"
    lab_virsh start vm1
    lab_write vm1 vda 0x11 0 1M
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 2M 64K
    backup -d vm1 -l inc -o "$T/b"
    lab_virsh destroy vm1
    lab_run qemu-img convert -O raw "$LAB_DISKS/a, b.qcow2" "$LAB/truth.raw"
    backup -d vm1 -l inc -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    same "$T/r/a, b.qcow2" "$LAB/truth.raw"
}

@test "an image whose data lies in a file of its own, off and on" {
    lab_image "$LAB_DISKS/a.qcow2" qcow2 8M "data_file=$LAB_DISKS/a.data,data_file_raw=on"
    lab_domain --off vm1 vda=a.qcow2
    lab_run qemu-io -f qcow2 -c "write -P 0x11 1M 1M" "$LAB_DISKS/a.qcow2"
    remember off
    sum=$(sha256sum <"$LAB_DISKS/a.data")
    backup -d vm1 -l copy -o "$T/off"
    restores "$T/off" off
    [ "$sum" = "$(sha256sum <"$LAB_DISKS/a.data")" ]
    lab_virsh start vm1
    lab_write vm1 vda 0x21 2M 64K
    remember 0
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x31 3M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 0 -u 0
    restores "$T/b" 1
}

@test "thirty disks" {
    local n specs=()
    for n in {1..26}; do
        specs+=("sd$(printf "\\x$(printf %x $((96 + n)))")=$n.qcow2,size=$((n + 1))M,bus=scsi")
    done
    for n in {27..30}; do
        specs+=("sda$(printf "\\x$(printf %x $((96 + n - 26)))")=$n.qcow2,size=2M,bus=scsi")
    done
    LAB_DEVICES="<controller type='scsi' index='0' model='virtio-scsi'/>" \
        lab_domain vm1 "${specs[@]}"
    lab_write vm1 sda 0x11 0 1M
    lab_write vm1 sdaa 0x12 1M 64K
    remember 0 sda sdaa sdz
    backup -d vm1 -l full -o "$T/b"
    [ "$(jq '.disks | length' "$T/b/manifest.virtnbdbackup.0.json")" = 30 ]
    lab_write vm1 sdaa 0x22 0 64K
    backup -d vm1 -l inc -o "$T/b" -w 3
    lab_snapshot_truth vm1 sdaa "$T/sdaa.raw"
    restore -i "$T/b" -o "$T/r"
    [ "$(find "$T/r" -name '*.qcow2' | wc -l)" = 30 ]
    same "$T/r/1.qcow2" "$T/truth.0.sda"
    same "$T/r/27.qcow2" "$T/sdaa.raw"
    same "$T/r/26.qcow2" "$T/truth.0.sdz"
    lab_virsh destroy vm1
    backup -d vm1 -l copy -o "$T/off"
    [ "$(jq '.disks | length' "$T/off/manifest.copy.json")" = 30 ]
}

@test "autostart, firmware and its variables, kernel and initrd" {
    printf 'kernel' >"$LAB_DISKS/vmlinuz 6.1"
    printf 'initrd' >"$LAB_DISKS/vda.full.data"
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$LAB_DISKS/vm1_VARS.fd" ||
        skip "no OVMF firmware (package ovmf)"
    chown "$LAB_USER" "$LAB_DISKS"/*
    lab_image a.qcow2 qcow2 4M
    lab_domain_xml vm1 vda=a.qcow2 | sed "s|<type arch='x86_64' machine='pc'>hvm</type>|<type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>$LAB_DISKS/vm1_VARS.fd</nvram>|" \
        >"$LAB/vm.xml"
    lab_virsh define "$LAB/vm.xml"
    lab_virsh start vm1
    lab_virsh autostart vm1
    backup -d vm1 -l full -o "$T/b"
    [ "$(cat "$T/b/autostart.virtnbdbackup.0")" = True ]
    cmp "$T/b/OVMF_CODE_4M.fd.virtnbdbackup.0" /usr/share/OVMF/OVMF_CODE_4M.fd
    cmp "$T/b/vm1_VARS.fd.virtnbdbackup.0" "$LAB_DISKS/vm1_VARS.fd"
    [ "$(jq -r '.files[] | select(.role) | .role' \
        "$T/b/manifest.virtnbdbackup.0.json" | sort | xargs)" = "loader nvram" ]
    restore -i "$T/b" -o verify
    lab_virsh destroy vm1
    lab_virsh undefine --checkpoints-metadata --keep-nvram vm1
    # Direct kernel boot; names that a set uses for other things, or never.
    lab_domain_xml vm1 vda=a.qcow2 | sed "s|hvm</type>|hvm</type><kernel>$LAB_DISKS/vmlinuz 6.1</kernel><initrd>$LAB_DISKS/vda.full.data</initrd>|" \
        >"$LAB/vm.xml"
    lab_virsh define "$LAB/vm.xml"
    backup -d vm1 -l copy -o "$T/c"
    [ "$(cat "$T/c/vmlinuz_6.1")" = kernel ]
    [ "$(cat "$T/c/initrd-vda_full_data")" = initrd ]
    restore -i "$T/c" -o verify
    # One that cannot be read is a warning.
    rm "$LAB_DISKS/vda.full.data"
    run -2 backup -d vm1 -l copy -e -o "$T/d"
    [[ $output == *"initrd"*"vda.full.data"*"not in the backup"* ]]
}

@test "snapshots that the backup does not hold are named; an overlay is flattened" {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 1M
    lab_virsh snapshot-create-as vm1 inside
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 2M 64K
    remember 1
    run backup -d vm1 -l inc -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"internal snapshot 'inside' is not part"* ]]
    restores "$T/b" 1
    # An overlay between two points: flattened, and exact.
    lab_virsh snapshot-delete vm1 inside
    lab_virsh snapshot-create-as vm1 outside --disk-only \
        --diskspec "vda,file=$LAB_DISKS/a2.qcow2"
    lab_write vm1 vda 0x31 4M 64K
    lab_snapshot_truth vm1 vda "$T/truth.raw"
    run backup -d vm1 -l inc -o "$T/b"
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"external snapshot 'outside' is not part"* ]]
    rm -rf "$T/r"
    restore -i "$T/b" -o "$T/r"
    same "$T"/r/a2.qcow2 "$T/truth.raw"
    backup -d vm1 -l full -o "$T/c"
    restore -i "$T/c" -o "$T/r.c"
    same "$T"/r.c/a2.qcow2 "$T/truth.raw"
    lab_virsh snapshot-delete --metadata vm1 outside
}

@test "a network disk is named as missing" {
    lab_image a.qcow2 qcow2 4M
    truncate -s 1M "$LAB_DISKS/n.raw"
    chown "$LAB_USER" "$LAB_DISKS/n.raw"
    lab_spawn qemu-nbd -f raw -t -k "$LAB/disks/nbd.sock" "$LAB_DISKS/n.raw"
    until [ -S "$LAB/disks/nbd.sock" ]; do kill -0 "$LAB_PID"; done
    lab_domain vm1 vda=a.qcow2 "vdb=,nbd=$LAB/disks/nbd.sock"
    run backup -d vm1 -l full -o "$T/b"
    lab_virsh destroy vm1
    kill "$LAB_PID"
    wait "$LAB_PID" || true
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *WARNING*"vdb: not backed up: "*network* ]]
}

# covers: C9:C
@test "a transient guest, and one that moves between two hosts" {
    lab_domain --transient vm1 vda=a.qcow2,size=8M
    LAB_UUID=$(lab_virsh domuuid vm1)
    lab_write vm1 vda 0x11 0 1M
    backup -d vm1 -l full -o "$T/b" -C "$T/c"
    lab_write vm1 vda 0x21 2M 64K
    remember 1
    backup -d vm1 -l inc -o "$T/b" -C "$T/c"
    # It ends, and is started where libvirt knows nothing of checkpoints.
    lab_virsh destroy vm1
    LAB_UUID=$LAB_UUID lab_domain --transient vm1 vda=a.qcow2
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    lab_write vm1 vda 0x31 3M 64K
    remember 2
    run backup -d vm1 -l inc -o "$T/b" -C "$T/c"
    [ "$status" = 0 ]
    [[ $output == *"redefined"* ]]
    [ "$(level "$T/b" virtnbdbackup.2)" = inc ]
    # Back on the first host, which remembers an older state: the bitmap of the
    # name that comes next is there already.
    lab_virsh checkpoint-delete --metadata vm1 virtnbdbackup.2
    lab_virsh destroy vm1
    LAB_UUID=$LAB_UUID lab_domain --transient vm1 vda=a.qcow2
    lab_write vm1 vda 0x41 4M 64K
    remember 3
    backup -d vm1 -l inc -o "$T/b" -C "$T/c"
    [ "$(level "$T/b" virtnbdbackup.3)" = inc ]
    restores "$T/b" 1 -u 1
    restores "$T/b" 2 -u 2
    restores "$T/b" 3
    # All of the chain's bitmaps go with a new full, none stays in the image.
    rm -rf "$T/c"
    backup -d vm1 -l full -o "$T/d" -C "$T/c"
    lab_virsh destroy vm1
    [ "$(qemu-img info --output json "$LAB_DISKS/a.qcow2" |
        jq -r '."format-specific".data.bitmaps[].name' | xargs)" = virtnbdbackup.0 ]
}

# odd_sizes: of odd.raw, and what the header of b.qcow2 says: 1049000.  QEMU rounds
# them when it writes there.
odd_sizes() {
    lab_run truncate -s 1049000 "$LAB_DISKS/odd.raw"
    printf '\x00\x00\x00\x00\x00\x10\x01\xa8' |
        dd of="$LAB_DISKS/b.qcow2" bs=1 seek=24 conv=notrunc status=none
}

# What QEMU shows of an image need not be what libvirt reads in it: of a raw file
# the last sector as a whole, of a qcow2 image that one not at all.
# covers: E4:FID
@test "images whose size is no multiple of a sector, on and off" {
    local n
    lab_image odd.raw raw 1M
    lab_image b.qcow2 qcow2 1M
    odd_sizes
    lab_domain vm1 vda=odd.raw,format=raw vdb=b.qcow2
    lab_write vm1 vda 0x11 1M 512
    lab_write vm1 vdb 0x12 900K 100K
    remember 0 vdb
    backup -d vm1 -l full --raw -o "$T/b"
    [ "$(stat -c %s "$T/b/vda.copy.data")" = 1049088 ]
    restores "$T/b" 0 -d vdb
    for n in inc diff; do
        lab_write vm1 vdb 0x13 960K 60K
        remember $n vdb
        backup -d vm1 -l $n -o "$T/b"
        restores "$T/b" $n -d vdb
    done
    lab_virsh destroy vm1
    odd_sizes
    for n in vda vdb; do
        lab_virsh domblkinfo vm1 $n | grep 'Capacity: *1049000$'
    done
    backup -d vm1 -l copy --raw -o "$T/c"
    restores "$T/c" diff -d vdb
}

@test "powered off: images of which libvirt tells another size than QEMU" {
    local n
    # As much of a LUKS header as libvirt reads: magic, version, where data begin.
    lab_image luks.raw raw 6M
    printf 'LUKS\xba\xbe\0\1' |
        dd of="$LAB_DISKS/luks.raw" conv=notrunc status=none
    printf '\0\0\20\0' |
        dd of="$LAB_DISKS/luks.raw" bs=1 seek=104 conv=notrunc status=none
    lab_image fixed.vpc vpc 5M subformat=fixed
    lab_image flat.vmdk vmdk 4M subformat=monolithicFlat
    lab_domain --off vm1 vda=luks.raw,format=raw vdb=fixed.vpc,format=vpc \
        vdc=flat.vmdk,format=vmdk
    lab_virsh dumpxml vm1 |
        sed "s|<source file='[^']*luks.raw'/>|<source file='$LAB_DISKS/luks.raw'><encryption format='luks'><secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption></source>|" \
            >"$LAB/tmp/luks.xml"
    lab_virsh define "$LAB/tmp/luks.xml"
    rm "$LAB/tmp/luks.xml"
    backup -d vm1 -l copy --raw -o "$T/b"
    for n in vda vdb vdc; do
        [ -s "$T/b/$n.copy.data" ]
    done
    restore -i "$T/b" -o verify
}

# covers: E4:FID
@test "powered off: an image of another size is shown in the disk's place" {
    local level
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 1M
    backup -d vm1 -l full -o "$T/b"
    lab_virsh destroy vm1
    lab_image other.qcow2 qcow2 4M
    # A qemu-nbd that shows that one.
    cat >"$LAB/bin/qemu-nbd" <<'WRAPPER'
#!/bin/bash
exec /usr/bin/qemu-nbd "${@/a.qcow2/other.qcow2}"
WRAPPER
    chmod 755 "$LAB/bin/qemu-nbd"
    for level in copy inc diff; do
        echo $level
        run -1 backup -d vm1 -l $level -o "$T/$([ $level = copy ] || echo b)"
        echo "$output"
        [[ $output == *"disk vda: its export has 4194304 bytes, but libvirt says that the disk has 8388608"* ]]
        lab_leftovers
        [ "$(names "$T/b")" = virtnbdbackup.0 ]
        none "$T"/b/*.partial "$T"/b/intent.* "$T"/manifest.*
    done
    rm "$LAB/bin/qemu-nbd"
    backup -d vm1 -l inc -o "$T/b"
    restore -i "$T/b" -o verify
}
