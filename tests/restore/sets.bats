#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sets.bats - directories that the Python suite wrote, or that somebody tampered
# with; neither libvirt nor a guest is needed
bats_require_minimum_version 1.5.0

setup() {
    command -v qemu-img >/dev/null || skip "qemu-img is not installed"
    T=$(mktemp -d /tmp/sets.XXXXXX)
    SET=$T/s
    GOLDEN=$BATS_TEST_DIRNAME/../compat
    mkdir "$SET"
}

teardown() {
    rm -rf "${T:?}"
}

restore() {
    "$RESTORE" -L "$T/log" "$@"
}

# put GOLDEN NAME: one of the golden streams as a file of the set.
put() {
    cp "$GOLDEN/$1.data" "$SET/$2.data"
}

# The set of most tests: a full and an increment of 16896 bytes.
put_set() {
    put full sda.full
    put inc sda.inc.virtnbdbackup.1
}

# digest IMAGE: SHA-256 of what the guest would see.
digest() {
    qemu-img convert -O raw "$1" "$T/raw"
    sha256sum <"$T/raw" | cut -d' ' -f1
}

# The truth of a golden full, by compat/golden.
golden() {
    awk -v n="$1" '$1 == n { print $7 }' "$GOLDEN/golden"
}

# refused STATUS TEXT [OPTION...]: restore fails so and leaves nothing.
refused() {
    local status=$1 text=$2
    shift 2
    run "-$status" restore -i "$SET" -o "$T/r" "$@"
    echo "$output"
    [[ $output == *"$text"* ]] || return 1
    [ ! -e "$T/r" ] || [ -z "$(ls -A "$T/r")" ]
}

@test "a raw disk beside a full one: both are restored, as what they are" {
    put full sda.full
    head -c 100000 /dev/urandom >"$SET/sdb.copy.data"
    restore -i "$SET" -o "$T/r"
    [ "$(digest "$T/r/sda.qcow2")" = "$(golden full)" ]
    cmp "$T/r/sdb.raw" "$SET/sdb.copy.data"
    # Of a raw disk there are no increments.
    put inc sda.inc.virtnbdbackup.1
    run -0 restore -i "$SET" -o "$T/r2"
    [[ $output == *"sdb"*"its state at point 'virtnbdbackup.0'"* ]]
    cmp "$T/r2/sdb.raw" "$SET/sdb.copy.data"
    restore -i "$SET" -o "$T/r3" --format qcow2
    qemu-img convert -O raw "$T/r3/sdb.qcow2" "$T/raw"
    cmp -n 100000 "$T/raw" "$SET/sdb.copy.data"
    restore -i "$SET" -o verify
}

# covers: F26:RV
@test "plain images of all disks, and an increment upon one" {
    head -c 16896 /dev/urandom >"$SET/sda.full.data"
    head -c 100000 /dev/urandom >"$SET/sdb.copy.data"
    restore -i "$SET" -o "$T/r"
    cmp "$T/r/sda.raw" "$SET/sda.full.data"
    cmp "$T/r/sdb.raw" "$SET/sdb.copy.data"
    put inc sda.inc.virtnbdbackup.1
    restore -i "$SET" -o "$T/r2"
    qemu-img convert -O raw "$T/r2/sda.qcow2" "$T/raw"
    [ "$(stat -c %s "$T/raw")" = 16896 ]
    run -1 cmp -s "$T/raw" "$SET/sda.full.data"
}

@test "an image of an odd size keeps it; -r changes nothing" {
    head -c 1001 /dev/urandom >"$SET/sda.copy.data"
    restore -i "$SET" -o "$T/r" -r
    cmp "$T/r/sda.raw" "$SET/sda.copy.data"
    truncate -s 8T "$SET/sda.copy.data"
    restore -i "$SET" -o "$T/r2" -r
    [ "$(stat -c %s "$T/r2/sda.raw")" = $((1 << 43)) ]
}

