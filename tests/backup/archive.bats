#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# archive.bats - points as zip archives on stdout: a chain of them restores to
# what the disks held, and one that was cut off, or whose run failed, is no point
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
load ../interop/peer-lib
setup_file() { cli_setup_file; }
# W is the working directory of the runs; Z/NAME.zip are archives.
setup() {
    cli_setup
    W=$T/w Z=$T/z
    lab_run mkdir "$W"
    mkdir "$Z"
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    RANDOM=$SEED
}
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# How often a run is killed.
POINTS=${POINTS:-4}

guest() {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 2M
}

# to_stdout OPTION...: a run in the working directory.
to_stdout() {
    lab_run env -C "$W" virtnbdbackup -d vm1 -o - "$@"
}

# archive NAME OPTION...: a run that has to succeed, into Z/NAME.zip.
archive() {
    local name=$1
    shift
    to_stdout "$@" >"$Z/$name.zip" 2>"$T/log" || { cat "$T/log"; return 1; }
    whole "$name" && tidy
}

whole() { unzip -tqq "$Z/$1.zip"; }

# No archive of that name, or one that every reader calls broken.
broken() {
    [ ! -e "$Z/$1.zip" ] || ! unzip -tqq "$Z/$1.zip" >/dev/null 2>&1
}

# Nothing is in the working directory but what the next increment needs.
tidy() {
    local known='backup\.[a-z]+\.[0-9]+\.log|\.virtnbdbackup\.lock|vm1\.cpt'
    local part='virtnbdbackup\.([a-z]+\.)?[0-9]+' left
    known+="|(manifest|vmconfig|vd.)\.($part|diff\.[0-9]+)\.(qcow\.)?(json|xml)"
    known+="|autostart\.$part|checkpoints/$part\.xml"
    left=$(find "$W" -type f -printf '%P\n' | grep -Evx "$known" || true)
    [ -z "$left" ] || { echo "left in the working directory: $left"; return 1; }
}

# Print everything in the working directory that matters, and what libvirt has.
state() {
    find "$W" -type f ! -name 'backup.*.log' ! -name .virtnbdbackup.lock \
        -exec sha256sum {} + | sort -k 2
    find "$LAB_TMP" -mindepth 1
    lab_virsh 'checkpoint-list vm1 --name; domjobinfo vm1'
}

# The run before has left nothing, and the chain as it was: BEFORE is its state.
as_before() {
    tidy && diff <(echo "$BEFORE") <(state)
}

# unpack NAME...: archives into T/u, which is new.
unpack() {
    local name
    rm -rf "$T/u"
    lab_run mkdir "$T/u"
    for name in "$@"; do
        lab_run unzip -oqq -d "$T/u" "$Z/$name.zip" || return 1
    done
}

@test "full, inc, inc -z, diff, inc: each point of the archives is exact" {
    lab_domain vm1 vda=a.qcow2,size=8389120 vdb=b.qcow2,size=3M,cluster_size=4K
    local i=0 what when
    for what in full inc 'inc -z' diff inc; do
        lab_io_many vm1 < <(RANDOM=$((SEED + i))
            random_commands vda 8389120
            random_commands vdb 3145728)
        remember $i vda vdb
        # shellcheck disable=SC2086
        archive $i -l $what
        i=$((i + 1))
    done
    unpack 0 1 2 3 4
    restore -i "$T/u" -o verify
    read -r -a when <<<"$(names "$T/u")"
    [ "${#when[@]}" = 5 ]
    for ((i = 0; i < 5; i++)); do
        restores "$T/u" $i -u "${when[i]}"
    done
    # What went into the archives is what the chain goes on from.
    cmp "$W/vm1.cpt" "$T/u/vm1.cpt"
    [ "$(cat "$W/vm1.cpt")" = \
        '["virtnbdbackup.0", "virtnbdbackup.1", "virtnbdbackup.2", "virtnbdbackup.3"]' ]
    for i in "${when[@]}"; do
        cmp "$W/manifest.$i.json" "$T/u/manifest.$i.json"
    done
    # A set as good as any: it goes on as a directory.
    lab_write vm1 vda 0x77 3M 64K
    remember 9 vda vdb
    backup -d vm1 -l inc -o "$T/u"
    restores "$T/u" 9
}

