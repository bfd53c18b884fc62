#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# places.bats - TCP, TLS, sockets for others, and devices of the kernel
#
# There are no nbd devices on most machines that run tests: for --connect and
# --disconnect a program stands in for qemu-nbd.
bats_require_minimum_version 1.5.0
load ../lib/cli
load map
setup_file() {
    map_setup_file
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || return 0
    install -m 755 "$BATS_TEST_DIRNAME/fake-qemu-nbd.py" "$LAB/bin/qemu-nbd"
    make_certificates "$LAB/pki"
}
setup() {
    map_setup
    NODES=()
}
teardown() {
    rm -f "${NODES[@]}" "${LAB:-/none}"/attached.*
    map_teardown
}
teardown_file() { cli_teardown_file; }

# make_certificates DIR: of an authority, a server and a client.
make_certificates() {
    local who
    mkdir -p "$1/server" "$1/client" "$1/stranger"
    (
        cd "$1" || exit 1
        for who in ca other; do
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$who" \
                -keyout $who.key -out $who.pem 2>/dev/null || exit 1
        done
        for who in server client stranger; do
            openssl req -newkey rsa:2048 -nodes -subj "/CN=$who" \
                -keyout $who/$who-key.pem -out $who.csr 2>/dev/null || exit 1
            ca=ca
            [ $who != stranger ] || ca=other
            openssl x509 -req -in $who.csr -CA $ca.pem -CAkey $ca.key \
                -CAcreateserial -days 2 -out $who/$who-cert.pem \
                -extfile <(echo 'subjectAltName=IP:127.0.0.1,DNS:localhost') \
                2>/dev/null || exit 1
            cp ca.pem $who/ca-cert.pem
        done
        # A client of the wrong authority.
        mv stranger/stranger-key.pem stranger/client-key.pem
        mv stranger/stranger-cert.pem stranger/client-cert.pem
    ) || return 1
    chmod -R a+rX "$1"
}

# Is anything listening at this port?
listens() {
    ss -ltnH "sport = :$1" | grep -q "$2:$1"
}

