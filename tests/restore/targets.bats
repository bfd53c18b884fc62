#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# targets.bats - restores onto what is there already: devices, raw files, NBD
# exports; and images of other kinds than the original
bats_require_minimum_version 1.5.0
load ../lib/cli

# One set for all tests: an increment that made zero what the full holds.  Two
# disks, the second of an odd number of sectors.
setup_file() {
    cli_setup_file
    [ -e "$BATS_FILE_TMPDIR/skip" ] && return
    lab_run mkdir "$LAB/set"
    lab_domain vm1 vda=a.qcow2,size=8M,cluster_size=16K,lazy_refcounts=on \
        vdb=b.qcow2,size=1049088
    lab_write vm1 vda 0x11 0 6M
    lab_write vm1 vdb 0x22 512K 250K
    backup -d vm1 -l full -o "$LAB/set/s"
    lab_write_zeroes vm1 vda 1M 2M
    lab_write vm1 vda 0x33 1536K 100K
    lab_write vm1 vda 0x44 7M 512
    lab_snapshot_truth vm1 vda "$LAB/set/a.raw"
    lab_snapshot_truth vm1 vdb "$LAB/set/b.raw"
    backup -d vm1 -l inc -z -o "$LAB/set/s"
    lab_virsh destroy vm1
    lab_virsh undefine vm1 --checkpoints-metadata
}
setup() {
    cli_setup
    SET=$LAB/set/s
}
teardown() {
    [ -z "${LAB:-}" ] || umount "$LAB/mnt" 2>/dev/null || true
    [ -z "${LOOP:-}" ] || losetup -d "$LOOP"
    stop_server
    cli_teardown
}
teardown_file() { cli_teardown_file; }

# old_file FILE SIZE: a file full of old contents.
old_file() {
    head -c "$2" /dev/urandom | lab_run tee "$1" >/dev/null
}

# device SIZE [OPTION...]: a loop device with old contents, LOOP; the file
# behind it is $T/disk, and what was in it $T/old.
device() {
    [ "$(id -u)" = 0 ] || skip "loop devices need root"
    old_file "$T/disk" "$1"
    cp "$T/disk" "$T/old"
    LOOP=$(losetup --show -f "${@:2}" "$T/disk") || skip "no loop device"
    chown "$LAB_USER" "$LOOP"
}

# server COMMAND...: run an NBD server at $T/sock, SERVER; come back when it
# listens.
server() {
    lab_spawn "$@"
    SERVER=$LAB_PID
    while [ ! -S "$T/sock" ]; do
        kill -0 "$SERVER" || return 1
        sleep 0.01
    done
}

stop_server() {
    if [ -n "${SERVER:-}" ]; then
        kill "$SERVER" 2>/dev/null || true
        wait "$SERVER" || true
        rm -f "$T/sock"
    fi
    SERVER=
}

# kept FILE [FROM]: from byte FROM on it still holds what is in $T/old.
kept() {
    cmp <(tail -c "+$((${2:-0} + 1))" "$1") \
        <(tail -c "+$((${2:-0} + 1))" "$T/old")
}

@test "a device: exactly the disk, whatever was there; the rest stays" {
    device 9M
    run -0 restore -i "$SET" -o "$T/r" --target "vda=$LOOP"
    echo "$output"
    [[ $output == *"8388608 bytes of '$LOOP' are going to be overwritten"* ]]
    [[ $output == *"last 1048576 bytes of '$LOOP'"*"stay as they are"* ]]
    cmp "$LOOP" "$LAB/set/a.raw" -n 8388608
    kept "$LOOP" 8388608
    same "$T/r/b.qcow2" "$LAB/set/b.raw"
    [ "$(ls "$T/r")" = "$(printf 'b.qcow2\nvmconfig.xml')" ]
}

@test "a device with sectors of 4096 bytes, and a disk that ends in one" {
    device 2M -b 4096
    restore -i "$SET" -o "$T/r" -d vdb --target "vdb=$LOOP"
    cmp "$LOOP" "$LAB/set/b.raw" -n 1049088
    kept "$LOOP" 1049088
}

@test "a raw file, at its own size" {
    old_file "$T/disk" 8M
    restore -i "$SET" -o "$T/r" -d vda --target "vda=$T/disk"
    cmp "$T/disk" "$LAB/set/a.raw"
    restore -i "$SET" -o "$T/r" -u virtnbdbackup.0 -d vda \
        --target "vda=$T/disk"
    run cmp -s "$T/disk" "$LAB/set/a.raw"
    [ "$status" = 1 ]
}