@test "an archive: stored, private, data first, log and manifest last" {
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=3M
    lab_virsh autostart vm1
    lab_write vm1 vda 0x11 0 2M
    archive 0 -l full
    archive 1 -l inc -z
    /usr/bin/python3 - "$Z/0.zip" "$Z/1.zip" <<'PYTHON'
import json, sys, zipfile
for number, path in enumerate(sys.argv[1:]):
    z = zipfile.ZipFile(path)
    assert z.testzip() is None
    names = z.namelist()
    print(names)
    assert len(set(names)) == len(names)
    for info in z.infolist():
        assert info.compress_type == zipfile.ZIP_STORED, info
        assert info.external_attr >> 16 == 0o100600, info
    point = "virtnbdbackup.%d" % number
    m = json.loads(z.read("manifest.%s.json" % point))
    disks = len(m["disks"])
    assert disks == 2
    assert names[:disks] == [d["file"] for d in m["disks"]]
    assert names[-2].startswith("backup.") and names[-2].endswith(".log")
    assert names[-1] == "manifest.%s.json" % point
    # Everything the manifest lists, as it says, and nothing else.
    wanted = {f["name"]: f["size"] for f in m["files"]}
    wanted.update({d["file"]: d["fileSize"] for d in m["disks"]})
    for name, size in wanted.items():
        assert z.getinfo(name).file_size == size, name
    rest = set(names) - set(wanted) - {d["index"] for d in m["disks"]}
    assert rest == {"vm1.cpt", names[-2], names[-1]}, rest
    for name in ("autostart." + point, "vmconfig.%s.xml" % point,
                 "checkpoints/%s.xml" % point, "vda.%s.qcow.json" % point,
                 m["disks"][0]["file"] + ".chksum"):
        assert name in wanted, name
PYTHON
    # Files that are unpacked are as private as those of a directory.
    unpack 0 1
    [ -z "$(find "$T/u" -type f ! -perm 600)" ]
    [ -z "$(find "$W" -type f ! -perm 600)" ]
}

@test "auto: a full, then increments; a copy in between leaves its log" {
    guest
    remember 0
    archive 0 -l auto
    BEFORE=$(state)
    lab_write vm1 vda 0x21 1M 64K
    remember 1
    archive c -l copy
    as_before
    archive 1 -l auto
    [ "$(names "$W")" = "virtnbdbackup.0 virtnbdbackup.1" ]
    [ "$(level "$W" virtnbdbackup.1)" = inc ]
    [ "$(jq -r .levelAsked "$W/manifest.virtnbdbackup.1.json")" = auto ]
    unpack 0 1
    restores "$T/u" 0 -u 0
    restores "$T/u" 1
    unpack c
    restores "$T/u" 1
    restore -i "$T/u" -o verify
    # In another directory it leaves nothing else either.
    rm -r "$W"
    lab_run mkdir "$W"
    echo "not a list" >"$W/vm1.cpt"
    archive c -l copy -z
    [ "$(find "$W" -mindepth 1 -printf '%f\n' | grep -v '\.log$' | sort)" = \
        $'.virtnbdbackup.lock\nvm1.cpt' ]
    unpack c
    restores "$T/u" 1
}

@test "powered off: a full becomes a copy, an increment a differential" {
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 64K
    remember 1
    archive lost -l inc
    lab_virsh destroy vm1
    # Libvirt keeps the checkpoint of a lost point while the guest is off.
    archive d -l inc --since virtnbdbackup.0
    archive c -l copy
    [[ $(names "$W") == "virtnbdbackup.0 diff."* ]]
    lab_virsh start vm1
    lab_write vm1 vda 0x31 2M 64K
    remember 2
    archive 1 -l inc
    [ "$(lab_virsh checkpoint-list vm1 --name | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2" ]
    unpack 0 d 1
    restores "$T/u" 1 -u "$(names "$T/u" | cut -d' ' -f2)"
    restores "$T/u" 2
    restore -i "$T/u" -o verify
    unpack c
    restores "$T/u" 1
    # Without a chain there is nothing but copies.
    lab_virsh destroy vm1
    rm -r "$W"
    lab_run mkdir "$W"
    archive c -l auto
    [[ $(cat "$T/log") == *"becomes a copy"* ]]
    [ -z "$(find "$W" -mindepth 1 ! -name '*.log' ! -name '.*')" ]
    unpack c
    restores "$T/u" 2
}

