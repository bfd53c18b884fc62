#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# restore.bats - restores to another host, over ssh (N07, W18, F19)

load ../lib/cli
load ../lib/remote

setup_file() { far_setup_file; }
setup() { far_setup; }
teardown() { far_teardown; }
teardown_file() { far_teardown_file; }

far_restore() {
    lab_run virtnbdrestore -n -L "$LAB/restore.log" -U "$FAR_URI" "$@"
}

# A set with an increment, of a guest there that is off afterwards; what it held
# is in $LAB/vda.raw.
far_set() {
    far lab_domain vm1 vda=a.qcow2,size=64M
    far lab_write vm1 vda 0x11 1M 8M
    lab_run virtnbdbackup -n -U "$FAR_URI" -d vm1 -l auto -o "$T/b"
    far lab_write vm1 vda 0x22 3M 1M
    far lab_write_zeroes vm1 vda 5M 1M
    lab_run virtnbdbackup -n -U "$FAR_URI" -d vm1 -l auto -o "$T/b"
    far lab_virsh destroy vm1
    qemu-img convert -O raw "$FAR_ROOT$FAR_DISKS/a.qcow2" "$LAB/vda.raw"
    far_baseline
}

# The same of a guest that never ran, and of one point.
far_copy() {
    far lab_domain --off vm1 "vda=$1,size=64M"
    far lab_run qemu-io -c 'write -P 17 1M 8M' "$FAR_DISKS/$1"
    lab_run virtnbdbackup -n -U "$FAR_URI" -d vm1 -l copy -o "$T/b"
    qemu-img convert -O raw "$FAR_ROOT$FAR_DISKS/$1" "$LAB/vda.raw"
    far_baseline
}

# No command has made its mark, in a directory that a shell begins in or beside
# the files.
nothing_ran() {
    none "$FAR_ROOT"/{,root/}{pwned*,pp}
    find "$LAB" "$FAR_ROOT$LAB/far" -name 'pwned*' -o -name pp | lacks .
}

@test "a guest there: disks, configuration, definition" {
    far_set
    far_restore -i "$T/b" -o "$FAR_DISKS/r" -D
    same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
    # The configuration came whole, and names what is there.
    far lab_virsh domblklist restore_vm1 | grep -qF "$FAR_DISKS/r/a.qcow2"
    tail -n 1 "$FAR_ROOT$FAR_DISKS/r/vmconfig.xml" | grep -q '</domain>'
    [ "$(stat -c %a "$FAR_ROOT$FAR_DISKS/r/a.qcow2")" = 600 ]
    # Nothing of it is here.
    [ ! -e "$FAR_DISKS/r" ]
    # It is never replaced.
    sum=$(sha256sum <"$FAR_ROOT$FAR_DISKS/r/a.qcow2")
    run far_restore -i "$T/b" -o "$FAR_DISKS/r"
    [ "$status" = 1 ]
    [[ $output == *"exists already on '$FAR_IP'"* ]]
    [ "$sum" = "$(sha256sum <"$FAR_ROOT$FAR_DISKS/r/a.qcow2")" ]
    far_run rm -r "$FAR_DISKS/r"
    far_leftovers
}

# covers: F19:R S9:R
@test "names that a shell would love, raw and compressed" {
    local name="a b'\"\$(touch pwned)\`id\`;*.qcow2"
    local dir="$FAR_DISKS/-o 'r'\"\$(touch pwned)\`touch pwned\`;&"
    far_copy "$name"
    far_restore -i "$T/b" -o "$dir"
    same "$FAR_ROOT$dir/$name" "$LAB/vda.raw"
    far_restore -i "$T/b" -o "$dir/2" --compress
    same "$FAR_ROOT$dir/2/$name" "$LAB/vda.raw"
    far_restore -i "$T/b" -o "$dir/3" --format raw
    cmp "$FAR_ROOT$dir/3/${name%.qcow2}.raw" "$LAB/vda.raw"
    nothing_ran
    far_run rm -r "$dir"
    far_leftovers
}

# Of the same length, so that the file stays what it was but for that.
forge() {
    sed -i "s/$1/$2/" "$3"
    grep -qaF -- "$2" "$3"
}

