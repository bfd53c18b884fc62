#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# record.bash - the picture of the README: a real run, on a real terminal
#
# usage: demo/record.bash BUILD-DIRECTORY >docs/run.svg
#
# Backs up a throw-away VM in a tmux of its own and takes the screen when the
# second of three runs is half way.

set -eu
cd "$(dirname "$0")/.."
build=$1
. tests/lib/lab.bash
lab_start
trap lab_stop EXIT
lab_bin "$build"/backup/virtnbdbackup "$build"/restore/virtnbdrestore

# Files of this machine, so that there is something to read and compress.
for disk in system data; do
    lab_run truncate -s 6G "$LAB/disks/$disk.raw"
    tar -cf - -C / usr/lib usr/share 2>/dev/null | head -c 1500M |
        lab_run dd of="$LAB/disks/$disk.raw" bs=1M conv=notrunc \
            iflag=fullblock status=none || :
    lab_run qemu-img convert -O qcow2 "$LAB/disks/$disk.raw" \
        "$LAB/disks/$disk.qcow2"
    rm "$LAB/disks/$disk.raw"
done
lab_domain vm1 vda=system.qcow2 vdb=data.qcow2

screen() {
    tmux -L "record.$$" "$@"
}
screen -f /dev/null new-session -d -x 110 -y 30 "bash --norc --noprofile"
type_in() {
    screen send-keys -l "$1"
    screen send-keys Enter
}
# The lab's user and directories, out of sight.
declare -f lab_run >"$LAB/rc"
declare -p LAB LAB_URI LAB_TARGET LAB_TMP LAB_ENV LAB_AS LAB_USER >>"$LAB/rc"
cat >>"$LAB/rc" <<'RC'
PS1='\[\e[1;32m\]backup@host\[\e[0m\]:~$ '
virtnbdbackup() { lab_run virtnbdbackup "${@//\/backup/$LAB_TARGET}"; }
clear
RC
type_in " . $LAB/rc"
type_in 'virtnbdbackup -d vm1 -l full -z -o /backup/vm1'
until screen capture-pane -p | grep -qE '(5|6|7)[0-9]%'; do :; done
screen capture-pane -e -p >"$LAB/screen"
screen kill-server
sed "s|$LAB_TARGET|/backup|g" "$LAB/screen" |
    demo/record.py "virtnbdbackup backs up two disks of a running VM"
