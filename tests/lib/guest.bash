# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# guest.bash - a real Linux guest with QEMU's agent inside a lab
#
# Source it after lab.bash (or cli.bash), then, in a lab:
#
#     why=$(guest_requires) || skip "$why"
#     guest_define vm1 vda=a.qcow2,size=32M vdb=b.qcow2,size=16M
#     guest_start vm1
#     guest_hook vm1 freeze hang          # the next freeze hangs
#     guest_run vm1 'cat /mnt/vda/state'
#     [ "$(guest_state vm1)" = running ]
#
# The guest is Debian's cloud kernel with busybox, emulated, 96 MiB; its agent
# answers three seconds after the start.  Each of its disks that has an ext4
# file system is mounted at /mnt/<target>.  Commands reach it through a channel
# of its own, so they work whatever has become of the agent.  guest/ has what
# runs inside; guest/build.bash makes it, once, without changing the machine.
#
# Whether a copy of a disk (a backup that was restored) was made while the guest
# was frozen can be read from it: guest_file IMAGE /state says "frozen N"
# between freeze N and its thaw, and "running N" after it (guest/fsfreeze-hook).
#
# A bats file whose tests share one guest, because starting takes longer than
# all else:
#
#     load ../lib/cli
#     load ../lib/guest
#     setup_file() { cli_setup_file; guest_setup_file vda=a.qcow2,size=32M; }
#     setup() { cli_setup; guest_setup; }         # skips, or sets VM
#     teardown() { guest_teardown; }
#     teardown_file() { cli_teardown_file; }
#
# Every function returns non-zero and prints a sentence on stderr when it fails.
# Needs, besides lab.bash's: mkfs.ext4, debugfs (e2fsprogs), and a Debian, or a
# relative that has its packages, to build the guest from.

GUEST_FILES=$(cd "$(dirname "${BASH_SOURCE[0]}")/guest" && pwd)

# How long a guest may take to start, and its agent to answer: seconds.
GUEST_DEADLINE=${GUEST_DEADLINE:-90}

_guest_fail() {
    echo "guest: $*" >&2
    return 1
}

# guest_requires
#   0 when this machine can run such guests (they are built then, if they have
#   not been yet: ten seconds and a download of 28 MB); otherwise prints why
#   not, returns 1.  What lab_requires wants is asked there.
guest_requires() {
    local tool said
    for tool in mkfs.ext4 debugfs; do
        if ! PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null; then
            echo "$tool is not installed"
            return 1
        fi
    done
    if ! said=$(_guest_build); then
        printf '%s\n' "$said"
        return 1
    fi
}

# The directory of the kernel and the initrd, or why there is none.
_guest_build() {
    bash "$GUEST_FILES/build.bash"
}

# What all guests of the lab need, once a lab.
_guest_prepare() {
    local built file
    [ ! -e "$LAB/guest/initrd" ] || return 0
    built=$(_guest_build) || { _guest_fail "$built"; return 1; }
    lab_run mkdir -p "$LAB/guest" || return 1
    for file in vmlinuz initrd; do
        install -m 644 "$built/$file" "$LAB/guest/" || return 1
    done
    lab_bin "$GUEST_FILES/guest-run"
}

# guest_define [--no-agent] NAME DISK...
#   Define a guest.  DISK as for lab_domain; an image that is made because it
#   has size=, of 2 MiB at least, gets an empty ext4 file system.  --no-agent:
#   without a channel for the agent.  LAB_DEVICES, LAB_MEMORY, LAB_UUID: as in
#   lab.bash.
guest_define() {
    local agent="<channel type='unix'>
        <target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    if [ "$1" = --no-agent ]; then
        agent=
        shift
    fi
    local name=$1 pipe=$LAB/guest/$1 spec xml status=0
    local -a new=()
    shift
    _guest_prepare || return 1
    for spec in "$@"; do
        _guest_is_new "$spec" && new+=("$spec")
    done
    lab_run rm -f "$pipe".*
    lab_run mkfifo "$pipe.in" "$pipe.out" || return 1
    xml=$(
        LAB_MEMORY=${LAB_MEMORY:-96}
        LAB_DEVICES="${LAB_DEVICES:-} $agent
            <channel type='pipe'><source path='$pipe'/>
            <target type='virtio' name='vnb.control'/></channel>
            <serial type='file'><source path='$pipe.console'/></serial>"
        lab_domain_xml "$name" "$@"
    ) || return 1
    for spec in "${new[@]}"; do
        _guest_mkfs "$spec" || return 1
    done
    local boot="<kernel>$LAB/guest/vmlinuz</kernel>
        <initrd>$LAB/guest/initrd</initrd>
        <cmdline>console=ttyS0 quiet panic=-1</cmdline></os>"
    printf '%s\n' "${xml/"</os>"/"$boot"}" >"$LAB/guest/$name.xml"
    chmod 644 "$LAB/guest/$name.xml"
    lab_virsh define "$LAB/guest/$name.xml" >/dev/null || status=1
    _lab_keep_cache
    return $status
}