@test "NBD exports of qemu-nbd: a name, one client only, one that ends" {
    old_file "$T/disk" 10M
    cp "$T/disk" "$T/old"
    server qemu-nbd -t -e 8 -x "a disk" -k "$T/sock" -f raw "$T/disk"
    restore -i "$SET" -o "$T/r" -d vda \
        --target "vda=nbd+unix:///a%20disk?socket=$T/sock"
    stop_server
    cmp "$T/disk" "$LAB/set/a.raw" -n 8388608
    kept "$T/disk" 8388608
    old_file "$T/disk" 8M
    server qemu-nbd -k "$T/sock" -f raw "$T/disk"
    restore -i "$SET" -o "$T/r" -d vda \
        --target "vda=nbd+unix://?socket=$T/sock"
    wait "$SERVER"
    SERVER=
    cmp "$T/disk" "$LAB/set/a.raw"
}

@test "NBD exports: one that cannot zero, and TCP" {
    command -v nbdkit >/dev/null || skip "nbdkit is not installed"
    old_file "$T/disk" 8M
    server nbdkit -f -U "$T/sock" --filter=nozero file "$T/disk"
    restore -i "$SET" -o "$T/r" -d vda \
        --target "vda=nbd+unix://?socket=$T/sock"
    cmp "$T/disk" "$LAB/set/a.raw"
    stop_server
    old_file "$T/disk" 8M
    lab_spawn nbdkit -f -i 127.0.0.1 -p 10877 file "$T/disk"
    SERVER=$LAB_PID
    for ((n = 0; n < 500; n++)); do
        (exec 3<>/dev/tcp/127.0.0.1/10877) 2>/dev/null && break
        sleep 0.01
    done
    restore -i "$SET" -o "$T/r" -d vda --target vda=nbd://127.0.0.1:10877/
    cmp "$T/disk" "$LAB/set/a.raw"
}

# covers: E13:R
@test "an NBD export with TLS, and none without" {
    command -v nbdkit >/dev/null || skip "nbdkit is not installed"
    old_file "$T/disk" 8M
    echo "alice:$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" \
        >"$T/psk"
    chown "$LAB_USER" "$T/psk"
    server nbdkit -f -U "$T/sock" --tls=require --tls-psk="$T/psk" file "$T/disk"
    restore -i "$SET" -o "$T/r" -d vda --target \
        "vda=nbds+unix://alice@/?socket=$T/sock&tls-psk-file=$T/psk"
    cmp "$T/disk" "$LAB/set/a.raw"
    stop_server
    # Never plain where TLS was asked for.
    old_file "$T/disk" 8M
    cp "$T/disk" "$T/old"
    server nbdkit -f -U "$T/sock" file "$T/disk"
    run -1 restore -i "$SET" -o "$T/r" -d vda --target \
        "vda=nbds+unix://alice@/?socket=$T/sock&tls-psk-file=$T/psk"
    [[ $output != *undefined* ]]
    kept "$T/disk"
}

@test "an export of blocks that the disk does not have: refused, untouched" {
    command -v nbdkit >/dev/null || skip "nbdkit is not installed"
    old_file "$T/disk" 8M
    cp "$T/disk" "$T/old"
    server nbdkit -f -U "$T/sock" --filter=blocksize-policy file "$T/disk" \
        blocksize-minimum=64K blocksize-preferred=64K blocksize-error-policy=error
    run -1 restore -i "$SET" -o "$T/r" -d vda \
        --target "vda=nbd+unix://?socket=$T/sock"
    [[ $output == *"blocks of 65536 bytes only"* ]]
    [[ $output != *undefined* ]]
    kept "$T/disk"
}

# refuses TEXT TARGET...: nothing is written anywhere.
refuses() {
    local text=$1 target targets=()
    shift
    for target in "$@"; do targets+=(--target "$target"); done
    run -1 restore -i "$SET" -o "$T/r" "${targets[@]}"
    echo "$output"
    [[ $output == *"$text"* ]] || return 1
    [ ! -e "$T/r" ] || [ -z "$(ls -A "$T/r")" ]
}

