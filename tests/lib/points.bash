# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# points.bash - for tests of several points: what a disk held at each of them
#
# Load it behind cli.bash.  The guest is vm1; the image behind its disk vdX is
# X.qcow2, so that restored images have that name too.

# remember NAME [DISK...]: keep what the disks (vda) hold now, as NAME.
remember() {
    local name=$1 disk
    shift
    for disk in "${@:-vda}"; do
        lab_snapshot_truth vm1 "$disk" "$T/truth.$name.$disk" || return 1
    done
}

# restores SET NAME [OPTION...]: what `restore -i SET OPTION...` gives is what
# was remembered as NAME, every disk of it.
restores() {
    local set=$1 name=$2 truth disk count=0
    shift 2
    rm -rf "$T/r"
    restore -i "$set" -o "$T/r" "$@" || return 1
    for truth in "$T/truth.$name".*; do
        disk=${truth##*.}
        same "$T/r/${disk#vd}.qcow2" "$truth" || return 1
        count=$((count + 1))
    done
    rm -rf "$T/r"
    [ $count -gt 0 ]
}

# refused SET STATUS TEXT [OPTION...]: restore fails so, and leaves no image.
refused() {
    local set=$1 expected=$2 text=$3
    shift 3
    rm -rf "$T/r"
    run "-$expected" restore -i "$set" -o "$T/r" "$@"
    echo "$output"
    [[ $output == *"$text"* ]] || return 1
    [ ! -e "$T/r" ] || [ -z "$(ls -A "$T/r")" ]
}

# level SET POINT [DISK]: print the level of a disk (vda) in a point.
level() {
    jq -r --arg d "${3:-vda}" '.disks[] | select(.target == $d) | .level' \
        "$1/manifest.$2.json"
}

# names SET: print the points of a set in order, on one line.
names() {
    jq -sr 'sort_by(.sequence) | map(.name) | join(" ")' "$1"/manifest.*.json
}

# faulty STRACE-OPTION... -- PROGRAM...: run it under strace, without the
# programs that it starts.
faulty() {
    # Leaks cannot be looked for under ptrace.
    lab_run env ASAN_OPTIONS=detect_leaks=0 \
        strace -f -b execve -qq -o "$LAB/strace" "$@"
}
