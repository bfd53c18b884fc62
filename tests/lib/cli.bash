# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# cli.bash - what the command-line tests share
#
# A file of tests has one lab (lab.bash) for all its tests:
#
#     load ../lib/cli
#     setup_file() { cli_setup_file; }
#     setup() { cli_setup; }
#     teardown() { cli_teardown; }
#     teardown_file() { cli_teardown_file; }
#
# BACKUP and RESTORE are the programs under test (paths, from the build).
# In a test: T is a fresh directory that the lab's user may write.

. "$(dirname "${BASH_SOURCE[0]}")/lab.bash"

# The Python suite as Debian packages it, a peer.
PEER_BACKUP=/usr/bin/virtnbdbackup
PEER_RESTORE=/usr/bin/virtnbdrestore

cli_setup_file() {
    local why
    # A skip has to come from a test: bats 1.8 takes none from setup_file.
    why=$(lab_requires) || {
        echo "$why" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    lab_start || return 1
    lab_bin "$BACKUP" "$RESTORE" || return 1
    cli_save
}

# Arrays cannot be exported to the tests' processes.
cli_save() {
    # shellcheck disable=SC2046
    declare -p LAB LAB_URI LAB_CANARY LAB_SECRET_URI LAB_DISKS LAB_TARGET LAB_TMP LAB_LOGS LAB_ENV \
        LAB_AS LAB_USER LAB_CACHE $(compgen -v FAR_) | sed 's/^declare /declare -g /' \
        >"$BATS_FILE_TMPDIR/lab"
}

cli_setup() {
    [ ! -e "$BATS_FILE_TMPDIR/skip" ] || skip "$(cat "$BATS_FILE_TMPDIR/skip")"
    . "$BATS_FILE_TMPDIR/lab"
    T=$LAB_TARGET/$BATS_TEST_NUMBER
    mkdir -p "$T"
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$T"
    NO_LEFTOVERS=1
    # What `run` takes is shown too, where cli_silent finds it.
    BATS_VERBOSE_RUN=1
}

# cli_silent: the lab's secret is in nothing that was said or written so far.
cli_silent() {
    lab_silent ${BATS_OUT:+"$BATS_OUT"} ${BATS_TEST_TMPDIR:+"$BATS_TEST_TMPDIR"}
}

# Every test ends without leftovers, without having told the lab's secret, and
# without its guests.
cli_teardown() {
    [ -e "$BATS_FILE_TMPDIR/lab" ] || return 0
    local status=0 name
    cli_silent || status=1
    if [ -n "${NO_LEFTOVERS:-}" ]; then
        lab_leftovers || status=1
    fi
    for name in $(lab_virsh list --name --all); do
        lab_virsh destroy "$name" >/dev/null 2>&1
        lab_virsh undefine --checkpoints-metadata "$name" >/dev/null 2>&1
    done
    rm -rf "${LAB_DISKS:?}"/* "${T:?}"
    return $status
}

cli_teardown_file() {
    [ -f "$BATS_FILE_TMPDIR/lab" ] || return 0
    . "$BATS_FILE_TMPDIR/lab"
    local status=0
    # What setup_file did.
    cli_silent || status=1
    lab_stop
    return $status
}

backup() {
    secret_uri "$@"
    lab_run virtnbdbackup "$@" "${SECRET[@]}"
}

restore() {
    secret_uri "$@"
    lab_run virtnbdrestore -L "$LAB/restore.log" "$@" "${SECRET[@]}"
}

# SECRET is -U with the lab's secret, unless these arguments have a URI: every log
# begins with the command line.
secret_uri() {
    SECRET=(-U "$LAB_SECRET_URI")
    case " $* " in
    *" -U"* | *" --uri"*) SECRET=() ;;
    esac
}

# none FILE...: none of these is there.  (Patterns that match nothing are such.)
# A line that begins with "!" does not fail a test.
none() {
    local file
    for file in "$@"; do
        [ ! -e "$file" ] || { echo "there is $file"; return 1; }
    done
}

# lacks PATTERN [FILE]: grep -E finds the pattern nowhere in it, or in stdin.
lacks() {
    grep -E -e "$1" "${2:--}" || return 0
    return 1
}

# same IMAGE RAW: the qcow2 image holds exactly the bytes of the raw file.
same() {
    rm -f "$LAB/same.raw"
    qemu-img convert -O raw "$1" "$LAB/same.raw" || return 1
    cmp "$2" "$LAB/same.raw"
}

# Wait until the guest has a backup job, or the process $2 is gone.
wait_for_job() {
    local i
    for ((i = 0; i < 2000; i++)); do
        lab_virsh domjobinfo "$1" | grep -q 'Operation:.*Backup' && return 0
        kill -0 "$2" 2>/dev/null || return 0
        sleep 0.005
    done
    return 1
}

# backup_while_writing DOMAIN DISK ARGUMENT...
#   Run a backup while the guest overwrites places all over DISK (of at least
#   8 MiB), from the moment the job exists.
backup_while_writing() {
    local domain=$1 disk=$2 i
    shift 2
    secret_uri "$@"
    lab_spawn virtnbdbackup -d "$domain" "$@" "${SECRET[@]}"
    wait_for_job "$domain" "$LAB_PID" || return 1
    for i in 0 1 2 3 4 5 6 7; do
        lab_write "$domain" "$disk" 0x5a "${i}M" 64K || return 1
        lab_write_zeroes "$domain" "$disk" "$((i * 1024 + 512))K" 64K ||
            return 1
    done
    wait "$LAB_PID"
}

# random_disk DOMAIN DISK BYTES SEED
#   Random writes, zeroes and discards all over a disk of that size.
random_disk() {
    local domain=$1 disk=$2 size=$3 i offset length
    RANDOM=$4
    for ((i = 0; i < 25; i++)); do
        offset=$(((RANDOM * 32768 + RANDOM) % size / 512 * 512))
        length=$(((RANDOM % 600 + 1) * 512))
        [ $((offset + length)) -le "$size" ] || length=$((size - offset))
        [ $length -gt 0 ] || continue
        case $((RANDOM % 6)) in
        0) lab_write_zeroes "$domain" "$disk" $offset $length ;;
        1) lab_write_zeroes --keep "$domain" "$disk" $offset $length ;;
        2) lab_discard "$domain" "$disk" $offset $length ;;
        *) lab_write "$domain" "$disk" $((RANDOM % 255 + 1)) $offset $length ;;
        esac || return 1
    done
}
