#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# crash.bash - power is lost in the middle of a full and of an increment
#
# covers: A8:FIDCR B7:VR G6:R
#
# usage: crash.bash [--seed S] [--random N] [--next N]
#
# BACKUP and RESTORE in the environment are the programs under test.  From one
# log of strace of each run crash-states.py makes what its directory can look
# like after a crash (N of --random more for each call), and judges it.  Then,
# for --next N of them ("all": one of each shape), the next run has to work with
# what was left, while libvirt knows the checkpoint of the run that was lost,
# and the point that it makes has to be what the disks hold.  First of all: are
# things made durable in the right order, by a restore too?

set -u
here=$(dirname "${BASH_SOURCE[0]}")
. "$here/../lib/cli.bash"
. "$here/../lib/inject.bash"

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
MORE=4
NEXT=12
while [ $# -gt 1 ]; do
    case $1 in
    --seed) SEED=$2 ;;
    --random) MORE=$2 ;;
    --next) NEXT=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# = 0 ] || { echo "usage: crash.bash [--seed S] [--random N] [--next N]" >&2
    exit 64; }

quiet() {
    lab_run "$@" >"$LAB/out" 2>&1 || { cat "$LAB/out"; return 1; }
}

truth() {
    lab_snapshot_truth vm1 vda "$WORK/truth.$1.vda" &&
        lab_snapshot_truth vm1 vdb "$WORK/truth.$1.vdb"
}

states() {
    lab_run /usr/bin/python3 "$LAB/bin/crash-states.py" "$@"
}

# record COMMAND...: run it; its log is $LAB/calls, and $WORK/before is what
# $T was.
record() {
    rm -rf "$WORK/before" "$WORK/keep" "$LAB/calls"
    lab_run cp -a "$T" "$WORK/before" && lab_run mkdir "$WORK/keep" &&
        traced "$LAB/calls" -f -y -xx -s 99999999 \
            -e trace='%file,%desc' "$@" >"$LAB/out" 2>&1 ||
        { cat "$LAB/out"; return 1; }
}

# The checkpoint NAME as it was made by the run that was lost.
checkpoint_again() {
    lab_virsh checkpoint-list vm1 --name | grep -qx "$1" ||
        lab_virsh checkpoint-create vm1 "$WORK/$1.xml" >/dev/null
}

# next_run LEVEL POINT STATE: what a run makes of it when the last one, that
# made POINT, was lost.
next_run() {
    local level=$1 point=$2 name
    rm -rf "$T/set" "$T/back"
    [ ! -d "$3/set" ] || lab_run cp -a "$3/set" "$T/set"
    lab_run mkdir -p "$T/set"
    checkpoint_again "$point" || return 1
    [ ! -e "$T/set/manifest.$point.json" ] || level=inc
    random_disk vm1 vda 1048576 "$RANDOM" || return 1
    truth next
    quiet virtnbdbackup -d vm1 -l "$level" -o "$T/set" &&
        quiet virtnbdrestore -i "$T/set" -o verify -L "$LAB/restore.log" &&
        quiet virtnbdrestore -i "$T/set" -o "$T/back" -L "$LAB/restore.log" &&
        same "$T/back/a.qcow2" "$WORK/truth.next.vda" &&
        same "$T/back/b.qcow2" "$WORK/truth.next.vdb" || return 1
    lab_leftovers && lab_silent || return 1
    if find "$T/set" | grep -E 'partial|intent|\.new-'; then
        return 1
    fi
    # Newer ones of the next run go, so that the one that was lost is last.
    for name in $(lab_virsh checkpoint-list vm1 --name --leaves); do
        [ "$name" = "$point" ] && lab_virsh checkpoint-dumpxml vm1 "$name" |
            grep -qF "$(grep description "$WORK/$point.xml")" ||
            lab_virsh checkpoint-delete vm1 "$name" >/dev/null || return 1
    done
}

