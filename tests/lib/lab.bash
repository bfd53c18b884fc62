# shellcheck shell=bash disable=SC2034,SC2013
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab.bash - a private libvirt with guests, for tests and the demo
#
# Source it, then:
#
#     lab_start; trap lab_stop EXIT
#     lab_bin "$BUILD/backup/virtnbdbackup"
#     lab_domain vm1 vda=a.qcow2,size=64M vdb=b.qcow2,size=16M
#     lab_write vm1 vda 0xaa 1M 64K
#     lab_run virtnbdbackup -d vm1 -l full -o "$LAB/target/vm1"
#     lab_snapshot_truth vm1 vda "$LAB/truth.raw"
#     lab_leftovers
#
# A lab is one directory with everything in it: home, XDG directories, disks,
# binaries.  Its libvirt is an unprivileged session daemon that libvirt starts
# on demand; qemu:///system and the machine's own guests are never touched.
# As root all of it runs as LAB_USER (default: nobody), otherwise as oneself.
# Any number of labs can live side by side; a lab finds its processes by the
# path of its directory, which every one of them has in its environment or its
# command line.
#
# Every function returns non-zero and prints a sentence on stderr when it
# fails.  Needs: libvirtd, virsh, qemu-system-x86_64, qemu-img; setpriv as root.
#
# Variables for callers, set by lab_start:
#   LAB          the directory; short, so that socket paths in it fit
#   LAB_URI      qemu:///session
#   LAB_CANARY   a secret that nothing in the lab may tell; see lab_silent
#   LAB_SECRET_URI  LAB_URI with the secret in its query, and in the authfile that
#                this names: the LIBVIRT_DEFAULT_URI of programs in the lab
#   LAB_DISKS    where relative disk names of lab_domain lie
#   LAB_TARGET   an empty directory that the lab's user may write: for backups
#   LAB_TMP      TMPDIR of the lab's processes; lab_leftovers wants it empty
#   LAB_LOGS     where QEMU's logs are
#   LAB_ROOT     in front of file names there to see them from here (empty, but
#                see remote.bash)
# and for lab_start, from the environment:
#   LAB_USER     the user to be when started by root (nobody)
#   LAB_KEEP     not empty: lab_stop leaves the directory for a look at it

LAB=

_lab_fail() {
    echo "lab: $*" >&2
    return 1
}

# lab_requires
#   0 when this machine can run a lab; otherwise prints why not, returns 1.
#   For tests that want to skip: `why=$(lab_requires) || skip "$why"`.
lab_requires() {
    local tool
    for tool in libvirtd virsh qemu-system-x86_64 qemu-img; do
        if ! PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null; then
            echo "$tool is not installed"
            return 1
        fi
    done
    if [ "$(id -u)" = 0 ]; then
        if ! command -v setpriv >/dev/null; then
            echo "setpriv is not installed"
            return 1
        fi
        if ! id "${LAB_USER:-nobody}" >/dev/null 2>&1; then
            echo "there is no user ${LAB_USER:-nobody}"
            return 1
        fi
    fi
}

