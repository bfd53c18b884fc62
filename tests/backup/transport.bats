#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# transport.bats - the data over TCP, plain and with TLS: equal, or refused
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
load ../lib/pki

# QEMU has the certificates in $LAB/pki, and asks clients for theirs.
setup_file() {
    cli_setup_file
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || return 0
    pki_ca "$LAB/ca"
    pki_ca "$LAB/ca2"
    pki_pair "$LAB/ca" "$LAB/good" localhost
    pki_pair "$LAB/ca2" "$LAB/other" localhost
    pki_pair "$LAB/ca" "$LAB/name" elsewhere.example
    PKI_DAYS=-1 pki_pair "$LAB/ca" "$LAB/old" localhost
    serve_with good
    {
        echo "backup_tls_x509_cert_dir = \"$LAB/pki\""
        echo "backup_tls_x509_verify = 1"
    } >>"$LAB/c/libvirt/qemu.conf"
    restart_libvirt
}
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

restart_libvirt() {
    local pid
    pid=$(lab_daemon)
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}

# What servers show from now on (QEMU reads it when a job begins).
serve_with() {
    rm -rf "$LAB/pki"
    cp -r "$LAB/$1" "$LAB/pki"
}

guest() {
    lab_domain vm1 vda=a.qcow2,size=16M vdb=b.qcow2,size=3M
    lab_write vm1 vda 0x11 0 4M
    lab_write vm1 vdb 0x12 1M 512K
}

