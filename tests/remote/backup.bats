#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# backup.bats - backups of guests on another host, over ssh (N01 to N06, N08)

load ../lib/cli
load ../lib/remote

setup_file() { far_setup_file; }
setup() { far_setup; }
teardown() {
    [ -z "${MOUNTED:-}" ] || far_run umount -l "$MOUNTED" || true
    far_teardown
}
teardown_file() { far_teardown_file; }

far_backup() {
    lab_run virtnbdbackup -n -U "$FAR_URI" "$@"
}

# A guest with data that takes a few seconds to read with --bwlimit 4M.
big_guest() {
    far lab_domain vm1 vda=a.qcow2,size=64M vdb=b.qcow2,size=8M
    far lab_write vm1 vda 0x11 1M 16M
    far lab_write vm1 vdb 0x22 1M 1M
    far_baseline
}

@test "a running guest: full, increments, what its disks held" {
    local i
    far lab_domain vm1 vda=a.qcow2,size=64M vdb=b.qcow2,size=8M
    far_baseline
    for i in 1 2 3; do
        far lab_write vm1 vda "$i" "${i}M" 300K
        far lab_write vm1 vdb "$i" "$((i * 64))K" 64K
        far_backup -d vm1 -l auto -o "$T/b"
    done
    far lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    far lab_snapshot_truth vm1 vdb "$LAB/vdb.raw"
    ls "$T/b" | grep -q 'vda.inc.virtnbdbackup.2.data'
    # What qemu-img says of the images came along.
    grep -q '"virtual-size": 67108864' "$T/b/vda.virtnbdbackup.0.qcow.json"
    restore -n -i "$T/b" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
    same "$T/r/b.qcow2" "$LAB/vdb.raw"
    far_leftovers
}

# covers: S6:FID
@test "the data comes through ssh: no port is opened there" {
    local i level
    big_guest
    for level in full inc diff; do
        [ "$level" = full ] || far lab_write vm1 vda 0x33 1M 8M
        lab_spawn virtnbdbackup -n -U "$FAR_URI" --bwlimit 4M -d vm1 \
            -l "$level" -o "$T/b"
        for ((i = 0; i < 400; i++)); do
            far lab_virsh domjobinfo vm1 | grep -q 'Operation:.*Backup' && break
            kill -0 "$LAB_PID"
            sleep 0.02
        done
        far_run ss -Hltn >"$LAB/ports"
        far lab_virsh backup-dumpxml vm1 >"$LAB/job.xml"
        wait "$LAB_PID"
        cat "$LAB/ports"
        [ "$(wc -l <"$LAB/ports")" = 1 ]
        grep -q "server transport='unix'" "$LAB/job.xml"
        far_leftovers
    done
}

# covers: S9:F
@test "a powered-off guest, with names that a shell would love" {
    local name="a b'\"\$(touch pwned)\`id\`;*.qcow2" other='-n.qcow2'
    far lab_domain --off vm1 "vda=$name,size=16M" "vdb=$other,size=8M"
    far lab_run qemu-io -c 'write -P 7 1M 3M' "$FAR_DISKS/$name"
    far lab_run qemu-io -c 'write -P 8 0 64K' "$FAR_DISKS/$other"
    far lab_snapshot_truth vm1 vdb "$LAB/vdb.raw"
    qemu-img convert -O raw "$FAR_ROOT$FAR_DISKS/$name" "$LAB/vda.raw"
    far_baseline
    far_backup -d vm1 -l copy -o "$T/b"
    restore -n -i "$T/b" -o "$T/r"
    same "$T/r/$name" "$LAB/vda.raw"
    same "$T/r/$other" "$LAB/vdb.raw"
    far_leftovers
    none "$FAR_ROOT/pwned" "$FAR_ROOT/root/pwned"
    find "$LAB" "$FAR_ROOT$LAB/far" -name pwned | lacks .
}

