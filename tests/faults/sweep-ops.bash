# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# sweep-ops.bash - what sweep.bash does to each kind of run, and then checks
#
# try_OP FAULT CALL NTH EARLY runs under set -e: whatever fails is the verdict.
# The guest is vm1 with two disks; truth NAME keeps what they hold.

# A run that takes longer hangs.
RUN_SECONDS=60

# A guest, and a directory with a full and an increment of it.
begin_anew() {
    for name in $(lab_virsh list --name --all); do
        lab_virsh destroy "$name" >/dev/null 2>&1
        lab_virsh undefine --checkpoints-metadata "$name" >/dev/null 2>&1
    done
    rm -rf "${LAB_DISKS:?}"/* "${T:?}"/* "${LAB_TMP:?}"/*
    lab_domain vm1 vda=a.qcow2,size=6M vdb=b.qcow2,size=3M || return 1
    random_disk vm1 vda 6291456 "$SEED" && random_disk vm1 vdb 3145728 "$SEED" ||
        return 1
    truth base || return 1
    quiet virtnbdbackup -d vm1 -l full -o "$T/base" &&
        quiet virtnbdbackup -d vm1 -l copy -o "$T/copy"
}

quiet() {
    case $1 in
    virtnbdrestore) set -- "$@" -L "$LAB/restore.log" ;;
    esac
    lab_run "$@" >"$LAB/out" 2>&1 || { cat "$LAB/out"; return 1; }
}

truth() {
    lab_snapshot_truth vm1 vda "$LAB/$1.vda" &&
        lab_snapshot_truth vm1 vdb "$LAB/$1.vdb"
}

# The guest writes, differently each time.
write_some() {
    local i
    for i in 1 2 3; do
        echo "vda write -P $((RANDOM % 255 + 1))" \
            "$((RANDOM % 90 * 64 + RANDOM % 16 * 4))K $((RANDOM % 15 * 4 + 4))K"
    done >"$LAB/writes"
    echo "vda write -z -u $((RANDOM % 90 * 64))K 64K" >>"$LAB/writes"
    echo "vdb write -P $((RANDOM % 255 + 1)) $((RANDOM % 40 * 64))K 8K" \
        >>"$LAB/writes"
    lab_io_many vm1 <"$LAB/writes"
}

# equals DIRECTORY NAME: the images there hold what was kept as NAME.
equals() {
    same "$1/a.qcow2" "$LAB/$2.vda"
    same "$1/b.qcow2" "$LAB/$2.vdb"
}

# restores DIRECTORY NAME [OPTION...]
restores() {
    local dir=$1 name=$2
    shift 2
    rm -rf "$T/back"
    quiet virtnbdrestore -i "$dir" -o "$T/back" "$@"
    equals "$T/back" "$name"
    rm -rf "$T/back"
}

timed() {
    lab_run timeout -k 5 "$RUN_SECONDS" "$@"
}
TRACED_BY=timed

# with_fault FAULT CALL NTH COMMAND...: `status` becomes its exit status.
with_fault() {
    local fault=$1 call=$2 nth=$3 inject
    shift 3
    status=0
    inject=error=$fault
    [ "$fault" != KILL ] || inject=signal=KILL
    case $fault in
    SHORT)
        timed env "LD_PRELOAD=$LAB/bin/${SHORT_IO##*/}" "SHORT_IO=$nth" \
            ASAN_OPTIONS=verify_asan_link_order=0 "$@" || status=$?
        ;;
    *)
        traced "$LAB/hit" -f -y -e trace="$call" \
            -e "inject=$call:$inject:when=$nth" "$@" || status=$?
        ;;
    esac
    echo "status $status"
    case $fault/$status in
    KILL/0) echo missed >"$LAB/result" ;;
    KILL/* | SHORT/*) ;;
    *) hit_ours || return 0 ;;
    esac
    judge "$fault"
}

# Threads do not always do the same in the same order: was it a file of ours that
# was hit?  Otherwise (a pipe whose close fails) the run may say what it wants.
hit_ours() {
    if ! grep -q INJECTED "$LAB/hit"; then
        echo missed >"$LAB/result"
    elif ! grep INJECTED "$LAB/hit" |
        grep -qE "$LAB/(target|tmp|r/virtnbd)|\"[^/]"; then
        echo stray >"$LAB/result"
        [ $status = 0 ] || status=stray
        return 1
    elif [ $status = 124 ] && grep INJECTED "$LAB/hit" | grep -q 'eventfd\]'
    then
        # That cannot fail, and who was to be woken by it waits for ever.
        echo stray >"$LAB/result"
        status=stray
        return 1
    fi
}

# What a run may say.  (Where a child was hit before it became another program,
# the run failed because of that: 1.  A set that cannot be read is damaged: 3.)
judge() {
    case $1/$status in
    KILL/137 | */0 | */1 | [ES]*/[34]) ;;
    *) return 1 ;;
    esac
}

