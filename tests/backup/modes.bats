#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# modes.bats - runs that only look, begin or end a job, and options that change
# how a run goes about it
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

guest() {
    lab_domain vm1 vda=a.qcow2,size=16M vdb=b.qcow2,size=3M
    lab_write vm1 vda 0x11 0 4M
    lab_write vm1 vdb 0x12 1M 512K
}

data_files() { find "$1" -name '*.data*' -o -name 'manifest.*'; }

@test "printonly: sizes a disk and in all, nothing is written, no job is left" {
    guest
    run --separate-stderr backup -d vm1 -l full -p -o "$T/b"
    [ "$status" = 0 ]
    echo "$output"
    [[ ${lines[0]} == "vda: 4194304 bytes to save in "*" of 16777216" ]]
    [[ ${lines[1]} == "vdb: 524288 bytes to save in "*" of 3145728" ]]
    [ "${lines[2]}" = "total: 4718592" ]
    [ -z "$(data_files "$T/b")" ]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 8M 64K
    run --separate-stderr backup -d vm1 -l inc -p -o "$T/b"
    [ "${lines[2]}" = "total: 65536" ]
    [ "$(names "$T/b")" = virtnbdbackup.0 ]
    # Also where a full would not be possible.
    run --separate-stderr backup -d vm1 -l full -p -o "$T/b"
    [ "${lines[2]}" = "total: 4784128" ]
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    # The bitmap is as it was.
    remember 1 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1
}

@test "printonly of a powered-off domain" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 8M 64K
    lab_virsh destroy vm1
    run --separate-stderr backup -d vm1 -l inc -p -o "$T/b"
    [ "$status" = 0 ]
    [ "${lines[2]}" = "total: 65536" ]
}

@test "startonly: the exports are readable until killonly" {
    local uri
    guest
    remember 0
    run --separate-stderr backup -d vm1 -l full -s -o "$T/b"
    [ "$status" = 0 ]
    uri=${lines[0]}
    [[ $uri == "nbd+unix:///vda?socket="* ]]
    lab_write vm1 vda 0x22 0 64K
    lab_run nbdcopy "$uri" "$LAB/disks/copy.raw"
    cmp "$LAB/disks/copy.raw" "$T/truth.0.vda"
    [ -z "$(data_files "$T/b")" ]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    # It is not taken for the remains of a run that died.
    run -1 backup -d vm1 -l full -o "$T/b"
    [[ $output == *"already running"*"-k"* ]]
    lab_run nbdinfo --size "$uri"
    backup -d vm1 -k -o "$T/b"
    lab_leftovers
    run -1 backup -d vm1 -k -o "$T/b"
    run ! ls "$T"/b/intent.*
    remember 1 vda vdb
    backup -d vm1 -l full -o "$T/b"
    restores "$T/b" 1
}

@test "startonly at level inc: the bitmap's context is named" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 8M 64K
    run --separate-stderr backup -d vm1 -l inc -s -o "$T/b" -f "$LAB/tmp/sock"
    [ "$status" = 0 ]
    [ "${lines[0]}" = "nbd+unix:///vda?socket=$LAB/tmp/sock"$'\t'"qemu:dirty-bitmap:backup-vda" ]
    lab_run nbdinfo --map=qemu:dirty-bitmap:backup-vda "${lines[0]%$'\t'*}" |
        grep -E '^ *8388608 +65536 +1'
    backup -d vm1 -k -o "$T/b"
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    remember 1 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1
}

@test "startonly, and the guest ends: killonly cleans up all the same" {
    guest
    backup -d vm1 -l full -s -o "$T/b"
    lab_virsh destroy vm1
    run -1 backup -d vm1 -k -o "$T/b"
    [[ $output == *"no backup job"* ]]
    lab_leftovers
    run ! ls "$T"/b/intent.*
}