# lab_start
#   Make a lab and start its libvirt.  One lab a shell: fails if there is one.
lab_start() {
    local dir

    [ -z "$LAB" ] || { _lab_fail "there is a lab already: $LAB"; return 1; }
    dir=$(mktemp -d /tmp/vl.XXXXXX) || return 1
    LAB=$dir
    LAB_URI=qemu:///session
    LAB_CANARY=$(mktemp -u canaryXXXXXXXXXX)
    LAB_SECRET_URI="$LAB_URI?authfile=$LAB/auth/file&keyfile=$LAB_CANARY"
    LAB_DISKS=$LAB/disks
    LAB_TARGET=$LAB/target
    LAB_TMP=$LAB/tmp
    LAB_LOGS=$LAB/ca/libvirt/qemu/log
    mkdir "$LAB"/{home,r,c,ca,da,disks,target,tmp,bin} || return 1
    mkdir -p "$LAB/c/libvirt"
    echo $$ >"$LAB/owner"
    # QEMU writes its log itself: no virtlogd to start and to end.
    echo 'stdio_handler = "file"' >"$LAB/c/libvirt/qemu.conf"
    _lab_authfile || return 1
    chmod 755 "$LAB" "$LAB/bin"
    chmod 700 "$LAB/r"
    LAB_ENV=(
        "PATH=$LAB/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        "HOME=$LAB/home" "XDG_RUNTIME_DIR=$LAB/r" "XDG_CONFIG_HOME=$LAB/c"
        "XDG_CACHE_HOME=$LAB/ca" "XDG_DATA_HOME=$LAB/da" "TMPDIR=$LAB/tmp"
        "LAB=$LAB" "LIBVIRT_DEFAULT_URI=$LAB_SECRET_URI" "LC_ALL=C" "TZ=UTC"
        # As in a system's libvirt, whose daemon systemd starts, so that the
        # programs confine themselves.
        "LIBVIRT_AUTOSTART=0"
    )
    local name
    for name in ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS \
        TERM MALLOC_PERTURB_; do
        if [ -n "${!name+set}" ]; then
            LAB_ENV+=("$name=${!name}")
        fi
    done
    # QEMU's capabilities take libvirt two seconds to find out: once is enough.
    LAB_CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/virtnbd-lab
    if [ -d "$LAB_CACHE" ]; then
        mkdir -p "$LAB/ca/libvirt/qemu/cache/capabilities"
        cp "$LAB_CACHE"/*.xml "$LAB/ca/libvirt/qemu/cache/capabilities/" \
            2>/dev/null
    fi
    LAB_AS=()
    if [ "$(id -u)" = 0 ]; then
        LAB_USER=${LAB_USER:-nobody}
        LAB_AS=(setpriv "--reuid=$LAB_USER"
            "--regid=$(id -g "$LAB_USER")" --clear-groups --)
        chown -R "$LAB_USER:$(id -g "$LAB_USER")" "$LAB"
    else
        LAB_USER=$(id -un)
    fi
    if ! lab_virsh list >/dev/null; then
        lab_stop
        _lab_fail "libvirt's session daemon does not start"
        return 1
    fi
}

# Credentials for a server that there is not: libvirt reads the file where it has
# to log in, and asks as it would without.  (A key file is for ssh.)
_lab_authfile() {
    mkdir -m 700 "$LAB/auth" || return 1
    echo "$LAB_CANARY" >"$LAB/auth/word"
    cat >"$LAB/auth/file" <<AUTH
[credentials-lab]
authname=lab
password=$LAB_CANARY
[auth-libvirt-nowhere.invalid]
credentials=lab
AUTH
    chmod 600 "$LAB/auth/file"
}

# lab_run COMMAND [ARGUMENT...]
#   Run a command as the lab's user, in the lab's environment; its stdin,
#   stdout, stderr and status are the command's own.  The current directory
#   stays.  Nothing of the caller's environment comes along but sanitizer
#   options and TERM; more with `lab_run env NAME=value COMMAND`.
lab_run() {
    "${LAB_AS[@]}" env -i "${LAB_ENV[@]}" "$@"
}

# lab_spawn COMMAND [ARGUMENT...]
#   The same in the background.  LAB_PID is the process id of the command
#   itself (no shell, no wrapper in between), to be signalled and waited for.
lab_spawn() {
    ( exec "${LAB_AS[@]}" env -i "${LAB_ENV[@]}" "$@" ) &
    LAB_PID=$!
}

# lab_virsh ARGUMENT...
#   virsh in the lab, which starts the daemon if it is not there.
lab_virsh() {
    lab_run env LIBVIRT_AUTOSTART=1 virsh -q -c "$LAB_URI" "$@"
}

# lab_bin FILE...
#   Copy programs into the lab's PATH, readable and executable for its user
#   (a checkout below /root is not).
lab_bin() {
    local file
    for file in "$@"; do
        install -m 755 "$file" "$LAB/bin/" || return 1
    done
}

# lab_path DISK
#   Print the full path of a disk file: relative names lie in $LAB_DISKS.
lab_path() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$LAB_DISKS" "$1" ;;
    esac
}

# lab_image FILE FORMAT SIZE [OPTIONS]
#   Make a disk image owned by the lab's user (qemu-img create; OPTIONS as
#   after its -o, for example compat=0.10).
lab_image() {
    local file
    file=$(lab_path "$1")
    lab_run qemu-img create -q -f "$2" ${4:+-o "$4"} "$file" "$3"
}

_lab_xml() {
    # Quoted, because bash 5.2 takes a bare & for the match.
    local text=${1//&/"&amp;"}
    text=${text//</"&lt;"}
    text=${text//>/"&gt;"}
    text=${text//\'/"&apos;"}
    printf '%s' "$text"
}

# _lab_disk TARGET SPEC: print the <disk> element; make the image on demand.
_lab_disk() {
    local target=$1 spec=$2 file format=qcow2 device=disk bus='' size=''
    local serial='' readonly='' options='' nbd='' export='' pool='' volume=''
    local item
    local -a items

    IFS=, read -r -a items <<<"$spec"
    file=${items[0]}
    for item in "${items[@]:1}"; do
        case $item in
        format=* | device=* | bus=* | size=* | serial=* | readonly=* | \
            nbd=* | export=* | pool=* | volume=*)
            local "${item?}"
            ;;
        *=*) options=${options:+$options,}$item ;;
        *) _lab_fail "disk '$spec': what is '$item'"; return 1 ;;
        esac
    done
    case $device in
    cdrom) : "${bus:=sata}"; format=raw; readonly=1 ;;
    floppy) : "${bus:=fdc}"; format=raw ;;
    esac
    : "${bus:=virtio}"
    local type=file source=''
    if [ -n "$nbd" ]; then
        type=network format=raw
        case $nbd in
        /*) source="<host transport='unix' socket='$(_lab_xml "$nbd")'/>" ;;
        *) source="<host name='${nbd%:*}' port='${nbd##*:}'/>" ;;
        esac
        source="<source protocol='nbd' name='$(_lab_xml "$export")'>$source</source>"
    elif [ -n "$pool" ]; then
        type=volume
        source="<source pool='$(_lab_xml "$pool")' volume='$(_lab_xml "$volume")'/>"
    elif [ -n "$file" ]; then
        file=$(lab_path "$file")
        if [ -n "$size" ] && [ ! -e "${LAB_ROOT:-}$file" ]; then
            lab_image "$file" "$format" "$size" "$options" || return 1
        fi
        [ -b "${LAB_ROOT:-}$file" ] && type=block
        source="<source file='$(_lab_xml "$file")'/>"
        [ $type = block ] && source="<source dev='$(_lab_xml "$file")'/>"
    fi
    echo "<disk type='$type' device='$device'>"
    case $device in
    disk) echo "<driver name='qemu' type='$format' discard='unmap'/>" ;;
    *) echo "<driver name='qemu' type='$format'/>" ;;
    esac
    echo "$source<target dev='$target' bus='$bus'/>"
    [ -z "$readonly" ] || echo "<readonly/>"
    [ -z "$serial" ] || echo "<serial>$(_lab_xml "$serial")</serial>"
    echo "<alias name='ua-$target'/></disk>"
}

# lab_domain_xml NAME DISK...
#   Print the XML that lab_domain would define; makes missing images.
#   A DISK is [TARGET=]FILE[,KEY=VALUE...], by default vda, vdb, ... on virtio,
#   qcow2, discard passed on.  Keys:
#     size=64M           make the image if FILE is not there
#     format=raw|qcow2   of the image (qcow2)
#     device=cdrom|floppy|disk|lun      bus=virtio|scsi|sata|ide|fdc
#     serial=TEXT        readonly=1
#     nbd=SOCKET or nbd=HOST:PORT, export=NAME     a network disk (FILE empty)
#     pool=P, volume=V                             a volume (FILE empty)
#   other keys go to qemu-img create -o (compat=0.10, cluster_size=64K, ...).
#   An empty FILE without these is a drive without medium (cdrom, floppy).
#   LAB_DEVICES in the environment: more XML to put into <devices>.
lab_domain_xml() {
    local name=$1 spec target next=0 letters=abcdefghijklmnopqrstuvwxyz
    shift
    cat <<XML
<domain type='qemu'>
  <name>$(_lab_xml "$name")</name>
  ${LAB_UUID:+<uuid>$LAB_UUID</uuid>}
  <memory unit='MiB'>${LAB_MEMORY:-32}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <video><model type='none'/></video>
    ${LAB_DEVICES:-}
XML
    for spec in "$@"; do
        case ${spec%%,*} in
        *=*)
            target=${spec%%=*}
            spec=${spec#*=}
            ;;
        *)
            target=vd${letters:next:1}
            next=$((next + 1))
            ;;
        esac
        _lab_disk "$target" "$spec" || return 1
    done
    echo "  </devices>"
    echo "</domain>"
}

# lab_domain [--paused] [--off] [--transient] NAME DISK...
#   Define and start a guest without an operating system: its firmware finds
#   nothing to boot and waits.  32 MiB of memory (LAB_MEMORY), emulated, no
#   autostart.  DISK: see lab_domain_xml.  --paused: started, no CPU runs;
#   --off: defined only; --transient: started without a definition.
lab_domain() {
    local paused='' off='' transient=''
    while :; do
        case $1 in
        --paused) paused=--paused ;;
        --off) off=1 ;;
        --transient) transient=1 ;;
        *) break ;;
        esac
        shift
    done
    local name=$1 xml="$LAB/tmp.$1.xml" status=0
    lab_domain_xml "$@" >"$xml" || return 1
    chmod 644 "$xml"
    if [ -n "$transient" ]; then
        lab_virsh create $paused "$xml" >/dev/null || status=1
    else
        lab_virsh define "$xml" >/dev/null || status=1
        if [ $status = 0 ] && [ -z "$off" ]; then
            lab_virsh start $paused "$name" >/dev/null || status=1
        fi
    fi
    rm -f "$xml"
    _lab_keep_cache
    return $status
}

# Keep what libvirt found out about QEMU for the labs to come.
_lab_keep_cache() {
    local file
    mkdir -p "$LAB_CACHE" 2>/dev/null || return 0
    for file in "$LAB"/ca/libvirt/qemu/cache/capabilities/*.xml; do
        cmp -s "$file" "$LAB_CACHE/${file##*/}" && continue
        cp "$file" "$LAB_CACHE/.new.$$" 2>/dev/null &&
            mv "$LAB_CACHE/.new.$$" "$LAB_CACHE/${file##*/}"
    done
    return 0
}

