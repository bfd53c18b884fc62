# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# runs.bash - the backups of a chain: what is drawn, what must be there after
#
# Sourced by chains.bash after guest.bash.
#
#   DIRS            the directories, names below BASE
#   NAME[dir]       the name of its chain (--chain); empty: the default one
#   FULL[dir]       not empty when a full is in it
#   NEWEST[dir]     the newest point
#   CURRENT         the directory that is mostly used
#   NOW             what the disks hold: one raw file for each image
#   TRUTH/dir/point the same for each point that is there
#   ARGS, STATUS    of the last run; its stderr is $LAB/err

declare -A NAME FULL NEWEST
OFF=
START=

dirs_make() {
    BASE=$LAB_TARGET/$VM
    TRUTH=$LAB/truth
    NOW=$LAB/now
    DIRS=()
    NAME=()
    FULL=()
    NEWEST=()
    RUNS=0
    COMPARED=0
    MILLISECONDS=300
    TMPFS=
    mkdir -p "$BASE" "$TRUTH"
    if [ "$(id -u)" = 0 ]; then
        # A file system of its own that can be full or read-only.
        if chance 40 && mount -t tmpfs -o size=2g model "$BASE"; then
            TMPFS=1
            say "the directories are on a tmpfs"
        fi
        chown "$LAB_USER" "$BASE"
    fi
}

# dirs_remove DOMAIN: all that dirs_make and the chain made.
dirs_remove() {
    local base=$LAB_TARGET/$1
    ! mountpoint -q "$base" || umount "$base" || wrong "umount"
    rm -rf "${base:?}" "$LAB/truth" "$LAB/now" "$LAB_TARGET/restored"
}

# dir_new CHAIN: REPLY is a directory to be.
dir_new() {
    local dir=d${#DIRS[@]}
    DIRS+=("$dir")
    NAME[$dir]=$1
    FULL[$dir]=
    NEWEST[$dir]=
    mkdir "$TRUTH/$dir"
    CURRENT=$dir
    REPLY=$dir
}

# What the disks hold now.
truth_take() {
    local disk
    rm -rf "${NOW:?}"
    mkdir "$NOW"
    for disk in "${DISKS[@]}"; do
        lab_snapshot_truth "$VM" "$disk" "$NOW/${FILE[$disk]}" ||
            wrong "no truth of $disk"
    done
}

# points DIR: the points that are in it, one a line.
points() {
    find "$BASE/$1" -maxdepth 1 -name 'manifest.*.json' -printf '%f\n' \
        2>/dev/null | sed 's/^manifest\.//; s/\.json$//' | sort
}

# files DIR: everything in it but what runs that failed may leave or mend.
files() {
    [ -d "$BASE/$1" ] || return 0
    find "$BASE/$1" -type f ! -name 'backup.*.log' ! -name '*.cpt' \
        ! -name '.virtnbdbackup.lock' -printf '%P %s %T@\n' | sort
}

checkpoints() {
    lab_virsh checkpoint-list "$VM" --name | sed '/^$/d' | sort
}

# Wait for guardians.
await_quiet() {
    local i
    for ((i = 0; i < 300; i++)); do
        [ -n "$(_lab_strangers)" ] || return 0
        sleep 0.05
    done
}

# run_traced OPTION...: under strace, its children not.  (Leaks cannot be looked
# for under ptrace.)
run_traced() {
    lab_run env ASAN_OPTIONS=detect_leaks=0 timeout 120 \
        strace -f -b execve -qq -o /dev/null "$@" virtnbdbackup "${ARGS[@]}" \
        2>"$LAB/err"
    STATUS=$?
}

# Some time of a run's length.
run_sleep() {
    rnd 1100
    local micro=$((REPLY * MILLISECONDS))
    sleep "$(printf '%d.%06d' $((micro / 1000000)) $((micro % 1000000)))"
}

run_plain() {
    local start=${EPOCHREALTIME/./}
    lab_run timeout 120 virtnbdbackup "${ARGS[@]}" 2>"$LAB/err"
    STATUS=$?
    MILLISECONDS=$(((${EPOCHREALTIME/./} - start) / 1000))
}

# The guest writes as soon as the job is there.
run_busy() {
    lab_spawn timeout 120 virtnbdbackup "${ARGS[@]}" 2>"$LAB/err"
    local pid=$LAB_PID
    # Not the first job will do: the run may try bitmaps with jobs of its own
    # before, and the truth is that of the job it reads from.
    until grep -q 'backup job started' "$LAB/err" ||
        ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.005
    done
    guest_write
    wait "$pid"
    STATUS=$?
}

run_signal() {
    lab_spawn virtnbdbackup "${ARGS[@]}" 2>"$LAB/err"
    local pid=$LAB_PID
    run_sleep
    kill "-$1" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    STATUS=$?
}

# The program and its guardian at once, as a machine that loses power.
run_kill_both() {
    lab_spawn virtnbdbackup "${ARGS[@]}" 2>"$LAB/err"
    local pid=$LAB_PID
    run_sleep
    # shellcheck disable=SC2046
    kill -KILL $(pgrep -P "$pid" -f -- --guardian) "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    STATUS=$?
}

run_kill_call() {
    local call
    draw openat 150 close 200 read 100 write 100 pwrite64 20 fsync 20 \
        renameat2 10 rename 10 futex 40 poll 100 ppoll 20 sendto 60 \
        recvfrom 100 sendmsg 40 recvmsg 40 unlinkat 8 unlink 8 mmap 150 \
        munmap 60 ftruncate 6 fallocate 6 fstat 60 newfstatat 40 clone3 10 \
        connect 6 mkdirat 4 flock 2 getdents64 8 link 3 linkat 3
    call=$REPLY
    draw 10 1 30 1 150 1
    rnd "$REPLY"
    say "  killed at $call, call $((REPLY + 1))"
    run_traced -e "trace=$call" -e "inject=$call:signal=KILL:when=$((REPLY + 1))"
}

run_error_call() {
    local call error many
    draw pwrite64 6 fsync 5 fdatasync 1 ftruncate 2 fallocate 2 renameat2 4 \
        rename 2 mkdirat 1 sync_file_range 1
    call=$REPLY
    any ENOSPC ENOSPC EIO EDQUOT
    error=$REPLY
    # For good only where cleaning up needs none of it.
    many=
    case $call in
    pwrite64 | ftruncate | fallocate)
        any '' +
        many=$REPLY
        ;;
    esac
    draw 4 2 12 2 40 1
    rnd "$REPLY"
    say "  $error from $call, call $((REPLY + 1))$many"
    run_traced -e "trace=$call" \
        -e "inject=$call:error=$error:when=$((REPLY + 1))$many"
}