# covers: C10:FID
@test "scratch space runs out there: the job ends before the guest is hurt" {
    local i level
    # Before QEMU starts, which keeps the mounts of then.
    far_run mkdir "$FAR_DISKS/scratch"
    far_run mount -t tmpfs -o size=32m,mode=777 none "$FAR_DISKS/scratch"
    MOUNTED=$FAR_DISKS/scratch
    far lab_domain vm1 vda=a.qcow2,size=64M
    far lab_write vm1 vda 0x11 0 32M
    far_backup -d vm1 -l full -o "$T/b"
    far_baseline
    for level in full inc diff; do
        far lab_write vm1 vda 0x22 0 32M
        lab_run cp -r "$T/b" "$T/$level"
        [ $level != full ] || rm -r "$T/$level"
        lab_spawn virtnbdbackup -n -U "$FAR_URI" --bwlimit 1M -d vm1 -l $level \
            $([ $level != full ] || echo --chain other) -o "$T/$level" \
            --scratchdir "$FAR_DISKS/scratch" --scratch-reserve 20M 2>"$T/err"
        until ls "$T/$level"/*.data.partial >/dev/null 2>&1; do
            kill -0 "$LAB_PID" || { cat "$T/err"; return 1; }
        done
        for ((i = 0; i < 16; i++)); do
            far lab_write vm1 vda 0x77 "${i}M" 1M
        done
        status=0
        wait "$LAB_PID" || status=$?
        cat "$T/err"
        [ "$status" = 1 ]
        grep "ended before the guest runs out of space" "$T/err"
        [ "$(far lab_virsh domstate vm1)" = running ]
        far lab_virsh domblkerror vm1 | grep 'No errors'
        none "$T/$level"/*.partial
        far_leftovers
    done
}

@test "more powered-off disks than sessions that sshd grants" {
    local i disks=()
    for i in a b c d e f g h i j k l; do
        disks+=("vd$i=$i.qcow2,size=1M")
    done
    far lab_domain --off vm1 "${disks[@]}"
    far_baseline
    far_backup -d vm1 -l copy -o "$T/b"
    [ "$(ls "$T/b" | grep -c '\.data$')" = 12 ]
    far_leftovers
}

@test "boot files come from there" {
    LAB_DEVICES='' far lab_domain_xml vm1 vda=a.qcow2,size=4M >"$FAR_SHARED/x.xml"
    head -c 100000 /dev/urandom >"$FAR_ROOT$FAR_DISKS/my kernel'x"
    sed -i "s|</os>|<kernel>$FAR_DISKS/my kernel\&apos;x</kernel></os>|" \
        "$FAR_SHARED/x.xml"
    far lab_virsh define "$FAR_SHARED/x.xml"
    rm "$FAR_SHARED/x.xml"
    far_baseline
    far_backup -d vm1 -l copy -o "$T/b"
    cmp "$T/b"/my_kernel_x* "$FAR_ROOT$FAR_DISKS/my kernel'x"
    far_leftovers
}

# covers: S5:F
@test "a host key that is not known, or another one, is refused" {
    big_guest
    cp "$FAR_SSH/known_hosts" "$LAB/known"
    : >"$FAR_SSH/known_hosts"
    run far_backup -d vm1 -l copy -o "$T/b"
    [ "$status" = 1 ]
    [[ $output == *"ssh to '$FAR_IP': Host key verification failed"* ]]
    [ ! -s "$FAR_SSH/known_hosts" ]
    ssh-keygen -q -t ed25519 -N '' -f "$LAB/other"
    echo "$FAR_IP $(cut -d ' ' -f 1,2 "$LAB/other.pub")" >"$FAR_SSH/known_hosts"
    run far_backup -d vm1 -l copy -o "$T/b"
    [ "$status" = 1 ]
    [[ $output == *"Host key verification failed"* ]]
    # The user's configuration has the last word.
    : >"$FAR_SSH/known_hosts"
    echo "StrictHostKeyChecking accept-new" >"$FAR_SSH/more_config"
    far_backup -d vm1 -l copy -o "$T/b"
    cat "$LAB/known" >"$FAR_SSH/known_hosts"
    far_leftovers
}

@test "a key that is not welcome, a host that is not there" {
    rm -f "$LAB/other" "$LAB/other.pub"
    ssh-keygen -q -t ed25519 -N '' -f "$LAB/other"
    chown "$LAB_USER" "$LAB/other"
    echo "IdentityFile none" >"$FAR_SSH/more_config"
    sed -i 's/^    IdentityFile /    #IdentityFile /' "$FAR_SSH/ssh_config"
    run far_backup --ssh-private-key "$LAB/other" -d vm1 -o "$T/b"
    [ "$status" = 1 ]
    [[ $output == *"ssh to '$FAR_IP': "*"Permission denied"* ]]
    # The right one, by the option and by the URI.
    : >"$FAR_SSH/more_config"
    run far_backup --ssh-private-key "$FAR_SSH/id" -d vm1 -o "$T/b"
    sed -i 's/^    #IdentityFile /    IdentityFile /' "$FAR_SSH/ssh_config"
    [[ $output != *"Permission denied"*"ssh to"* ]]
    run far_backup --ssh-port 9 -d vm1 -o "$T/b"
    [ "$status" = 1 ]
    [[ $output == *"ssh to '$FAR_IP': "*"port 9: Connection refused"* ]]
    # Of the option's user, not of the URI's.
    run far_backup --ssh-user nobody-there -d vm1 -o "$T/b"
    [ "$status" = 1 ]
    [[ $output == *"ssh to '$FAR_IP': nobody-there@"*"Permission denied"* ]]
    run lab_run virtnbdbackup -U qemu:///session --ssh-port 9 -d vm1 -o "$T/b"
    [ "$status" = 64 ]
    run lab_run virtnbdbackup -U "qemu+ssh://-oProxyCommand=x/system" -d vm1 -o "$T/b"
    [ "$status" = 1 ]
    [[ $output == *"can begin with '-'"* ]]
}

# interrupt SIGNAL MILLISECONDS
interrupt() {
    local status=0
    lab_spawn virtnbdbackup -n -U "$FAR_URI" --bwlimit 4M -d vm1 -l full \
        -o "$T/b"
    sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
    kill "-$1" "$LAB_PID"
    wait "$LAB_PID" || status=$?
    echo "SIG$1 after $2 ms: $status"
    [ "$status" = $((128 + $(kill -l "$1"))) ]
    far_leftovers
    lab_leftovers
}

# The points of all signals together are spread over the run (with SOAK=1 each
# signal comes at each of them).
# covers: B1:F B2:F B8:F
@test "ended at ten points: nothing stays there" {
    local i signal=(INT TERM KILL)
    big_guest
    for ((i = 0; i < 10; i++)); do
        interrupt "${signal[i % 3]}" $((50 + i * 220))
        [ -n "${SOAK:-}" ] || continue
        interrupt "${signal[(i + 1) % 3]}" $((50 + i * 220))
        interrupt "${signal[(i + 2) % 3]}" $((50 + i * 220))
    done
    # No checkpoint of any of them either, and the next run works.
    [ -z "$(far lab_virsh checkpoint-list vm1 --name)" ]
    far_backup -d vm1 -l full -o "$T/b"
    far_leftovers
}

# covers: E2:F
@test "the link is lost: a clean failure here, nothing runs on there" {
    local status i
    big_guest
    lab_spawn virtnbdbackup -n -U "$FAR_URI" --bwlimit 4M -d vm1 -l full -o "$T/b"
    for ((i = 0; i < 400; i++)); do
        far lab_virsh domjobinfo vm1 | grep -q 'Operation:.*Backup' && break
        sleep 0.02
    done
    far_drop
    status=0
    wait "$LAB_PID" || status=$?
    [ "$status" = 1 ]
    grep -q "the connection to '$FAR_IP' was lost" "$T"/b/*.log
    far_leftovers
    run restore -n -i "$T/b" -o "$T/r"
    [ "$status" != 0 ]
    far_backup -d vm1 -l full -o "$T/b"
    far lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    restore -n -i "$T/b" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
    far_leftovers
}

@test "powered off, killed and the link lost: no server stays there" {
    local signal status i
    far lab_domain --off vm1 vda=a.qcow2,size=64M
    far lab_run qemu-io -c 'write -P 7 1M 24M' "$FAR_DISKS/a.qcow2"
    far_baseline
    for signal in KILL TERM drop; do
        lab_spawn virtnbdbackup -n -U "$FAR_URI" --bwlimit 4M -d vm1 -l copy \
            -o "$T/b"
        for ((i = 0; i < 400; i++)); do
            far_run pgrep -x qemu-nbd >/dev/null && break
            sleep 0.02
        done
        if [ $signal = drop ]; then far_drop; else kill -$signal "$LAB_PID"; fi
        status=0
        wait "$LAB_PID" || status=$?
        [ "$status" != 0 ]
        far_leftovers
        lab_leftovers
    done
    far_backup -d vm1 -l copy -o "$T/b"
}

# start_relay MODE: a link in front of sshd's port there; what it prints goes to
# $LAB/relay.  ssh gets there by --ssh-port 2222, libvirt does not.
start_relay() {
    far_run python3 "$BATS_TEST_DIRNAME/relay.py" 2222 "$FAR_IP" 22 "$1" \
        >"$LAB/relay" 3>&- &
    RELAY=$!
    local i
    for ((i = 0; i < 400; i++)); do
        grep -q ready "$LAB/relay" && break
        sleep 0.025
    done
    echo "HostKeyAlias $FAR_IP" >"$FAR_SSH/more_config"
}

# 8 MiB under way are 200 MB/s where the way there and back takes 40 ms.
@test "a long line is filled: 6 MiB are under way without an answer" {
    far lab_domain --off vm1 vda=a.qcow2,size=64M
    far lab_run qemu-io -c 'write -P 7 0 64M' "$FAR_DISKS/a.qcow2"
    far_baseline
    start_relay count
    far_backup --ssh-port 2222 -d vm1 -l copy -o "$T/b"
    wait "$RELAY"
    cat "$LAB/relay"
    [ "$(awk '$1 == "held" { print $2 }' "$LAB/relay")" -ge $((6 << 20)) ]
    far_leftovers
}

@test "a line that takes 20 ms each way" {
    far lab_domain vm1 vda=a.qcow2,size=64M
    far lab_write vm1 vda 0x33 1M 20M
    far_baseline
    start_relay 0.02
    far_backup --ssh-port 2222 -d vm1 -l full -o "$T/b"
    wait "$RELAY"
    far lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    restore -n -i "$T/b" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
    far_leftovers
}