# covers: C3:F
@test "killonly ends a job whoever began it, and none that is no backup" {
    guest
    cat >"$LAB/job.xml" <<XML
<domainbackup mode='pull'>
  <server transport='unix' socket='$LAB/tmp/other'/>
  <disks>
    <disk name='vda' backup='yes' type='file'>
      <scratch file='$LAB/disks/other.scratch'/>
    </disk>
    <disk name='vdb' backup='no'/>
  </disks>
</domainbackup>
XML
    lab_virsh backup-begin vm1 "$LAB/job.xml"
    backup -d vm1 -k -o "$T/b"
    lab_virsh domjobinfo vm1 | grep 'Job type: *None'
    run -1 backup -d vm1 -k -o "$T/b"
    [[ $output == *"no backup job"* ]]
    rm -f "$LAB"/tmp/other "$LAB"/disks/*.scratch
}

@test "threshold: less is not worth it, and nothing is touched" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 8M 1M
    run backup -d vm1 -l inc -T 100M -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"less than the threshold of 100.0 MiB"* ]]
    [ "$(names "$T/b")" = virtnbdbackup.0 ]
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    run ! ls "$T"/b/intent.*
    remember 1 vda vdb
    backup -d vm1 -l inc -T 1M -o "$T/b"
    restores "$T/b" 1
}

@test "threshold: the changes of every disk since its own parent count" {
    guest
    backup -d vm1 -l full -x vdb -o "$T/b"
    backup -d vm1 -l inc -i vdb -o "$T/b"
    lab_write vm1 vdb 0x21 0 2M
    remember 1 vda vdb
    backup -d vm1 -l inc -T 1M -o "$T/b"
    restores "$T/b" 1
}

@test "strict: warnings make it 2, an exclusion that was asked for is none" {
    guest
    # No guest agent: a warning.
    backup -d vm1 -l copy -o "$T/a"
    run -2 backup -d vm1 -l copy -e -o "$T/b"
    [ -e "$T/b/manifest.copy.json" ]
    jq -r '.warnings[]' "$T/b/manifest.copy.json" | grep crash-consistent
    backup -d vm1 -l copy -e -x vdb --freeze-timeout 0 -o "$T/c"
    [ "$(jq '.warnings | length' "$T/c/manifest.copy.json")" = 0 ]
}

@test "without an agent --require-freeze fails, and leaves nothing" {
    guest
    run -1 backup -d vm1 -l full --require-freeze -o "$T/b"
    [[ $output == *"freeze"* ]]
    [ -z "$(data_files "$T/b")" ]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    lab_virsh suspend vm1
    run -1 backup -d vm1 -l full --require-freeze -o "$T/b"
    [[ $output == *"paused"* ]]
}

@test "pause: suspended while the job begins, running at the end" {
    guest
    lab_spawn virsh -c "$LAB_URI" event vm1 --event lifecycle --loop \
        --timeout 60 >"$T/events"
    backup -d vm1 -l full --pause -o "$T/b"
    [ "$(lab_virsh domstate vm1)" = running ]
    until grep -q Resumed "$T/events"; do kill -0 "$LAB_PID"; done
    kill "$LAB_PID"
    grep -o 'Suspended\|Resumed' "$T/events" | xargs >"$T/order"
    [ "$(cat "$T/order")" = "Suspended Resumed" ]
}

@test "pause: a guest that is paused already stays so" {
    guest
    lab_virsh suspend vm1
    backup -d vm1 -l full --pause -o "$T/b"
    [ "$(lab_virsh domstate vm1)" = paused ]
}

# covers: C15:F
@test "killed while it is suspended: the guest runs again" {
    guest
    # Slowed down, so that the kill comes in between.
    lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -b execve -qq -o /dev/null \
        -e inject=sendto,sendmsg,write:delay_exit=2000 \
        virtnbdbackup -d vm1 -l full --pause -o "$T/b"
    until [ "$(lab_virsh domstate vm1)" = paused ]; do
        kill -0 "$LAB_PID" || break
    done
    lab_processes | awk '/[v]irtnbdbackup -d vm1/ && !/strace/ { print $1 }' |
        xargs -r kill -KILL
    wait "$LAB_PID" || true
    lab_leftovers
    [ "$(lab_virsh domstate vm1)" = running ]
}

# covers: C15:F
@test "suspended when run and guardian died: the next run resumes it" {
    local pids
    guest
    lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -b execve -qq -o /dev/null \
        -e inject=sendto,sendmsg,write:delay_exit=2000 \
        virtnbdbackup -d vm1 -l full --pause -o "$T/b"
    # Known before it is suspended, which does not last.
    until pids=$(lab_processes |
        awk '/[v]irtnbdbackup (-d vm1|--guardian)/ { print $1 }')
        [ "$(lab_virsh domstate vm1)" = paused ]; do
        kill -0 "$LAB_PID"
    done
    kill -KILL $pids
    wait "$LAB_PID" || true
    [ "$(lab_virsh domstate vm1)" = paused ]
    run backup -d vm1 -l full -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"still suspended; resumed"* ]]
    [ "$(lab_virsh domstate vm1)" = running ]
}

@test "bwlimit: it is slower, and right" {
    local begin
    guest
    remember 0 vda vdb
    begin=$(date +%s%3N)
    backup -d vm1 -l full --bwlimit 2M -o "$T/b"
    # 4.5 MiB at 1.2 times the limit, less the first burst.
    [ $(($(date +%s%3N) - begin)) -ge 1500 ]
    restores "$T/b" 0
}

@test "extents through nbdinfo: the same files" {
    guest
    lab_write_zeroes vm1 vda 1M 64K
    lab_write_zeroes --keep vm1 vda 2M 64K
    backup -d vm1 -l copy -o "$T/a"
    backup -d vm1 -l copy -q -o "$T/b"
    for disk in vda vdb; do
        cmp <(tail -c +1000 "$T/a/$disk.copy.data") \
            <(tail -c +1000 "$T/b/$disk.copy.data")
    done
    backup -d vm1 -l full -q -o "$T/c"
    lab_write vm1 vda 0x21 8M 64K
    lab_write_zeroes vm1 vda 3M 64K
    remember 1 vda vdb
    backup -d vm1 -l inc -q -o "$T/c"
    [ "$(jq '.disks[0].dataSize' "$T/c/manifest.virtnbdbackup.1.json")" = 131072 ]
    restores "$T/c" 1
}

@test "relative paths of socket and scratch directory" {
    guest
    remember 0 vda vdb
    mkdir "$T/w"
    chown --reference "$T" "$T/w"
    (cd "$T/w" && backup -d vm1 -l full -f sock --scratchdir scr -o b)
    [ ! -e "$T/w/sock" ]
    [ -d "$T/w/scr" ]
    [ -z "$(ls -A "$T/w/scr")" ]
    restores "$T/w/b" 0
}

# covers: S2:F
@test "the password is in no list of processes and in no log" {
    guest
    lab_spawn virtnbdbackup -d vm1 -l copy --bwlimit 1M -o "$T/b" \
        --user somebody --password secretword
    wait_for_job vm1 "$LAB_PID"
    tr '\0' ' ' <"/proc/$LAB_PID/cmdline" >"$T/cmdline"
    grep -e --password "$T/cmdline"
    run ! grep secretword "$T/cmdline"
    kill -TERM "$LAB_PID"
    wait "$LAB_PID" || true
    run ! grep -r secretword "$T/b"
}

@test "options that make no sense together" {
    local case
    while read -r case; do
        # shellcheck disable=SC2086
        run -64 backup -d vm1 -o "$T/b" $case
        [ -n "$output" ]
        [ ! -e "$T/b" ]
    done <<CASES
-t raw -z -l full
-t raw -l inc
-t raw -l auto
-t what
-s -k
-s -p
-s -S
--password x
--since virtnbdbackup.0 -l inc
--bwlimit 10X
-T -1
--freeze-timeout 0 --require-freeze
--freeze-timeout 0 -F /
--freeze-timeout 99999
-w 0
CASES
    run -64 backup -d vm1 -o - -t raw -l copy
    run -64 backup -d vm1 -o - -r -l copy
    run -64 backup -d vm1 -o - --since virtnbdbackup.0 -l full
}
