#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# with-lab.bash PROGRAM GUEST... - run a test program inside a lab
#
# Guests: vm (running, vda 64 MiB and vdb 16 MiB), off (the same, not started),
# old (running, a qcow2 image of version 2), mixed (off, disks of all kinds).
# Nothing may be left over when the program has ended.

# shellcheck source=tests/lib/lab.bash
. "$(dirname "$0")/../../lib/lab.bash"

program=$1
shift
if ! why=$(lab_requires); then
    echo "1..0 # SKIP $why"
    exit 0
fi
lab_start || exit 99
trap lab_stop EXIT
trap 'exit 130' INT TERM HUP
lab_bin "$program" || exit 99
# A socket path in here is far below the 108 bytes that fit.
lab_run mkdir -m 700 "$LAB/run"

for guest in "$@"; do
    case $guest in
    vm) lab_domain vm vda=vm-a.qcow2,size=64M vdb=vm-b.qcow2,size=16M ;;
    off) lab_domain --off off vda=off.qcow2,size=16M ;;
    old) lab_domain old vda=old.qcow2,size=16M,compat=0.10 ;;
    mixed)
        lab_run qemu-img create -q -f qcow2 "$LAB_DISKS/volume.qcow2" 4M
        lab_virsh pool-create-as lab dir --target "$LAB_DISKS" >/dev/null
        lab_domain --off mixed vda=mixed.qcow2,size=16M,serial=ABC-1 \
            vdb=raw.img,format=raw,size=1M vdc=,nbd=/nowhere,export=x \
            vdd=,pool=lab,volume=volume.qcow2 \
            sda=,device=cdrom fda=floppy.img,device=floppy,size=1440K
        ;;
    esac || exit 99
done

lab_run env LAB_RUN="$LAB/run" "${program##*/}"
status=$?
lab_leftovers | sed 's/^/# left over: /'
[ "${PIPESTATUS[0]}" = 0 ] || status=1
exit $status
