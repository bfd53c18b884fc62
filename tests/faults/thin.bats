#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# thin.bats - storage that takes data and loses it later: a file system on a loop
# device that has less behind it than it says, so that the kernel fails to write
# back what it has accepted
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() {
    [ "$(id -u)" = 0 ] || {
        echo "mounting needs root" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    [ -n "$(PATH=$PATH:/sbin losetup -f 2>/dev/null)" ] || {
        echo "there are no loop devices" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    cli_setup_file
}
setup() {
    cli_setup
    # Not in the lab, which would take a guardian there for a left-over.
    THIN=$(mktemp -d /tmp/vt.XXXXXX)
    chmod 755 "$THIN"
    mkdir "$THIN/room" "$THIN/mnt"
}
teardown() {
    thin_end
    [ -z "${THIN:-}" ] || rmdir "$THIN/room" "$THIN/mnt" "$THIN"
    cli_teardown
}
teardown_file() { cli_teardown_file; }

# room SIZE: as much is behind 64 MiB.
room() {
    mount -t tmpfs -o "size=$1" none "$THIN/room"
    truncate -s 64M "$THIN/room/disk"
}

more_room() {
    mount -o remount,size=200M "$THIN/room"
}

# thin MOUNT-OPTIONS: a file system at $THIN/mnt with room for 10 MiB.
thin() {
    MOUNT=$1
    room 10M
    mkfs.ext4 -q -F -E "root_owner=$(id -u "$LAB_USER"):$(id -g "$LAB_USER")" \
        "$THIN/room/disk"
    mount -o "loop,$MOUNT" "$THIN/room/disk" "$THIN/mnt"
}

thin_end() {
    end_guardian
    ! mountpoint -q "$THIN/mnt" || umount -l "$THIN/mnt"
    [ -z "${LOOP:-}" ] || {
        chown root:disk "$LOOP"
        losetup -d "$LOOP"
        LOOP=
    }
    # What is unmounted lazily may hold its loop device a moment longer.
    ! mountpoint -q "$THIN/room" || umount -l "$THIN/room"
}

# Whoever waits for the directory to be writable again does it for a minute, and
# holds it meanwhile.
end_guardian() {
    local pid
    for pid in $(lab_processes | awk '/[-]-guardian/ { print $1 }'); do
        kill -KILL "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done
}

# The storage is mended: what was synced is there.
mend() {
    end_guardian
    more_room
    umount "$THIN/mnt"
    e2fsck -fy "$THIN/room/disk" >/dev/null 2>&1 || [ $? = 1 ]
    mount -o "loop,$MOUNT" "$THIN/room/disk" "$THIN/mnt"
}

# fill OFFSET LENGTH: of vda, with what cannot be compressed.
fill() {
    head -c $(($2 << 20)) /dev/urandom >"$LAB/random"
    chmod 644 "$LAB/random"
    lab_io vm1 vda "write -s $LAB/random ${1}M ${2}M"
}

# A guest with a full of it in $T/base, and much changed since.
guest() {
    lab_domain vm1 vda=a.qcow2,size=24M
    fill 0 2
    remember 0
    backup -d vm1 -l full -o "$T/base"
    fill 1 18
    remember 1
}

# Nothing of the guest was hurt, and no job, checkpoint or point was left; the
# points of before are there.
no_point() {
    lab_virsh domblkerror vm1 | grep 'No errors'
    lab_virsh domjobinfo vm1 | grep None
    [ "$(lab_virsh checkpoint-list vm1 --name)" = "$CHECKPOINTS" ]
    [ "$(names "$THIN/mnt/base")" = virtnbdbackup.0 ]
    none "$THIN"/mnt/other/manifest.*
}

# begin MOUNT-OPTIONS: a file system with a copy of the full, and what is there.
begin() {
    thin "$1"
    lab_run cp -r "$T/base" "$THIN/mnt/base"
    sync -f "$THIN/mnt/base"
    CHECKPOINTS=$(lab_virsh checkpoint-list vm1 --name)
}

# fails TEXT COMMAND...: with status 1 and TEXT in an error.  (To a file: a guardian
# that goes on would keep a pipe open.)
fails() {
    local text=$1 status=0
    shift
    "$@" >"$T/out" 2>"$T/err" || status=$?
    cat "$T/err"
    [ $status = 1 ]
    grep -E "ERROR.*($text)" "$T/err"
}

# fails_then_works TEXT LEVEL MOUNT-OPTIONS [OPTION...]: TEXT is in the words of
# the failure.
fails_then_works() {
    local text=$1 level=$2 mount=$3 set="$THIN/mnt/base"
    shift 3
    echo "$level $mount $*"
    begin "$mount"
    # A full is one of a chain of its own, beside the other.
    [ "$level" != full ] || set="$THIN/mnt/other"
    [ "$level" != full ] || set -- "$@" --chain "other$((CHAINS += 1))"
    fails "$text" backup -d vm1 -l "$level" -o "$set" "$@"
    no_point
    mend
    no_point
    restores "$THIN/mnt/base" 0
    backup -d vm1 -l "$level" -o "$set" "$@"
    lab_leftovers
    restores "$set" 1
    restore -i "$set" -o verify
    restores "$THIN/mnt/base" 0 -u virtnbdbackup.0
    thin_end
}

# The kernel takes data that do not go past its cache, and fails at the sync;
# what does go past it fails at once, and takes the file system along.
LATE="syncing '.*(No space left|Input/output error)"
AT_ONCE="cannot write '.*(No space left|Input/output error|Read-only)"

# covers: A3:FID
@test "a device that fails when data are written back: no point" {
    guest
    fails_then_works "$LATE" full data=journal
    fails_then_works "$LATE" full data=journal -z
    fails_then_works "$LATE" inc data=journal
    fails_then_works "$LATE" diff data=journal -z
}

# covers: A1:FID A3:FID
@test "a device that fails at once, and its file system with it: no point" {
    guest
    fails_then_works "$AT_ONCE" full defaults
    fails_then_works "$AT_ONCE" inc defaults -z
    fails_then_works "$AT_ONCE" diff defaults
}

# to_archive LEVEL: a run in $T/w into an archive there.
to_archive() {
    lab_run env -C "$T/w" bash -c \
        "exec virtnbdbackup -d vm1 -l $1 -o - >'$THIN/mnt/$1.zip'"
}

# covers: A3:FI A10:FI
@test "an archive on a device that fails when data are written back: no point" {
    local level n=0
    guest
    lab_run mkdir "$T/w" "$T/u"
    for level in full inc; do
        echo "$level"
        thin defaults
        fails "cannot write the archive.*(No space left|Input/output error)" \
            to_archive $level
        [ "$(ls "$T"/w/manifest.* | wc -l)" = $n ]
        none "$T"/w/intent.*
        [ "$(lab_virsh checkpoint-list vm1 --name | grep -c .)" = $n ]
        lab_virsh domjobinfo vm1 | grep None
        lab_leftovers
        mend
        to_archive $level
        lab_run unzip -oqq -d "$T/u" "$THIN/mnt/$level.zip"
        restores "$T/u" $((n += 1))
        restore -i "$T/u" -o verify
        thin_end
        fill 3 18
        remember $((n + 1))
    done
}

# covers: A3:R G2:R
@test "a restore to a device that fails when data are written back: no image" {
    local mount
    guest
    backup -d vm1 -l inc -o "$T/base"
    for mount in data=journal defaults; do
        echo "$mount"
        thin "$mount"
        lab_run mkdir "$THIN/mnt/r"
        sync -f "$THIN/mnt"
        fails "[Nn]o space left|Input/output error|Read-only" \
            restore -i "$T/base" -o "$THIN/mnt/r"
        none "$THIN/mnt/r/a.qcow2" "$THIN/mnt/r/vmconfig.xml"
        mend
        none "$THIN/mnt/r/a.qcow2" "$THIN/mnt/r/vmconfig.xml"
        restore -i "$T/base" -o "$THIN/mnt/r"
        same "$THIN/mnt/r/a.qcow2" "$T/truth.1.vda"
        lab_leftovers
        thin_end
    done
}

# covers: A3:R
@test "a restore onto a device that fails, and onto a file there" {
    guest
    backup -d vm1 -l inc -o "$T/base"
    room 10M
    LOOP=$(losetup --show -f "$THIN/room/disk")
    chown "$LAB_USER" "$LOOP"
    fails "vda: .*([Nn]o space left|Input/output error)" \
        restore -i "$T/base" -o "$T/r" --target "vda=$LOOP"
    grep "undefined" "$T/err"
    none "$T/r/vmconfig.xml"
    more_room
    restore -i "$T/base" -o "$T/r" --target "vda=$LOOP"
    cmp -n 25165824 "$LOOP" "$T/truth.1.vda"
    lab_leftovers
    thin_end
    rm -rf "$T/r"

    thin data=journal
    lab_run truncate -s 24M "$THIN/mnt/disk"
    sync -f "$THIN/mnt"
    fails "vda: .*([Nn]o space left|Input/output error)" \
        restore -i "$T/base" -o "$T/r" --target "vda=$THIN/mnt/disk"
    none "$T/r/vmconfig.xml"
    mend
    restore -i "$T/base" -o "$T/r" --target "vda=$THIN/mnt/disk"
    cmp "$THIN/mnt/disk" "$T/truth.1.vda"
}