# nothing_left DIRECTORY: but, after status 4, an intent for the next run.
nothing_left() {
    lab_leftovers
    lab_silent
    if [ $status = 4 ]; then
        list "$1" | lacks partial
    else
        list "$1" | lacks 'partial|intent|\.new-'
    fi
}

# made_up_for OPTION...: after status 4 the next run does what was left.
made_up_for() {
    [ $status = 4 ] || return 0
    quiet virtnbdbackup -d vm1 -l inc "$@"
    status=0
    nothing_left "${!#}"
}

# agrees DIRECTORY POINT: is POINT there?  The status of the run has to say so.
agrees() {
    local there=1
    [ ! -e "$1/manifest.$2.json" ] || there=0
    case $status/$there in
    0/1 | 4/1 | [13]/0)
        echo "status $status, and whether $2 is there: $there"
        exit 1
        ;;
    esac
    return $there
}

# followed_up EARLY: does the next run have to show that it works?
followed_up() {
    [ "$1" = 0 ] || [ $((RANDOM % 10)) = 0 ] || {
        echo early >"$LAB/result"
        return 1
    }
}

# Print what is in a directory, without logs and locks.
list() {
    [ ! -d "$1" ] || (cd "$1" && find . -type f ! -name 'backup.*.log' \
        ! -name '.*.lock' | sort)
}

trace_full() {
    traced "$LAB/calls.full" -f -y virtnbdbackup -d vm1 -l full -o "$T/b" \
        >/dev/null 2>&1
}

try_full() {
    rm -rf "$T/b"
    write_some
    truth now
    with_fault "$1" "$2" "$3" virtnbdbackup -d vm1 -l full -o "$T/b"
    nothing_left "$T/b"
    if agrees "$T/b" virtnbdbackup.0; then
        made_up_for -o "$T/b"
        restores "$T/b" now
        return 0
    fi
    [ -z "$(list "$T/b")" ]
    followed_up "$4" || return 0
    quiet virtnbdbackup -d vm1 -l full -o "$T/b"
    restores "$T/b" now
}

# A chain of its own, begun anew when it is long.
base_inc() {
    local points
    points=$(ls "$T/inc"/manifest.*.json 2>/dev/null | wc -l)
    [ "$points" = 0 ] || [ "$points" -gt 12 ] || return 0
    rm -rf "$T/inc"
    quiet virtnbdbackup -d vm1 --chain sweep -l full -o "$T/inc"
}

trace_inc() {
    base_inc && write_some &&
        traced "$LAB/calls.inc" -f -y virtnbdbackup -d vm1 -l inc \
            --chain sweep -o "$T/inc" >/dev/null 2>&1
}

try_inc() {
    local point
    base_inc
    point=virtnbdbackup.sweep.$(ls "$T/inc"/manifest.*.json | wc -l)
    write_some
    truth now
    list "$T/inc" >"$LAB/before"
    with_fault "$1" "$2" "$3" virtnbdbackup -d vm1 --chain sweep -l inc \
        -o "$T/inc"
    nothing_left "$T/inc"
    if agrees "$T/inc" "$point"; then
        made_up_for --chain sweep -o "$T/inc"
        restores "$T/inc" now
        return 0
    fi
    list "$T/inc" | cmp - "$LAB/before"
    followed_up "$4" || return 0
    write_some
    truth now
    quiet virtnbdbackup -d vm1 --chain sweep -l inc -o "$T/inc"
    quiet virtnbdrestore -i "$T/inc" -o verify
    restores "$T/inc" now
}

trace_restore() {
    traced "$LAB/calls.restore" -f -y virtnbdrestore -i "$T/copy" -o "$T/r" \
        -L "$LAB/restore.log" >/dev/null 2>&1
}

try_restore() {
    rm -rf "$T/r"
    with_fault "$1" "$2" "$3" virtnbdrestore -i "$T/copy" -o "$T/r" \
        -L "$LAB/restore.log"
    nothing_left "$T/r"
    # All files under their final names, or none.
    if [ -e "$T/r/vmconfig.xml" ]; then
        [ $status = 0 ] || [ $status = 4 ] || [ $status = 137 ] ||
            [ $status = stray ]
        equals "$T/r" base
        return 0
    fi
    [ $status != 0 ] && [ $status != 4 ]
    [ -z "$(list "$T/r")" ]
    followed_up "$4" || return 0
    quiet virtnbdrestore -i "$T/copy" -o "$T/r"
    equals "$T/r" base
}