# _guest_items SPEC: FILE, FORMAT and SIZE of the DISK.
_guest_items() {
    local item
    local -a items
    IFS=, read -r -a items <<<"$1"
    FILE=$(lab_path "${items[0]#vd?=}") FORMAT=qcow2 SIZE=
    for item in "${items[@]:1}"; do
        case $item in
        format=*) FORMAT=${item#*=} ;;
        size=*) SIZE=${item#*=} ;;
        esac
    done
}

# Will defining the guest make the image of this DISK?
_guest_is_new() {
    local FILE FORMAT SIZE
    _guest_items "$1"
    [ -n "$SIZE" ] && [ ! -e "$FILE" ]
}

# Put a file system into the image that has just been made.
_guest_mkfs() {
    local FILE FORMAT SIZE raw=$LAB/guest/mkfs.raw status=0
    _guest_items "$1"
    lab_run truncate -s "$SIZE" "$raw" &&
        lab_run mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 \
            "$raw" &&
        lab_run qemu-img convert -n -f raw -O "$FORMAT" "$raw" "$FILE" ||
        status=1
    lab_run rm -f "$raw"
    return $status
}

# guest_start NAME
#   Start a guest (once more) and wait until it takes commands and, if it has a
#   channel for it, its agent answers.
guest_start() {
    local end=$((SECONDS + GUEST_DEADLINE))
    # What was said to an earlier run of it, and by it.
    lab_run rm -f "$LAB/guest/$1".{in,out,console}
    lab_run mkfifo "$LAB/guest/$1".{in,out} || return 1
    lab_virsh start "$1" >/dev/null || return 1
    if ! guest_run -t "$GUEST_DEADLINE" "$1" true; then
        tail -n 20 "$LAB/guest/$1.console" >&2
        _guest_fail "$1 does not start"
        return 1
    fi
    if lab_virsh dumpxml "$1" | grep -q "'org.qemu.guest_agent.0'"; then
        guest_answers "$1" $((end - SECONDS))
    fi
}

# guest_answers NAME [SECONDS]
#   Wait until something answers on the agent's channel.
guest_answers() {
    local end=$((SECONDS + ${2:-$GUEST_DEADLINE}))
    until lab_virsh qemu-agent-command --timeout 2 "$1" \
        '{"execute":"guest-ping"}' >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            _guest_fail "the agent of $1 does not answer"
            return 1
        fi
        sleep 0.02
    done
}

# guest_run [-t SECONDS] NAME SCRIPT
#   Run a shell script inside the guest, as root, independent of the agent.
#   Prints what it prints (12000 bytes at most) and returns its status; 124 if
#   it has not ended within SECONDS (30).  Scripts run one after the other:
#   what may block, as a write while the guest is frozen, goes into the
#   background: guest_run vm1 'echo x >/mnt/vda/file &'.
#   In C tests, and other programs of the lab: the command guest-run.
guest_run() {
    lab_run guest-run "$@"
}

# guest_hook NAME freeze|thaw [hang|fail|half]
#   What the agent's hook does in the freezes (before each) or thaws (after
#   each) to come: hang until guest_hook is called again, fail, or freeze the
#   first disk and fail nevertheless.  Without a word: what it should.
guest_hook() {
    guest_run "$1" "echo '${3:-}' >/run/hook.$2"
}

# guest_hooked NAME
#   The calls of the hook since guest_start (or guest_reset) on one line:
#   "freeze thaw freeze ".
guest_hooked() {
    guest_run "$1" 'cat /run/hook.log 2>/dev/null | tr "\n" " "'
}