# The file system has room for a little more only.
run_full() {
    local used
    used=$(df --output=used -k "$BASE" | tail -n 1)
    draw 64 1 1024 2 8192 1
    rnd "$REPLY"
    say "  the file system has room for $((REPLY + 4)) KiB"
    mount -o "remount,size=$((used + REPLY + 4))k" "$BASE" || wrong remount
    run_plain
    mount -o remount,size=2g "$BASE" || wrong remount
}

run_readonly() {
    local dir=$BASE/$1
    if [ -n "$TMPFS" ]; then
        mount -o remount,ro "$BASE" || wrong remount
        run_plain
        mount -o remount,rw "$BASE" || wrong remount
        return
    fi
    [ -d "$dir" ] || dir=$BASE
    chmod a-w "$dir"
    run_plain
    chmod u+w "$dir"
}

# try DIR METHOD STATUS...
#   Save the truth, run ARGS by METHOD into DIR; the exit status must be one of
#   those given.  Checks all that the run left behind.  POINT is the point it
#   made, or empty.
try() {
    local dir=$1 method=$2 before after files_before checkpoints_before lost
    shift 2
    RUNS=$((RUNS + 1))
    truth_take
    before=$(points "$dir")
    files_before=$(files "$dir")
    checkpoints_before=$(checkpoints)
    say "virtnbdbackup ${ARGS[*]} [$method]"
    run_"$method" "$dir"
    say "  status $STATUS"
    [[ " $* " == *" $STATUS "* ]] || wrong "status $STATUS, not one of: $*"
    [ "$method" = kill_both ] || await_quiet
    after=$(points "$dir")
    lost=$(comm -23 <(echo "$before") <(echo "$after"))
    [ -z "${lost//$'\n'/}" ] || wrong "points lost: $lost"
    POINT=$(comm -13 <(echo "$before") <(echo "$after") | sed '/^$/d')
    if [[ $POINT == *$'\n'* ]]; then
        wrong "more than one point: $POINT"
    elif [ -n "$POINT" ]; then
        case $STATUS in
        0 | 4 | 137 | 143) ;;
        *) wrong "status $STATUS, and yet there is $dir/$POINT" ;;
        esac
        say "  $dir/$POINT"
        mv "$NOW" "$TRUTH/$dir/$POINT"
        [ "$POINT" = copy ] || FULL[$dir]=1
        NEWEST[$dir]=$POINT
        MADE=$((MADE + 1))
    elif [ "$STATUS" = 0 ]; then
        wrong "status 0 and no point"
    elif [ "$method" != kill_both ]; then
        try_left_nothing "$dir"
    fi
    [ "$method" = kill_both ] || try_left_over "$dir"
}