@test "targets that do not do are refused before anything is written" {
    old_file "$T/disk" 8388607
    cp "$T/disk" "$T/old"
    refuses "has 8388607 bytes, the disk needs 8388608" "vda=$T/disk"
    kept "$T/disk"
    refuses "'$T/no' is not there" "vda=$T/no"
    refuses "neither a block device nor a file" vda=/dev/null
    refuses "Is a directory" "vda=$T"
    refuses "no such disk is restored" "vdx=$T/disk"
    refuses "is a file of the backup" "vdb=$SET/vda.full.data"
    lab_run qemu-img create -q -f qcow2 -o preallocation=full "$T/q" 8M
    refuses "is a qcow2 image" "vda=$T/q"
    refuses "nbd+unix" "vda=nbd+unix://?socket=$T/no"
    truncate -s 16M "$T/disk"
    refuses "cannot both go to" "vda=$T/disk" "vdb=$T/disk"
    chmod 400 "$T/disk"
    refuses "Permission denied" "vda=$T/disk"
    run -64 restore -i "$SET" -o "$T/r" --target vda=disk
    run -64 restore -i "$SET" -o "$T/r" --target "vda=$T/x" --target "vda=$T/y"
    run -64 restore -i "$SET" -o verify --target "vda=$T/x"
}

# covers: E15:R
@test "a read-only export, and one that cannot flush, are refused" {
    command -v nbdkit >/dev/null || skip "nbdkit is not installed"
    server nbdkit -f -r -U "$T/sock" memory 8M
    refuses "read-only" "vda=nbd+unix://?socket=$T/sock"
    stop_server
    server nbdkit -f -U "$T/sock" eval get_size='echo 8M' \
        pread='head -c $3 /dev/zero' pwrite='cat >/dev/null'
    refuses "cannot flush" "vda=nbd+unix://?socket=$T/sock"
}

@test "a mounted device is refused" {
    device 9M
    mkfs.ext4 -q "$LOOP"
    mkdir -p "$LAB/mnt"
    mount "$LOOP" "$LAB/mnt"
    cp "$T/disk" "$T/old"
    refuses "in use" "vda=$LOOP"
    umount "$LAB/mnt"
}

# covers: E14:R
@test "a target that fails: it is said that its contents are lost" {
    command -v nbdkit >/dev/null || skip "nbdkit is not installed"
    server nbdkit -f -U "$T/sock" --filter=error memory 8M \
        error-pwrite-rate=50% error-pwrite=EIO
    run -1 restore -i "$SET" -o "$T/r" \
        --target "vda=nbd+unix://?socket=$T/sock"
    echo "$output"
    [[ $output == *"contents of 'nbd+unix://?socket=$T/sock' are undefined"* ]]
    # Neither the other disk nor the configuration got a name.
    [ -z "$(ls -A "$T/r")" ]
}

@test "a damaged set: status 3, and the target is lost once it was begun" {
    lab_run cp -r "$SET" "$T/s"
    old_file "$T/disk" 8M
    cp "$T/disk" "$T/old"
    printf x | dd of="$T/s/vda.full.data" bs=1 seek=5000000 conv=notrunc \
        status=none
    run -3 restore -i "$T/s" -o "$T/r" -d vda --target "vda=$T/disk"
    echo "$output"
    [[ $output == *"vda.full.data' is damaged at"* ]]
    [[ $output == *"contents of '$T/disk' are undefined now"* ]]
    # Damage that is seen before the first write costs nothing.
    cp "$T/old" "$T/disk"
    printf x | dd of="$T/s/vda.full.index" bs=1 seek=500 conv=notrunc \
        status=none
    run -3 restore -i "$T/s" -o "$T/r" -d vda --target "vda=$T/disk"
    [[ $output != *undefined* ]]
    kept "$T/disk"
}

# covers: B1:R
@test "killed: the guardian says which contents are lost" {
    command -v nbdkit >/dev/null || skip "nbdkit is not installed"
    old_file "$T/disk" 8M
    server nbdkit -f -U "$T/sock" --filter=log --filter=delay file "$T/disk" \
        wdelay=60 logfile="$T/log"
    lab_spawn virtnbdrestore -L "$LAB/restore.log" -i "$SET" -o "$T/r" -d vda \
        --target "vda=nbd+unix://?socket=$T/sock" 2>"$T/err"
    while ! grep -qE 'Write|Zero' "$T/log" 2>/dev/null; do
        kill -0 "$LAB_PID"
        sleep 0.01
    done
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    for ((n = 0; n < 1000; n++)); do
        grep -q "contents of 'nbd.*' are undefined" "$T/err" && break
        sleep 0.01
    done
    [ $n -lt 1000 ]
    while [ -n "$(ls -A "$T/r")" ]; do sleep 0.01; done
}

