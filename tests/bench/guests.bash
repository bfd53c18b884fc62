# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# guests.bash - what scenarios share: guests with disks, the two programs, limits

# The disk of $GIB GiB full of this machine's files, as qcow2: its path in DISK.
# It is the caller's to change only if it copies it.
bench_disk() {
    local keep=${KEEP:-$BENCH}
    DISK=$keep/usr.$GIB.qcow2
    [ ! -f "$DISK" ] || return 0
    python3 "$here/make-disk.py" "$BENCH/raw" "$GIB" &&
        qemu-img convert -f raw -O qcow2 "$BENCH/raw" "$BENCH/new.qcow2" &&
        rm "$BENCH/raw" &&
        chown "$LAB_USER" "$BENCH/new.qcow2" &&
        mv "$BENCH/new.qcow2" "$DISK"
}

# A running guest "bench" with that disk as vda; DISK_BYTES: what is in it.
bench_guest() {
    bench_disk || return 1
    DISK_BYTES=$(qemu-img map --output=json "$DISK" |
        jq '[.[] | select(.data) | .length] | add')
    lab_domain bench "vda=$DISK"
}

bench_guest_gone() {
    forget_checkpoints bench
    lab_virsh destroy bench >/dev/null
    lab_virsh undefine --checkpoints-metadata bench >/dev/null
}

# No trace of earlier backups in the guest.
forget_checkpoints() {
    local name
    for name in $(lab_virsh checkpoint-list --topological --name "$1" | tac); do
        lab_virsh checkpoint-delete "$1" "$name" >/dev/null 2>&1
    done
}

# An empty directory of the lab's user on the target: its path in TO.
bench_to() {
    TO=$BENCH_TARGET/$1
    rm -rf "${TO:?}"
    install -d -o "$LAB_USER" -m 700 "$TO"
}

PEER_BACKUP=/usr/bin/virtnbdbackup
PEER_RESTORE=/usr/bin/virtnbdrestore

# The guest's disk as the backup job shows it, while COMMAND runs: its URI is the
# command's last argument.
with_export() {
    local name=$1 socket=$LAB/tmp/job.sock
    shift
    rm -f "$socket"
    cat >"$LAB/job.xml" <<XML
<domainbackup mode='pull'>
  <server transport='unix' socket='$socket'/>
  <disks><disk name='vda' backup='yes' type='file' exportname='vda'>
    <scratch file='$BENCH/scratch'/></disk></disks>
</domainbackup>
XML
    chmod 644 "$LAB/job.xml"
    lab_virsh backup-begin "$name" "$LAB/job.xml" >/dev/null || return 1
    "$@" "nbd+unix:///vda?socket=$socket"
    lab_virsh domjobabort "$name"
    rm -f "$BENCH/scratch"
}

# make_writes COUNT BYTES [SEED]: write_all will write so many clusters of
# 64 KiB, all over a disk of BYTES, with contents of this machine's files.
make_writes() {
    python3 "$here/make-disk.py" "$BENCH/raw" 0.0625 &&
        split -b 64K -a 4 -d "$BENCH/raw" "$BENCH/piece." &&
        rm "$BENCH/raw" &&
        python3 - "$BENCH" "$1" "$2" "${3:-20261}" >"$BENCH/writes" <<'PY'
import glob, os, random, sys
where, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(int(sys.argv[4]))
pieces = [p for p in sorted(glob.glob(where + "/piece.*"))
          if any(open(p, "rb").read())]
for at in sorted(draw.sample(range(size // 65536), count)):
    print("write -q -s", draw.choice(pieces), at * 65536, 65536)
PY
}

# write_all IMAGE: into the qcow2 image of a guest that is off, whose bitmaps
# take note.
write_all() {
    lab_run qemu-io -f qcow2 "$1" <"$BENCH/writes" >"$BENCH/log" 2>&1 &&
        ! grep -i -m 3 -e failed -e error "$BENCH/log" >&2
}