# lab_monitor DOMAIN COMMAND
#   One command on the human monitor of the guest's QEMU; prints the answer.
lab_monitor() {
    lab_virsh qemu-monitor-command "$1" --hmp "$2"
}

# _lab_qom DISK: the device's path for qemu-io -d.  DISK is a target (vda), an
# alias (virtio-disk1, as a hot-plugged disk has) or a full QOM path.
_lab_qom() {
    case $1 in
    /*) echo "$1" ;;
    virtio-* | ua-vd*) echo "/machine/peripheral/$1/virtio-backend" ;;
    vd*) echo "/machine/peripheral/ua-$1/virtio-backend" ;;
    ua-* | *-*) echo "/machine/peripheral/$1" ;;
    *) echo "/machine/peripheral/ua-$1" ;;
    esac
}

# lab_io DOMAIN DISK COMMAND
#   A qemu-io command inside the running guest's QEMU, where the guest's own
#   requests go: dirty bitmaps and a running backup notice it.  What qemu-io
#   printed is in LAB_ANSWER.
lab_io() {
    local log="$LAB_LOGS/$1.log" before
    before=$(stat -c %s "$log") || return 1
    LAB_ANSWER=$(lab_monitor "$1" "qemu-io -d $(_lab_qom "$2") \"$3\"") ||
        return 1
    # What qemu-io prints goes to QEMU's stdout, and there alone its failures.
    LAB_ANSWER+=$(tail -c "+$((before + 1))" "$log")
    case $LAB_ANSWER in
    *failed* | *rror* | *annot* | *nvalid* | *"not found"* | *"out of range"*)
        _lab_fail "$1 $2: $3: $LAB_ANSWER"
        ;;
    esac
}

# lab_io_many DOMAIN
#   The same for many commands, one "DISK COMMAND" a line on stdin, by a single
#   connection.
lab_io_many() {
    local log="$LAB_LOGS/$1.log" before disk command script=
    before=$(stat -c %s "$log") || return 1
    while read -r disk command; do
        script+="qemu-monitor-command $1 --hmp"
        script+=" 'qemu-io -d $(_lab_qom "$disk") \"$command\"';"
    done
    LAB_ANSWER=$(lab_virsh "$script") || return 1
    LAB_ANSWER+=$(tail -c "+$((before + 1))" "$log")
    case $LAB_ANSWER in
    *failed* | *rror* | *annot* | *nvalid* | *"not found"* | *"out of range"*)
        _lab_fail "$1: $script: $LAB_ANSWER"
        ;;
    esac
}

# lab_write DOMAIN DISK PATTERN OFFSET LENGTH
#   Write LENGTH bytes of the byte PATTERN (0xaa) at OFFSET; both take suffixes
#   (64K, 1M).
lab_write() {
    lab_io "$1" "$2" "write -P $3 $4 $5"
}

# lab_write_zeroes [--keep] DOMAIN DISK OFFSET LENGTH
#   Write zeroes, freeing the clusters; --keep: they stay allocated.
lab_write_zeroes() {
    local unmap=-u
    if [ "$1" = --keep ]; then
        unmap=
        shift
    fi
    lab_io "$1" "$2" "write -z $unmap $3 $4"
}

# lab_discard DOMAIN DISK OFFSET LENGTH
#   Discard (the guest's TRIM).
lab_discard() {
    lab_io "$1" "$2" "discard $3 $4"
}

# lab_flush DOMAIN DISK
lab_flush() {
    lab_io "$1" "$2" flush
}

# lab_source DOMAIN DISK
#   Print the file behind a disk of a (running or defined) guest.
lab_source() {
    lab_virsh domblklist "$1" | awk -v t="$2" '$1 == t { print $2 }'
}

# lab_snapshot_truth DOMAIN DISK FILE
#   What the guest's disk holds now, as a sparse raw file: the oracle for
#   restores.  A running guest is suspended meanwhile; a guest that was paused
#   or off stays so.
lab_snapshot_truth() {
    local domain=$1 disk=$2 file=$3 state source status=0
    state=$(lab_virsh domstate "$domain") || return 1
    source=$(lab_source "$domain" "$disk")
    [ -n "$source" ] || { _lab_fail "$domain has no disk $disk"; return 1; }
    [ "$state" != running ] || lab_virsh suspend "$domain" >/dev/null ||
        return 1
    case $state in
    running | paused) lab_flush "$domain" "$disk" || status=1 ;;
    esac
    rm -f "$file"
    [ $status != 0 ] || qemu-img convert -U -O raw "${LAB_ROOT:-}$source" "$file" ||
        status=1
    [ "$state" != running ] || lab_virsh resume "$domain" >/dev/null ||
        status=1
    return $status
}

# lab_daemon
#   Print the process id of the lab's libvirtd (for tests that stop or kill it;
#   it comes back with the next lab_virsh).
lab_daemon() {
    cat "$LAB/r/libvirt/libvirtd.pid"
}

# lab_qemu DOMAIN
#   Print the process id of a running guest's QEMU.
lab_qemu() {
    cat "$LAB/r/libvirt/qemu/run/$1.pid"
}

# lab_processes
#   Print "PID COMMAND LINE" of everything that runs in this lab.
lab_processes() {
    local file pid line
    [ -n "$LAB" ] || return 0
    # The path comes to grep through a pipe so that it does not find itself.
    for file in $(grep -lasFf <(printf '%s/\n' "$LAB") \
        /proc/[0-9]*/environ /proc/[0-9]*/cmdline); do
        pid=${file#/proc/}
        echo "${pid%%/*}"
    done | sort -un | while read -r pid; do
        _lab_is_ancestor "$pid" && continue
        line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || continue
        [ -z "$line" ] || printf '%s %s\n' "$pid" "$line"
    done
}

