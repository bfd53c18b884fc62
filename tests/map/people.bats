#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# people.bats - the examples of the manual page that need more than a shell:
# files out of a disk without root, a machine that boots from a point, and an
# old disk in the running guest
bats_require_minimum_version 1.5.0
load ../lib/cli
load map
setup_file() {
    export MAP_NO_SET=1
    map_setup_file
}
setup() { map_setup; }
teardown() { map_teardown; }
teardown_file() { cli_teardown_file; }

# use_disk RAW: a running guest vm1 whose disk vda is that.
use_disk() {
    qemu-img convert -O qcow2 "$1" "$LAB_DISKS/a.qcow2"
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$LAB_DISKS/a.qcow2"
    lab_domain vm1 vda=a.qcow2
}

@test "files by guestfish, without root" {
    command -v guestfish >/dev/null || skip "guestfish is not installed"
    ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel for guestfish"
    mkdir -p "$T/fs/home/anna/work" "$T/out" "$T/cache"
    echo "Dear Sir" >"$T/fs/home/anna/letter.odt"
    head -c 300000 /dev/urandom >"$T/fs/home/anna/work/data"
    truncate -s 32M "$T/disk"
    mkfs.ext4 -q -d "$T/fs" "$T/disk"
    use_disk "$T/disk"
    backup -d vm1 -l full -z -o "$T/b"
    lab_write_zeroes vm1 vda 0 16M
    backup -d vm1 -l inc -o "$T/b"
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$T/out" "$T/cache"
    run -0 --separate-stderr map -i "$T/b" -u 0 --disk vda -- \
        env LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg \
        LIBGUESTFS_CACHEDIR="$T/cache" TMPDIR="$T/cache" bash -c '
            guestfish --ro --format=raw -a "${VIRTNBDMAP_URI/+unix}" -m /dev/sda \
                ls /home/anna : \
                copy-out /home/anna/letter.odt /home/anna/work '"$T/out"
    echo "$stderr"
    [ "$output" = $'letter.odt\nwork' ]
    [ "$(cat "$T/out/letter.odt")" = "Dear Sir" ]
    cmp "$T/out/work/data" "$T/fs/home/anna/work/data"
    map_clean
}

# A disk that boots: its first sector writes the message to the serial line and
# ends QEMU, through the device isa-debug-exit.
boot_sector() {
    truncate -s 4M "$1"
    {
        # xor ax,ax; mov ds,ax; mov si,message
        printf '\x31\xc0\x8e\xd8\xbe\x19\x7c'
        # next: lodsb; test al,al; jz end; mov dx,0x3f8; out dx,al; jmp next
        printf '\xac\x84\xc0\x74\x06\xba\xf8\x03\xee\xeb\xf5'
        # end: mov al,1; out 0xf4,al; stop: hlt; jmp stop
        printf '\xb0\x01\xe6\xf4\xf4\xeb\xfd'
        printf '%s\n\0' "$2"
    } | dd of="$1" conv=notrunc status=none
    printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

@test "a machine boots at once from a point, over an overlay or written to" {
    local machine='-nodefaults -display none -m 32 -accel tcg'
    machine+=' -device isa-debug-exit,iobase=0xf4,iosize=0x04'
    boot_sector "$T/disk" "booted from the backup"
    use_disk "$T/disk"
    backup -d vm1 -l full -o "$T/b"
    lab_write_zeroes vm1 vda 0 64K
    backup -d vm1 -l inc -o "$T/b"
    run -3 map -i "$T/b" -u 0 --disk vda -- sh -c '
        qemu-img create -q -f qcow2 -F raw -b "$VIRTNBDMAP_URI" '"$T/try.qcow2"'
        qemu-io -c "write -P 1 1M 64K" '"$T/try.qcow2"'
        exec timeout 60 qemu-system-x86_64 '"$machine"' \
            -serial file:'"$T/serial"' \
            -drive file='"$T/try.qcow2"',if=virtio'
    echo "$output"
    grep -q "booted from the backup" "$T/serial"
    rm "$T/serial"
    run -3 map -i "$T/b" -u 0 --disk vda -w -- sh -c '
        exec timeout 60 qemu-system-x86_64 '"$machine"' \
            -serial file:'"$T/serial"' \
            -drive file="$VIRTNBDMAP_URI",format=raw,if=virtio'
    grep -q "booted from the backup" "$T/serial"
    map_clean
}

@test "an old disk, read-only, in the running guest" {
    lab_domain vm1 vda=a.qcow2,size=4M
    lab_write vm1 vda 0x11 1M 64K
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 1M 64K
    backup -d vm1 -l inc -o "$T/b"
    map_start -i "$T/b" -u 0 --disk vda
    cat >"$T/old.xml" <<XML
<disk type='network' device='disk'>
  <driver name='qemu' type='raw'/>
  <source protocol='nbd' name='vda'>
    <host transport='unix' socket='${URI#*socket=}'/>
  </source>
  <target dev='vdz' bus='virtio'/>
  <readonly/>
  <alias name='ua-vdz'/>
</disk>
XML
    lab_virsh attach-device vm1 "$T/old.xml"
    lab_io vm1 vdz 'read -P 0x11 1M 64K'
    lab_io vm1 vda 'read -P 0x22 1M 64K'
    lab_io vm1 vdz 'write -P 0x33 0 64K' || true
    [[ $LAB_ANSWER == *"read-only"* ]]
    # A backup goes on meanwhile.
    backup -d vm1 -l inc -i vda -o "$T/b"
    lab_virsh detach-device vm1 "$T/old.xml"
    map_end 0
}