# lose LEVEL POINT: all crashes of a run that makes POINT.
lose() {
    local level=$1 point=$2 state kept
    echo "$level:"
    record virtnbdbackup -d vm1 -l "$level" -o "$T/set" || return 1
    truth "$point"
    lab_virsh checkpoint-dumpxml --no-domain vm1 "$point" |
        sed '/<parent>/,/<\/parent>/d;/creationTime/d' >"$WORK/$point.xml"
    rm -rf "$WORK/done"
    lab_run cp -a "$T/set" "$WORK/done"
    states order "$LAB/calls" "$T" "$WORK/before" || bad=1
    states states "$LAB/calls" "$T" "$WORK/before" "$WORK" "$SEED" "$MORE" ||
        bad=1
    # Those with the point first: they need its checkpoint as it is.
    kept=$(ls -d "$WORK"/keep/*/set/manifest."$point".json 2>/dev/null |
        sed 's,/set/[^/]*$,,' | shuffled)
    kept+=" $(ls -d "$WORK"/keep/* | while read -r state; do
        [ -e "$state/set/manifest.$point.json" ] || echo "$state"
    done | shuffled)"
    count=0
    for state in $kept; do
        next_run "$level" "$point" "$state" || {
            echo "WRONG: the next run after a crash:"
            find "$state" | sed 's/^/    /'
            bad=1
            return 1
        }
        count=$((count + 1))
    done
    echo "$count runs after a crash"
}

# lose_diff: all crashes of a differential, whose point is named by its time and
# has no checkpoint.
lose_diff() {
    local point
    echo "diff:"
    record virtnbdbackup -d vm1 -l diff -o "$T/set" || return 1
    point=$(cd "$T/set" && ls manifest.* | grep -vxF -f <(ls "$WORK/before/set"))
    point=${point#manifest.}
    point=${point%.json}
    [ -n "$point" ] || return 1
    truth "$point"
    rm -rf "$WORK/done"
    lab_run cp -a "$T/set" "$WORK/done"
    states order "$LAB/calls" "$T" "$WORK/before" || bad=1
    states states "$LAB/calls" "$T" "$WORK/before" "$WORK" "$SEED" "$MORE" ||
        bad=1
}

# Half of NEXT from stdin, or all.
shuffled() {
    if [ "$NEXT" = all ]; then
        cat
    else
        shuf --random-source=<(yes "$SEED") -n $(((NEXT + 1) / 2))
    fi
}

why=$(lab_requires) || { echo "skipped: $why"; exit 77; }
command -v strace >/dev/null || { echo "skipped: no strace"; exit 77; }
echo "seed $SEED"
lab_start || exit 1
trap lab_stop EXIT
T=$LAB_TARGET
WORK=$LAB/work
RANDOM=$SEED
bad=0
lab_bin "$BACKUP" "$RESTORE" "$here/crash-states.py" || exit 1
lab_run mkdir "$WORK"
lab_domain vm1 vda=a.qcow2,size=1M vdb=b.qcow2,size=512K || exit 1
random_disk vm1 vda 1048576 "$SEED"
random_disk vm1 vdb 524288 "$SEED"
lose full virtnbdbackup.0 || exit 1
rm -rf "$T/set"
quiet virtnbdbackup -d vm1 -l full -o "$T/set" || exit 1
truth virtnbdbackup.0
random_disk vm1 vda 1048576 "$((SEED + 1))"
lose inc virtnbdbackup.1 || exit 1
rm -rf "$T/set" "$T/back"
quiet virtnbdbackup -d vm1 -l full --chain other -o "$T/set" || exit 1
truth virtnbdbackup.other.0
random_disk vm1 vda 1048576 "$((SEED + 2))"
lose_diff || exit 1
rm -rf "$T/back"
echo "restore:"
# What the programs do that it starts counts too.
TRACED_CHILDREN=1
record virtnbdrestore -i "$WORK/done" -o "$T/back" -L "$LAB/restore.log" ||
    exit 1
states order "$LAB/calls" "$T" "$WORK/before" || bad=1
[ $bad = 0 ]