# Is process $1 among the shells above us (a test named by a path in the lab)?
_lab_is_ancestor() {
    local pid=$BASHPID
    while [ "${pid:-0}" -gt 1 ]; do
        [ "$pid" != "$1" ] || return 0
        pid=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status" 2>/dev/null)
    done
    return 1
}

# Processes that belong to the lab and not to what is tested.
_lab_strangers() {
    lab_processes | grep -Ev \
        '^[0-9]+ ([^ ]*/)?(libvirtd|virtlogd|virtlockd|dbus-[a-z]+|qemu-system-[a-z0-9_]+|passt|swtpm|sshd:?|unshare|dnsmasq)( |$)|^[0-9]+ bash /tmp/vl\.......\/far-init|^[0-9]+ sleep 3600'
}

# Is there another lab whose shell lives?
_lab_has_neighbours() {
    local owner pid
    for owner in /tmp/vl.??????/owner; do
        [ "$owner" != "$LAB/owner" ] || continue
        read -r pid 2>/dev/null <"$owner" && [ -d "/proc/$pid" ] && return 0
    done
    return 1
}

# lab_leftovers
#   Print what a finished command should have taken away, one line each;
#   returns 1 if there is anything.  Jobs of running guests, processes in this
#   lab but libvirt's and the guests', files below TMPDIR, sockets anywhere in
#   the lab, and /var/tmp/virtnbdbackup.* of our user made since the start
#   (these only while no other lab lives, which might have made them).
#   Processes get two seconds to end.
lab_leftovers() {
    local found='' name i
    for ((i = 0; i < 40; i++)); do
        [ -n "$(_lab_strangers)" ] || break
        sleep 0.05
    done
    found+=$(_lab_strangers | sed 's/^/process: /')
    found+=$(
        lab_virsh list --name | while read -r name; do
            [ -n "$name" ] || continue
            lab_virsh domjobinfo "$name" | awk -v d="$name" '
                $1 == "Job" && $3 != "None" { job = 1 }
                $1 == "Operation:" { what = $2 }
                END { if (job) print "\njob: " d ": " what }'
        done
    )
    found+=$(find "$LAB/tmp" -mindepth 1 -printf '\nfile: %p')
    found+=$(find "$LAB" \( -path "$LAB/r/libvirt" -o -path "$LAB/c/libvirt" \
        -o -path "$LAB/tmp" \) -prune -o -type s -printf '\nsocket: %p')
    if ! _lab_has_neighbours; then
        found+=$(find /var/tmp -maxdepth 1 -name 'virtnbdbackup.*' \
            -user "$LAB_USER" -newer "$LAB/c/libvirt/qemu.conf" \
            -printf '\nfile: %p')
    fi
    found=$(sed '/^$/d' <<<"$found")
    [ -z "$found" ] || { printf '%s\n' "$found"; return 1; }
}

