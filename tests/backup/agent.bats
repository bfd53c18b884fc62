#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# agent.bats - a real guest is frozen while the job begins, and thawed whatever
# happens
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/guest
setup_file() {
    cli_setup_file
    guest_setup_file vda=a.qcow2,size=32M vdb=b.qcow2,size=8M
}
setup() {
    cli_setup
    guest_setup
}
teardown() { guest_teardown; }
teardown_file() { cli_teardown_file; }

# restored_state SET [DISK]: what the disk's file "state" says in the backup.
restored_state() {
    rm -rf "$T/r"
    restore -i "$1" -o "$T/r" || return 1
    guest_file "$T/r/${2:-a}.qcow2" /state
}

# Nobody is on the channel, and QEMU knows.
agent_gone() {
    guest_agent "$VM" none
    until lab_virsh dumpxml "$VM" | grep -q "guest_agent.0' state='disconn"; do
        :
    done
}

# The run is between freeze and thaw: no job can begin while QEMU is stopped.
spawn_and_freeze() {
    lab_spawn virtnbdbackup -d "$VM" "$@"
    until [ "$(guest_state "$VM")" = frozen ]; do
        kill -0 "$LAB_PID" || return 1
    done
}

# covers: C12:F
@test "frozen before the job begins, thawed right after, while it goes on" {
    guest_writer "$VM" start
    run backup -d "$VM" -l full -o "$T/b"
    echo "$output"
    [ "$status" = 0 ]
    grep -oE 'froze 2|job started|thawed' <<<"$output" | xargs >"$T/order"
    [ "$(cat "$T/order")" = "froze 2 thawed job started" ]
    [ "$(guest_state "$VM")" = running ]
    [ "$(guest_hooked "$VM")" = "freeze thaw " ]
    [[ $output == *"froze 2 file systems"* ]]
    ms=$(jq .frozenMs "$T/b/manifest.virtnbdbackup.0.json")
    [ "$ms" -gt 0 ]
    [[ $output == *"frozen for $ms ms"* ]]
    [ "$(jq '.warnings | length' "$T/b/manifest.virtnbdbackup.0.json")" = 0 ]
    # All disks are of a moment while it was frozen.
    [[ $(restored_state "$T/b") == "frozen "* ]]
    [[ $(guest_file "$T/r/b.qcow2" /state) == "frozen "* ]]
    # The file system needs no repair.
    qemu-img convert -O raw "$T/r/a.qcow2" "$T/fs.raw"
    PATH=$PATH:/sbin:/usr/sbin fsck.ext4 -fn "$T/fs.raw"
}

@test "an increment is of a frozen moment too" {
    backup -d "$VM" -l full -o "$T/b"
    guest_writer "$VM" start
    backup -d "$VM" -l inc -o "$T/b"
    guest_writer "$VM" stop
    [[ $(restored_state "$T/b") == "frozen "* ]]
}

@test "only some mount points" {
    run backup -d "$VM" -l copy -F /mnt/vdb -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"froze 1 file system "* ]]
    [ "$(guest_state "$VM")" = running ]
    [ "$(guest_state "$VM" vdb)" = running ]
}