@test "a full begins a new chain; the archives of the old one still restore" {
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 64K
    remember 1
    archive 1 -l inc
    lab_write vm1 vda 0x31 2M 64K
    remember 2
    archive n0 -l full
    [ "$(names "$W")" = virtnbdbackup.0 ]
    [ "$(cat "$W/vm1.cpt")" = '["virtnbdbackup.0"]' ]
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    [ "$(ls "$W/checkpoints")" = virtnbdbackup.0.xml ]
    lab_write vm1 vda 0x41 3M 64K
    remember 3
    archive n1 -l inc
    unpack 0 1
    restores "$T/u" 1
    unpack n0 n1
    restores "$T/u" 2 -u 0
    restores "$T/u" 3
    restore -i "$T/u" -o verify
    # Archives of two chains are no set.
    unpack 0 1 n1
    run -3 restore -i "$T/u" -o verify
}

@test "a chain with a name; another chain's full is refused" {
    guest
    archive 0 -l full --chain week
    lab_write vm1 vda 0x21 1M 64K
    archive 1 -l inc
    [ "$(names "$W")" = "virtnbdbackup.week.0 virtnbdbackup.week.1" ]
    lab_write vm1 vda 0x31 2M 64K
    remember 2
    BEFORE=$(state)
    local how
    for how in '-l full' '-l full --chain day' '-l inc --chain day'; do
        # shellcheck disable=SC2086
        run -1 --separate-stderr to_stdout $how
        [ -z "$output" ]
        [[ $stderr == *"'$W' belongs to"*week* ]]
        as_before
    done
    archive 2 -l inc --chain week --since virtnbdbackup.week.0
    unpack 0 2
    restores "$T/u" 2
    archive n0 -l full --chain week
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.week.0 ]
    unpack n0
    restores "$T/u" 2
}

@test "directories that are for something else" {
    guest
    backup -d vm1 -l full -o "$W"
    local what
    BEFORE=$(state)
    for what in full inc copy auto; do
        run -1 --separate-stderr to_stdout -l $what
        [ -z "$output" ]
        [[ $stderr == *"is here, so this is a backup directory"* ]]
    done
    diff <(echo "$BEFORE") <(state)
    rm -r "$W"
    lab_run mkdir "$W"
    archive 0 -l full
    BEFORE=$(state)
    run -3 backup -d vm1 -l inc -o "$W"
    [[ $output == *"unzip all archives"* ]]
    run -3 restore -i "$W" -o "$T/r"
    [[ $output == *"unzip all archives"* ]]
    [ ! -e "$T/r" ]
    as_before
    # Another domain, whatever it says.
    archive 1 -l inc
    lab_domain vm2 vda=c.qcow2,size=1M
    BEFORE=$(state)
    for what in full copy inc 'inc --since virtnbdbackup.0'; do
        # shellcheck disable=SC2086
        run -1 --separate-stderr lab_run env -C "$W" virtnbdbackup -d vm2 \
            -o - -l $what
        [ -z "$output" ]
        [[ $stderr == *"'$W' holds backups of another domain ('vm1'"* ]]
        as_before
    done
}

# from_shell LEVEL REDIRECTION: a run as a shell begins it.
from_shell() {
    lab_run env -C "$W" bash -c "virtnbdbackup -d vm1 -o - -l $1 $2
        exit \${PIPESTATUS[0]}"
}

# covers: A10:FI
@test "a stdout that cannot take an archive, and no such point" {
    local diff
    guest
    archive 0 -l full
    archive d -l diff
    archive 1 -l inc
    BEFORE=$(state)
    run -64 from_shell inc '>&-'
    [[ $output == *"stdout is not open for writing"* ]]
    as_before
    run -64 from_shell inc '>/dev/full </dev/null 1<&0'
    [[ $output == *"stdout is not open for writing"* ]]
    run -64 lab_run env -C "$W" script -qec \
        "virtnbdbackup -d vm1 -l full -o -" /dev/null
    [[ $output == *"stdout is a terminal"* ]]
    as_before
    # Messages would get between the data.
    run -64 from_shell inc '2>&1 | cat'
    [[ $output == *"stdout and stderr go to the same place"* ]]
    run -64 from_shell inc ">'$T/both' 2>&1"
    grep -q "stdout and stderr go to the same place" "$T/both"
    as_before
    from_shell copy "--quiet 2>&1 | cat" >"$Z/c.zip"
    whole c
    as_before
    run -64 to_stdout -l copy -r
    run -64 to_stdout -l copy -t raw
    run -64 backup -d vm1 -l inc -o "$T/b" --since virtnbdbackup.0
    run -64 --separate-stderr to_stdout -l full --since virtnbdbackup.0
    # No point to go back to.
    diff=$(names "$W" | cut -d' ' -f2)
    local list="it can be one of: 'virtnbdbackup.1', 'virtnbdbackup.0'"
    run -1 --separate-stderr to_stdout -l inc --since virtnbdbackup.7
    [ -z "$output" ]
    [[ $stderr == *"no point 'virtnbdbackup.7'; $list"* ]]
    run -1 --separate-stderr to_stdout -l inc --since "$diff"
    [[ $stderr == *"'$diff' has no checkpoint"*"$list"* ]]
    as_before
}