@test "--sequence takes exactly these files" {
    put_set
    restore -i "$SET" -o "$T/r0"
    # Whatever else the directory says.
    echo '["virtnbdbackup.0", "virtnbdbackup.9"]' >"$SET/vm1.cpt"
    touch "$SET/what is this.data" "$SET/manifest.virtnbdbackup.1.json"
    restore -i "$SET" -o "$T/r1" \
        --sequence sda.full.data,sda.inc.virtnbdbackup.1.data
    [ "$(ls "$T/r1")" = sda ]
    [ "$(digest "$T/r1/sda")" = "$(digest "$T/r0/sda.qcow2")" ]
    restore -i "$SET" -o "$T/r2" -s sda.full.data
    [ "$(digest "$T/r2/sda")" = "$(golden full)" ]
    refused 1 "the first file" -s sda.inc.virtnbdbackup.1.data
    refused 1 "No such file" -s sda.full.data,sda.inc.virtnbdbackup.2.data
    refused 1 "not the name" -s ../s/sda.full.data
    refused 64 "-u and -d" -s sda.full.data -u 1
    # Under any name, where the directory makes no sense otherwise.
    mv "$SET/sda.inc.virtnbdbackup.1.data" "$SET/lost-17.data"
    refused 3 "lost-17.data"
    restore -i "$SET" -o "$T/r3" -s sda.full.data,lost-17.data
    [ "$(digest "$T/r3/sda")" = "$(digest "$T/r0/sda.qcow2")" ]
    put v0.1-inc other
    sed -i 's/"diskName": "sda"/"diskName": "sdb"/' "$SET/other.data"
    refused 1 "of disk 'sdb'" -s sda.full.data,other.data
}

@test "--sequence says what does not follow, and takes it all the same" {
    put_set
    sed 's/"parentCheckpoint": "virtnbdbackup.0"/"parentCheckpoint": "virtnbdbackup.7"/' \
        "$SET/sda.inc.virtnbdbackup.1.data" >"$SET/sda.inc.x.data"
    run -0 restore -i "$SET" -o "$T/r" -s sda.full.data,sda.inc.x.data
    [[ $output == *"go upon the checkpoint 'virtnbdbackup.7'"* ]]
}

# covers: F15:R F18:R
@test "disk names that are paths, options or terminal codes" {
    local name
    put_set
    cp "$SET/sda.full.data" "$T/good"
    for name in '../' '/ab' '-ab' '.ab' 'a b' 'a\\' 'a,b' 'a/b' '\\u0' 'a=b'; do
        LC_ALL=C sed "s|\"diskName\": \"sda\"|\"diskName\": \"$name\"|" \
            "$T/good" >"$SET/sda.full.data"
        cmp -s "$T/good" "$SET/sda.full.data" && return 1
        echo "name $name"
        refused 3 "sda.full.data" -s sda.full.data
        refused 3 "sda.full.data"
        run -3 restore -i "$SET" -o verify
    done
    [ -z "$(find "$T" -name 'ab*')" ]
}

# covers: F22:RV
@test "links, pipes, directories and devices in the set are not opened" {
    local what
    put_set
    mv "$SET/sda.full.data" "$T/good"
    for what in "ln -s $T/good" mkfifo mkdir "ln -s /dev/zero"; do
        $what "$SET/sda.full.data"
        refused 3 "'sda.full.data' is not a regular file"
        run -3 timeout 20 "$RESTORE" -L "$T/log" -i "$SET" -o verify
        rm -r "$SET/sda.full.data"
    done
}

# covers: F21:R
@test "a directory name with special characters" {
    put_set
    mv "$SET" "$T/[s]*? 'x'"
    SET="$T/[s]*? 'x'"
    restore -i "$SET" -o "$T/[r]*"
    [ -e "$T/[r]*/sda.qcow2" ]
    restore -i "$SET" -o verify
}

