#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# chains.bash - random chains of backups, every point restored and compared
#
# usage: chains.bash [--seed S] [--chains N] [--points M] [--verbose]
#            [--keep-going]
#
# BACKUP and RESTORE in the environment are the programs under test; with PLUGIN
# every point is also looked at through nbdkit.
#
# A chain is one guest with one to three disks and some directories.  Before
# each point the guest writes, and something may happen to it (guest.bash); then
# a run is drawn: level, directory, options, and what goes wrong with it
# (runs.bash).  What the disks held at that moment is kept, and compared with
# what `virtnbdrestore -u POINT` makes of it, for every point of every directory
# at the end of the chain and now and then before.
#
# One line a chain is printed.  At the first thing that is not as it must be:
# what it is, the whole history, and the command that draws the same again;
# status 1.  (Moments at which runs are killed are not drawn again exactly.)
# --keep-going: the same for each chain, one that fails does not end the others.
# LAB_KEEP=1 keeps the lab, with the guest's disks, the directories and what
# the points should hold.

set -u
here=$(dirname "${BASH_SOURCE[0]}")
. "$here/../lib/cli.bash"
. "$here/guest.bash"
. "$here/runs.bash"

usage() {
    echo "usage: chains.bash [--seed S] [--chains N] [--points M] [--verbose]" \
        "[--keep-going]" >&2
    exit 64
}

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
CHAINS=20
POINTS=6
VERBOSE=
KEEP_GOING=
while [ $# -gt 0 ]; do
    case $1 in
    --seed | --chains | --points)
        [[ ${2:-} =~ ^[0-9]+$ ]] || usage
        declare "$(tr '[:lower:]' '[:upper:]' <<<"${1#--}")=$2"
        shift
        ;;
    --verbose) VERBOSE=1 ;;
    --keep-going) KEEP_GOING=1 ;;
    *) usage ;;
    esac
    shift
done

# rnd N: REPLY becomes a number in [0, N).  (splitmix64; RANDOM is another
# sequence in every subshell.)
rnd() {
    local z
    STATE=$((STATE + -7046029254386353131))
    z=$(((STATE ^ ((STATE >> 30) & 0x3ffffffff)) * -4658895280553007687))
    z=$(((z ^ ((z >> 27) & 0x1fffffffff)) * -7723592293110705685))
    z=$((z ^ ((z >> 31) & 0x1ffffffff)))
    REPLY=$(((z & 0x7fffffffffffffff) % $1))
}

# chance PERCENT
chance() {
    rnd 100
    [ "$REPLY" -lt "$1" ]
}

# draw WORD WEIGHT...: REPLY becomes one of the words.
draw() {
    local -a words=("$@")
    local i total=0
    for ((i = 1; i < $#; i += 2)); do
        total=$((total + words[i]))
    done
    rnd $total
    for ((i = 0; REPLY >= words[i + 1]; i += 2)); do
        REPLY=$((REPLY - words[i + 1]))
    done
    REPLY=${words[i]}
}

# any WORD...: REPLY becomes one of the words.
any() {
    rnd $#
    shift "$REPLY"
    REPLY=$1
}

# What was done in this chain so far.
say() {
    HISTORY+=("$*")
    [ -z "$VERBOSE" ] || echo "  $*"
}

# The end of the chain: what is wrong, and how it came to be.
wrong() {
    {
        echo "WRONG: $*"
        echo "chain $CHAIN of seed $SEED, point $((MADE + 1)); history:"
        printf '    %s\n' "${HISTORY[@]}"
        if [ -s "$LAB/err" ]; then
            echo "the last program's stderr:"
            sed 's/^/    /' "$LAB/err"
        fi
        echo "again: $0 --seed $((SEED + CHAIN - 1)) --chains 1" \
            "--points $POINTS"
    }
    exit 1
}

# One more chain.  Its seed is its own, so that it can be drawn alone.
chain() {
    local started=$SECONDS
    STATE=$((SEED + CHAIN - 1))
    HISTORY=()
    MADE=0
    guest_make "vm$CHAIN"
    dirs_make
    while [ "$MADE" -lt "$POINTS" ]; do
        guest_write
        guest_change
        ! chance 50 || guest_write
        next_point
        ! chance 10 || compare_all
    done
    compare_all
    echo "chain $CHAIN (seed $((SEED + CHAIN - 1))): $MADE points in" \
        "${#DIRS[@]} directories, $RUNS runs, $COMPARED comparisons," \
        "$((SECONDS - started)) s"
    chain_wipe
}

chain_wipe() {
    dirs_remove "vm$CHAIN"
    guest_remove "vm$CHAIN"
    # What a chain left in /var/tmp is not the next one's (lab_leftovers).
    touch "$LAB/c/libvirt/qemu.conf"
}

why=$(lab_requires) || { echo "skipped: $why"; exit 77; }
for tool in jq strace; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
echo "seed $SEED, $CHAINS chains of $POINTS points"
lab_start || exit 1
running=
trap '[ -z "$running" ] || kill "$running" 2>/dev/null; lab_stop' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
lab_bin "$BACKUP" "$RESTORE" ${PLUGIN:+"$PLUGIN"} || exit 1
bad=0
for ((CHAIN = 1; CHAIN <= CHAINS; CHAIN++)); do
    # In a subshell: wrong ends the chain, and the next one starts clean.
    # (Waited for, so that signals are heard meanwhile.)
    (chain) </dev/null &
    running=$!
    wait $running && continue
    bad=$((bad + 1))
    [ -n "$KEEP_GOING" ] || exit 1
    chain_wipe
done
echo "$CHAINS chains, $bad of them wrong"
[ $bad = 0 ]
