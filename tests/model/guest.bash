# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# guest.bash - the guest of a chain, and what happens to it between backups
#
# Sourced by chains.bash, which has rnd, chance, draw, any, say and wrong.
# Knows nothing of backups but the names of checkpoints that it takes away.
#
#   VM            its name
#   DISKS         its targets (vda ...)
#   FILE[target]  the image, a name in LAB_DISKS never used twice in a chain
#   SIZE[target]  bytes
#   OLD           of the image that was put aside: its target, FILE and SIZE

declare -A FILE SIZE

# A new image for disk $1, of a size and kind that is drawn.
image_make() {
    local options size
    rnd 40000
    size=$(((8192 + REPLY) * 512))
    ! chance 30 || size=$((size / 1048576 * 1048576))
    draw cluster_size=4K 2 cluster_size=8K 1 cluster_size=16K 1 \
        cluster_size=32K 1 cluster_size=64K 4 cluster_size=512 1 \
        cluster_size=16K,extended_l2=on 1 cluster_size=64K,extended_l2=on 1 \
        cluster_size=64K,lazy_refcounts=on 1 cluster_size=2M 1 \
        cluster_size=64K,compression_type=zstd 1 \
        cluster_size=64K,preallocation=metadata 1
    options=$REPLY
    IMAGES=$((IMAGES + 1))
    FILE[$1]=$VM-$IMAGES.qcow2
    SIZE[$1]=$size
    say "disk $1: new image ${FILE[$1]}, $size bytes, $options"
    lab_image "${FILE[$1]}" qcow2 "$size" "$options" || wrong "qemu-img create"
}

guest_define() {
    local disk
    local -a specs=()
    for disk in "${DISKS[@]}"; do
        specs+=("$disk=${FILE[$disk]}")
    done
    lab_domain --off "$VM" "${specs[@]}" || wrong "the guest cannot be defined"
}

guest_start() {
    local paused=--paused
    ! chance 15 || paused=
    # shellcheck disable=SC2086
    lab_virsh start $paused "$VM" >/dev/null || wrong "the guest does not start"
}

guest_off() {
    lab_virsh destroy "$VM" >/dev/null || wrong "the guest does not end"
    ! chance 30 || image_put_aside
}

guest_make() {
    local letters=abc
    VM=$1
    DISKS=()
    FILE=()
    SIZE=()
    OLD=()
    IMAGES=0
    LAB_UUID=$(printf '%08x-0000-4000-8000-%012x' "$SEED" "$CHAIN")
    rnd 3
    local i count=$((REPLY + 1))
    for ((i = 0; i < count; i++)); do
        DISKS+=("vd${letters:i:1}")
        image_make "vd${letters:i:1}"
    done
    guest_define
    guest_start
}