# covers: F17:R F18:R
@test "image information that is hostile is not believed" {
    local text
    put full sda.full
    for text in '{"format": "qcow2", "virtual-size": 1, "cluster-size": 3}' \
        '{"format": "qcow2", "virtual-size": 16896, "format-specific": {"type":
        "qcow2", "data": {"compat": "1.1,backing_file=/etc/passwd"}}}' \
        "$(printf '[%.0s' {1..100000})" '{"a": 1, "a": 1}' '{' ''; do
        echo "$text" >"$SET/sda.virtnbdbackup.0.qcow.json"
        run -0 restore -i "$SET" -o "$T/r"
        [[ $output == *"default options"* ]]
        qemu-img info "$T/r/sda.qcow2" | grep -q backing && return 1
        [ "$(digest "$T/r/sda.qcow2")" = "$(golden full)" ]
        rm -r "$T/r"
    done
    # A data file that exists on this host is never touched.
    echo precious >"$T/data"
    cat >"$SET/sda.virtnbdbackup.0.qcow.json" <<END
{"format": "qcow2", "virtual-size": 16896, "cluster-size": 65536,
 "format-specific": {"type": "qcow2", "data": {"compat": "1.1",
 "data-file": "$T/data", "data-file-raw": true}}}
END
    restore -i "$SET" -o "$T/r"
    [ "$(cat "$T/data")" = precious ]
}

# covers: G4:R
@test "a disk that is missing: only where the user says so" {
    put_set
    sed 's/"sda"/"sdb"/' "$SET/sda.full.data" >"$SET/sdb.full.data"
    refused 3 "disk 'sdb'"
    restore -i "$SET" -o "$T/r1" --allow-missing
    [ "$(digest "$T/r1/sdb.qcow2")" = "$(golden full)" ]
    restore -i "$SET" -o "$T/r2" -d sda
    rm "$SET/sdb.full.data"
    cat >"$SET/vmconfig.virtnbdbackup.1.xml" <<'END'
<domain><name>x</name><devices>
<disk type='file' device='disk'><driver type='qcow2'/>
<source file='/a/a.qcow2'/><target dev='sda'/></disk>
<disk type='file' device='disk'><driver type='qcow2'/>
<source file='/a/b.qcow2'/><target dev='sdb'/></disk>
<disk type='file' device='cdrom'><target dev='sdc'/></disk>
</devices></domain>
END
    refused 3 "disk 'sdb'"
    run -0 restore -i "$SET" -o "$T/r3" --allow-missing
    [ "$(ls "$T/r3")" = "$(printf 'a.qcow2\nvmconfig.xml')" ]
}

@test "verify tells traces of faults that the suite is known for" {
    local n
    put_set
    touch -d 2020-01-01 "$SET/sda.inc.virtnbdbackup.1.data"
    run -0 restore -i "$SET" -o verify
    [[ $output == *"is the older one by the times"* ]]
    echo '["virtnbdbackup.0", "virtnbdbackup.1", "virtnbdbackup.2"]' \
        >"$SET/vm1.cpt"
    touch "$SET/sda.inc.virtnbdbackup.2.data.partial"
    run -3 restore -i "$SET" -o verify
    echo "$output"
    [[ $output == *"'virtnbdbackup.2', of which there is no data"* ]]
    [[ $output == *".partial' is left of a run that failed"* ]]
    run -3 restore -i "$SET" -o list
    refused 3 "'virtnbdbackup.2', of which there is no data"
    restore -i "$SET" -o "$T/r1" -u 1
    restore -i "$SET" -o verify -u 1
    rm "$SET"/*
    put v1.9-full-lz4 sda.full
    put inc-fallback-full sda.inc.virtnbdbackup.1
    run -0 restore -i "$SET" -o verify
    [[ $output == *"whole disk in the middle of the chain"* ]]
    put inc-offline sda.inc.virtnbdbackup.1
    sed -i 's/"virtnbdbackup.1"/"virtnbdbackup.0"/' \
        "$SET/sda.inc.virtnbdbackup.1.data"
    mv "$SET/sda.inc.virtnbdbackup.1.data" "$SET/sda.inc.virtnbdbackup.0.data"
    run -0 restore -i "$SET" -o verify
    [[ $output == *"made while the domain was off"* ]]
}

@test "a file that may not be read is one failure for all, status 1" {
    [ "$(id -u)" = 0 ] || skip "needs another user"
    put_set
    local user=(setpriv --reuid=nobody --regid=nogroup --clear-groups --)
    local file action
    install -m 755 "$RESTORE" "$T/virtnbdrestore"
    chmod 755 "$T"
    mkdir -m 777 "$T/home" "$T/r"
    for file in sda.full.data sda.inc.virtnbdbackup.1.data; do
        chmod 600 "$SET/$file"
        for action in list verify dump "$T/r"; do
            run -1 "${user[@]}" env HOME="$T/home" "$T/virtnbdrestore" \
                -i "$SET" -o "$action"
            echo "$output"
            [[ $output == *"'$file'"*"Permission denied"* ]]
        done
        chmod 644 "$SET/$file"
    done
}

@test "list of a set without manifests" {
    put_set
    run -0 restore -i "$SET" -a list
    echo "$output"
    [[ $output == *"virtnbdbackup.1  2024-01-02T03:04:05Z  inc"*yes*sda* ]]
    rm "$SET/sda.full.data"
    put v0.47-diff sdb.full
    run -3 restore -i "$SET" -o list
    echo "$output"
    [[ $output == *NO* ]]
}

# covers: G5:R G1:R
@test "thirty disks, twice at the same time" {
    local n name first
    for ((n = 0; n < 30; n++)); do
        name=$(printf 'd%02d' $n)
        sed "s/\"sda\"/\"$name\"/" "$GOLDEN/full.data" >"$SET/$name.full.data"
    done
    restore -i "$SET" -o "$T/r1" 2>"$T/err1" &
    first=$!
    restore -i "$SET" -o "$T/r2" 2>"$T/err2"
    wait "$first"
    for ((n = 0; n < 30; n++)); do
        name=$(printf 'd%02d' $n)
        [ "$(digest "$T/r1/$name.qcow2")" = "$(golden full)" ]
        [ "$(digest "$T/r2/$name.qcow2")" = "$(golden full)" ]
    done
}

# covers: A3:R E15:R G2:R G6:R
@test "an error at any fsync or rename: no image, or a complete one" {
    command -v strace >/dev/null || skip "strace is not installed"
    local call n status
    put_set
    for call in fsync,fdatasync rename,renameat,renameat2; do
        for ((n = 1; n < 40; n++)); do
            rm -rf "$T/r"
            status=0
            # Leaks cannot be looked for under ptrace; QEMU's tools are left
            # alone.
            ASAN_OPTIONS=detect_leaks=0 strace -f -b execve -qq -o "$T/strace" \
                -e trace="$call" -e inject="$call":error=EIO:when="$n" \
                "$RESTORE" -L "$T/log" -i "$SET" -o "$T/r" 2>"$T/err" ||
                status=$?
            grep -q INJECTED "$T/strace" || break
            echo "$call number $n: status $status"
            if [ $status = 0 ]; then
                # A directory cannot always be synced when it is made.
                [ -e "$T/r/sda.qcow2" ]
            else
                [ $status = 1 ] || { cat "$T/err"; false; }
                [ ! -e "$T/r" ] || [ -z "$(ls -A "$T/r")" ]
                grep -q 'Input/output error' "$T/err"
            fi
        done
        [ $status = 0 ]
        [ $n -gt 1 ]
        [ -e "$T/r/sda.qcow2" ]
    done
    # The image before its name, the directory after it.
    strace -f -qq -y -e trace=fsync,fdatasync,rename,renameat,renameat2 \
        -o "$T/strace" env ASAN_OPTIONS=detect_leaks=0 "$RESTORE" -L "$T/log" \
        -i "$SET" -o "$T/r3" 2>/dev/null
    awk '/f(data)?sync.*sda.qcow2>/ { image = NR }
        /renameat2.*"sda.qcow2"/ { name = NR }
        /fsync.*\/r3>/ { dir = NR }
        END { exit !(image && image < name && name < dir) }' "$T/strace"
}
