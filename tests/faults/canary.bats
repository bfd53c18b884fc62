#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# canary.bats - the lab's secret is given to the programs in every way there is;
# it must be in nothing that they say, write or start
#
# In the URI of libvirt every test of every file gives it to them: cli_teardown
# looks for it.
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() {
    cli_setup
    CANARY=$LAB_CANARY
}
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# said COMMAND...: run it, whatever its status; $LAB/out is all it said.
said() {
    "$@" >"$LAB/out" 2>&1 || true
    [ -s "$LAB/out" ]
}

# tells FILE: that the file has the secret is noticed; it is removed.
tells() {
    run -1 lab_silent
    [[ $output == *"$1"* ]]
    rm -f "$1"
    lab_silent
}

@test "what looks for the secret finds it" {
    lab_silent
    BATS_VERBOSE_RUN= # what it finds, it shows
    echo "a $CANARY" >"$T/a file"
    tells "$T/a file"
    : >"$LAB/home/x$CANARY"
    tells "$LAB/home/x$CANARY"
    truncate -s 1G "$T/big"
    echo "$CANARY" >>"$T/big"
    tells "$T/big"
    printf '%s\0' "$CANARY" | dd of="$T/big" status=none
    truncate -s 1G "$T/big"
    tells "$T/big"
    (exec -a "x$CANARY" sleep 60) 3>&- &
    run -1 lab_silent
    [[ $output == *"secret in arguments: x"* ]]
    kill "$!"
    echo "$CANARY" >"$BATS_TEST_TMPDIR/x"
    run -1 cli_silent
    rm "$BATS_TEST_TMPDIR/x"
}

guest() {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 4M
}

# covers: S2:FIDC
@test "a password, in a run that is looked at in the middle, and later" {
    local level
    guest
    for level in full inc diff; do
        said backup -v -d vm1 -l $level -o "$T/b" --user somebody \
            --password "$CANARY"
        grep -q 'Arguments:.*password' "$LAB/out"
        lab_silent
    done
    [ -e "$T/b/manifest.virtnbdbackup.1.json" ]
    lab_spawn virtnbdbackup -v -d vm1 -l copy --bwlimit 1M -o "$T/c" \
        --user somebody "--password=$CANARY" 2>"$LAB/out"
    wait_for_job vm1 "$LAB_PID"
    lab_silent
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    lab_leftovers
    lab_silent
    said backup -v -d vm1 -l copy -o "$T/c" --user somebody --password="$CANARY"
    lab_silent
}

# covers: S3:FIDC
@test "user info and query of libvirt's URI, where it works and where not" {
    local level uri
    guest
    for level in full inc diff; do
        said backup -v -d vm1 -l $level -o "$T/b" \
            -U "qemu:///session?authfile=/$CANARY"
        lab_silent
    done
    for uri in "qemu+tcp://me:$CANARY@127.0.0.1:1/session" \
        "qemu+tls://$CANARY@127.0.0.1:1/session?no_verify=$CANARY" \
        "nonsense://me:$CANARY@somewhere/x"; do
        said backup -v -d vm1 -l full -o "$T/c" -U "$uri"
        lab_silent
        said backup -v -d vm1 -k -o "$T/c" -U "$uri"
        lab_silent
    done
}

# covers: S3:RV S2:RV
@test "URIs for a restore" {
    local uri
    guest
    backup -d vm1 -l full -o "$T/b"
    for uri in "nbd://me:$CANARY@127.0.0.1:1/x" \
        "nbds://$CANARY@127.0.0.1:1/x?tls-certificates=/$CANARY" \
        "nbd+unix:///x?socket=/nowhere&tls-psk-file=/$CANARY"; do
        said restore -v -i "$T/b" -o "$T/r" --target "vda=$uri"
        lab_silent
    done
    for uri in "qemu+tcp://me:$CANARY@127.0.0.1:1/session?pkipath=/$CANARY" \
        "qemu+ssh://me:$CANARY@127.0.0.1:1/session?sshauth=$CANARY" \
        "nonsense:///x?pkipath=/$CANARY"; do
        said restore -v -i "$T/b" -o "$T/r2" -D -U "$uri"
        lab_silent
    done
    said restore -v -i "$T/b" -o verify \
        -U "qemu+tcp://me:$CANARY@127.0.0.1:1/session?pkipath=/$CANARY"
    lab_silent
}

