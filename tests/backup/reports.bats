#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# reports.bats - --report and --metrics tell what a run has done, and what not
bats_require_minimum_version 1.5.0
load ../lib/cli
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

SCHEMA=$BATS_TEST_DIRNAME/../../docs/report.schema.json

# Is the report what the schema says?  Then its value at each jq filter is the
# word behind it.  valid FILE [FILTER VALUE]...
valid() {
    local file=$1 value
    /usr/bin/python3 - "$SCHEMA" "$file" <<'PYTHON' || return 1
import json, sys
import jsonschema
schema, report = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
jsonschema.Draft202012Validator(schema).validate(report)
PYTHON
    shift
    while [ $# -gt 0 ]; do
        value=$(jq -r "$1" "$file")
        if [ "$value" != "$2" ]; then
            echo "$1 is '$value', not '$2'"
            return 1
        fi
        shift 2
    done
}

requires_schema() {
    /usr/bin/python3 -c 'import jsonschema' 2>/dev/null ||
        skip "no jsonschema for /usr/bin/python3"
}

# QEMU dies, and with it what its bitmaps knew.
crash() {
    lab_flush vm1 vda
    kill -KILL "$(lab_qemu vm1)"
    until [ "$(lab_virsh domstate vm1)" = "shut off" ]; do :; done
    lab_virsh start vm1
}

# The value of a series of the domain vm1.
metric() {
    sed -n "s/^virtnbdbackup_$1{domain=\"vm1\"} //p" "$T/vm1.prom"
}

@test "a full, an increment, one that lost track, one that saved nothing" {
    requires_schema
    lab_domain vm1 vda=a.qcow2,size=4M vdb=b.qcow2,size=2M
    lab_write vm1 vda 0x11 0 64K
    backup -d vm1 -l auto -o "$T/b" --report "$T/r.json" \
        --metrics "$T/vm1.prom"
    valid "$T/r.json" .result complete .levelAsked auto .levelDone full \
        .exitStatus 0 .point.name virtnbdbackup.0 .point.sequence 0 \
        '.disks|length' 2 '.disks[0].target' vda '.disks[0].level' full \
        '.disks[0].readBytes' 65536 .total.virtualBytes $((6 << 20)) \
        .set.points 1 .set.chainLength 1 .set.directory "$T/b" .error null \
        .domain.name vm1
    [ "$(jq -r .domain.uuid "$T/r.json")" = "$(lab_virsh domuuid vm1)" ]
    [ "$(jq -r .set.bytes "$T/r.json")" = \
        "$(cat "$T"/b/*.data | wc -c)" ]
    [ "$(jq -r .point.uuid "$T/r.json")" = \
        "$(jq -r .point "$T/b/manifest.virtnbdbackup.0.json")" ]
    [ "$(stat -c %a "$T/r.json")" = 600 ]
    [ "$(stat -c %a "$T/vm1.prom")" = 644 ]
    [ "$(metric last_run_exit_status)" = 0 ]
    [ "$(metric set_points)" = 1 ]
    [ "$(metric last_success_timestamp_seconds)" = \
        "$(date -d "$(jq -r .begun "$T/r.json")" +%s)" ]

    lab_write vm1 vda 0x22 1M 128K
    backup -d vm1 -l auto -o "$T/b" --report "$T/r.json" \
        --metrics "$T/vm1.prom"
    valid "$T/r.json" .levelDone inc '.disks[0].level' inc \
        '.disks[0].parent' virtnbdbackup.0 '.disks[0].changedBytes' 131072 \
        '.disks[0].lostTracking' false .set.chainLength 2 .set.lostTracking 0
    [ "$(metric chain_length)" = 2 ]
    [ "$(sed -n 's/^virtnbdbackup_disk_read_bytes{domain="vm1",disk="vda"} //p' \
        "$T/vm1.prom")" = 131072 ]

    crash
    backup -d vm1 -l inc -o "$T/b" --report "$T/r.json" \
        --metrics "$T/vm1.prom"
    valid "$T/r.json" .levelDone inc '.disks[0].level' full \
        '.disks[0].lostTracking' true '.disks[0].parent' null \
        .set.lostTracking 2 .set.chainLength 3
    [ "$(jq '.warnings|length' "$T/r.json")" -ge 1 ]
    [ "$(metric last_run_lost_tracking)" = 2 ]

    backup -d vm1 -l inc -T 1G -o "$T/b" --report "$T/r.json"
    valid "$T/r.json" .result skipped .point null .levelDone null \
        .exitStatus 0 '.disks|length' 0 .set.points 3
}

@test "a failed run has a report, and the last success stays what it was" {
    requires_schema
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b" --metrics "$T/vm1.prom"
    local success
    success=$(metric last_success_timestamp_seconds)
    [ -n "$success" ]

    run -1 backup -d vm1 -l full -o "$T/b" --report "$T/r.json" \
        --metrics "$T/vm1.prom"
    valid "$T/r.json" .result failed .exitStatus 1 .point null .set.points 1
    [[ $(jq -r .error "$T/r.json") == *"full"* ]]
    [ "$(metric last_run_exit_status)" = 1 ]
    [ "$(metric last_success_timestamp_seconds)" = "$success" ]

    # A new directory knows of no success; the old text does.
    run -1 backup -d vm1 -l inc -o "$T/new" --report "$T/r.json" \
        --metrics "$T/vm1.prom"
    valid "$T/r.json" .result failed .set.newestPoint null
    [ "$(metric last_success_timestamp_seconds)" = "$success" ]

    run -1 backup -d nobody -l full -o "$T/n" --report "$T/r.json"
    valid "$T/r.json" .result failed .domain.name nobody .domain.uuid null

    # Who reads the reports is not to read this.
    run -1 backup -d nobody -l full -o "$T/n" --report "$T/r.json" \
        -U "qemu:///session?authfile=/x"
    valid "$T/r.json" .error "There is no domain 'nobody' at 'qemu:///session?***'"
}

@test "warnings under --strict are in the report, with the exit status" {
    requires_schema
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l full -o "$T/b"
    crash
    run -2 backup -d vm1 -l inc -e -o "$T/b" --report "$T/r.json"
    valid "$T/r.json" .result complete .exitStatus 2
}

@test "to stdout: the report alone; with an archive only to a file" {
    requires_schema
    lab_domain vm1 vda=a.qcow2,size=1M
    backup -d vm1 -l copy -o "$T/b" --report - >"$T/r.json"
    valid "$T/r.json" .result complete .levelDone copy
    run -64 backup -d vm1 -l copy -o - --report -
    [[ $output == *"stdout"* ]]
    (cd "$T" && backup -d vm1 -l copy -o - --report "$T/r.json" >"$T/a.zip")
    valid "$T/r.json" .result complete .set.directory null
    unzip -tq "$T/a.zip"
}

@test "a place that cannot be written to is told before anything begins" {
    lab_domain vm1 vda=a.qcow2,size=1M
    run -1 backup -d vm1 -l full -o "$T/b" --report "$T/none/r.json"
    [[ $output == *"--report"*"$T/none"* ]]
    [ ! -e "$T/b" ]
    mkdir "$T/d.prom"
    run -1 backup -d vm1 -l full -o "$T/b" --metrics "$T/d.prom"
    [[ $output == *"--metrics"*"d.prom"*"not a regular file"* ]]
    [ ! -e "$T/b" ]
    run -64 backup -d vm1 -l full -o "$T/b" --metrics "$T/m.txt"
    [[ $output == *".prom"* ]]
    [ ! -e "$T/b" ]
    [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
}

@test "a report that fails at the end is no success, but the point is there" {
    lab_domain vm1 vda=a.qcow2,size=4M
    lab_write vm1 vda 0x77 0 3M
    mkdir -m 777 "$T/gone"
    lab_spawn virtnbdbackup -d vm1 -l full -o "$T/b" --bwlimit 1M \
        --report "$T/gone/r.json"
    wait_for_job vm1 "$LAB_PID"
    rmdir "$T/gone"
    local status=0
    wait "$LAB_PID" || status=$?
    [ $status = 4 ]
    restore -i "$T/b" -o verify
}