# Everything that failed in between is in the next increment.
next_is_exact() {
    lab_write_zeroes vm1 vda 4M 64K
    remember next
    archive next -l inc
    [ "$(level "$W" virtnbdbackup.1)" = inc ]
    unpack 0 next
    restores "$T/u" next
    restore -i "$T/u" -o verify
}

# covers: A10:FI
@test "a reader that goes after any number of bytes" {
    local size bytes status
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 300K
    size=$(to_stdout -l diff -p 2>/dev/null | tail -n 1 | grep -o '[0-9]*')
    BEFORE=$(state)
    # The archive is a little larger than the data.
    for bytes in 0 $((RANDOM % 500)) $((RANDOM * 8 % size)) \
        $((size + RANDOM % 4000)); do
        echo "$bytes bytes"
        to_stdout -l inc 2>"$T/log" | head -c $bytes >"$Z/cut.zip"
        status=${PIPESTATUS[0]}
        cat "$T/log"
        [ "$status" = 1 ]
        grep -q 'ERROR.*the reader of the archive has gone' "$T/log"
        broken cut
        as_before
    done
    next_is_exact
}

# covers: A10:FI
@test "no room for the archive, or for its point" {
    local how
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 300K
    BEFORE=$(state)
    run -1 lab_run bash -c \
        "cd '$W' && exec virtnbdbackup -d vm1 -l inc -o - >/dev/full"
    [[ $output == *"cannot write the archive"*"No space left"* ]]
    as_before
    run -1 lab_run bash -c "cd '$W' && ulimit -f 100 &&
        exec virtnbdbackup -d vm1 -l inc -o - >'$T/limit.zip'"
    [[ $output == *"cannot write the archive"*"ulimit -f"* ]]
    [ "$(stat -c %s "$T/limit.zip")" = 102400 ]
    as_before
    # The last writes are those of the archive's directory.
    for how in write:error=ENOSPC:when=$((RANDOM % 20 + 1))+ \
        write:error=EIO:when=$((RANDOM % 20 + 1)) \
        write:error=EDQUOT:when=2 fsync,fdatasync:error=EIO; do
        echo "$how"
        run -1 in_work faulty -P "$Z/cut.zip" -e "inject=$how" \
            virtnbdbackup -d vm1 -l inc -o -
        echo "$output"
        [[ $output == *ERROR*"cannot write the archive"* ]]
        as_before
    done
    # The archive is whole, but the chain cannot go on from it.
    run -1 in_work faulty -P manifest.virtnbdbackup.1.json \
        -e inject=renameat2,renameat,linkat:error=ENOSPC \
        virtnbdbackup -d vm1 -l inc -o -
    [[ $output == *"commit the backup"*"No space left"* ]]
    whole cut
    as_before
    next_is_exact
    # Unpacked too, it is replaced by the next one.
    unpack 0 cut next
    restores "$T/u" next
    restore -i "$T/u" -o verify
}

# in_work COMMAND...: in the working directory, stdout into Z/cut.zip.
in_work() {
    (cd "$W" && "$@" >"$Z/cut.zip")
}

# spawn_piped OPTION...: a run into a pipe that descriptor 8 reads.
spawn_piped() {
    rm -f "$T/pipe"
    mkfifo "$T/pipe"
    # Both ends, as each alone would wait for the other.
    exec 9<>"$T/pipe"
    lab_spawn env -C "$W" virtnbdbackup -d vm1 -o - "$@" >"$T/pipe" \
        2>"$T/log" 9>&-
    exec 8<"$T/pipe" 9>&-
}