# lab_silent [FILE...]
#   Print where the lab's secret can be read; returns 1 if it can: in files of
#   the lab, in their names, in these FILEs or directories, in the arguments of
#   any process.  $LAB/auth alone may have it.  Of files of more than 4 MiB,
#   which are disks, the begin and the end are searched, where there is anything
#   else in them.  Arguments get a second: a program may be about to start.
lab_silent() {
    local found arguments i
    [ -n "$LAB" ] || return 0
    found=$(_lab_files_that_tell "$@")
    for ((i = 0; i < 20; i++)); do
        arguments=$(_lab_arguments_that_tell)
        [ -n "$arguments" ] || break
        sleep 0.05
    done
    found=$(sed '/^$/d' <<<"$found"$'\n'"$arguments")
    [ -z "$found" ] || { printf '%s\n' "$found" | cut -c 1-400; return 1; }
}

# grep for the secret, which so is in no argument of ours.
_lab_grep_secret() {
    LC_ALL=C grep -saF -D skip -f "$LAB/auth/word" "$@"
}

# A file system that hangs must not hang the search.
_lab_files_that_tell() {
    local file end auth=$LAB/auth
    timeout 60 find "$LAB" "$@" -path "$auth" -prune -o \
        -fprint "$auth/names" -type f \
        \( -size +4096k -fprint0 "$auth/big" -o -fprint0 "$auth/small" \) \
        2>/dev/null
    _lab_grep_secret "$auth/names" | sed 's/^/secret in the name: /'
    LC_ALL=C timeout 60 xargs -0r grep -slaF -D skip -f "$auth/word" -- \
        <"$auth/small" | while IFS= read -r file; do
        echo "secret in $file: $(_lab_grep_secret -m 1 "$file")"
    done
    for end in head tail; do
        ! timeout 60 xargs -0r $end -qc 256K -- <"$auth/big" 2>/dev/null |
            _lab_grep_secret -q || _lab_big_files_that_tell $end
    done
}

