#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# refuse.bats - bad input: one clear sentence, the documented status, nothing
# changed
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# refused STATUS TEXT COMMAND...: it fails with that status, and says TEXT in
# the one line of its last words.
refused() {
    local status=$1 text=$2
    shift 2
    run "-$status" --separate-stderr "$@"
    echo "$stderr"
    [[ $stderr == *"$text"* ]]
    [ "$(grep -c ERROR <<<"$stderr")" -le 1 ]
    [[ $stderr != *"libvirt: "*"error :"* ]]
}

@test "wrong usage is 64" {
    refused 64 "-d" backup -o "$T/b"
    refused 64 "-o" backup -d vm1
    refused 64 "'weekly'" backup -d vm1 -o "$T/b" -l weekly
    refused 64 "'many'" backup -d vm1 -o "$T/b" -w many
    refused 64 "0" backup -d vm1 -o "$T/b" -w 0
    refused 64 "'99'" backup -d vm1 -o "$T/b" -z 99
    refused 64 "'x'" backup -d vm1 -o "$T/b" x
    refused 64 "--nonsense" backup -d vm1 -o "$T/b" --nonsense
    refused 64 "-i" restore -o "$T/r"
    refused 64 "-o" restore -i "$T/b"
    refused 64 "'burn'" restore -i "$T/b" -a burn
    [ ! -e "$T/b" ]
}

@test "an unknown domain" {
    refused 1 "nosuch" backup -d nosuch -o "$T/b"
    ls "$T"/b/backup.copy.*.log
}

@test "a libvirt that is not there" {
    refused 1 "libvirt" backup -U "qemu+unix:///session?socket=/nowhere" \
        -d vm1 -o "$T/b"
}

# covers: A6:F A5:F
@test "targets that cannot be used" {
    lab_domain vm1 vda=a.qcow2,size=1M
    touch "$T/file"
    refused 1 "$T/file" backup -d vm1 -o "$T/file"
    refused 1 "$T/file" backup -d vm1 -o "$T/file/below"
    mkdir "$T/closed"
    chmod 555 "$T/closed"
    refused 1 "$T/closed" backup -d vm1 -o "$T/closed/b"
    refused 1 "closed" backup -d vm1 -o "$T/closed"
}

@test "filters that match nothing" {
    lab_domain vm1 vda=a.qcow2,size=1M vdb=b.qcow2,size=1M
    refused 1 "'vdx'" backup -d vm1 -i vdx -o "$T/b"
    refused 1 "'vdx'" backup -d vm1 -x vda,vdx -o "$T/b"
    refused 1 "no disk" backup -d vm1 -x vda,vdb -o "$T/b"
    none "$T"/b/manifest.*
}

@test "a directory that holds a backup already" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b"
    sum=$(cat "$T"/b/*.data "$T"/b/manifest.* | sha256sum)
    refused 1 "already holds a full" backup -d vm1 -l full -o "$T/b"
    refused 1 "already holds" backup -d vm1 -l copy -o "$T/b"
    [ "$sum" = "$(cat "$T"/b/*.data "$T"/b/manifest.* | sha256sum)" ]
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
}

# covers: A9:F
@test "another domain's directory" {
    lab_domain vm1 vda=a.qcow2,size=1M
    lab_domain vm2 vda=b.qcow2,size=1M
    backup -d vm1 -o "$T/b"
    refused 1 "another domain" backup -d vm2 -l full -o "$T/b"
}

@test "data files that belong to nobody" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -o "$T/b"
    rm "$T"/b/manifest.*
    refused 1 "vda.copy.data" backup -d vm1 -l full -o "$T/b"
    [ -e "$T/b/vda.copy.data" ]
}

# covers: C6:F
@test "a job that runs already" {
    NO_LEFTOVERS=
    lab_domain vm1 vda=a.qcow2,size=1M
    echo "<domainbackup mode='pull'><server transport='unix' socket='$T/s'/>
        </domainbackup>" >"$LAB/job.xml"
    lab_virsh backup-begin vm1 "$LAB/job.xml" >/dev/null
    refused 1 "already running" backup -d vm1 -o "$T/b"
    lab_virsh domjobinfo vm1 | grep -q Backup
    lab_virsh domjobabort vm1
}

@test "two runs in one directory: the second waits, then says who is there" {
    lab_domain vm1 vda=a.qcow2,size=1M
    lab_run mkdir "$T/b"
    refused 1 "another run" lab_run flock -x "$T/b/.virtnbdbackup.lock" \
        virtnbdbackup -d vm1 -o "$T/b"
}

@test "sets that are none" {
    refused 1 "$T/nowhere" restore -i "$T/nowhere" -o "$T/r"
    mkdir "$T/empty"
    refused 1 "no backup" restore -i "$T/empty" -o "$T/r"
    refused 1 "no backup" restore -i "$T/empty" -o verify
    refused 1 "no backup" restore -i "$T/empty" -o dump
    touch "$T/file"
    refused 1 "$T/file" restore -i "$T/file" -o "$T/r"
    [ ! -e "$T/r" ]
}

@test "a log that cannot be opened" {
    run -1 --separate-stderr lab_run virtnbdrestore -i "$T" -o dump \
        -L "$T/no/such/log"
    [[ $stderr == *"$T/no/such/log"* ]]
}

# covers: B1:F
@test "the remains of a run through another libvirt are left to that one" {
    lab_domain vm1 vda=a.qcow2,size=64M
    lab_write vm1 vda 0x11 0 64M
    lab_spawn virtnbdbackup -d vm1 -o "$T/b"
    until ls "$T"/b/intent.*.json 2>/dev/null; do
        kill -0 "$LAB_PID"
    done
    # A machine that loses power takes the guardian with it.
    pkill -KILL -P "$LAB_PID" -f -- --guardian
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    refused 1 "run it once more with the -U of that run (its ***" backup -U test:///default -d test -o "$T/b"
    ls "$T"/b/intent.*.json
    backup -d vm1 -o "$T/b"
    restore -i "$T/b" -o verify
}

# covers: C6:F
@test "a disk with a block job" {
    lab_domain vm1 vda=a.qcow2,size=64M
    lab_write vm1 vda 0x11 0 32M
    lab_virsh blockcopy vm1 vda "$LAB_DISKS/copy.qcow2" --transient-job \
        --bandwidth 1
    refused 1 "block job" backup -d vm1 -l full -o "$T/b"
    lab_virsh blockjob vm1 vda --abort
    backup -d vm1 -l full -o "$T/b"
}
