#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# plugin-memory.bats - memory does not grow with the chain
#
# The plugin has no sanitizers in any build, so every build is measured.
bats_require_minimum_version 1.5.0

setup() {
    T=$(mktemp -d /tmp/vm.XXXXXX)
}
teardown() {
    rm -rf "${T:?}"
}

# peak ARGUMENT...: the KiB that nbdkit has had at most, once all of the disk was
# read in order, with what nbdcopy has under way.
peak() {
    nbdkit -U - -f -P "$T/pid" "$PLUGIN" "$@" --run "set -e
        nbdcopy \"\$uri\" null:
        sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/\$(cat $T/pid)/status"
}

# covers: B5:M
@test "8 GiB: a full and 30 compressed increments within 128 MiB" {
    local size
    mkdir "$T/set"
    "$MAKE_SET" "$T/set" 8 30 10
    size=$(peak "$T/set")
    echo "# $((size / 1024)) MiB" >&3
    [ "$size" -gt 65536 ]
    [ "$size" -le $((128 * 1024)) ]
}