@test "raw images: the name says so, every byte is there" {
    restore -i "$SET" -o "$T/r" --format raw
    cmp "$T/r/a.raw" "$LAB/set/a.raw"
    cmp "$T/r/b.raw" "$LAB/set/b.raw"
    [ "$(($(stat -c '%b * %B' "$T/r/b.raw")))" -lt 400000 ]
}

@test "compressed images: smaller, made like the original" {
    restore -i "$SET" -o "$T/r" --compress
    same "$T/r/a.qcow2" "$LAB/set/a.raw"
    same "$T/r/b.qcow2" "$LAB/set/b.raw"
    [ "$(stat -c %s "$T/r/a.qcow2")" -lt 1000000 ]
    qemu-img info --output json "$T/r/a.qcow2" | jq -e '
        .["cluster-size"] == 16384 and
        .["format-specific"].data["lazy-refcounts"]'
    [ -z "$(find "$T/r" -name '.*' -not -name .)" ]
    run -64 restore -i "$SET" -o "$T/r2" --compress --format raw
    run -64 restore -i "$SET" -o "$T/r2" --compress -A
}

@test "preallocated images have their room" {
    restore -i "$SET" -o "$T/r" -A
    same "$T/r/a.qcow2" "$LAB/set/a.raw"
    [ "$(($(stat -c '%b * %B' "$T/r/a.qcow2")))" -ge 8388608 ]
    restore -i "$SET" -o "$T/r2" --preallocate --format raw
    cmp "$T/r2/b.raw" "$LAB/set/b.raw"
    [ "$(($(stat -c '%b * %B' "$T/r2/b.raw")))" -ge 1049088 ]
}

@test "the socket where it is wanted, and gone afterwards" {
    # Leaks cannot be looked for under ptrace.
    lab_run env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=bind \
        -o "$T/trace" virtnbdrestore -L "$LAB/restore.log" -i "$SET" -o "$T/r" -f "$T/my.sock"
    grep -q "\"$T/my.sock\"" "$T/trace"
    [ ! -e "$T/my.sock" ]
    lab_run touch "$T/my.sock"
    run -1 restore -i "$SET" -o "$T/r2" -f "$T/my.sock"
    [[ $output == *"'$T/my.sock' is already there"* ]]
    [ -e "$T/my.sock" ]
}

@test "an image whose data was in another file becomes one file" {
    lab_run qemu-img create -q -f qcow2 -o \
        "data_file=$LAB_DISKS/d.raw,data_file_raw=on" "$LAB_DISKS/d.qcow2" 4M
    lab_run qemu-io -c 'write -P 0x77 1M 1M' "$LAB_DISKS/d.qcow2" >/dev/null
    cp "$LAB_DISKS/d.raw" "$T/d.raw"
    lab_domain vm1 vda=d.qcow2
    backup -d vm1 -o "$T/b"
    lab_virsh destroy vm1
    jq -e '.["format-specific"].data["data-file"]' "$T"/b/vda.copy.qcow.json
    rm "$LAB_DISKS/d.qcow2"
    for options in "" "-c"; do
        # shellcheck disable=SC2086
        restore -i "$T/b" -o "$T/r" $options
        cmp "$LAB_DISKS/d.raw" "$T/d.raw"
        same "$T/r/d.qcow2" "$T/d.raw"
        qemu-img info --output json "$T/r/d.qcow2" |
            jq -e '.["format-specific"].data | has("data-file") | not'
        rm -r "$T/r"
    done
}

@test "no libvirt, no root, no home: it restores all the same" {
    run -0 lab_run env HOME=/nonexistent LIBVIRT_DEFAULT_URI=qemu+unix:///x \
        XDG_RUNTIME_DIR=/nonexistent PATH="$LAB/bin:/usr/bin" \
        virtnbdrestore -L "$T/log" -i "$SET" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/set/a.raw"
    run -1 lab_run env HOME=/nonexistent virtnbdrestore -i "$SET" -o "$T/r2"
    [[ $output == *"-L chooses another"* ]]
}

# covers: A6:R A5:R
@test "a target directory that is read-only: the reason is said" {
    lab_run mkdir "$T/ro"
    chmod 555 "$T/ro"
    run -1 restore -i "$SET" -o "$T/ro"
    echo "$output"
    [[ $output == *"'$T/ro"*"Permission denied"* ]]
    run -1 restore -i "$SET" -o "$T/ro/below"
    [[ $output == *"'$T/ro"*"Permission denied"* ]]
}