# device NAME: make the node of a device; prints its path.
device() {
    [ "$(id -u)" = 0 ] || skip "only root can make devices"
    # Numbers that nobody has, since others may run this too.
    DEVICE=/dev/nbd9$((BASHPID % 100000))$1
    mknod "$DEVICE" b 43 0 || skip "no devices can be made here"
    NODES+=("$DEVICE")
    STATE=$LAB/attached.${DEVICE##*/}
}

@test "-p and -l: TCP on the loopback, one server for all disks" {
    map_start -n 2 -i "$SET" -p 0
    [[ ${URIS[0]} =~ ^nbd://127\.0\.0\.1:([0-9]+)/vda$ ]]
    local port=${BASH_REMATCH[1]}
    [ "${URIS[1]}" = "nbd://127.0.0.1:$port/vdb" ]
    listens "$port" 127.0.0.1
    shows "${URIS[0]}" "$SET.2.vda"
    shows "${URIS[1]}" "$SET.2.vdb"
    # A port that is in use; another one.
    run -1 map -i "$SET" -p "$port"
    [[ $output == *"port $port"*"in use"* ]]
    local first=$MAP_PID
    map_start -n 2 -i "$SET" -l localhost -p 0
    [[ $URI == nbd://localhost:* ]]
    shows "${URIS[0]}" "$SET.2.vda"
    kill "$first"
    wait "$first"
    map_end 0
}

@test "TCP: IPv6, a name of one's own, writable" {
    if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
        map_start -i "$SET" --disk vda -l ::1 -p 0 -e x
        [[ $URI == nbd://\[::1\]:*/x ]]
        shows "$URI" "$SET.2.vda"
        map_end 0
    fi
    map_start --uri -f "$SET/vda.full.data" -l 127.0.0.1 -p 0 -w
    qemu-io -f raw -c 'write -P 1 0 64K' -c 'read -P 1 0 64K' "$URI"
    map_end 0
    run -64 map -i "$SET" -p 0 -w
    [[ $output == *"as many ports"* ]]
}

# covers: H4:M
@test "what other machines can reach needs TLS" {
    local address
    for address in 0.0.0.0 ::; do
        run -64 map -i "$SET" -l $address -p 0
        [[ $output == *"--tls"* ]]
    done
    run -1 map -i "$SET" -l no.such.host.invalid
    [[ $output == *"no.such.host.invalid"* ]]
}

@test "--tls: clients with our authority's certificate, and no others" {
    map_start -i "$SET" --disk vda -l 127.0.0.1 -p 0 --tls \
        --tls-cert "$LAB/pki/server"
    [[ $URI == nbds://127.0.0.1:*/vda ]]
    shows "$URI?tls-certificates=$LAB/pki/client" "$SET.2.vda"
    run ! nbdinfo "nbd${URI#nbds}"
    run ! nbdinfo "$URI?tls-certificates=$LAB/pki/stranger"
    run ! nbdinfo "$URI"
    map_end 0
    map_start -i "$SET" --disk vda -l 0.0.0.0 -p 0 --tls \
        --tls-cert "$LAB/pki/server"
    [[ $URI == nbds://0.0.0.0:*/vda ]]
    shows "${URI/0.0.0.0/127.0.0.1}?tls-certificates=$LAB/pki/client" \
        "$SET.2.vda"
    map_end 0
    run -1 map -i "$SET" -l 127.0.0.1 -p 0 --tls --tls-cert "$T/none"
    map_clean
}

@test "--owner: one more user can connect, others cannot" {
    [ "$(id -u)" = 0 ] || skip "only root can give a socket away"
    run -1 map -i "$SET" --owner daemon
    [[ $output == *daemon* ]]
    MAP_AS=()
    map_start -n 2 -i "$SET" --owner daemon
    setpriv --reuid=daemon --regid=daemon --clear-groups nbdinfo "$URI"
    nbdinfo "$URI"
    run ! setpriv --reuid=nobody --regid=nogroup --clear-groups nbdinfo "$URI"
    # He cannot put anything into our directory.
    run ! setpriv --reuid=daemon --regid=daemon --clear-groups \
        touch "$RUNTIME/x"
    map_end 0
    map_start -i "$SET" --disk vda --keep-changes "$T/keep" --owner daemon
    setpriv --reuid=daemon --regid=daemon --clear-groups nbdinfo "$URI"
    run ! setpriv --reuid=daemon --regid=daemon --clear-groups \
        nbdinfo "nbd+unix:///vda?socket=$RUNTIME/nbd0"
    map_end 0
}

@test "-f alone, and -d: a device, writable, through qemu-nbd" {
    device 0
    map_start -f "$SET/vda.full.data,$SET/vda.inc.virtnbdbackup.1.data" \
        -d "$DEVICE"
    read -r pid arguments <"$STATE"
    [ "$pid" = "$(pgrep -P "$MAP_PID" -f -- --connect)" ]
    [[ $arguments == *--format=raw* ]] && [[ $arguments != *read-only* ]]
    # What is attached is what was asked for, and can be written to.
    shows "${arguments##* }" "$SET.1.vda"
    qemu-io -f raw -c 'write -P 1 0 64K' "${arguments##* }"
    map_end 0
    [ ! -e "$STATE" ]
    # The default; where it is not there, the hint.
    if [ ! -e /dev/nbd0 ]; then
        run -1 map -f "$SET/vda.full.data"
        [[ $output == *"/dev/nbd0"*"modprobe nbd"* ]]
    fi
}

@test "-r: a device that is read-only; with increments, too" {
    device 0
    map_start -r -f "$SET/vda.full.data,$SET/vda.inc.virtnbdbackup.1.data" \
        -d "$DEVICE"
    grep -q -- --read-only "$STATE"
    run ! qemu-io -f raw -c 'write -P 1 0 64K' "$URI"
    map_end 0 TERM
    [ ! -e "$STATE" ]
}

@test "a device for each disk, in their order" {
    device 0
    local first=$DEVICE one=$STATE
    device 1
    map_start -n 2 -i "$SET" -d "$first" --device="$DEVICE"
    shows "$(sed 's/.* //' "$one")" "$SET.2.vda"
    shows "$(sed 's/.* //' "$STATE")" "$SET.2.vdb"
    map_end 0
    [ ! -e "$STATE" ] && [ ! -e "$one" ]
    run -1 map -i "$SET" -d "$first"
    [[ $output == *"2 disks cannot be 1 device"* ]]
    run -1 map -i "$SET" -d "$first" -d "$first"
    [[ $output == *"given twice"* ]]
}

# covers: H5:M
@test "a device that is no device, or not free: refused at once, and left" {
    local name
    for name in /dev/sda /dev/null /dev/nbd /dev/nbd0p1 nbd0 /dev/nbd0/../sda; do
        run -1 map -i "$SET" --disk vda -d $name
        [[ $output == *"'$name' is no NBD device"* ]]
    done
    device 0
    echo "1 somebody else's" >"$STATE"
    run -1 map -i "$SET" --disk vda -d "$DEVICE"
    [[ $output == *"attach '$DEVICE'"*"Failed to set NBD socket"* ]]
    [ "$(cat "$STATE")" = "1 somebody else's" ]
    map_clean
    rm "$STATE"
    # With a second one that fails, the first one is let go.
    local first=$DEVICE one=$STATE
    device 1
    echo "1 somebody else's" >"$STATE"
    run -1 map -i "$SET" -d "$first" -d "$DEVICE"
    [ ! -e "$one" ] && [ -e "$STATE" ]
}

@test "detached by the user: it ends, status 0" {
    local status=0
    device 0
    map_start -i "$SET" --disk vda -d "$DEVICE"
    lab_run qemu-nbd --disconnect "$DEVICE"
    wait "$MAP_PID" || status=$?
    cat "$T/stderr"
    [ $status = 0 ]
    map_clean
}

# covers: H6:M
@test "killed: the device is let go; another's is not" {
    device 0
    map_start -i "$SET" --disk vda -d "$DEVICE"
    [ -e "$STATE" ]
    kill -KILL "$MAP_PID"
    wait "$MAP_PID" || true
    map_clean
    [ ! -e "$STATE" ]
    # Its server alone.
    map_start -i "$SET" --disk vda -d "$DEVICE"
    kill -KILL "$(cut -d' ' -f1 "$STATE")"
    status=0
    wait "$MAP_PID" || status=$?
    [ $status = 1 ]
    grep -q "ERROR.*'$DEVICE' is gone" "$T/stderr"
    map_clean
}