# covers: F19:R
@test "a forged set runs nothing there" {
    local file
    far_set
    # As the Python suite writes them: nothing vouches for what they say.
    rm -f "$T"/b/manifest.* "$T"/b/*.index "$T"/b/*.chksum
    for file in "$T"/b/*.qcow.json; do
        forge '"compat": "1.1"' '"compat": "1.1,x=$(touch pwned)"' "$file"
        forge '"compression-type": "zlib"' '"compression-type": ";touch pwned;"' "$file"
    done
    far_restore -i "$T/b" -o "$FAR_DISKS/r"
    same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
    for file in "$T"/b/*.data; do
        forge '"diskFormat": "qcow2"' '"diskFormat": "`>pp`"' "$file"
    done
    far_restore -i "$T/b" -o "$FAR_DISKS/r2"
    same "$FAR_ROOT$FAR_DISKS/r2/a.qcow2" "$LAB/vda.raw"
    nothing_ran
    far_run rm -rf "$FAR_DISKS/r" "$FAR_DISKS/r2"
    far_leftovers
}

# covers: S5:R
@test "a host key that is not known, or another one: nothing is restored" {
    far_copy a.qcow2
    cp "$FAR_SSH/known_hosts" "$LAB/known"
    : >"$FAR_SSH/known_hosts"
    run far_restore -i "$T/b" -o "$FAR_DISKS/r"
    [ "$status" = 1 ]
    [[ $output == *"ssh to '$FAR_IP': Host key verification failed"* ]]
    [ ! -s "$FAR_SSH/known_hosts" ]
    ssh-keygen -q -t ed25519 -N '' -f "$LAB/other"
    echo "$FAR_IP $(cut -d ' ' -f 1,2 "$LAB/other.pub")" >"$FAR_SSH/known_hosts"
    run far_restore -i "$T/b" -o "$FAR_DISKS/r"
    [ "$status" = 1 ]
    [[ $output == *"Host key verification failed"* ]]
    none "$FAR_ROOT$FAR_DISKS/r" "$FAR_DISKS/r"
    cat "$LAB/known" >"$FAR_SSH/known_hosts"
    far_restore -i "$T/b" -o "$FAR_DISKS/r"
    same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
    far_run rm -r "$FAR_DISKS/r"
    far_leftovers
}

# covers: S6:R
@test "the data goes through ssh: no port is opened there" {
    local i
    far_set
    far_run ss -Hltn | sort >"$LAB/before"
    lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null \
        -b execve -e inject=sendto,sendmsg,write:delay_exit=3000 \
        virtnbdrestore -n -L "$LAB/restore.log" -U "$FAR_URI" -i "$T/b" \
        -o "$FAR_DISKS/r"
    # While data flows into the image.
    until [ -n "$(find "$FAR_ROOT$FAR_DISKS/r" -name a.qcow2 -size +1M \
        2>/dev/null)" ]; do
        kill -0 "$LAB_PID"
    done
    far_run ss -Hltn | sort >"$LAB/ports"
    wait "$LAB_PID"
    diff "$LAB/before" "$LAB/ports"
    same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
    far_run rm -r "$FAR_DISKS/r"
    far_leftovers
}

@test "what is for this host is refused" {
    far_copy a.qcow2
    run far_restore -i "$T/b" -o relative
    [ "$status" = 64 ]
    [[ $output == *"absolute path"* ]]
    run far_restore -i "$T/b" -o "$FAR_DISKS/r" --boot-files-in-place
    [ "$status" = 64 ]
    run far_restore -i "$T/b" -o "$FAR_DISKS/r" --target vda=/dev/null
    [ "$status" = 64 ]
    far_leftovers
}

# interrupt HOW POINT: by a signal, or by dropping the link.
interrupt() {
    local how=$1 ms=$(($2 * 150)) status=0
    lab_spawn virtnbdrestore -n -L "$LAB/restore.log" -U "$FAR_URI" -i "$T/b" \
        -o "$FAR_DISKS/r"
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    # It may be done already.
    if [ "$how" = drop ]; then far_drop; else kill "-$how" "$LAB_PID" || true; fi
    wait "$LAB_PID" || status=$?
    echo "$how at point $2: $status"
    if [ -e "$FAR_ROOT$FAR_DISKS/r/a.qcow2" ]; then
        same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
        far_run rm "$FAR_DISKS/r/a.qcow2" "$FAR_DISKS/r/vmconfig.xml"
    else
        [ "$status" != 0 ]
    fi
    far_leftovers
    lab_leftovers
}

# The points of all ways together are spread over the run (with SOAK=1 each of
# them comes at each of the points).
# covers: B2:R
@test "ended at ten points, or the link lost: all of it is there, or nothing" {
    local i way ways=(INT TERM KILL drop)
    far_set
    far_run mkdir "$FAR_DISKS/r"
    far_baseline
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        if [ -z "${SOAK:-}" ]; then
            interrupt "${ways[i % 4]}" "$i"
            continue
        fi
        for way in "${ways[@]}"; do
            interrupt "$way" "$i"
        done
    done
}
