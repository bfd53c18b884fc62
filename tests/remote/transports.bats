#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# transports.bats - another host by libvirt's own transports, TLS and SASL
# (B22 to B28), and by ssh with the data over TCP
#
# The libvirtd of the far host listens for TLS (both sides show certificates of
# the test's own authority) and for TCP, where it wants a login.  Its guests'
# NBD servers have certificates, too.
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/pki
load ../lib/remote

# What may be seen nowhere; it is each lab's own.
password() {
    PASSWORD=correct-horse-${LAB##*.}
}

setup_file() {
    far_setup_file
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || return 0
    pki_ca "$FAR_SHARED/ca"
    pki_ca "$FAR_SHARED/ca2"
    pki_pair "$FAR_SHARED/ca" "$FAR_SHARED/good" "$FAR_IP"
    pki_pair "$FAR_SHARED/ca2" "$FAR_SHARED/other" "$FAR_IP"
    libvirt_pki good
    libvirt_pki other
    listen
}
setup() {
    far_setup
    password
    TLS="qemu+tls://$FAR_IP/system?pkipath=$FAR_SHARED/good"
    TCP="qemu+tcp://$FAR_IP/system"
    GOOD=$FAR_SHARED/good
    OTHER=$FAR_SHARED/other
    LAB_ENV+=("LSAN_OPTIONS=suppressions=$FAR_SHARED/lsan:print_suppressions=0")
}
teardown() { far_teardown; }
teardown_file() { far_teardown_file; }

# libvirt has names of its own for the same files.
libvirt_pki() {
    local dir=$FAR_SHARED/$1
    cp "$dir/ca-cert.pem" "$dir/cacert.pem"
    cp "$dir/client-cert.pem" "$dir/clientcert.pem"
    cp "$dir/client-key.pem" "$dir/clientkey.pem"
}

# Let the libvirtd there listen, and know one user.
listen() {
    password
    local etc=$FAR_ROOT/etc/libvirt pki=$FAR_SHARED/good pid i
    mkdir "$FAR_SHARED/sasl"
    # The one mechanism in every installation that encrypts.  The client's plugin
    # for it does not let go of a part of OpenSSL, nor libvirt of what it has
    # read in an authfile.
    printf '%s\n' leak:libcrypto.so leak:g_malloc >"$FAR_SHARED/lsan"
    printf '%s\n' 'mech_list: digest-md5' "sasldb_path: $FAR_SHARED/sasl/db" \
        >"$FAR_SHARED/sasl/libvirt.conf"
    printf '%s' "$PASSWORD" | far_run saslpasswd2 -p -c \
        -f "$FAR_SHARED/sasl/db" -a libvirt -u far-away.invalid backup
    printf '%s\n' "listen_tls = 1" "listen_tcp = 1" 'auth_tcp = "sasl"' \
        "ca_file = \"$pki/ca-cert.pem\"" \
        "cert_file = \"$pki/server-cert.pem\"" \
        "key_file = \"$pki/server-key.pem\"" >>"$etc/libvirtd.conf"
    printf '%s\n' "backup_tls_x509_cert_dir = \"$pki\"" \
        "backup_tls_x509_verify = 1" >>"$etc/qemu.conf"
    pid=$(far_run pgrep -xo libvirtd)
    far_run kill "$pid"
    for ((i = 0; i < 400; i++)); do
        far_run kill -0 "$pid" 2>/dev/null || break
        sleep 0.025
    done
    far_run env SASL_CONF_PATH="$FAR_SHARED/sasl" /usr/sbin/libvirtd -d --listen
    for ((i = 0; i < 400; i++)); do
        [ "$(far_run ss -Hltn | grep -Ec ':16(509|514) ')" -lt 2 ] || break
        sleep 0.025
    done
    far lab_virsh list >/dev/null
    far_baseline
}

# login [PASSWORD]: a password file of that; the options are then in LOGIN.
login() {
    printf '%s\n' "${1:-$PASSWORD}" >"$T/password"
    chmod 600 "$T/password"
    chown "$LAB_USER" "$T/password"
    LOGIN=(--user backup --password-file "$T/password")
}

# authfile [PASSWORD]: the same for ?authfile=$T/auth.
authfile() {
    printf '%s\n' '[credentials-a]' 'authname=backup' \
        "password=${1:-$PASSWORD}" '[auth-libvirt-default]' 'credentials=a' \
        >"$T/auth"
    chmod 600 "$T/auth"
    chown "$LAB_USER" "$T/auth"
}

guest() {
    far lab_domain "$@" vm1 vda=a.qcow2,size=64M
    [ $# -gt 0 ] || far lab_write vm1 vda 0x11 1M 2M
    far_baseline
}

# Wait until the guest there has a backup job, or the run is gone.
wait_for_far_job() {
    local i
    for ((i = 0; i < 400; i++)); do
        far lab_virsh domjobinfo vm1 | grep -q 'Operation:.*Backup' && return 0
        kill -0 "$LAB_PID" || return 1
        sleep 0.02
    done
    return 1
}

# refused TEXT ARGUMENT...: the backup fails with this, and nothing is left.
refused() {
    local text=$1
    shift
    run -1 lab_run virtnbdbackup -n -d vm1 -l copy -o "$T/refused" "$@"
    echo "$output"
    [[ $output == *"$text"* ]]
    [[ $output != *horse* ]]
    none "$T"/refused/manifest.* "$T"/refused/*.data*
    if [ -e "$T/refused" ]; then
        ! grep -r horse "$T/refused" || return 1
    fi
    rm -rf "$T/refused"
    far_leftovers
}

# What the set holds is what the guest's disk does.
equal() {
    far lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    rm -rf "$T/r"
    restore -n -i "$1" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
}

@test "qemu+tls: full and increment, the data with TLS, too" {
    guest
    lab_spawn virtnbdbackup -n -U "$TLS" --tls-cert "$GOOD" -d vm1 -l full \
        -o "$T/b" --bwlimit 2M
    wait_for_far_job
    far lab_virsh backup-dumpxml vm1 >"$LAB/job.xml"
    wait "$LAB_PID"
    cat "$LAB/job.xml"
    grep -q "<server transport='tcp' tls='yes' name='$FAR_IP'" "$LAB/job.xml"
    equal "$T/b"
    far lab_write vm1 vda 0x22 2M 300K
    far lab_write_zeroes vm1 vda 1M 64K
    lab_run virtnbdbackup -n -U "$TLS" --tls-cert "$GOOD" -d vm1 -l inc -o "$T/b"
    [ "$(jq '.disks[0].dataSize' "$T/b/manifest.virtnbdbackup.1.json")" -lt \
        1200000 ]
    equal "$T/b"
    far_leftovers
}

# covers: E13:F
@test "qemu+tls: another authority is refused, by either side of both" {
    guest
    refused "Cannot connect to libvirt" -U "${TLS%good}other" --tls-cert "$GOOD"
    refused "signed by another authority" -U "$TLS" --tls-cert "$OTHER"
    # We trust the server then, but it does not trust us.
    cp -r "$OTHER" "$LAB/mixed"
    cp "$GOOD/ca-cert.pem" "$LAB/mixed/"
    cp "$GOOD/ca-cert.pem" "$LAB/mixed/cacert.pem"
    chmod -R a+rX "$LAB/mixed"
    refused "does not take our certificate" -U "$TLS" --tls-cert "$LAB/mixed"
    refused "Cannot connect to libvirt" \
        -U "qemu+tls://$FAR_IP/system?pkipath=$LAB/mixed" --tls-cert "$GOOD"
    rm -r "$LAB/mixed"
}

@test "qemu+tcp: right and wrong logins, by options and by authfile" {
    guest
    login
    lab_run virtnbdbackup -n -v -U "$TCP" "${LOGIN[@]}" --tls-cert "$GOOD" \
        -d vm1 -l full -o "$T/b" >"$LAB/output" 2>&1
    lacks horse "$LAB/output"
    equal "$T/b"
    far lab_write vm1 vda 0x22 2M 300K
    authfile
    # Plain TCP for the data, if one says so, and not in silence.
    run -0 lab_run virtnbdbackup -n -v -U "$TCP?authfile=$T/auth" -I "$FAR_IP" \
        -d vm1 -l inc -o "$T/b"
    [[ $output == *unencrypted* ]]
    [[ $output != *horse* ]]
    equal "$T/b"
    ! grep -rI horse "$T/b" || return 1
    login wrong-horse
    refused "as user 'backup': authentication failed" -U "$TCP" "${LOGIN[@]}" \
        --tls-cert "$GOOD"
    authfile wrong-horse
    refused "authentication failed" -U "$TCP?authfile=$T/auth" \
        --tls-cert "$GOOD"
    refused "it may want a login (--user" -U "$TCP" --tls-cert "$GOOD"
    rm "$T/auth"
    refused "is the authfile there" -U "$TCP?authfile=$T/auth" -I "$FAR_IP"
}

@test "powered off: refused over both, with what to do instead" {
    guest --off
    login
    refused "reach the hypervisor by ssh (-U qemu+ssh://" -U "$TLS" \
        --tls-cert "$GOOD"
    refused "reach the hypervisor by ssh (-U qemu+ssh://" -U "$TCP" \
        "${LOGIN[@]}" -I "$FAR_IP"
}

@test "password files that are no good" {
    local mode
    guest
    login
    for mode in 640 604 620; do
        chmod "$mode" "$T/password"
        refused "run: chmod 600 '$T/password'" -U "$TCP" "${LOGIN[@]}" \
            -I "$FAR_IP"
    done
    chmod 600 "$T/password"
    : >"$T/password"
    refused "gave no password" -U "$TCP" "${LOGIN[@]}" -I "$FAR_IP"
    echo >"$T/password"
    refused "gave no password" -U "$TCP" "${LOGIN[@]}" -I "$FAR_IP"
    rm "$T/password"
    refused "open --password-file '$T/password': No such file" -U "$TCP" \
        "${LOGIN[@]}" -I "$FAR_IP"
    mkdir -m 700 "$T/password"
    chown "$LAB_USER" "$T/password"
    refused "is no file" -U "$TCP" "${LOGIN[@]}" -I "$FAR_IP"
}

@test "the password is asked for at the terminal, and not shown" {
    guest
    run -0 lab_run python3 "$BATS_TEST_DIRNAME/terminal.py" "$PASSWORD" \
        virtnbdbackup -n -U "$TCP" --user backup -I "$FAR_IP" -d vm1 -l copy \
        -o "$T/b"
    echo "$output"
    [[ $output == *"Password of 'backup' for libvirt: "* ]]
    [[ $output != *horse* ]]
    equal "$T/b"
    run -1 lab_run python3 "$BATS_TEST_DIRNAME/terminal.py" wrong-horse \
        virtnbdbackup -n -U "$TCP" --user backup -I "$FAR_IP" -d vm1 -l copy \
        -o "$T/wrong"
    [[ $output == *"authentication failed"* ]]
    # Ctrl-C instead of an answer.
    run -130 lab_run python3 "$BATS_TEST_DIRNAME/terminal.py" $'\x03' \
        virtnbdbackup -n -U "$TCP" --user backup -I "$FAR_IP" -d vm1 -l copy \
        -o "$T/wrong"
    far_leftovers
}

# covers: S2:F
@test "killed: its guardian logs in and ends the job; no word in any list" {
    local option
    guest
    login
    for option in file word; do
        [ $option = file ] || LOGIN=(--user backup "--password=$PASSWORD")
        lab_spawn virtnbdbackup -n -U "$TCP" "${LOGIN[@]}" -I "$FAR_IP" -d vm1 \
            -l full -o "$T/b" --bwlimit 1M
        wait_for_far_job
        # Of ours and of all that it started.
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
            grep -a "[h]orse-${LAB##*.}" >"$LAB/lists" || true
        cat "$LAB/lists"
        [ ! -s "$LAB/lists" ]
        kill -KILL "$LAB_PID"
        wait "$LAB_PID" || true
        far_leftovers
        lab_leftovers
    done
    [ -z "$(far lab_virsh checkpoint-list vm1 --name)" ]
    none "$T"/b/intent.*
    ! grep -rIl horse "$T/b" || return 1
}

@test "a restore over TLS is refused, and says what works" {
    local define option
    guest
    lab_run virtnbdbackup -n -U "$TLS" --tls-cert "$GOOD" -d vm1 -l copy -o "$T/b"
    for define in "" -D; do
        # shellcheck disable=SC2086
        run -64 restore -n -U "$TLS" -i "$T/b" -o "$T/r" $define
        echo "$output"
        [[ $output == *"by ssh only: use qemu+ssh://"* ]]
        none "$T/r"
    done
    # Without another host there is nothing to send.
    for option in --tls --nbd-ip=::1 --nbd-port=10809; do
        run -64 restore -n $option -i "$T/b" -o "$T/r"
        [[ $output == *"are for restoring on another host"* ]]
        run -64 restore -n -U "$FAR_URI" $option -i "$T/b" -a verify
        [[ $output == *"are for restoring on another host"* ]]
    done
    run -64 restore -n -U "$FAR_URI" --tls-cert "$GOOD" -i "$T/b" -o "$T/r"
    [[ $output == *"--tls-cert needs --tls"* ]]
    # What needs no other host takes any URI.
    restore -n -U "$TLS" -i "$T/b" -a verify
}

@test "by ssh, the data over TCP and with TLS, running and powered off" {
    guest
    lab_run virtnbdbackup -n -U "$FAR_URI" --tls --tls-cert "$GOOD" -d vm1 \
        -l full -o "$T/b"
    far lab_write vm1 vda 0x22 2M 300K
    run -0 lab_run virtnbdbackup -n -U "$FAR_URI" -I "$FAR_IP" -d vm1 -l inc \
        -o "$T/b"
    [[ $output == *unencrypted* ]]
    equal "$T/b"
    far_leftovers
    far lab_virsh destroy vm1
    lab_run virtnbdbackup -n -U "$FAR_URI" --tls --tls-cert "$GOOD" -d vm1 \
        -l copy -o "$T/off"
    restore -n -i "$T/off" -o "$T/roff"
    same "$T/roff/a.qcow2" "$LAB/vda.raw"
    far_leftovers
    lab_run virtnbdbackup -n -U "$FAR_URI" -I "$FAR_IP" -d vm1 -l copy \
        -o "$T/plain"
    restore -n -i "$T/plain" -o "$T/rplain"
    same "$T/rplain/a.qcow2" "$LAB/vda.raw"
    # The directory is one here and there: the right server, another client.
    cp -r "$GOOD" "$FAR_SHARED/mixed"
    cp "$OTHER"/client-* "$FAR_SHARED/mixed/"
    refused "does not take our certificate" -U "$FAR_URI" --tls \
        --tls-cert "$FAR_SHARED/mixed"
    rm -r "$FAR_SHARED/mixed"
}

far_restore() {
    lab_run virtnbdrestore -n -L "$LAB/restore.log" -U "$FAR_URI" -i "$T/b" \
        -o "$FAR_DISKS/r" "$@"
}

# not_restored TEXT OPTION...: refused with this, and nothing is there.
not_restored() {
    local text=$1
    shift
    run -1 far_restore "$@"
    echo "$output"
    [[ $output == *"$text"* ]]
    [ -z "$(ls -A "$FAR_ROOT$FAR_DISKS/r")" ]
    far_leftovers
}

# A set of two points; what the disk held then is in $LAB/vda.raw.
far_set() {
    guest
    lab_run virtnbdbackup -n -U "$FAR_URI" -d vm1 -l auto -o "$T/b"
    far lab_write vm1 vda 0x22 2M 300K
    far lab_write_zeroes vm1 vda 1M 64K
    lab_run virtnbdbackup -n -U "$FAR_URI" -d vm1 -l auto -o "$T/b"
    far lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    far_run install -d -m 700 -o "$LAB_USER" "$FAR_DISKS/r"
    far_baseline
}

# covers: E13:R
@test "a restore by ssh, the data over TCP and with TLS" {
    local options
    far_set
    for options in "--tls --tls-cert $GOOD" "-I $FAR_IP" "-P 12345" \
        "-I 0.0.0.0 --tls --tls-cert $GOOD --compress"; do
        echo "$options"
        # shellcheck disable=SC2086
        run -0 far_restore $options
        echo "$output"
        [[ $options == *tls* ]] || [[ $output == *unencrypted* ]]
        [[ $options != *tls* ]] || [[ $output != *unencrypted* ]]
        same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
        [ "$(stat -c %a "$FAR_ROOT$FAR_DISKS/r/a.qcow2")" = 600 ]
        far_run rm "$FAR_DISKS"/r/{a.qcow2,vmconfig.xml}
        far_leftovers
        lab_leftovers
    done
}

# covers: E13:R
@test "a restore with TLS: either side refuses what it does not know" {
    local mixed=$FAR_SHARED/mixed
    far_set
    # What we trust is of another authority than what the server shows.
    cp -r "$GOOD" "$mixed"
    rm "$mixed"/client-*
    mkdir -p "$LAB/home/.pki"
    cp -r "$OTHER" "$LAB/home/.pki/libnbd"
    not_restored "signed by another authority" --tls --tls-cert "$mixed"
    rm -r "$mixed" "$LAB/home/.pki"
    # The directory is one here and there: the right server, another client.
    cp -r "$GOOD" "$mixed"
    cp "$OTHER"/client-* "$mixed/"
    not_restored "does not take our certificate" --tls --tls-cert "$mixed"
    rm -r "$mixed"
    PKI_DAYS=-1 pki_pair "$FAR_SHARED/ca" "$mixed" "$FAR_IP"
    cp "$GOOD"/client-* "$mixed/"
    not_restored "has expired" --tls --tls-cert "$mixed"
    rm -r "$mixed"
    pki_pair "$FAR_SHARED/ca" "$mixed" somewhere-else.invalid
    not_restored "is for another name" --tls --tls-cert "$mixed"
    rm "$mixed"/server-*
    not_restored "server-cert.pem" --tls --tls-cert "$mixed"
    rm -r "$mixed"
    not_restored "--tls needs a certificate to show" --tls --tls-cert "$mixed"
}

@test "a restore over TCP: a port that is taken there" {
    local other status=0
    far_set
    far_run python3 -c '
import signal, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], 10809))
s.listen()
signal.pause()' "$FAR_IP" 3>&- &
    other=$!
    until far_run ss -Hltn | grep -q ':10809 '; do
        kill -0 "$other"
    done
    far_restore -I "$FAR_IP" -P 10809 2>"$LAB/said" || status=$?
    far_restore -v -I "$FAR_IP"
    far_run pkill -f 'signal\.pause'
    wait "$other" || true
    cat "$LAB/said"
    [ "$status" = 1 ]
    grep "port 10809 of '$FAR_IP' is taken: choose another --nbd-port" "$LAB/said"
    same "$FAR_ROOT$FAR_DISKS/r/a.qcow2" "$LAB/vda.raw"
    far_run rm "$FAR_DISKS"/r/{a.qcow2,vmconfig.xml}
    far_leftovers
}

# covers: B2:R
@test "a restore with TLS, ended in the middle: nothing is left there" {
    local how status
    far_set
    for how in INT TERM KILL; do
        status=0
        lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null \
            -b execve -e inject=sendto,sendmsg,write:delay_exit=3000 \
            virtnbdrestore -n -L "$LAB/restore.log" -U "$FAR_URI" -i "$T/b" \
            -o "$FAR_DISKS/r" --tls --tls-cert "$GOOD"
        until far_run ss -Hltn | grep -q ':10809 '; do
            kill -0 "$LAB_PID" || return 1
        done
        lab_processes | awk '/[v]irtnbdrestore -n/ && !/strace/ { print $1 }' |
            xargs -r kill "-$how" || true
        wait "$LAB_PID" || status=$?
        echo "$how: $status"
        # (strace ends as what it traces.)
        [ "$status" = $((128 + $(kill -l "$how"))) ]
        far_leftovers
        lab_leftovers
        [ -z "$(ls -A "$FAR_ROOT$FAR_DISKS/r")" ]
        ! far_run ss -Hltn | grep -q ':10809 ' || return 1
    done
}
