# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# map.bash - what the tests of virtnbdmap share
#
# Load it behind cli.bash, and use map_setup_file, map_setup, map_teardown in
# the place of the cli's.  MAP and PLUGIN are the program and its plugin, from
# the build; MAP_AS is who runs it (the lab's user, or MAP_AS=() for ourselves).
#
# There is a set of two disks in $SET with the points 0, 1 and 2 (full and two
# increments, some of it compressed); what disk X held at point N is $SET.N.X.

map_setup_file() {
    local n
    cli_setup_file || return 1
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || return 0
    # Not on every machine, and not needed for anything else.
    command -v nbdfuse fusermount3 nbdcopy >/dev/null || {
        echo "nbdfuse or fusermount3 is not installed" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    lab_bin "$MAP" "$PLUGIN" || return 1
    [ -z "${MAP_NO_SET:-}" ] || return 0
    SET=$LAB/set
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=3M || return 1
    for n in 0 1 2; do
        random_disk vm1 vda 8388608 "$((SEED + n))" || return 1
        random_disk vm1 vdb 3145728 "$((SEED + n + 10))" || return 1
        lab_snapshot_truth vm1 vda "$SET.$n.vda" || return 1
        lab_snapshot_truth vm1 vdb "$SET.$n.vdb" || return 1
        # shellcheck disable=SC2046
        backup -d vm1 -o "$LAB_TARGET/set" -l auto \
            $([ $n = 1 ] || echo -z) || return 1
    done
    mv "$LAB_TARGET/set" "$SET"
    chmod -R a+rX "$SET"
    lab_virsh destroy vm1
    lab_virsh undefine --checkpoints-metadata vm1
    rm -f "${LAB_DISKS:?}"/*
}

map_setup() {
    cli_setup
    SET=$LAB/set
    MAP_AS=("${LAB_AS[@]}")
    MAP_PIDS=
    RUNTIME=
}

# Nothing is left, also where cli_teardown cannot look: mounts, and our own
# processes when we are root.
map_teardown() {
    [ -n "${LAB:-}" ] || return 0
    local status=0 pid
    for pid in $MAP_PIDS; do
        kill -KILL "$pid" 2>/dev/null
    done
    map_clean || status=1
    [ -z "$T" ] || grep -o " ${T}[^ ]*" /proc/self/mountinfo |
        sort -r | while read -r dir; do umount -l "$dir"; done
    cli_teardown || status=1
    return $status
}

# Is everything of the maps away: processes, directories, mounts?
map_clean() {
    local i
    for ((i = 0; i < 100; i++)); do
        [ -n "$(_lab_strangers)" ] || break
        sleep 0.05
    done
    lab_leftovers || return 1
    if grep -F " $LAB/" /proc/self/mountinfo | grep -F fuse; then
        return 1
    fi
    [ -z "$RUNTIME" ] || [ ! -e "$RUNTIME" ] || {
        echo "left over: $RUNTIME"
        return 1
    }
}

# map OPTION...: run it to its end.
map() {
    "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" virtnbdmap -L "$T/map.log" "$@"
}

# map_start [-n URIS] OPTION...: run it in the background, and wait for its
# URIs (one), which are then in the array URIS; URI is the first one.  MAP_PID
# is the program, RUNTIME its private directory.
map_start() {
    local want=1
    if [ "$1" = -n ]; then
        want=$2
        shift 2
    fi
    rm -f "$T/uris"
    ( exec "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" virtnbdmap -L "$T/map.log" \
        "$@" >"$T/uris" 2>"$T/stderr" 3>&- ) &
    MAP_PID=$!
    MAP_PIDS+=" $MAP_PID"
    until [ "$(wc -l <"$T/uris" 2>/dev/null || echo 0)" -ge "$want" ]; do
        kill -0 "$MAP_PID" 2>/dev/null || {
            cat "$T/stderr"
            return 1
        }
        sleep 0.01
    done
    mapfile -t URIS <"$T/uris"
    [ ${#URIS[@]} = "$want" ] || return 1
    URI=${URIS[0]}
    case $URI in
    *socket=*) RUNTIME=$(dirname "${URI#*socket=}") ;;
    *) RUNTIME= ;;
    esac
}

# map_end STATUS [SIGNAL]: end it by a signal (INT); it ends with that status,
# and nothing is left.
map_end() {
    local status=0
    kill "-${2:-INT}" "$MAP_PID"
    wait "$MAP_PID" || status=$?
    cat "$T/stderr"
    [ $status = "$1" ] || { echo "status $status"; return 1; }
    map_clean
}

# shows URI RAW: the export holds exactly the bytes of the file.
shows() {
    rm -f "$LAB/shown"
    nbdcopy "$1" "$LAB/shown" || return 1
    cmp "$LAB/shown" "$2"
}