_lab_big_files_that_tell() {
    local file
    while IFS= read -r -d '' file; do
        ! "$1" -c 256K -- "$file" | _lab_grep_secret -q || echo "secret in $file"
    done <"$LAB/auth/big"
}

_lab_arguments_that_tell() {
    local file
    for file in $(_lab_grep_secret -l /proc/[0-9]*/cmdline); do
        echo "secret in arguments: $(tr '\0' ' ' 2>/dev/null <"$file")"
    done
}

# lab_stop
#   End the lab: its daemon, its guests, everything else that runs in it; then
#   remove the directory.  Does nothing without a lab, so it may be called from
#   a trap as well as by hand.
lab_stop() {
    local pids i
    case $LAB in
    /tmp/vl.??????) ;;
    *) return 0 ;;
    esac
    for ((i = 0; i < 200; i++)); do
        # libvirtd first, so that nothing is started again; KILL ends stopped
        # processes too.
        pids=$(lab_processes | awk '
            { if ($2 ~ /libvirtd$/) first = first " " $1
              else rest = rest " " $1 }
            END { print first rest }')
        [ -n "${pids// /}" ] || break
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null
        sleep 0.02
    done
    if [ "$(id -u)" = 0 ]; then
        findmnt -rno TARGET | grep -F "$LAB/" | sort -r |
            while read -r i; do umount -l "$i"; done
    fi
    if [ -z "${LAB_KEEP:-}" ]; then
        rm -rf --one-file-system "$LAB"
    else
        echo "lab: kept $LAB" >&2
    fi
    LAB=
    return 0
}
