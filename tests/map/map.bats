#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# map.bats - what is mapped, read-only and writable, and how it ends
bats_require_minimum_version 1.5.0
load ../lib/cli
load map
setup_file() { map_setup_file; }
setup() { map_setup; }
teardown() { map_teardown; }
teardown_file() { cli_teardown_file; }

@test "all disks of the newest point, each at its URI, and of every other" {
    local n until
    for n in 2 0 1; do
        until=(-u "$n")
        [ $n != 2 ] || until=()
        map_start -n 2 -i "$SET" "${until[@]}"
        [[ ${URIS[0]} == nbd+unix:///vda\?socket=/var/tmp/virtnbdbackup.*/* ]]
        [[ ${URIS[1]} == nbd+unix:///vdb\?socket=/var/tmp/virtnbdbackup.*/* ]]
        shows "${URIS[0]}" "$SET.$n.vda"
        shows "${URIS[1]}" "$SET.$n.vdb"
        map_end 0
    done
}

@test "chosen disks, in the order they are named in" {
    map_start -n 2 -i "$SET" --disk vdb --disk vda
    [[ ${URIS[0]} == */vdb\?* ]] && [[ ${URIS[1]} == */vda\?* ]]
    map_end 0
    map_start -i "$SET" --disk=vdb -u virtnbdbackup.1
    shows "$URI" "$SET.1.vdb"
    run ! nbdinfo "${URI/vdb/vda}"
    map_end 0
    run -1 map -i "$SET" --disk vdc
    [[ $output == *"no disk 'vdc'"* ]]
    run -1 map -i "$SET" --disk vda --disk vda
    [[ $output == *"named twice"* ]]
}

@test "data files by -f: in their order, with all between them" {
    local full=$SET/vda.full.data inc=$SET/vda.inc.virtnbdbackup
    map_start --uri -f "$full"
    [[ $URI == */vda\?* ]]
    shows "$URI" "$SET.0.vda"
    map_end 0
    map_start --uri -f "$full,$inc.1.data"
    shows "$URI" "$SET.1.vda"
    map_end 0
    map_start --uri -f "$full,$inc.1.data" --file="$inc.2.data"
    shows "$URI" "$SET.2.vda"
    map_end 0
    run -1 map --uri -f "$inc.1.data"
    [[ $output == *"has to be a full or a copy"* ]]
    run -1 map --uri -f "$full,$inc.2.data"
    [[ $output == *"does not build upon"* ]]
    run -1 map --uri -f "$full,$inc.2.data,$inc.1.data"
    run -1 map --uri -f "$full,$SET/vdb.inc.virtnbdbackup.1.data"
    run -1 map --uri -f "$SET/not-there.data"
    [[ $output == *"not-there.data"* ]]
    # Copied away from its set, a stream is a disk all the same.
    cp "$full" "$T/some.data"
    chmod a+r "$T/some.data"
    map_start --uri -f "$T/some.data"
    shows "$URI" "$SET.0.vda"
    map_end 0
}

@test "-e names the export; the empty name leads there too" {
    map_start -i "$SET" --disk vda -e 'a b/c%d'
    [[ $URI == nbd+unix:///a%20b%2Fc%25d\?* ]]
    shows "$URI" "$SET.2.vda"
    shows "nbd+unix:///?${URI#*\?}" "$SET.2.vda"
    map_end 0
    run -1 map -i "$SET" -e x
    [[ $output == *"for one only"* ]]
}

# covers: H4:M
@test "nobody else can connect" {
    map_start -n 2 -i "$SET"
    [ "$(stat -c %a "$RUNTIME")" = 700 ]
    [ "$(stat -c %a "$RUNTIME"/nbd0)" = 600 ]
    if [ "$(id -u)" = 0 ]; then
        run ! setpriv --reuid=daemon --regid=daemon --clear-groups \
            nbdinfo "$URI"
        [[ $output == *"ermission denied"* ]]
    fi
    map_end 0
}

@test "it does not write to the backup, which may be read-only" {
    local before after
    before=$(cd "$SET" && find . -type f -exec sha256sum {} + | sort
        find . -printf '%p %T@ %C@\n' | sort)
    map_start -n 2 -i "$SET"
    shows "$URI" "$SET.2.vda"
    map_end 0
    map_start -n 2 -i "$SET" -w
    qemu-io -f raw -c 'write -P 1 0 1M' "$URI"
    map_end 0
    after=$(cd "$SET" && find . -type f -exec sha256sum {} + | sort
        find . -printf '%p %T@ %C@\n' | sort)
    [ "$before" = "$after" ]
    [ "$(id -u)" = 0 ] || skip "only root can mount"
    mkdir "$T/ro"
    mount --bind "$SET" "$T/ro"
    mount -o remount,bind,ro "$T/ro"
    map_start -n 2 -i "$T/ro"
    shows "$URI" "$SET.2.vda"
    map_end 0
    umount "$T/ro"
}

@test "read-only; writable forgets what was written" {
    map_start -n 2 -i "$SET" -r
    run ! qemu-io -f raw -c 'write -P 1 0 64K' "$URI"
    map_end 0
    map_start -n 2 -i "$SET" -w -u 1
    qemu-io -f raw -c 'write -P 1 0 1M' -c 'write -z 1M 512K' "${URIS[0]}"
    qemu-io -f raw -c 'write -P 2 0 1M' "${URIS[1]}"
    qemu-io -f raw -c 'read -P 1 0 1M' -c 'read -P 0 1M 512K' "${URIS[0]}" |
        grep -v -i fail
    cp "$SET.1.vda" "$T/expected"
    qemu-io -f raw -c 'write -P 1 0 1M' -c 'write -z 1M 512K' "$T/expected"
    shows "${URIS[0]}" "$T/expected"
    map_end 0
    map_start -n 2 -i "$SET" -w -u 1
    shows "${URIS[0]}" "$SET.1.vda"
    shows "${URIS[1]}" "$SET.1.vdb"
    map_end 0
}

@test "--keep-changes leaves overlays that fit a restored image" {
    map_start -n 2 -i "$SET" -u 1 --keep-changes "$T/keep"
    qemu-io -f raw -c 'write -P 1 0 1M' -c 'write -z 1M 512K' "${URIS[0]}"
    cp "$SET.1.vda" "$T/expected"
    qemu-io -f raw -c 'write -P 1 0 1M' -c 'write -z 1M 512K' "$T/expected"
    shows "${URIS[0]}" "$T/expected"
    shows "${URIS[1]}" "$SET.1.vdb"
    map_end 0 TERM
    [ "$(stat -c %a "$T/keep" "$T/keep/vda.qcow2")" = $'700\n600' ]
    # Over what was restored, as the manual page says.
    restore -i "$SET" -u 1 -o "$T/r"
    qemu-img rebase -u -F qcow2 -b "$T/r/a.qcow2" "$T/keep/vda.qcow2"
    qemu-img check "$T/keep/vda.qcow2"
    same "$T/keep/vda.qcow2" "$T/expected"
    # Over another map.
    map_start -i "$SET" -u 1 --disk vda
    qemu-img rebase -u -F raw -b "$URI" "$T/keep/vda.qcow2"
    same "$T/keep/vda.qcow2" "$T/expected"
    map_end 0
    # What was kept is not replaced.
    run -1 map -i "$SET" -u 1 --keep-changes "$T/keep"
    [[ $output == *"vda.qcow2' exists already"* ]]
    same_sum=$(sha256sum <"$T/keep/vdb.qcow2")
    [ -n "$same_sum" ]
}

@test "--keep-changes: what was not begun leaves no overlays" {
    run -1 map -i "$SET" --keep-changes "$T/keep" -- /not/there
    [[ $output == *"/not/there"* ]]
    [ -z "$(ls -A "$T/keep")" ]
}

@test "a command gets the URIs, and its status is ours" {
    run -0 --separate-stderr map -i "$SET" --disk vda -- \
        sh -c 'echo "$VIRTNBDMAP_URI|$VIRTNBDMAP_URI_vda|$#|$1"' x 'a  b'
    [[ $output == nbd+unix:///vda\?*\|nbd+unix:///vda\?*\|1\|'a  b' ]]
    run -0 --separate-stderr env VIRTNBDMAP_URI=old bash -c "$(declare -f map)
        $(declare -p MAP_AS LAB_ENV T)
        map \"\$@\"" x -i "$SET" -- \
        sh -c 'echo "${VIRTNBDMAP_URI-none}|$VIRTNBDMAP_URI_vda|$VIRTNBDMAP_URI_vdb"'
    [[ $output == none\|nbd+unix:///vda*\|nbd+unix:///vdb* ]]
    run -7 map -i "$SET" -- sh -c 'nbdcopy "$VIRTNBDMAP_URI_vdb" '"$T/o"'; exit 7'
    cmp "$T/o" "$SET.2.vdb"
    run -0 --separate-stderr map -i "$SET" -- cat <<<"its stdin"
    [ "$output" = "its stdin" ]
    run -137 map -i "$SET" -- sh -c 'kill -KILL $$'
    run -1 map -i "$SET" -- /not/there
    [[ $output == *"run '/not/there'"* ]]
    map_clean
}

# covers: H6:M B3:M B2:M
@test "SIGTERM ends the command, and then us; Ctrl-C is the command's" {
    local status=0
    ( exec "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" virtnbdmap -L "$T/map.log" \
        -i "$SET" -- sh -c 'echo "$$ $PPID"; exec sleep 1000' \
        >"$T/uris" 2>"$T/stderr" 3>&- ) &
    MAP_PID=$!
    MAP_PIDS+=" $MAP_PID"
    until [ -s "$T/uris" ]; do kill -0 $MAP_PID; done
    read -r command parent <"$T/uris"
    [ "$parent" = $MAP_PID ]
    kill -INT $MAP_PID
    kill -0 "$command"
    kill -TERM $MAP_PID
    wait $MAP_PID || status=$?
    [ $status = 143 ]
    run ! kill -0 "$command"
    map_clean
}

# Does nohup keep the hang-up from us?  Then it is not ours to take.
hup_is_ignored() {
    local mask
    mask=$(awk '/SigIgn/ { print $2 }' /proc/self/status)
    [ $((0x$mask & 1)) = 1 ]
}

# covers: B2:M B3:M H6:M B8:M
@test "ended by any signal as intended: status 0, nothing left" {
    local signal
    for signal in INT TERM HUP QUIT; do
        [ $signal != HUP ] || ! hup_is_ignored || continue
        map_start -n 2 -i "$SET"
        map_end 0 $signal
    done
}

@test "a client that stays does not keep us" {
    map_start -i "$SET" --disk vda
    coproc CLIENT { exec qemu-io -f raw -r "$URI" 2>&1; }
    echo 'read 0 512' >&"${CLIENT[1]}"
    until read -r line <&"${CLIENT[0]}" && [[ $line == *'read 512/512'* ]]; do
        :
    done
    map_end 0
    exec {CLIENT[1]}>&-
    wait "$CLIENT_PID" || true
}

@test "clients that go away in the middle of requests harm nobody" {
    map_start -i "$SET" --disk vda
    /usr/bin/python3 "$BATS_TEST_DIRNAME/rude-client.py" "${URI#*socket=}" vda 20
    shows "$URI" "$SET.2.vda"
    map_end 0
    run ! grep ERROR "$T/stderr"
}

# covers: H6:M E16:M
@test "a program that dies takes everything with it: status 1" {
    local what status
    for what in nbdkit qemu-nbd; do
        map_start -n 2 -i "$SET" --keep-changes "$T/keep.$what"
        # The first of its children of that name.
        kill -KILL "$(pgrep -P "$MAP_PID" -x $what | head -1)"
        status=0
        wait "$MAP_PID" || status=$?
        cat "$T/stderr"
        [ $status = 1 ]
        grep -q "ERROR.*$what" "$T/stderr"
        map_clean
    done
}

@test "the same, and a command runs: it is ended" {
    map_start -i "$SET" -- sh -c 'echo nbd; echo $$ >'"$T/pid"'; exec sleep 1000'
    until [ -s "$T/pid" ]; do :; done
    kill -KILL "$(pgrep -P "$MAP_PID" -x nbdkit)"
    status=0
    wait "$MAP_PID" || status=$?
    [ $status = 1 ]
    run ! kill -0 "$(cat "$T/pid")"
}

# covers: H7:M
@test "two maps of one directory at once, and a backup is added meanwhile" {
    lab_domain vm1 vda=a.qcow2,size=4M
    lab_write vm1 vda 0x11 1M 64K
    backup -d vm1 -l full -o "$T/b"
    lab_snapshot_truth vm1 vda "$T/0"
    lab_write vm1 vda 0x22 2M 64K
    backup -d vm1 -l inc -o "$T/b"
    lab_snapshot_truth vm1 vda "$T/1"
    map_start -i "$T/b" -u 0
    local first=$URI first_pid=$MAP_PID
    map_start -i "$T/b"
    shows "$first" "$T/0"
    lab_write vm1 vda 0x33 0 1M
    backup -d vm1 -l inc -z -o "$T/b"
    shows "$URI" "$T/1"
    shows "$first" "$T/0"
    lab_snapshot_truth vm1 vda "$T/2"
    map -i "$T/b" -- sh -c "nbdcopy \"\$VIRTNBDMAP_URI\" '$T/o'"
    cmp "$T/o" "$T/2"
    # Even without the files.
    rm -r "$T/b"
    shows "$URI" "$T/1"
    kill -INT "$first_pid"
    wait "$first_pid"
    shows "$URI" "$T/1"
    map_end 0
}

@test "a set of the Python suite: full and increments, by -i and by -f" {
    local n what=full
    [ -x "$PEER_BACKUP" ] || skip "the Python suite is not installed"
    NO_LEFTOVERS=
    lab_domain vm1 vda=a.qcow2,size=4M
    for n in 0 1 2; do
        lab_write vm1 vda 0x1$n "${n}M" 192K
        lab_write_zeroes vm1 vda "$((n * 64))K" 64K
        lab_snapshot_truth vm1 vda "$T/truth.$n"
        lab_run "$PEER_BACKUP" -d vm1 -l $what -o "$T/b" 2>/dev/null
        what=inc
    done
    rm -rf "${LAB_TMP:?}"/*
    for n in 0 1 2; do
        map_start -i "$T/b" -u $n
        shows "$URI" "$T/truth.$n"
        map_end 0
    done
    map_start --uri -f "$T/b/vda.full.data,$T/b/vda.inc.virtnbdbackup.1.data"
    shows "$URI" "$T/truth.1"
    map_end 0
    run -1 map --uri -f \
        "$T/b/vda.full.data,$T/b/vda.inc.virtnbdbackup.2.data"
}

# covers: H7:M F2:M F3:M
@test "damage: an I/O error there alone, named in the log; status 3 for more" {
    local at
    cp -r "$SET" "$T/b"
    chmod -R u+w "$T/b"
    # In the middle of the payload of the full, which is compressed.
    at=$(($(stat -c %s "$T/b/vda.full.data") / 2))
    printf 'damage' | dd of="$T/b/vda.full.data" bs=1 seek=$at conv=notrunc \
        status=none
    map_start -n 2 -i "$T/b" -u 0
    shows "${URIS[1]}" "$SET.0.vdb"
    run ! shows "${URIS[0]}" "$SET.0.vda"
    [[ $output == *"nput/output error"* ]]
    map_end 0
    grep -q "ERROR.*'vda.full.data' is damaged at" "$T/stderr"
    grep -q "ERROR.*'vda.full.data' is damaged at" "$T/map.log"
    printf 'damage' | dd of="$T/b/vda.full.index" bs=1 seek=200 conv=notrunc \
        status=none
    run -3 map -i "$T/b"
    [[ $output == *vda.full.index* ]]
    map_start -i "$T/b" --disk vdb
    shows "$URI" "$SET.2.vdb"
    map_end 0
    run -3 map -f "$T/b/vda.full.data" --uri
    # A file that loses its end while it is mapped.
    rm -rf "$T/b"
    cp -r "$SET" "$T/b"
    map_start -n 2 -i "$T/b" -u 0
    truncate -s 1000 "$T/b/vda.full.data"
    run ! shows "${URIS[0]}" "$SET.0.vda"
    [[ $output == *"nput/output error"* ]]
    shows "${URIS[1]}" "$SET.0.vdb"
    map_end 0
    cp "$SET/vda.full.data" "$T/b"
    rm "$T/b/vda.inc.virtnbdbackup.1.data"
    run -3 map -i "$T/b" --disk vda
}

@test "-b, -t and -H do not change what is read; -H logs requests" {
    local size
    for size in 1 4096 65536 33554432; do
        [ $size != 1 ] || continue
        map_start -i "$SET" --disk vda -b $size -t 3
        shows "$URI" "$SET.2.vda"
        map_end 0
    done
    map_start -i "$SET" --disk vda -b 4096 -H
    qemu-io -f raw -r -c 'read 64K 12K' "$URI"
    map_end 0
    # Nearest to the client, so it shows what that one asked for.
    grep -q 'Read id=.* offset=0x10000 count=0x3000' "$T/map.log"
    map_start -i "$SET" --disk vda -t 1 -w -b 4096 -H
    shows "$URI" "$SET.2.vda"
    map_end 0
}

@test "the log: -v, --quiet, -L, and the home directory" {
    map_start -i "$SET" --disk vda --quiet
    map_end 0
    [ ! -s "$T/stderr" ]
    grep -q "point 'virtnbdbackup.2'" "$T/map.log"
    run ! grep -q DEBUG "$T/map.log"
    map_start -i "$SET" --disk vda -v -n --nocolor
    map_end 0
    grep -q 'DEBUG.*nbdkit' "$T/map.log"
    lab_run virtnbdmap -i "$SET" -- true
    grep -q "point 'virtnbdbackup.2'" "$LAB/home/virtnbdmap.log"
    run -1 lab_run virtnbdmap -i "$SET" -L "$T/not/there" -- true
    [[ $output == *"$T/not/there"* ]]
}

@test "usage: 64, and why; version and help: 0" {
    usage() {
        run -64 map "$@"
        [[ $output == *virtnbdmap:* ]]
    }
    usage
    usage -i
    usage -i ''
    usage -i "$SET" -f x
    usage -f a,,b
    usage -f a -u 1
    usage -f a --disk vda
    usage -i "$SET" word
    usage -i "$SET" word -- true
    usage -i "$SET" --uri -d /dev/nbd0
    usage -i "$SET" --fuse x -d /dev/nbd0
    usage -i "$SET" -r -w
    usage -i "$SET" -r --keep-changes x
    usage -i "$SET" -e x --keep-changes x
    usage -i "$SET" -p 65536
    usage -i "$SET" -p x
    usage -i "$SET" -t 0
    usage -i "$SET" -b 0
    usage -i "$SET" --tls
    usage -i "$SET" --tls-cert x -l 127.0.0.1
    usage -i "$SET" --tls -l 127.0.0.1 --fuse x
    usage -i "$SET" --owner root -l 127.0.0.1
    usage -i "$SET" --keep-changes x -p 0
    run -0 map -V
    [[ $output =~ ^[0-9]+\.[0-9]+ ]]
    run -0 map --help
}

@test "what is not there: status 1, and why" {
    run -1 map -i "$T/nothing"
    [[ $output == *"$T/nothing"* ]]
    mkdir "$T/empty"
    run -1 map -i "$T/empty"
    [[ $output == *"no backup"* ]]
    run -1 map -i "$SET" -u 7
    [[ $output == *"no point '7'"*"virtnbdbackup.2"* ]]
    run -1 map -i "$SET" --owner nobody-of-this-name
    [[ $output == *"nobody-of-this-name"* ]]
}

@test "required programs: named if they are missing" {
    mkdir "$T/bin"
    ln -s "$LAB/bin/virtnbdmap" "$T/bin/"
    local program
    run -1 "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" PATH="$T/bin" \
        "$LAB/bin/virtnbdmap" -L "$T/map.log" -i "$SET"
    [[ $output == *"'nbdkit'"*"install"* ]]
    ln -s "$(command -v nbdkit)" "$T/bin/"
    run -1 "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" PATH="$T/bin" \
        "$LAB/bin/virtnbdmap" -L "$T/map.log" -i "$SET" --fuse "$T/f"
    [[ $output == *"'nbdfuse'"*"install"* ]]
    [ ! -e "$T/f" ]
    # The plugin, if it is neither beside the program nor installed.
    cp "$LAB/bin/virtnbdmap" "$T/bin/alone"
    [ -e /usr/local/lib/x86_64-linux-gnu/virtnbdbackup ] || {
        run -1 "${MAP_AS[@]}" env -i "${LAB_ENV[@]}" "$T/bin/alone" \
            -L "$T/map.log" -i "$SET"
        [[ $output == *"virtnbdmap-plugin.so"* ]]
    }
}