# A run without a point: files are as before, and so are checkpoints, but those
# of committed points that libvirt had lost may be known to it again.
try_left_nothing() {
    local changed
    changed=$(diff <(echo "$files_before") <(files "$1") | grep '^[<>] .')
    [ -z "$changed" ] || wrong "files after a failed run: $changed"
    changed=$(comm -13 <(echo "$checkpoints_before") <(checkpoints) |
        comm -23 - <(points "$1") | sed '/^$/d')
    [ -z "$changed" ] || wrong "checkpoint left by a failed run: $changed"
}

try_left_over() {
    local left
    left=$(lab_leftovers) || wrong "left over: $left"
    left=$(lab_silent) || wrong "told: $left"
    [ -d "$BASE/$1" ] || return 0
    left=$(find "$BASE/$1" -type f | grep -E '\.partial|/intent\.|\.new-')
    [ -z "$left" ] || wrong "left over: $left"
}

# More options for a run of level $1.
options() {
    if chance 30; then
        any -z -z1 -z9 --compress=3
        ARGS+=("$REPLY")
    elif [ "$1" != full ] && [ "$1" != copy ] && chance 25; then
        ARGS+=(--zero-frames)
    fi
    ! chance 20 || ARGS+=(-w 1)
}

# point DIR LEVEL: one more point, perhaps at the second attempt.
point() {
    local dir=$1 level=$2 trouble
    ARGS=(-d "$VM" -l "$level" -o "$BASE/$dir")
    [ -z "${NAME[$dir]}" ] || ARGS+=(--chain "${NAME[$dir]}")
    [ -z "$START" ] || ARGS+=("$START")
    options "$level"
    BOTH=
    draw nothing 62 kill 6 kill_both 5 kill_call 8 error_call 6 full 4 \
        readonly 3 term 3 no_fallback 3
    trouble=$REPLY
    [ "$trouble$TMPFS" != full ] || trouble=error_call
    case $trouble in
    nothing) ;;
    kill) try "$dir" kill 0 137 ;;
    kill_both)
        BOTH=1
        try "$dir" kill_both 0 1 137
        ;;
    # 1: a child was hit before it became another program.
    kill_call) try "$dir" kill_call 0 1 137 ;;
    error_call | full) try "$dir" "$trouble" 0 1 ;;
    readonly) try "$dir" readonly 1 ;;
    term) try "$dir" term 0 143 ;;
    no_fallback)
        ARGS+=(--no-fallback)
        try "$dir" plain 0 1
        unset 'ARGS[-1]'
        ;;
    esac
    if [ "$trouble" != nothing ] && [ -n "$POINT" ]; then
        # Complete all the same: a full or copy would be refused now.
        [ "$trouble" = kill_both ] || return 0
        [ -z "$OFF" ] || return 0
        ARGS[3]=auto
    fi
    draw plain 3 busy 1
    [ -z "$OFF" ] || REPLY=plain
    try "$dir" "$REPLY" 0
}

# point_off DIR LEVEL: the same of the guest while it is off, or started for
# the time of the run.
point_off() {
    lab_virsh destroy "$VM" >/dev/null || wrong "the guest does not end"
    guest_write_off
    OFF=1
    START=
    ! chance 35 || START=-S
    say "the guest is off${START:+, and started for the backup}"
    point "$@"
    if [ "$(lab_virsh domstate "$VM")" != "shut off" ]; then
        # Killed with its guardian right after the start: nobody knows.
        [ -n "$START" ] && [ -n "$BOTH" ] ||
            wrong "the guest is not off any more"
        lab_virsh destroy "$VM" >/dev/null || wrong "the guest does not end"
    fi
    OFF=
    START=
    guest_start
}