# ended STATUS: the run of spawn_piped ends so, within seconds.
ended() {
    local status=0 begin=$SECONDS
    wait "$LAB_PID" || status=$?
    cat "$T/log"
    echo "status $status"
    [ $status = "$1" ] && [ $((SECONDS - begin)) -lt 10 ]
}

# Until the run waits for its reader to take the rest.
wait_for_settling() {
    until grep -qs 'archive is complete but for' "$W"/backup.inc.*.log; do
        kill -0 "$LAB_PID"
    done
}

@test "the reader sleeps: SIGTERM ends the run at once, and there is no point" {
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 300K
    BEFORE=$(state)
    # More than a pipe takes.
    spawn_piped -l inc
    head -c 1 <&8 >/dev/null
    kill -TERM "$LAB_PID"
    ended 143
    exec 8<&-
    as_before
    # All is in the pipe, but nobody has read it.
    archive 0 -l full
    BEFORE=$(state)
    rm "$W"/backup.inc.*.log
    spawn_piped -l inc
    wait_for_settling
    kill -TERM "$LAB_PID"
    ended 143
    exec 8<&-
    as_before
    rm "$W"/backup.inc.*.log
    spawn_piped -l inc
    wait_for_settling
    [ ! -e "$W/manifest.virtnbdbackup.1.json" ]
    exec 8<&-
    ended 1
    grep -q 'reader of the archive has gone' "$T/log"
    as_before
    next_is_exact
}

@test "a slow reader, and a guest that writes meanwhile" {
    guest
    lab_io_many vm1 < <(RANDOM=$SEED && random_commands vda 8388608)
    remember 0
    spawn_piped -l full
    head -c 10 <&8 >"$Z/0.zip"
    lab_io_many vm1 < <(RANDOM=$((SEED + 1)) && random_commands vda 8388608)
    /usr/bin/python3 - 8 >>"$Z/0.zip" <<'PYTHON'
import os, sys, time
while True:
    data = os.read(8, 50000)
    if not data:
        break
    time.sleep(0.002)
    os.write(1, data)
PYTHON
    exec 8<&-
    ended 0
    whole 0
    remember 1
    archive 1 -l inc
    unpack 0 1
    restores "$T/u" 0 -u 0
    restores "$T/u" 1
    restore -i "$T/u" -o verify
}

