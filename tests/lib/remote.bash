# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# remote.bash - a second host on this machine: a hypervisor far away
#
# Source it after lab.bash (or cli.bash), then, in a lab:
#
#     why=$(far_requires) || skip "$why"
#     far_start
#     far lab_domain vm1 vda=a.qcow2,size=64M      # on the far host
#     far lab_write vm1 vda 0xaa 1M 64K
#     lab_run virtnbdbackup -U "$FAR_URI" -d vm1 ...   # from here
#     far_leftovers
#
# The far host is a set of namespaces: network, mounts, processes, host name,
# IPC.  In it run sshd and libvirtd as root, and QEMU as libvirt's user for it,
# with system paths of their own; qemu:///system there has nothing to do with
# this machine's.  Its files cannot be seen from here, nor ours from there, but
# for the programs of the system and $FAR_SHARED.  It calls itself by a name
# that no resolver knows, and is reached by its address only.
#
# The client is the lab's user, who has a key of his own and a `ssh` in his PATH
# that is the system's, with a configuration in the lab (ssh looks for it in the
# home directory of the password file, whatever HOME says).
#
# Variables, set by far_start:
#   FAR_PID      its first process, as this machine sees it
#   FAR_IP       its address;  FAR_HERE: ours on the same link
#   FAR_URI      qemu+ssh://root@$FAR_IP/system, with the lab's secret in its query
#   FAR_ROOT     its file system, as this machine sees it (root only)
#   FAR_DISKS    a directory there: where relative disk names of `far` lie
#   FAR_SHARED   a directory that both sides see, for the tests' own use
#   FAR_SSH      a directory with keys and configuration: ssh_config, known_hosts,
#                id (the client's key), host_key, authorized_keys, sshd_config

FAR_PID=

_far_fail() {
    echo "far: $*" >&2
    return 1
}

# far_requires
#   0 when this machine can make a far host; otherwise prints why not, returns 1.
far_requires() {
    local tool
    if [ "$(id -u)" != 0 ]; then
        echo "a second host takes root"
        return 1
    fi
    for tool in sshd ssh ssh-keygen ip unshare nsenter libvirtd; do
        if ! PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null; then
            echo "$tool is not installed"
            return 1
        fi
    done
    if ! unshare --net --mount --pid --uts --ipc --fork true 2>/dev/null; then
        echo "no namespaces can be made here"
        return 1
    fi
}

# Keys and configurations, of both sides.
_far_ssh_files() {
    local dir=$FAR_SSH
    mkdir -p "$dir" || return 1
    ssh-keygen -q -t ed25519 -N '' -C far -f "$dir/host_key" &&
        ssh-keygen -q -t ed25519 -N '' -C near -f "$dir/id" || return 1
    cp "$dir/id.pub" "$dir/authorized_keys"
    echo "$FAR_IP $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" >"$dir/known_hosts"
    cat >"$dir/sshd_config" <<SSHD
Port 22
ListenAddress $FAR_IP
HostKey $dir/host_key
AuthorizedKeysFile $dir/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
MaxStartups 100
SSHD
    cat >"$dir/ssh_config" <<SSH
Host *
    IdentityFile $dir/id
    IdentitiesOnly yes
    UserKnownHostsFile $dir/known_hosts
    GlobalKnownHostsFile /dev/null
    ConnectTimeout 20
    Include $dir/more_config
SSH
    : >"$dir/more_config"
    chown "$LAB_USER" "$dir" "$dir"/{id,known_hosts,ssh_config,more_config}
    # ssh insists on it, whatever the umask.
    chmod 600 "$dir"/{id,ssh_config,more_config}
    cat >"$LAB/bin/ssh" <<SSH
#!/bin/sh
exec /usr/bin/ssh -F $dir/ssh_config "\$@"
SSH
    chmod 755 "$LAB/bin/ssh"
}