run_kill() {
    run_signal KILL
}

run_term() {
    run_signal TERM
}

# A copy of the whole directory, with times that mean nothing; the chain goes
# on in the copy, in the old directory or in both.
dir_copy() {
    local from=$1 file
    dir_new "${NAME[$from]}"
    say "$from is copied to $REPLY"
    FULL[$REPLY]=${FULL[$from]}
    NEWEST[$REPLY]=${NEWEST[$from]}
    lab_run cp -r "$BASE/$from" "$BASE/$REPLY" || wrong "cp -r"
    cp -al "$TRUTH/$from/." "$TRUTH/$REPLY/"
    local to=$REPLY
    while IFS= read -r file; do
        rnd 100000000
        touch -d "@$((1500000000 + REPLY))" "$file"
    done < <(find "$BASE/$to" -type f)
    ! chance 40 || CURRENT=$from
}

# May the Python suite go on here, right after a point of ours?  It knows the
# default chain only, and asks that libvirt knows every checkpoint of the
# directory and not yet the next one.
peer_fits() {
    local dir=$1 known name
    [ -x "$PEER_BACKUP" ] && [ -z "${NAME[$dir]}" ] || return 1
    [[ ${NEWEST[$dir]} == virtnbdbackup.* ]] || return 1
    PEER_POINT=virtnbdbackup.$(jq length "$BASE/$dir/$VM.cpt") || return 1
    [ "$(jq -r '.[-1]' "$BASE/$dir/$VM.cpt")" = "${NEWEST[$dir]}" ] || return 1
    known=$(checkpoints)
    ! grep -qx "$PEER_POINT" <<<"$known" || return 1
    for name in "$BASE/$dir"/checkpoints/*.xml; do
        name=${name##*/}
        grep -qx "${name%.xml}" <<<"$known" || return 1
    done
}

# keep DIR POINT: what the disks held at this point is what NOW has.
keep() {
    say "  $1/$2"
    mv "$NOW" "$TRUTH/$1/$2"
    NEWEST[$1]=$2
    MADE=$((MADE + 1))
}

# An increment by the Python suite, then one by us, which adopts it.
peer_and_we() {
    local dir=$1 theirs status new
    peer_fits "$dir" || return 0
    theirs=$PEER_POINT
    guest_write
    truth_take
    say "the Python suite: -l inc -o $dir"
    lab_run timeout 120 "$PEER_BACKUP" -d "$VM" -l inc -o "$BASE/$dir" \
        >"$LAB/err" 2>&1
    status=$?
    rm -rf "${LAB_TMP:?}"/*
    [ $status = 0 ] || wrong "the Python suite: status $status"
    keep "$dir" "$theirs"
    ! chance 30 || compare_all
    guest_write
    truth_take
    ARGS=(-d "$VM" -l inc -o "$BASE/$dir")
    say "virtnbdbackup ${ARGS[*]} [behind the Python suite]"
    RUNS=$((RUNS + 1))
    run_plain
    [ "$STATUS" = 0 ] || wrong "status $STATUS"
    points "$dir" | grep -qx "$theirs" || wrong "$theirs was not adopted"
    new=$(jq -r '.[-1]' "$BASE/$dir/$VM.cpt")
    [ "$new" != "$theirs" ] || wrong "status 0 and no point"
    keep "$dir" "$new"
    try_left_over "$dir"
}

# What must be refused, and leave everything as it is.
refused() {
    local dir=$1 level=full chain=${NAME[$1]}
    draw full 1 chain 1 empty 1
    case $REPLY in
    chain)
        level=inc
        chain=${chain:+${chain}x}
        chain=${chain:-violet}
        ;;
    empty)
        any inc diff
        level=$REPLY
        dir=empty
        ;;
    esac
    ARGS=(-d "$VM" -l "$level" -o "$BASE/$dir")
    [ -z "$chain" ] || ARGS+=(--chain "$chain")
    try "$dir" plain 1
}

# next_point: draw where and how.
next_point() {
    local dir level
    if [ ${#DIRS[@]} = 0 ]; then
        any '' '' red
        dir_new "$REPLY"
        any full auto
        point "$CURRENT" "$REPLY"
        return
    fi
    ! chance 6 || [ -z "${FULL[$CURRENT]}" ] || refused "$CURRENT"
    ! chance 8 || dir_copy "$CURRENT"
    if chance 20; then
        any "${DIRS[@]}"
        CURRENT=$REPLY
    fi
    dir=$CURRENT
    draw inc 40 diff 15 auto 20 full 8 copy 7 beside 10
    case $REPLY in
    inc | diff | auto)
        level=$REPLY
        if [ -n "${FULL[$dir]}" ] && chance 15; then
            point_off "$dir" "$level"
            return
        fi
        REPLY=$level
        [ -n "${FULL[$dir]}" ] || any full auto
        point "$dir" "$REPLY"
        ! chance 30 || peer_and_we "$dir"
        ;;
    full)
        dir_new "${NAME[$dir]}"
        any full auto
        point "$CURRENT" "$REPLY"
        ;;
    beside)
        any red blue green-2 ''
        dir_new "$REPLY"
        any full auto
        point "$CURRENT" "$REPLY"
        ;;
    copy)
        dir_new "${NAME[$dir]}"
        CURRENT=$dir
        any point point point_off
        $REPLY "${DIRS[-1]}" copy
        ;;
    esac
}

# compare DIR POINT: what is in RESTORED is what the disks held at that point.
compare() {
    local dir=$1 point=$2 file said
    COMPARED=$((COMPARED + 1))
    said=$(diff <(ls "$TRUTH/$dir/$point") \
        <(cd "$RESTORED" && ls ./*.qcow2 2>/dev/null | sed 's,^\./,,'))
    [ -z "$said" ] || wrong "restored disks of $dir/$point: $said"
    for file in "$TRUTH/$dir/$point"/*; do
        said=$(qemu-img compare -f raw -F qcow2 "$file" \
            "$RESTORED/${file##*/}" 2>&1)
        [ "$said" = "Images are identical." ] ||
            wrong "$dir/$point, ${file##*/}: $said"
    done
}