# covers: S3:FIDRV
@test "usage errors" {
    local level uri="qemu+ssh://me:$CANARY@somewhere/system?keyfile=/$CANARY"
    for level in full inc diff; do
        said backup -d vm1 -l $level -o "$T/b" -U "$uri" -U qemu:///system
        grep -q "only once" "$LAB/out"
        lab_silent
        said backup -d vm1 -l $level -o "$T/b" "$uri"
        grep -q "belongs to no option" "$LAB/out"
        lab_silent
    done
    said restore -i "$T/b" -o "$T/r" "$uri"
    grep -q "belongs to no option" "$LAB/out"
    lab_silent
    said restore -i "$T/b" -o verify "$uri"
    grep -q "belongs to no option" "$LAB/out"
    lab_silent
    said restore -i "$T/b" -o "$T/r" --target "vda=x$uri"
    grep -q "takes DISK=PLACE" "$LAB/out"
    lab_silent
    said restore -i "$T/b" -o "$T/r" --target "vda=nbd://me:$CANARY@somewhere/x" \
        --target "vda=nbds://$CANARY@somewhere/x"
    grep -q "two targets for one disk" "$LAB/out"
    lab_silent
    said backup -d vm1 -l "$uri" -o "$T/b" -P "$uri"
    grep -q "is unknown" "$LAB/out"
    lab_silent
    said backup -d vm1 -l full -o "$T/b" -P "$uri"
    grep -q "takes a number" "$LAB/out"
    lab_silent
}

# getopt's own words repeat the value.
@test "options that there are not, or that take no value" {
    local program option
    lab_bin "$MAP"
    for program in virtnbdbackup virtnbdrestore virtnbdmap; do
        for option in --passwrd --n --verbose; do
            run -64 lab_run $program -v "$option=$CANARY"
            echo "$output" | tee "$LAB/out"
            grep -q "^$program: option '$option'" "$LAB/out"
            grep -q -- "--help" "$LAB/out"
            lab_silent
        done
    done
}

# dumps OPTION... PROGRAM...: abort the program at a system call (options of
# strace); 0: a core dump of it follows, 1: none.
dumps() {
    local said
    (
        ulimit -c unlimited || exit 1
        cd "$LAB/target" || exit 1
        lab_run env ASAN_OPTIONS=detect_leaks=0:disable_coredump=0 \
            strace -qq -o "$LAB/tmp/strace" "$@"
    ) >/dev/null 2>&1
    said=$(tail -n 3 "$LAB/tmp/strace")
    rm -f "$LAB"/target/core* "$LAB/tmp/strace"
    echo "$said"
    [[ $said == *"killed by SIGABRT"* ]] || return 2
    [[ $said == *"core dumped"* ]]
}

# covers: S11:FIDCRVM
@test "no core dumps, which hold what disks hold" {
    local level set=b
    command -v strace >/dev/null || skip "strace is not installed"
    dumps -e inject=openat:signal=ABRT:when=1 cat /dev/null ||
        skip "there are no core dumps here at all"
    guest
    # Each one goes on from what the one before left.
    for level in full inc diff auto copy; do
        [ "$level" != copy ] || set=copy
        run -1 dumps -e inject=fsync:signal=ABRT:when=1 virtnbdbackup -d vm1 \
            -l "$level" -o "$T/$set"
        lab_leftovers
        backup -d vm1 -l "$level" -o "$T/$set"
    done
    run -1 dumps -e inject=fsync:signal=ABRT:when=1 virtnbdrestore -i "$T/b" \
        -o "$T/r"
    run -1 dumps -e inject=openat2:signal=ABRT:when=1 virtnbdrestore -i "$T/b" \
        -o verify
    run -1 dumps -e inject=openat2:signal=ABRT:when=1 nbdkit -f -U - "$PLUGIN" \
        dir="$T/b" --run true
}