# What runs inside, as its first process.
_far_init_script() {
    cat <<INIT
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount --make-rprivate /
mount -t proc proc /proc
hostname far-away.invalid
ip link set lo up
# Nothing of this machine's state, and a place that only the far host sees.
for dir in /run /var/tmp /var/lib/libvirt /var/cache/libvirt /var/log/libvirt \\
    /etc/libvirt $LAB/far; do
    mount -t tmpfs -o mode=755 far "\$dir"
done
chmod 1777 /var/tmp
mkdir -p /run/sshd $LAB/far/disks /var/cache/libvirt/qemu/capabilities
chmod 777 $LAB/far/disks
mount --bind $LAB/far.log /var/log/libvirt
cp $LAB_CACHE/far/*.xml /var/cache/libvirt/qemu/capabilities/ 2>/dev/null || :
# libvirt keeps what it knows of QEMU only where KVM stays usable or not, and
# its users cannot use this machine's.
if [ -c /dev/kvm ]; then
    mknod -m 666 /run/kvm c 10 232
    mount --bind /run/kvm /dev/kvm
fi
printf '%s\\n' 'stdio_handler = "file"' 'security_driver = "none"' \\
    >/etc/libvirt/qemu.conf
touch /etc/libvirt/libvirtd.conf
touch $FAR_SHARED/ready
read -r _ <$FAR_SHARED/go
/usr/sbin/sshd -D -e -f $FAR_SSH/sshd_config 2>>$LAB/far.log/sshd &
/usr/sbin/libvirtd >>$LAB/far.log/libvirtd 2>&1 &
# Reap what loses its parent.
while :; do wait; sleep 3600 & wait \$!; done
INIT
}

# Find a free pair of addresses (of the range for benchmarks, which nobody
# uses) and make the link.
_far_link() {
    local try net
    for ((try = 0; try < 20; try++)); do
        net=198.$((18 + RANDOM % 2)).$((RANDOM % 256))
        ip route show | grep -q "^$net\." && continue
        FAR_HERE=$net.1 FAR_IP=$net.2
        return 0
    done
    _far_fail "no free addresses"
}

# far_start
#   Make the far host and start what runs on it.  The lab must run.
far_start() {
    local i link="v${LAB##*.}"
    FAR_SHARED=$LAB/shared FAR_SSH=$LAB/ssh FAR_DISKS=$LAB/far/disks
    mkdir -p "$FAR_SHARED" "$LAB/far" "$LAB/far.log/qemu" || return 1
    chmod 777 "$FAR_SHARED"
    mkdir -p "$LAB_CACHE/far" 2>/dev/null
    _far_link && _far_ssh_files || return 1
    mkfifo "$FAR_SHARED/go" || return 1
    _far_init_script >"$LAB/far-init"
    env -i LAB="$LAB" unshare --net --mount --pid --uts --ipc --fork \
        --kill-child bash "$LAB/far-init" </dev/null >"$LAB/far.log/init" 2>&1 3>&- &
    FAR_UNSHARE=$!
    for ((i = 0; i < 400; i++)); do
        [ ! -e "$FAR_SHARED/ready" ] || break
        kill -0 $FAR_UNSHARE 2>/dev/null || break
        sleep 0.025
    done
    FAR_PID=$(cat "/proc/$FAR_UNSHARE/task/$FAR_UNSHARE/children")
    FAR_PID=${FAR_PID%% *}
    FAR_ROOT=/proc/$FAR_PID/root
    if [ -z "$FAR_PID" ] || [ ! -e "$FAR_SHARED/ready" ]; then
        cat "$LAB/far.log/init" >&2
        _far_fail "it does not start"
        return 1
    fi
    ip link add "$link" type veth peer name far0 netns "$FAR_PID" &&
        ip address add "$FAR_HERE/30" dev "$link" && ip link set "$link" up &&
        nsenter -t "$FAR_PID" -n ip address add "$FAR_IP/30" dev far0 &&
        nsenter -t "$FAR_PID" -n ip link set far0 up ||
        { _far_fail "no link to it can be made"; return 1; }
    FAR_LINK=$link
    FAR_URI=qemu+ssh://root@$FAR_IP/system?authfile=/$LAB_CANARY
    echo >"$FAR_SHARED/go"
    for ((i = 0; i < 400; i++)); do
        far_run test -S /run/libvirt/libvirt-sock &&
            far_run ss -Hltn | grep -q ':22 ' && break
        sleep 0.025
    done
    far lab_virsh list >/dev/null || {
        cat "$LAB/far.log"/{sshd,libvirtd} >&2
        _far_fail "its libvirtd does not answer"
        return 1
    }
    far_baseline
}

# far_run COMMAND [ARGUMENT...]
#   Run a command on the far host, as root.
far_run() {
    nsenter -t "$FAR_PID" -n -m -p -u -i -- env -i LAB="$LAB" LC_ALL=C \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# far FUNCTION [ARGUMENT...]
#   One of lab.bash's functions, about the far host: lab_domain, lab_virsh,
#   lab_write, lab_snapshot_truth (to a file here), lab_image ...
far() {
    local LAB_URI=qemu:///system LAB_DISKS=$FAR_DISKS LAB_ROOT=$FAR_ROOT
    local LAB_LOGS=$LAB/far.log/qemu
    local -a LAB_ENV=("LC_ALL=C" "TZ=UTC" "LAB=$LAB"
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    local -a LAB_AS=(nsenter -t "$FAR_PID" -n -m -p -u -i --)
    "$@"
}

# Processes there, without those of libvirt, guests, and the lab.  Logins are
# among them: what they are about to start is not there yet.
_far_strangers() {
    far_run ps -e -o pid=,ppid=,stat=,args= | awk '
        $1 == 1 || $3 ~ /^Z/ { next }
        $4 ~ /(^|\/)(libvirtd|dnsmasq|qemu-system-x86_64|sleep|ps|env)$/ &&
            ($4 !~ /sleep$/ || $2 == 1) { next }
        $4 ~ /sshd:?$/ && /listener|-D/ && !/ -R/ { next }
        $4 ~ /^\[/ || $4 == "bash" && $2 == 1 { next }
        { print }'
}

# Files and sockets that come and go there.
_far_files() {
    far_run find /var/tmp "$LAB/far" -mindepth 1 | sort
}

# far_baseline
#   What is there now is nothing that far_leftovers complains of.
far_baseline() {
    _far_files >"$LAB/far.baseline"
}

# far_leftovers
#   Print what a finished command should have taken away from the far host, one
#   line each; returns 1 if there is anything: processes, jobs, new files in
#   /var/tmp and next to the disks (since far_baseline).  Processes get ten
#   seconds to end: what cleans up there may be at it.
far_leftovers() {
    local found='' strangers name i quiet=0
    # Three times in a row nobody: a guardian may be about to log in.
    for ((i = 0; i < 100 && quiet < 3; i++)); do
        strangers=$(_far_strangers)
        quiet=$((${#strangers} ? 0 : quiet + 1))
        sleep 0.1
    done
    [ -z "$strangers" ] || found+=$(sed 's/^/far process: /' <<<"$strangers")
    found+=$(
        far lab_virsh list --name | while read -r name; do
            [ -n "$name" ] || continue
            far lab_virsh domjobinfo "$name" | awk -v d="$name" '
                $1 == "Job" && $3 != "None" { job = 1 }
                $1 == "Operation:" { what = $2 }
                END { if (job) print "\nfar job: " d ": " what }'
        done
    )
    found+=$(_far_files | comm -13 "$LAB/far.baseline" - |
        sed 's/^/\nfar file: /')
    found=$(sed '/^$/d' <<<"$found")
    [ -z "$found" ] || { printf '%s\n' "$found"; return 1; }
}

# far_drop
#   Break all ssh connections to the far host at once, as a lost link does in
#   the end: without a word to either side's programs.
far_drop() {
    local pids
    pids=$(far_run ps -e -o pid=,args= | awk '/sshd: / && !/listener/ { print $1 }')
    # shellcheck disable=SC2086
    [ -z "$pids" ] || far_run kill -KILL $pids
}

# far_stop
#   End the far host and everything on it.  lab_stop is still to be called.
far_stop() {
    [ -n "$FAR_PID" ] || return 0
    mkdir -p "$LAB_CACHE/far" 2>/dev/null
    cp "$FAR_ROOT"/var/cache/libvirt/qemu/capabilities/*.xml "$LAB_CACHE/far/" \
        2>/dev/null
    kill -KILL "$FAR_PID" 2>/dev/null
    wait "$FAR_UNSHARE" 2>/dev/null
    ip link del "$FAR_LINK" 2>/dev/null
    FAR_PID=
    return 0
}

# far_clean
#   Remove the guests and the disks there: for the end of a test.
far_clean() {
    local name
    [ -n "$FAR_PID" ] || return 0
    for name in $(far lab_virsh list --name --all); do
        far lab_virsh destroy "$name" >/dev/null 2>&1
        far lab_virsh undefine --nvram --checkpoints-metadata "$name" \
            >/dev/null 2>&1
    done
    far_run find "$FAR_DISKS" -mindepth 1 -delete
    far_baseline
}

# far_setup_file, far_setup, far_teardown, far_teardown_file
#   For a bats file whose tests share a lab and a far host, after cli.bash: in
#   the place of cli_setup_file and so on.
far_setup_file() {
    local why
    cli_setup_file || return 1
    [ -e "$BATS_FILE_TMPDIR/lab" ] || return 0
    if why=$(far_requires); then
        far_start || return 1
        cli_save
    else
        echo "$why" >"$BATS_FILE_TMPDIR/skip"
    fi
}

far_setup() {
    cli_setup
    : >"$FAR_SSH/more_config"
}

far_teardown() {
    local status=0
    [ -n "$FAR_PID" ] || return 0
    lab_silent "$FAR_ROOT"{/var/tmp,/run,"$LAB/far"} || status=1
    far_clean
    cli_teardown || status=1
    return $status
}

far_teardown_file() {
    [ ! -f "$BATS_FILE_TMPDIR/lab" ] || . "$BATS_FILE_TMPDIR/lab"
    far_stop
    cli_teardown_file
}