# guest_state NAME [TARGET]
#   "frozen" or "running": does the file system of that disk (vda) take writes?
#   The kernel says so, not the agent.
guest_state() {
    guest_run "$1" "probe /mnt/${2:-vda}"
}

# guest_agent NAME real|none
# guest_agent NAME fake [RULES]
#   Who is on the agent's channel: QEMU's agent, nobody, or something that
#   answers as lines "COMMAND ANSWER" say, which are in the file RULES or come
#   on stdin (guest/fake-agent).  For guests that we cannot have, and for those
#   that lie.  guest_requests NAME prints what the fake one was asked.
guest_agent() {
    if [ "$2" = fake ]; then
        guest_run "$1" "echo $(base64 -w 0 "${3:--}") |
            base64 -d >/run/rules" || return 1
    fi
    guest_run "$1" "agent $2" || return 1
    [ "$2" = none ] || guest_answers "$1"
}
guest_requests() {
    guest_run "$1" 'cat /run/requests'
}

# guest_signal NAME SIGNAL
#   Send a signal to the agent (STOP: it answers no more, CONT: it does again).
guest_signal() {
    guest_run "$1" "kill -$2 \$(cat /run/agent.pid)"
}

# guest_writer NAME start|stop
#   Write to the first disk all the time: 1, 2, 3, ... to /mnt/vda/log, a
#   number a line.
guest_writer() {
    guest_run "$1" "writer $2"
}

# guest_reset NAME
#   As after guest_start: the hook behaves, nothing is frozen, QEMU's agent
#   answers, nothing writes, the guest runs, there are no checkpoints.
guest_reset() {
    local name=$1 checkpoint
    case $(lab_virsh domstate "$name") in
    running) ;;
    paused) lab_virsh resume "$name" >/dev/null || return 1 ;;
    *) guest_start "$name" || return 1 ;;
    esac
    # First the agent: a freeze that hangs in its hook would still come.
    guest_run "$name" 'agent none
        rm -f /run/hook.* /run/freezes
        for dir in /mnt/vd*; do
            while fsfreeze --unfreeze $dir; do :; done
        done 2>/dev/null
        writer stop
        agent real' || return 1
    guest_answers "$name" || return 1
    for checkpoint in $(lab_virsh checkpoint-list "$name" --name); do
        lab_virsh checkpoint-delete "$name" "$checkpoint" >/dev/null ||
            return 1
    done
}

# guest_file IMAGE PATH
#   Print a file of the ext4 file system in a disk image that no guest uses (or
#   whose guest is off): guest_file restored.qcow2 /state.
guest_file() {
    local raw=$LAB/guest/file.raw status=0
    rm -f "$raw"
    qemu-img convert -O raw "$1" "$raw" || return 1
    PATH=$PATH:/usr/sbin:/sbin debugfs -R "cat \"$2\"" "$raw" 2>/dev/null ||
        status=1
    rm -f "$raw"
    return $status
}

# ---- for bats files; see the top ----

# guest_setup_file DISK...
#   After cli_setup_file: define and start the guest "vm" for all tests.
guest_setup_file() {
    local why
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || return 0
    why=$(guest_requires) || {
        echo "$why" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    guest_define vm "$@" && guest_start vm
}

# guest_setup
#   After cli_setup: VM is the guest's name.
guest_setup() {
    VM=vm
}

# guest_teardown
#   In place of cli_teardown: no leftovers; the shared guest is as new for the
#   next test; other guests, with their images and the test's directory, go.
guest_teardown() {
    [ -e "$BATS_FILE_TMPDIR/lab" ] || return 0
    local status=0 name image
    cli_silent || status=1
    if [ -n "${NO_LEFTOVERS:-}" ]; then
        lab_leftovers || status=1
    fi
    for name in $(lab_virsh list --name --all); do
        [ "$name" != "$VM" ] || continue
        lab_virsh destroy "$name" >/dev/null 2>&1
        lab_virsh undefine --checkpoints-metadata "$name" >/dev/null 2>&1
    done
    for image in "$LAB_DISKS"/*; do
        lab_virsh domblklist "$VM" | grep -qF "$image" || rm -rf "$image"
    done
    rm -rf "${T:?}"
    guest_reset "$VM" || status=1
    return $status
}
