#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill.bats - a map is ended at system calls all over its run: nothing is left
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/inject
load map
setup_file() {
    command -v strace >/dev/null || {
        echo "strace is not installed" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    map_setup_file
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || return 0
    install -m 755 "$BATS_TEST_DIRNAME/fake-qemu-nbd.py" "$LAB/bin/qemu-nbd"
}
setup() {
    map_setup
    TRACED_BY=as_map
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    hits=0
}
teardown() {
    rm -f "${DEVICE:-/none}" "${LAB:-/none}"/attached.*
    map_teardown
}
teardown_file() { cli_teardown_file; }

POINTS=${POINTS:-12}

as_map() {
    "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" "$@"
}

# ended SIGNAL STATUSES MAP-OPTION...: virtnbdmap with these options and a
# command that compares a disk is ended by the signal at many points; its status
# is then one of the words STATUSES, and check is called.
ended() {
    local signal=$1 statuses=$2 name nth status follow=-f
    shift 2
    local command=(virtnbdmap -L "$T/map.log" -i "$SET" "$@" -- sh -c
        'nbdcopy "$VIRTNBDMAP_URI_vda" - | cmp - "$SET.2.vda"')
    # Any thread may be killed, but the main one takes the other signals.
    [ "$signal" = KILL ] || follow=
    LAB_ENV+=("SET=$SET")
    traced "$LAB/calls" $follow "${command[@]}"
    check
    while read -r name nth; do
        echo "signal $signal at $name #$nth"
        status=0
        traced "$LAB/trace" -s 99 $follow -e "inject=$name:signal=$signal:when=$nth" \
            "${command[@]}" || status=$?
        echo "status $status"
        [[ " 0 1 $statuses " == *" $status "* ]]
        [ $status = 0 ] || hits=$((hits + 1))
        RUNTIME=$(grep -om1 '/var/tmp/virtnbdbackup\.[0-9a-f]\{16\}' "$LAB/trace" || true)
        map_clean
        check
    done < <(draw "$LAB/calls")
    echo "# hits: $hits" >&3
}

# Of overlays there are all or none, and no other file.
check() {
    local left
    [ ! -e "$T/f" ]
    left=$(ls "$T/keep" 2>/dev/null) || true
    [ -z "$left" ] || [ "$left" = $'vda.qcow2\nvdb.qcow2' ]
    rm -rf "${T:?}/keep"
    [ ! -e "${STATE:-$T/none}" ]
}

# covers: B1:M B8:M H6:M
@test "URIs and overlays: SIGKILL" {
    ended KILL 137 --keep-changes "$T/keep"
    [ $hits -ge $((POINTS / 2)) ]
}

# covers: B2:M B3:M H6:M
@test "URIs and overlays: SIGTERM and SIGINT" {
    POINTS=$((POINTS / 2))
    ended TERM 143 --keep-changes "$T/keep"
    [ $hits -ge $((POINTS / 2)) ]
    hits=0
    # Once the command runs, it is the one to mind it.
    ended INT 130 --keep-changes "$T/keep"
    [ $hits -ge 1 ]
}

# covers: B1:M H6:M
@test "files: SIGKILL" {
    [ "$(id -u)" != 0 ] || MAP_AS=()
    [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "/dev/fuse cannot be opened"
    ended KILL 137 --fuse "$T/f" -w
    [ $hits -ge $((POINTS / 2)) ]
}

# covers: B1:M H6:M
@test "a device: SIGKILL" {
    [ "$(id -u)" = 0 ] || skip "only root can make devices"
    DEVICE=/dev/nbd8$((BASHPID % 100000))
    mknod "$DEVICE" b 43 0 || skip "no devices can be made here"
    STATE=$LAB/attached.${DEVICE##*/}
    ended KILL 137 --disk vda -d "$DEVICE"
    [ $hits -ge $((POINTS / 2)) ]
}

@test "killed while clients are connected" {
    local round
    for round in 1 2 3; do
        map_start -n 2 -i "$SET" -w
        coproc CLIENT { exec qemu-io -f raw "$URI" 2>&1; }
        echo 'read 0 512' >&"${CLIENT[1]}"
        until read -r line <&"${CLIENT[0]}" &&
            [[ $line == *'read 512/512'* ]]; do
            :
        done
        kill -KILL "$MAP_PID"
        wait "$MAP_PID" || true
        map_clean
        exec {CLIENT[1]}>&-
        wait "$CLIENT_PID" || true
    done
}