# refused TEXT ARGUMENT...: the backup fails with this, and makes no point.
refused() {
    local text=$1
    shift
    run -1 backup -d vm1 -l copy -o "$T/refused" "$@"
    [[ $output == *"$text"* ]] || { echo "$output"; return 1; }
    ! ls "$T"/refused/manifest.* 2>/dev/null
    ! ls "$T"/refused/*.data* 2>/dev/null
    rm -rf "$T/refused"
}

@test "plain TCP on loopback: full, inc, no warning" {
    guest
    remember 0 vda vdb
    run -0 backup -d vm1 -l full -o "$T/b" -I 127.0.0.1
    [[ $output != *unencrypted* ]]
    lab_write vm1 vda 0x21 5M 1M
    lab_write_zeroes vm1 vda 1M 64K
    remember 1 vda vdb
    backup -d vm1 -l inc -o "$T/b" -P "$((20000 + RANDOM % 10000))"
    [ "$(jq '.disks[0].dataSize' "$T/b/manifest.virtnbdbackup.1.json")" -lt \
        1200000 ]
    restores "$T/b" 0 -u 0
    restores "$T/b" 1
}

@test "plain TCP that is no loopback warns" {
    guest
    run -2 backup -d vm1 -l copy -o "$T/b" -I 0.0.0.0 --strict
    [[ $output == *unencrypted* ]]
    remember c vda vdb
    restores "$T/b" c
}

@test "TLS: full, inc, compressed; the server takes nobody else" {
    guest
    remember 0 vda vdb
    backup -d vm1 -l full -o "$T/b" --tls --tls-cert "$LAB/good"
    lab_write vm1 vda 0x21 5M 1M
    remember 1 vda vdb
    backup -d vm1 -l inc -z -o "$T/b" --tls --tls-cert "$LAB/good"
    restores "$T/b" 0 -u 0
    restores "$T/b" 1
}

@test "TLS: what does not fit is refused" {
    guest
    # Ours.
    refused "no client-cert.pem" --tls --tls-cert "$LAB/nowhere"
    cp -r "$LAB/good" "$T/part"
    rm "$T/part/client-key.pem"
    refused "client-key.pem" --tls --tls-cert "$T/part"
    refused "does not take our certificate" --tls --tls-cert "$LAB/old"
    refused "signed by another authority" --tls --tls-cert "$LAB/other"
    # Signed by another authority, though we trust the server's.
    cp -r "$LAB/other" "$T/mixed"
    cp "$LAB/good/ca-cert.pem" "$T/mixed/"
    refused "does not take our certificate" --tls --tls-cert "$T/mixed"
    # The server's.
    refused "is for another name" --tls --tls-cert "$LAB/good" -I 127.0.0.1
    serve_with old
    refused "has expired" --tls --tls-cert "$LAB/good"
    serve_with name
    refused "is for another name" --tls --tls-cert "$LAB/good"
    serve_with good
    backup -d vm1 -l copy -o "$T/b" --tls --tls-cert "$LAB/good"
}

@test "TLS is asked for, and libvirt has none" {
    guest
    rm -rf "$LAB/pki"
    refused ca-cert.pem --tls --tls-cert "$LAB/good"
    serve_with good
}

# covers: E13:F
@test "a server that knows no TLS is refused" {
    local wrapper=$LAB/bin/qemu-nbd
    guest
    lab_virsh destroy vm1
    # QEMU's own, but for what asks it for TLS.
    cat >"$wrapper" <<'SH'
#!/bin/bash
words=()
for word; do
    [[ $word == --object || $word == *tls-creds* ]] || words+=("$word")
done
exec /usr/bin/qemu-nbd "${words[@]}"
SH
    chmod 755 "$wrapper"
    refused "TLS" --tls --tls-cert "$LAB/good"
    rm "$wrapper"
    remember off vda vdb
    backup -d vm1 -l copy -o "$T/b" --tls --tls-cert "$LAB/good"
    restores "$T/b" off
}

@test "ports: taken ones are passed over, a wanted one is an error" {
    guest
    lab_spawn nbdkit -f -i localhost -p 10809 memory 1M
    until ss -Hltn | grep -q ':10809 '; do sleep 0.01; done
    remember 0 vda vdb
    backup -d vm1 -l full -o "$T/b" -I localhost
    restores "$T/b" 0
    refused "choose another --nbd-port" -P 10809
    lab_virsh destroy vm1
    refused "choose another" -P 10809
    backup -d vm1 -l copy -o "$T/off" -I localhost
    kill "$LAB_PID"
    wait "$LAB_PID" || true
    restores "$T/off" 0
}

@test "two guests at a time do not meet" {
    guest
    lab_domain vm2 vda=c.qcow2,size=16M vdb=d.qcow2,size=3M
    lab_write vm2 vda 0x77 0 4M
    remember 1 vda
    lab_spawn virtnbdbackup -d vm2 -l copy -o "$T/two" --bwlimit 4M -I localhost
    wait_for_job vm2 "$LAB_PID"
    backup -d vm1 -l copy -o "$T/one" -I localhost
    wait "$LAB_PID"
    lab_snapshot_truth vm2 vda "$LAB/two.raw"
    restores "$T/one" 1
    restore -i "$T/two" -o "$T/r2"
    same "$T/r2/c.qcow2" "$LAB/two.raw"
}

@test "powered off: over TCP and TLS, equal; refused as when it runs" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 5M 1M
    lab_virsh destroy vm1
    remember off vda vdb
    backup -d vm1 -l diff -o "$T/b" --tls --tls-cert "$LAB/good"
    [ "$(jq -r '.disks[0].level' "$T"/b/manifest.diff.*.json)" = diff ]
    restores "$T/b" off
    backup -d vm1 -l copy -o "$T/plain" -P "$((20000 + RANDOM % 10000))"
    restores "$T/plain" off
    refused "has expired" --tls --tls-cert "$LAB/old"
    refused "is for another name" --tls --tls-cert "$LAB/name"
    cp -r "$LAB/good" "$T/other,side"
    cp "$LAB"/other/client-* "$T/other,side/"
    refused "does not take our certificate" --tls --tls-cert "$T/other,side"
    rm "$T"/other,side/server-*
    refused "server-cert.pem" --tls --tls-cert "$T/other,side"
}

@test "killed: the job is known without a socket, and ended" {
    guest
    lab_spawn virtnbdbackup -d vm1 -l full -o "$T/b" --bwlimit 1M -I localhost
    wait_for_job vm1 "$LAB_PID"
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    lab_leftovers
    [ -z "$(ls "$T"/b/intent.* 2>/dev/null)" ]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    remember 0 vda vdb
    backup -d vm1 -l full -o "$T/b" -I localhost
    restores "$T/b" 0
}

@test "another's job over TCP is left alone" {
    guest
    cat >"$LAB/job.xml" <<XML
<domainbackup mode='pull'><server transport='tcp' name='localhost' port='21809'/>
<disks><disk name='vda' backup='yes' type='file'>
<scratch file='$LAB/tmp/theirs.vda'/></disk></disks></domainbackup>
XML
    chmod 644 "$LAB/job.xml"
    lab_virsh backup-begin vm1 "$LAB/job.xml"
    refused "already running" -I localhost
    lab_virsh domjobinfo vm1 | grep Backup
    backup -d vm1 -o "$T/k" -k
}

@test "--startonly over TLS prints URIs that work" {
    guest
    backup -d vm1 -l copy -o "$T/b" -s --tls --tls-cert "$LAB/good" >"$T/uris"
    cat "$T/uris"
    [ "$(wc -l <"$T/uris")" = 2 ]
    [ "$(lab_run nbdinfo --size \
        "$(head -1 "$T/uris")?tls-certificates=$LAB/good")" = 16777216 ]
    backup -d vm1 -o "$T/b" -k
}

@test "options that make no sense together" {
    local case
    guest
    refused "--tls-cert needs --tls" --tls-cert /x
    refused "--socketfile does not go" -f "$T/s" -P 20000
    refused "--qemu needs" -q -I localhost
    refused "there is no address" -I no.such.host.invalid
    for case in "-P 0" "-P 65536" "-P x" "--tls-cert x"; do
        # shellcheck disable=SC2086
        run -64 backup -d vm1 -o "$T/b" $case
    done
}
