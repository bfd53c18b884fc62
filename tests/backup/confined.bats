#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# confined.bats - a backup that gave up rights (backup/confine), from outside
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() {
    cli_setup
    command -v strace >/dev/null || skip "strace is not installed"
    lab_run strace -o "$LAB/tmp/trace" "$LAB/bin/virtnbdrestore" -i / -o dump \
        2>/dev/null || true
    grep -q 'landlock_create_ruleset(NULL.*= [2-9]' "$LAB/tmp/trace" ||
        skip "this kernel has no sandbox for who writes"
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 8M
    lab_snapshot_truth vm1 vda "$LAB/truth"
}
teardown() {
    rm -f "$LAB/tmp/trace"
    cli_teardown
}
teardown_file() { cli_teardown_file; }

# spied AUTOSTART LEVEL OPTION...: a run whose sandboxes are in $LAB/tmp/trace;
# `main` is its process.
spied() {
    local autostart=$1 level=$2
    shift 2
    lab_run env "LIBVIRT_AUTOSTART=$autostart" ASAN_OPTIONS=detect_leaks=0 \
        strace -f -qq -o "$LAB/tmp/trace" \
        -e trace=landlock_restrict_self,execve \
        virtnbdbackup -d vm1 -o "$T/b" -l "$level" "$@"
    main=$(sed -n '1s/ .*//p' "$LAB/tmp/trace")
}

# entered PROCESS: it entered a sandbox.
entered() {
    grep -q "^$1 .*landlock_restrict_self(.*= 0" "$LAB/tmp/trace"
}

@test "every thread of it" {
    lab_spawn virtnbdbackup -d vm1 -l full -o "$T/b" --bwlimit 1M
    wait_for_job vm1 "$LAB_PID"
    cat /proc/"$LAB_PID"/task/*/status >"$LAB/tmp/trace"
    [ "$(grep -c '^Name:' "$LAB/tmp/trace")" -gt 3 ]
    grep '^NoNewPrivs:' "$LAB/tmp/trace" | lacks 0
    wait "$LAB_PID"
}

@test "every level, with places all over" {
    local level
    for level in full inc diff; do
        lab_run mkdir -p "$T/r/$level"
        spied 0 $level --checkpointdir "$T/c/of/it" --scratchdir "$T/s/of/it" \
            --socketfile "$T/r/$level/socket" --report "$T/r/report.json" \
            --metrics "$T/r/x.prom"
        entered "$main"
        jq -e . "$T/r/report.json" >/dev/null
        [ -s "$T/r/x.prom" ]
    done
    [ "$(find "$T/c/of/it" -name "*.xml" | wc -l)" = 2 ]
    none "$T"/r/*/socket
    restore -i "$T/b" -o "$T/back"
    same "$T/back/a.qcow2" "$LAB/truth"
}

@test "libvirt's own log, which is opened before" {
    lab_run env "LIBVIRT_LOG_OUTPUTS=1:file:$LAB/tmp/libvirt.log" \
        virtnbdbackup -d vm1 -o "$T/b" -l full
    [ -s "$LAB/tmp/libvirt.log" ]
    rm "$LAB/tmp/libvirt.log"
    lab_run env "LIBVIRT_LOG_OUTPUTS=1:file:$LAB/tmp/libvirt.log" \
        virtnbdrestore -i "$T/b" -o "$T/r" -D
    [ -s "$LAB/tmp/libvirt.log" ]
    rm "$LAB/tmp/libvirt.log"
}

@test "not where libvirt's client may start the daemon: only what looks" {
    local looks
    spied 1 full
    run ! entered "$main"
    looks=$(sed -n 's/ .*execve(.*"qemu-img".*= 0$//p' "$LAB/tmp/trace" | head -n 1)
    entered "$looks"
}
