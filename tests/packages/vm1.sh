# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# The machine vm1 of the examples: running, a disk with a partition and data, and
# the places that they name.
umask 022
mkdir -p /backup /restore /images /mnt/disks /mnt/odd /mnt/even /dev/vg0
qemu-img create -q -f raw /tmp/vm1.raw 64M
echo 'start=2048, type=83' | sfdisk -q /tmp/vm1.raw
dd if=/dev/urandom of=/tmp/vm1.raw bs=1M seek=1 count=40 conv=notrunc status=none
qemu-img convert -O qcow2 /tmp/vm1.raw /var/lib/libvirt/images/vm1.qcow2
cat >/tmp/vm1.xml <<'END'
<domain type='qemu'>
  <name>vm1</name>
  <uuid>4b1cf6f5-2f3a-4f0e-9d3e-3c1b5a7e9d21</uuid>
  <memory unit='MiB'>64</memory>
  <os><type>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/var/lib/libvirt/images/vm1.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
END
virsh define /tmp/vm1.xml
virsh start vm1