@test "SIGKILL wherever it hits: the archive is a point or nothing is" {
    local n=0 hits=0 i how status
    local -a good=(0) places=(
        "-P $Z/cut.zip -e inject=write:signal=KILL:when=$((RANDOM % 20 + 1))"
        "-P $Z/cut.zip -e inject=fsync,fdatasync:signal=KILL"
        "-P MANIFEST -e inject=renameat2,renameat,linkat:signal=KILL"
        "-P vm1.cpt -e inject=renameat2,renameat,rename:signal=KILL"
        "-e inject=unlinkat,unlink:signal=KILL:when=$((RANDOM % 5 + 1))"
        "-e inject=fsync,fdatasync:signal=KILL:when=$((RANDOM % 10 + 1))"
    )
    guest
    archive 0 -l full
    for ((i = 0; i < POINTS; i++)); do
        how=${places[RANDOM % ${#places[@]}]}
        how=${how/MANIFEST/manifest.virtnbdbackup.$((n + 1)).json}
        echo "$how"
        lab_write vm1 vda $((RANDOM % 255 + 1)) $((RANDOM % 8))M 64K
        BEFORE=$(state)
        status=0
        # shellcheck disable=SC2086
        in_work faulty $how virtnbdbackup -d vm1 -l inc -o - 2>"$T/log" ||
            status=$?
        cat "$T/log"
        [ $status = 137 ] || [ $status = 0 ]
        [ $status = 0 ] || hits=$((hits + 1))
        lab_leftovers
        if [ -e "$W/manifest.virtnbdbackup.$((n + 1)).json" ]; then
            n=$((n + 1))
            mv "$Z/cut.zip" "$Z/$n.zip"
            whole $n
            good+=("$n")
            tidy
        else
            as_before
        fi
    done
    [ $hits -ge $((POINTS / 2)) ]
    lab_write_zeroes vm1 vda 1M 64K
    remember last
    archive last -l inc
    unpack "${good[@]}" last
    restores "$T/u" last
    restore -i "$T/u" -o verify
}

@test "a full that fails: the next run is a full" {
    guest
    archive 0 -l full
    archive 1 -l inc
    remember 0
    to_stdout -l full 2>"$T/log" | head -c $((RANDOM * 40)) >"$Z/cut.zip"
    [ "${PIPESTATUS[0]}" = 1 ]
    broken cut
    lab_leftovers
    tidy
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    [ -z "$(find "$W" -name '*.json' -o -name '*.xml')" ]
    archive n0 -l auto
    [ "$(level "$W" virtnbdbackup.0)" = full ]
    unpack n0
    restores "$T/u" 0
}

@test "--since: the newest archives are lost, the next increment makes up for it" {
    local lost
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 64K
    remember 1
    archive 1 -l inc
    lab_write vm1 vda 0x31 2M 64K
    archive 2 -l inc
    lab_write_zeroes vm1 vda 1M 32K
    archive d -l diff
    lab_write vm1 vda 0x41 3M 64K
    archive 3 -l inc
    remember n2
    # A command that is mistyped elsewhere forgets nothing.
    BEFORE=$(state)
    run -1 --separate-stderr to_stdout -l inc --since virtnbdbackup.1 -x vdz
    [[ $stderr == *"no such disk"* ]]
    as_before
    archive n2 -l inc --since virtnbdbackup.1
    for lost in 3 diff 2; do
        grep -q "point '[a-z]*backup.$lost\|$lost.*was lost" "$T/log"
    done
    [ "$(names "$W")" = "virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2" ]
    [ "$(lab_virsh checkpoint-list vm1 --name | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2" ]
    unpack 0 1 n2
    restores "$T/u" 1 -u 1
    restores "$T/u" n2
    restore -i "$T/u" -o verify
    # Found again, and unpacked in the order they were made: no harm.
    unpack 0 1 2 n2
    restores "$T/u" n2
    # Nothing is lost behind the newest one.
    lab_write vm1 vda 0x51 4M 64K
    remember 3
    archive 3 -l inc --since virtnbdbackup.2
    [ "$(jq '.disks[0].dataSize' "$W/manifest.virtnbdbackup.3.json")" = 65536 ]
    unpack 0 1 n2 3
    restores "$T/u" n2 -u 2
    restores "$T/u" 3
    # A differential too.
    lab_write vm1 vda 0x61 5M 64K
    remember 4
    archive d -l diff --since virtnbdbackup.0
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    unpack 0 d
    restores "$T/u" 4
}

@test "printonly, startonly and killonly write no archive" {
    guest
    archive 0 -l full
    lab_write vm1 vda 0x21 1M 64K
    remember 1
    BEFORE=$(state)
    run -0 --separate-stderr to_stdout -l full -p
    [[ ${lines[0]} == "vda: 2097152 bytes to save in "* ]]
    [ "${lines[1]}" = "total: 2097152" ]
    [ "${#lines[@]}" = 2 ]
    as_before
    run -0 --separate-stderr to_stdout -l inc -s
    [[ $output == nbd+unix:///vda?socket=*qemu:dirty-bitmap:* ]]
    [ "${#lines[@]}" = 1 ]
    run -0 --separate-stderr to_stdout -k
    [ -z "$output" ]
    as_before
    run -1 --separate-stderr to_stdout -k
    [ -z "$output" ]
    archive 1 -l inc
    unpack 0 1
    restores "$T/u" 1
}

@test "the Python suite restores what was unpacked" {
    [ -x "$PEER_RESTORE" ] || skip "the Python suite is not installed"
    local point
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=3M
    for point in 0 1 2; do
        lab_io_many vm1 < <(RANDOM=$((SEED + point))
            random_commands vda 8388608
            random_commands vdb 3145728)
        # It goes by the files' times, which archives keep in full seconds.
        until [ "$point" = 0 ] || [ "$(date +%s)" -gt \
            "$(stat -c %Y "$Z/$((point - 1)).zip")" ]; do :; done
        archive $point -l auto
    done
    lab_snapshot_truth vm1 vda "$T/vda"
    lab_snapshot_truth vm1 vdb "$T/vdb"
    unpack 0 1 2
    lab_run mkdir "$T/p"
    peer_restore -i "$T/u" -o "$T/p"
    rm -rf "${LAB_TMP:?}"/*
    same "$T/p/a.qcow2" "$T/vda"
    same "$T/p/b.qcow2" "$T/vdb"
}