@test "a mount point that is not there: a warning, or an error" {
    run -2 backup -d "$VM" -l copy -F /typo --strict -o "$T/b"
    [[ $output == *"froze no file system"* ]]
    run -1 backup -d "$VM" -l copy -F /typo --require-freeze -o "$T/c"
    run ! ls "$T"/c/*.data*
}

@test "a guest that thaws by itself: nothing is claimed" {
    guest_agent "$VM" fake <<RULES
guest-fsfreeze-freeze {"return":2}
guest-fsfreeze-thaw {"return":0}
RULES
    run -2 backup -d "$VM" -l copy --strict -o "$T/b"
    [[ $output == *"thawed by itself"* ]]
    [ "$(jq .frozenMs "$T/b/manifest.copy.json")" = 0 ]
    run -1 backup -d "$VM" -l copy --require-freeze -o "$T/c"
    run ! ls "$T"/c/*.data*
}

@test "a run that only looks, or saves nothing, ends nobody's freeze" {
    backup -d "$VM" -l full -o "$T/b"
    lab_virsh domfsfreeze "$VM"
    backup -d "$VM" -l inc -p -o "$T/b"
    backup -d "$VM" -l inc -T 10G -o "$T/b"
    [ "$(guest_state "$VM")" = frozen ]
    lab_virsh domfsthaw "$VM"
}

@test "not frozen when not asked to" {
    backup -d "$VM" -l copy --freeze-timeout 0 --strict -o "$T/b"
    [ -z "$(guest_hooked "$VM")" ]
    [ "$(jq .frozenMs "$T/b/manifest.copy.json")" = 0 ]
}

# covers: C12:F
@test "a freeze that hangs: a deadline, the backup goes on, the guest is thawed" {
    local begin=$SECONDS
    guest_hook "$VM" freeze hang
    lab_spawn virtnbdbackup -d "$VM" -l full --freeze-timeout 2 -o "$T/b" \
        2>"$T/log"
    until grep -q 'crash-consistent' "$T/log" ||
        [ $((SECONDS - begin)) -gt 30 ]; do
        kill -0 "$LAB_PID" || break
        # The hook ends when the first thaw has been asked for.
        ! grep -q 'thaw' "$T/log" || guest_hook "$VM" freeze
        [ $((SECONDS - begin)) -lt 5 ] || guest_hook "$VM" freeze
    done
    guest_hook "$VM" freeze
    wait "$LAB_PID"
    grep WARNING "$T/log" | grep 'not frozen'
    until [ "$(guest_state "$VM")" = running ]; do
        [ $((SECONDS - begin)) -lt 60 ]
    done
    restore -i "$T/b" -o verify
    jq -r '.warnings[]' "$T/b/manifest.virtnbdbackup.0.json" |
        grep 'not frozen'
}

# covers: C13:F
@test "a freeze that fails half way: thawed, and a warning" {
    guest_hook "$VM" freeze half
    run backup -d "$VM" -l copy -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *WARNING*"not frozen"* ]]
    [ "$(guest_state "$VM")" = running ]
}

@test "require-freeze: without it there is no backup, and the guest runs" {
    guest_hook "$VM" freeze half
    run -1 backup -d "$VM" -l full --require-freeze -o "$T/b"
    [[ $output == *"freeze"* ]]
    [ "$(guest_state "$VM")" = running ]
    run ! ls "$T"/b/*.data*
    [ -z "$(lab_virsh checkpoint-list "$VM" --name)" ]
}

@test "the job cannot begin: the guest is thawed all the same" {
    mkdir "$T/scratch"
    # QEMU may not make its scratch files there.
    run ! backup -d "$VM" -l full --scratchdir /proc/self -o "$T/b"
    [ "$(guest_state "$VM")" = running ]
}

# covers: C14:F
@test "a thaw that hangs at first is tried again; the backup is exact" {
    guest_hook "$VM" thaw hang
    lab_spawn virtnbdbackup -d "$VM" -l full -o "$T/b" --bwlimit 4M \
        2>"$T/log"
    until grep -q 'backup job started' "$T/log"; do
        kill -0 "$LAB_PID"
        ! grep -q 'does not answer' "$T/log" || break
        ! grep -q 'froze' "$T/log" || guest_hook "$VM" thaw
    done
    guest_hook "$VM" thaw
    wait "$LAB_PID"
    [ "$(guest_state "$VM")" = running ]
    restore -i "$T/b" -o verify
}

# covers: C15:F
@test "SIGKILL between freeze and thaw: the guardian thaws" {
    local qemu
    qemu=$(lab_qemu "$VM")
    # libvirt's helper for the scratch files is slow, so that there is time.
    spawn_and_freeze -l full -o "$T/b"
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    lab_leftovers
    [ "$(guest_state "$VM")" = running ]
    [[ $(guest_hooked "$VM") == *"thaw "* ]]
    kill -0 "$qemu"
    backup -d "$VM" -l full -o "$T/b"
    restore -i "$T/b" -o verify
}

# covers: C12:F B3:F
@test "SIGTERM while a freeze hangs: promptly, and the guest is thawed" {
    local begin status=0
    guest_hook "$VM" freeze hang
    lab_spawn virtnbdbackup -d "$VM" -l full -o "$T/b"
    until [[ $(guest_hooked "$VM") == "freeze "* ]]; do
        kill -0 "$LAB_PID"
    done
    begin=$SECONDS
    kill -TERM "$LAB_PID"
    guest_hook "$VM" freeze
    wait "$LAB_PID" || status=$?
    [ $status = 143 ]
    [ $((SECONDS - begin)) -lt 20 ]
    lab_leftovers
    [ "$(guest_state "$VM")" = running ]
}

@test "pause: frozen and suspended, then both undone" {
    backup -d "$VM" -l full --pause -o "$T/b"
    [ "$(lab_virsh domstate "$VM")" = running ]
    [ "$(guest_state "$VM")" = running ]
    [[ $(restored_state "$T/b") == "frozen "* ]]
}

@test "nobody on the agent's channel: a warning, at once" {
    local begin=$SECONDS
    agent_gone
    run -2 backup -d "$VM" -l copy --strict -o "$T/b"
    [[ $output == *"not frozen"* ]]
    [ $((SECONDS - begin)) -lt 30 ]
}

# covers: S8:F
@test "guest-info: what the agent says is in the backup" {
    backup -d "$VM" -l full --guest-info -o "$T/b"
    jq -e . "$T/b/osinfo.virtnbdbackup.0"
    [ "$(jq -r '."os.id"' "$T/b/osinfo.virtnbdbackup.0")" != null ]
    restore -i "$T/b" -o verify
    agent_gone
    run backup -d "$VM" -l copy --guest-info -o "$T/c"
    [ "$status" = 0 ]
    [[ $output == *"no guest agent answers"* ]]
}

# covers: S7:FID
@test "bitlocker-keys: of a guest that says it is Windows" {
    run backup -d "$VM" -l copy --bitlocker-keys -o "$T/a"
    [ "$status" = 0 ]
    [[ $output == *"not say that it is Windows"* ]]
    guest_agent "$VM" fake <<RULES
guest-get-osinfo {"return":{"id":"mswindows","name":"Microsoft Windows"}}
guest-exec {"return":{"pid":7}}
guest-exec-status {"return":{"exited":true,"exitcode":0,"out-data":"$(
        printf 'Password: 111111-222222\n' | base64)"}}
RULES
    backup -d "$VM" -l copy --bitlocker-keys --freeze-timeout 0 -o "$T/b"
    grep 111111-222222 "$T/b/bitlocker.recovery.key.C.copy"
    [ "$(stat -c %a "$T/b/bitlocker.recovery.key.C.copy")" = 600 ]
    run ! grep -r 111111 "$T"/b/*.log
    restore -i "$T/b" -o verify
    # Nothing runs in the guest unless that is asked for.
    for level in full inc diff; do
        backup -d "$VM" -l $level --freeze-timeout 0 -o "$T/c"
    done
    run ! grep -rl 111111-222222 "$T/c"
    run ! ls "$T"/c/bitlocker.*
}
