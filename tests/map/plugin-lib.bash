# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# plugin-lib.bash - what the tests of the plugin in nbdkit share
#
# Load it behind cli.bash.  PLUGIN is the plugin, COMPARE the program that
# compares an export with an image at random places; AMOUNT is how many
# megabytes it reads each time.

AMOUNT=${AMOUNT:-8}

plugin_setup_file() {
    cli_setup_file || return 1
    [ -z "${LAB:-}" ] || lab_bin "$PLUGIN" "$COMPARE"
}

# map ARGUMENT...: nbdkit with the plugin, as the lab's user, on a socket of its
# own; --run COMMAND is run with the URI in $uri.
map() {
    lab_run env "SEED=${SEED:-1}" nbdkit -U - -f \
        "$LAB/bin/virtnbdmap-plugin.so" "$@"
}

# is IMAGE ARGUMENT...: what is shown is the raw image: all of it in order, and
# at random places by several clients at once.
is() {
    local image=$1
    shift
    [ "$(id -u)" != 0 ] || chown "$LAB_USER" "$image"
    map "$@" --run "set -e
        nbdcopy \"\$uri\" - | cmp - $image
        map-compare \"\$uri\" $image $AMOUNT >&2"
}

# restored SET POINT: make $T/restored.DISK of each of its disks.
restored() {
    local image disk
    rm -rf "$T/r" "$T"/restored.*
    restore -i "$1" -o "$T/r" -u "$2" || return 1
    for image in "$T"/r/*.qcow2; do
        disk=vd$(basename "$image" .qcow2)
        lab_run qemu-img convert -O raw "$image" "$T/restored.$disk" ||
            return 1
    done
    rm -rf "$T/r"
}

# is_restored SET POINT: every disk of it is what a restore makes of it.
is_restored() {
    local image
    restored "$1" "$2" || return 1
    for image in "$T"/restored.*; do
        echo "# $2, ${image##*.}"
        is "$image" "dir=$1" "point=$2" "disk=${image##*.}" || return 1
    done
}

# files_of SET DISK: file=PATH for every data file of the disk that its newest
# point is made of, in order.
files_of() {
    jq -sr --arg dir "$1" --arg disk "$2" '
        (map({(.point): .}) | add) as $points
        | [sort_by(.sequence) | .[] | select(any(.disks[]; .target == $disk))]
        | last
        | [recurse(.disks[] | select(.target == $disk) | .parent
            | select(. != "") | $points[.])]
        | reverse | .[] | .disks[] | select(.target == $disk)
        | "file=\($dir)/\(.file)"' "$1"/manifest.*.json
}
