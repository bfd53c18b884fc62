#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sandbox.bats - a restore that gave up rights (base/sandbox), seen from outside
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() {
    cli_setup
    command -v strace >/dev/null || skip "strace is not installed"
}
teardown() {
    rm -f "$LAB/tmp/trace"
    cli_teardown
}
teardown_file() { cli_teardown_file; }

# watched OPTION... PROGRAM...: run it with its sandboxes in $LAB/tmp/trace.
watched() {
    lab_run env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o "$LAB/tmp/trace" \
        -e trace=landlock_create_ruleset,landlock_restrict_self "$@"
    grep -q 'landlock_create_ruleset(NULL.*= [1-9]' "$LAB/tmp/trace" ||
        skip "there is no sandbox, or not in this build"
}

saved() {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 4M
    lab_snapshot_truth vm1 vda "$LAB/truth"
    backup -d vm1 -l full -o "$T/b"
}

# That all its threads are in it is what LeakSanitizer sees to, which must stop
# them: not those outside.
@test "it is entered, also by one that defines the guest" {
    saved
    watched virtnbdrestore -i "$T/b" -o "$T/r" -D
    lab_virsh domuuid restore_vm1
    grep -q 'landlock_restrict_self(.*= 0' "$LAB/tmp/trace"
    same "$T/r/a.qcow2" "$LAB/truth"
}

@test "not where the kernel's could not move files to other directories" {
    saved
    # What a kernel before 5.19 says of itself; with later ones the rules then
    # lack what moving needs, which refuses it as those did.
    watched -e inject=landlock_create_ruleset:retval=1:when=1+ \
        virtnbdrestore -i "$T/b" -o "$T/r"
    lacks restrict_self "$LAB/tmp/trace"
    same "$T/r/a.qcow2" "$LAB/truth"
}