guest_remove() {
    lab_virsh destroy "$1" >/dev/null 2>&1
    lab_virsh undefine --checkpoints-metadata "$1" >/dev/null 2>&1
    rm -rf "${LAB_DISKS:?}"/*
}

# guest_write: some requests to some of the disks.
guest_write() {
    local lines
    requests
    [ -n "$lines" ] || return 0
    say "writes: $(tr '\n' ',' <<<"${lines%$'\n'}")"
    lab_io_many "$VM" <<<"${lines%$'\n'}" || wrong "the guest cannot write"
}

# The same while it is off: what is done to the images by hand.
guest_write_off() {
    local lines disk command
    local -a commands
    requests
    [ -n "$lines" ] || return 0
    say "writes while off: $(tr '\n' ',' <<<"${lines%$'\n'}")"
    for disk in "${DISKS[@]}"; do
        commands=()
        while read -r command; do
            commands+=(-c "$command")
        done < <(sed -n "s/^$disk //p" <<<"$lines")
        [ ${#commands[@]} = 0 ] ||
            lab_run qemu-io -f qcow2 -d unmap "${commands[@]}" \
                "$LAB_DISKS/${FILE[$disk]}" >/dev/null || wrong "qemu-io"
    done
}

# requests: lines becomes "DISK COMMAND" lines.
requests() {
    local disk i count offset length
    lines=
    for disk in "${DISKS[@]}"; do
        chance 80 || continue
        rnd 10
        count=$((REPLY + 1))
        for ((i = 0; i < count; i++)); do
            draw 16 3 600 5 6000 1
            rnd "$REPLY"
            length=$(((REPLY + 1) * 512))
            rnd $((SIZE[$disk] / 512))
            offset=$((REPLY * 512))
            ! chance 40 || offset=$((offset / 65536 * 65536))
            ! chance 30 || length=$(((length + 65535) / 65536 * 65536))
            [ $((offset + length)) -le "${SIZE[$disk]}" ] ||
                length=$((SIZE[$disk] - offset))
            draw data 10 zeroes 1 "write -z" 3 "write -z -u" 3 discard 4
            if [ "$REPLY" = data ]; then
                rnd 255
                REPLY="write -P $((REPLY + 1))"
            elif [ "$REPLY" = zeroes ]; then
                REPLY="write -P 0"
            fi
            lines+="$disk $REPLY $offset $length"$'\n'
        done
    done
}

# Keep a copy of one disk's image for image_revert; the guest is off.
image_put_aside() {
    any "${DISKS[@]}"
    local disk=$REPLY
    OLD=("$disk" "${FILE[$disk]}" "${SIZE[$disk]}")
    cp --sparse=always -p "$LAB_DISKS/${FILE[$disk]}" "$LAB_DISKS/old"
    say "a copy of ${FILE[$disk]} is put aside"
}

# The copy takes the place of the disk's image: a rollback, bitmaps included.
image_revert() {
    local disk=${OLD[0]:-} other used=
    [ -n "$disk" ] && [ -n "${FILE[$disk]:-}" ] || return 0
    lab_virsh destroy "$VM" >/dev/null || wrong "the guest does not end"
    for other in "${DISKS[@]}"; do
        [ "$other" = "$disk" ] || [ "${FILE[$other]}" != "${OLD[1]}" ] || used=1
    done
    if [ -z "$used" ] && chance 60; then
        FILE[$disk]=${OLD[1]}
    else
        IMAGES=$((IMAGES + 1))
        FILE[$disk]=$VM-$IMAGES.qcow2
    fi
    cp --sparse=always -p "$LAB_DISKS/old" "$LAB_DISKS/${FILE[$disk]}"
    SIZE[$disk]=${OLD[2]}
    say "disk $disk: the copy of ${OLD[1]} put aside, as ${FILE[$disk]}"
    guest_define
    guest_start
}

bitmap_remove() {
    local disk name only=1
    local -a names
    guest_off
    any "${DISKS[@]}"
    disk=$REPLY
    mapfile -t names < <(qemu-img info --output json \
        "$LAB_DISKS/${FILE[$disk]}" |
        jq -r '."format-specific".data.bitmaps[]?.name')
    if [ ${#names[@]} -gt 0 ]; then
        if chance 50; then
            names=("${names[-1]}")
        elif chance 50; then
            any "${names[@]}"
            names=("$REPLY")
        fi
    fi
    for name in "${names[@]}"; do
        say "disk $disk: bitmap $name removed while off"
        lab_run qemu-img bitmap --remove "$LAB_DISKS/${FILE[$disk]}" "$name" ||
            wrong "qemu-img bitmap"
    done
    guest_start
}

qemu_kill() {
    local i
    say "QEMU killed, started again"
    kill -KILL "$(lab_qemu "$VM")"
    for ((i = 0; i < 500; i++)); do
        [ "$(lab_virsh domstate "$VM")" != "shut off" ] || break
        sleep 0.02
    done
    guest_start
}

# The lowest target that is free: sometimes that of a disk taken away before.
disk_free() {
    local disk
    for disk in vda vdb vdc vdd; do
        [[ " ${DISKS[*]} " == *" $disk "* ]] || break
    done
    REPLY=$disk
}

disk_add() {
    [ ${#DISKS[@]} -lt 4 ] || return 0
    disk_free
    local disk=$REPLY
    [ "$1" = live ] || guest_off
    image_make "$disk"
    DISKS+=("$disk")
    say "disk $disk added ($1)"
    if [ "$1" = live ]; then
        _lab_disk "$disk" "${FILE[$disk]}" >"$LAB/disk.xml"
        chmod 644 "$LAB/disk.xml"
        lab_virsh attach-device --live --config "$VM" "$LAB/disk.xml" \
            >/dev/null || wrong "attach-device"
    else
        guest_define
        guest_start
    fi
}

disk_remove() {
    [ ${#DISKS[@]} -gt 1 ] || return 0
    local disk gone
    local -a rest=()
    guest_off
    any "${DISKS[@]}"
    gone=$REPLY
    for disk in "${DISKS[@]}"; do
        [ "$disk" = "$gone" ] || rest+=("$disk")
    done
    DISKS=("${rest[@]}")
    unset "FILE[$gone]" "SIZE[$gone]"
    say "disk $gone removed"
    guest_define
    guest_start
}

disk_replace() {
    local disk
    guest_off
    any "${DISKS[@]}"
    disk=$REPLY
    say "disk $disk replaced:"
    image_make "$disk"
    guest_define
    guest_start
}

# Two disks change places, their bitmaps of the same names with them.
disks_swap() {
    [ ${#DISKS[@]} -gt 1 ] || return 0
    local a=${DISKS[0]} b=${DISKS[1]} file size
    guest_off
    file=${FILE[$a]} size=${SIZE[$a]}
    FILE[$a]=${FILE[$b]} SIZE[$a]=${SIZE[$b]}
    FILE[$b]=$file SIZE[$b]=$size
    say "disks $a and $b change places"
    guest_define
    guest_start
}

disk_grow() {
    local disk size
    [ "$1" = live ] || guest_off
    any "${DISKS[@]}"
    disk=$REPLY
    rnd 8000
    size=$((SIZE[$disk] + (REPLY + 1) * 512))
    say "disk $disk grows to $size bytes ($1)"
    if [ "$1" = live ]; then
        lab_virsh blockresize "$VM" "$disk" "${size}B" >/dev/null ||
            wrong "blockresize"
    else
        lab_run qemu-img resize -q "$LAB_DISKS/${FILE[$disk]}" "$size" ||
            wrong "qemu-img resize"
        guest_start
    fi
    SIZE[$disk]=$size
}

metadata_delete() {
    local name
    say "the checkpoints' metadata is deleted"
    for name in $(lab_virsh checkpoint-list "$VM" --name); do
        lab_virsh checkpoint-delete --metadata "$VM" "$name" >/dev/null ||
            wrong "checkpoint-delete"
    done
}

metadata_undefine() {
    say "the guest is undefined with its checkpoints and defined again"
    lab_virsh dumpxml --inactive "$VM" >"$LAB/domain.xml" || wrong dumpxml
    chmod 644 "$LAB/domain.xml"
    lab_virsh undefine --checkpoints-metadata "$VM" >/dev/null ||
        wrong undefine
    lab_virsh define "$LAB/domain.xml" >/dev/null || wrong define
}

libvirtd_kill() {
    local i
    say "libvirtd killed"
    kill -KILL "$(lab_daemon)"
    for ((i = 0; i < 100; i++)); do
        lab_virsh list >/dev/null 2>&1 && return
        sleep 0.05
    done
    wrong "libvirtd does not come back"
}

guest_restart() {
    say "the guest is restarted"
    guest_off
    guest_start
}

# The image becomes the backing file of a new one, while the guest runs.
snapshot_external() {
    local disk
    any "${DISKS[@]}"
    disk=$REPLY
    IMAGES=$((IMAGES + 1))
    say "disk $disk: external snapshot, $VM-$IMAGES.qcow2 over ${FILE[$disk]}"
    lab_virsh snapshot-create-as "$VM" --no-metadata --disk-only --atomic \
        $(printf -- '--diskspec %s,snapshot=no ' "${DISKS[@]}" |
            sed "s|$disk,snapshot=no|$disk,file=$LAB_DISKS/$VM-$IMAGES.qcow2|") \
        >/dev/null || wrong "snapshot-create-as"
    FILE[$disk]=$VM-$IMAGES.qcow2
    # What is a backing file now must not come back as the image itself.
    OLD=()
}

snapshot_internal() {
    local disk
    guest_off
    any "${DISKS[@]}"
    disk=$REPLY
    say "disk $disk: internal snapshot"
    lab_run qemu-img snapshot -c "s$IMAGES" "$LAB_DISKS/${FILE[$disk]}" ||
        wrong "qemu-img snapshot"
    guest_start
}

# guest_change: perhaps one of the things that happen to guests.
guest_change() {
    draw nothing 55 guest_restart 6 bitmap_remove 5 qemu_kill 4 \
        "disk_add live" 3 "disk_add off" 3 disk_remove 2 disk_replace 3 \
        image_revert 5 disks_swap 2 "disk_grow live" 4 "disk_grow off" 3 \
        metadata_delete 4 metadata_undefine 3 libvirtd_kill 2 \
        snapshot_external 3 snapshot_internal 2
    [ "$REPLY" != nothing ] || return 0
    $REPLY
}
