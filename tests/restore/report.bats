#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# report.bats - a set as a page for a browser
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

# A chain of eight points of two disks, with data and zeroes in several places.
chain() {
    local i
    lab_domain vm1 vda=a.qcow2,size=64M vdb=b.qcow2,size=24M
    lab_write vm1 vda 0x11 0 20M
    lab_write vm1 vda 0x12 40M 6M
    lab_write vm1 vdb 0x21 2M 9M
    backup -d vm1 -l full -o "$T/b"
    for i in 1 2 3 4 5 6; do
        lab_write vm1 vda $((0x30 + i)) $((i * 3))M $((i * 400))K
        lab_write_zeroes vm1 vda $((40 + i / 2))M 512K
        [ $((i % 2)) = 0 ] || lab_write vm1 vdb $((0x40 + i)) 3M $((i * 200))K
        backup -d vm1 -l inc -o "$T/b"
    done
    backup -d vm1 -l diff -o "$T/b"
}

# The page has this text, shown as it is.
has() {
    grep -qF -- "$1" "$T/r.html" && return
    echo "'$1' is not in the page"
    return 1
}

# No page may fetch or run anything.
is_self_contained() {
    ! grep -qiE '<(script|link|img|iframe|object|embed)|https?:|url\([^#]|@import|\bon[a-z]+=' \
        "$T/r.html"
}

@test "a whole chain: points, pictures, commands; nothing from elsewhere" {
    chain
    restore -i "$T/b" -a report -o "$T/r.html"
    is_self_contained
    has "Backup of vm1"
    has "All 8 points can be restored"
    has "Every byte of 16 data files"
    has "<h3>vda</h3>"
    has "<h3>vdb</h3>"
    has "virtnbdrestore -i $T/b -o /restored -u diff."
    [ "$(grep -c '<tr><td><code>virtnbdbackup' "$T/r.html")" = 7 ]
    # A row a point and disk, and areas of both kinds in them.
    [ "$(grep -c 'class="ground"' "$T/r.html")" = 16 ]
    grep -q 'class="data" d="M0 ' "$T/r.html"
    grep -q 'class="zero" d="M[0-9]' "$T/r.html"
    [ "$(stat -c %a "$T/r.html")" = 600 ]

    # A part of it, and without reading any data.
    restore -i "$T/b" -a report -o "$T/r.html" -d vdb -u 2 --no-verify
    has "All 3 points can be restored"
    has "without reading the data"
    has "No data was read"
    run ! grep -q "<h3>vda</h3>" "$T/r.html"
    restore -i "$T/b" -a report -o "$T/r.html" --sample 20% --seed 1
    has "A sample of 20 %"
}

@test "to stdout, and over an older report" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b"
    restore -i "$T/b" -a report -o - >"$T/r.html"
    has "Its one point can be restored"
    echo former >"$T/s.html"
    restore -i "$T/b" -a report -o "$T/s.html"
    run ! grep -q former "$T/s.html"
}

@test "damage is on the page, where it does harm, and in the exit status" {
    chain
    # In the full: hidden for no point, and only of one disk.
    printf '\xff' | dd of="$T/b/vdb.full.data" bs=1 seek=4000000 conv=notrunc \
        status=none
    run -3 restore -i "$T/b" -a report -o "$T/r.html"
    has "8 of 8 points cannot be restored"
    has "<tr class=\"bad\"><td><code>vdb.full.data</code>"
    has "these ranges are lost"
    run ! grep -q 'bad"><td><code>vda' "$T/r.html"
    run -0 restore -i "$T/b" -a report -o "$T/r.html" -d vda
    # Not read, not seen.
    run -0 restore -i "$T/b" -a report -o "$T/r.html" --no-verify

    rm "$T/b/vda.inc.virtnbdbackup.4.data"
    run -3 restore -i "$T/b" -a report -o "$T/r.html" --no-verify
    has "cannot be restored"
    has "damaged, not drawn"
    has "-u virtnbdbackup.3"
}

@test "a place that cannot be written to, and options that make no sense" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b"
    run -1 restore -i "$T/b" -a report -o "$T/none/r.html"
    [[ $output == *"$T/none"* ]]
    run -64 restore -i "$T/b" -a report
    [[ $output == *"-o"* ]]
    run -64 restore -i "$T/b" -a verify --no-verify
    run -64 restore -i "$T/b" -a report -o r.html --no-verify --sample 5%
    run -64 restore -i "$T/b" -a report -o r.html -s vda.full.data
    # Its name may be that of the action.
    (cd "$T" && restore -i b -a report -o report)
    grep -q "Backup of vm1" "$T/report"
}

@test "a name in the set is text, not markup" {
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b"
    mv "$T/b" "$T/<script>&\""
    restore -i "$T/<script>&\"" -a report -o "$T/r.html"
    is_self_contained
    has "&lt;script&gt;&amp;&quot;"
}

@test "Chromium shows it, light and dark, without a network" {
    command -v chromium >/dev/null || skip "no chromium"
    [ "$(id -u)" = 0 ] || skip "needs root, to take the network away"
    chain
    restore -i "$T/b" -a report -o "$T/r.html"
    local theme
    declare -A scheme=([dark]=0 [light]=1)
    for theme in light dark; do
        # A browser that hangs is ended; what it printed counts.
        timeout -k 5 120 unshare -n chromium --headless --no-sandbox \
            --disable-gpu --no-first-run --disable-background-networking \
            --disable-component-update --disable-sync \
            --blink-settings=preferredColorScheme=${scheme[$theme]} \
            --user-data-dir="$T/chromium-$theme" --window-size=1200,1800 \
            --enable-logging=stderr --screenshot="$T/$theme.png" \
            "file://$T/r.html" >"$T/out" 2>&1 || true
        cat "$T/out"
        [ -s "$T/$theme.png" ]
        # What it says of our page, not of its own ones.
        grep CONSOLE "$T/out" | lacks 'r\.html'
    done
    run ! cmp -s "$T/light.png" "$T/dark.png"
}
