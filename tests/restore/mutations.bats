#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# mutations.bats - damaged sets end to end: verify finds it, restore refuses it,
# or the image is right to the byte
#
# MUTATIONS: how many (20); SEED: which.
bats_require_minimum_version 1.5.0

POINTS=(virtnbdbackup.0 virtnbdbackup.1 diff.1700000000 virtnbdbackup.2)

setup() {
    command -v qemu-img >/dev/null || skip "qemu-img is not installed"
    T=$(mktemp -d /tmp/mutations.XXXXXX)
    SEED=${SEED:-$RANDOM}
    "$MAKE_SET" "$T/good" "$SEED"
}

teardown() {
    rm -rf "${T:?}"
}

restore() {
    "$RESTORE" -L "$T/log" -i "$T/s" "$@"
}

# right POINT: the restored disks hold what they held then, and the
# configuration is that of the point.
right() {
    local file
    for file in a.qcow2=vda b.qcow2=vdb; do
        qemu-img convert -O raw "$T/r/${file%=*}" "$T/raw" || return 1
        cmp "$T/raw" "$T/good.$1.${file#*=}" || return 1
    done
    cmp "$T/r/c.raw" "$T/good.$1.vdc" || return 1
    cmp "$T/r/vmconfig.xml" "$T/good/vmconfig.$1.xml"
}

@test "random changes" {
    local n point verified status refused=0 harmless=0 many=${MUTATIONS:-20}
    echo "# SEED=$SEED MUTATIONS=$many" >&3
    for ((n = 1; n <= many; n++)); do
        rm -rf "$T/s" "$T/r"
        cp -r "$T/good" "$T/s"
        "$MAKE_SET" "$T/s" "$SEED" $n
        verified=0
        restore -o verify 2>"$T/err" || verified=$?
        # One of the points, and every fourth time the newest unasked.
        point=${POINTS[n % 4]}
        status=0
        if [ "$point" = virtnbdbackup.2 ]; then
            restore -o "$T/r" 2>>"$T/err" || status=$?
        else
            restore -o "$T/r" -u "$point" 2>>"$T/err" || status=$?
        fi
        echo "number $n, point $point: verify $verified, restore $status"
        case $status in
        0)
            right "$point" || { cat "$T/err"; false; }
            harmless=$((harmless + 1))
            ;;
        1 | 3)
            [ $verified != 0 ] || { cat "$T/err"; false; }
            [ ! -e "$T/r" ] || [ -z "$(ls -A "$T/r")" ]
            refused=$((refused + 1))
            ;;
        *)
            cat "$T/err"
            false
            ;;
        esac
        [[ $verified =~ ^[013]$ ]]
    done
    echo "# $refused refused, $harmless harmless" >&3
    [ $refused -gt 0 ]
}