# compare_map DIR POINT: what the nbdkit plugin PLUGIN (if given) shows of the
# point is what the disks held.  Its exports are called as the disks were then,
# the truth as the images were: so it is the contents that have to be there.
compare_map() {
    local dir=$1 point=$2 lost
    [ -n "${PLUGIN:-}" ] || return 0
    lab_run nbdkit -U - -f "$LAB/bin/${PLUGIN##*/}" "$BASE/$dir" \
        "point=$point" --run 'set -e
            nbdinfo --list --json "$uri" | jq -r ".exports[].\"export-name\"" |
            while read -r disk; do
                nbdcopy "nbd+unix:///$disk?socket=$unixsocket" - | sha256sum
            done' >"$LAB/mapped" 2>"$LAB/err" ||
        wrong "$dir/$point cannot be mapped"
    lost=$(cd "$TRUTH/$dir/$point" && for file in *; do
        grep -q "$(sha256sum <"$file")" "$LAB/mapped" || echo "$file"
    done)
    [ -z "$lost" ] || wrong "$dir/$point mapped: $lost is another"
}

# restore_to DIR [-u POINT]
restore_to() {
    local dir=$1 status
    shift
    rm -rf "${RESTORED:?}"
    lab_run timeout 120 virtnbdrestore -i "$BASE/$dir" -o "$RESTORED" "$@" \
        -L "$LAB/restore.log" 2>"$LAB/err"
    status=$?
    [ $status = 0 ] || wrong "restore of $dir $*: status $status"
}

# Every point of every directory.
compare_all() {
    local dir point status
    RESTORED=$LAB_TARGET/restored
    for dir in "${DIRS[@]}"; do
        [ -n "${NEWEST[$dir]}" ] || continue
        for point in "$TRUTH/$dir"/*; do
            point=${point##*/}
            restore_to "$dir" -u "$point"
            compare "$dir" "$point"
            compare_map "$dir" "$point"
        done
        restore_to "$dir"
        compare "$dir" "${NEWEST[$dir]}"
        lab_run timeout 120 virtnbdrestore -i "$BASE/$dir" -o verify \
            -L "$LAB/restore.log" 2>"$LAB/err"
        status=$?
        [ $status = 0 ] || wrong "verify of $dir: status $status"
    done
    rm -rf "${RESTORED:?}"
}
