#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# packages.bats - what users install: packages for Debian and Fedora, meson
# install, the tarball; and a fresh Debian in which the deb is installed, used
# and removed again
#
# SOURCE and BUILD are the directories of sources and of the build.  A directory
# DEBS with the debs spares their being built.
bats_require_minimum_version 1.5.0
load ../lib/machine

setup_file() {
    export OUT=${DEBS:-$BATS_FILE_TMPDIR/out}
    mkdir -p "$OUT"
}

setup() {
    T=$BATS_TEST_TMPDIR
}

teardown() {
    machine_stop
}

requires() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

# The files of the packages, a line each, without what compressing changes.
files_of_debs() {
    local deb
    for deb in "$OUT"/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -tf -
    done | sed -n 's,^\./,/,; /\/$/d; s/\.gz$//; p' | sort -u
}

files_of_rpms() {
    local rpm
    for rpm in "$OUT"/*.rpm; do
        # Directories begin with a d.
        rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$rpm"
    done | sed -n '/^d/d; s/^[^ ]* //; s/\.gz$//; p' | sort -u
}

# The lines as they would be in the rpm, without what the table calls the deb's
# own; or, turned round, without what is the rpm's own.
by_table() {
    awk -v side="$1" '
        NR == FNR {
            if ($0 !~ /^#/ && NF == 2) { from[++n] = $1; to[n] = $2 }
            next
        }
        {
            for (i = 1; i <= n; i++) {
                own = side == "deb" ? from[i] : to[i]
                other = side == "deb" ? to[i] : from[i]
                if (own == "-" || index($0, own) != 1) continue
                if (other == "-") next
                if (side == "deb") $0 = other substr($0, length(own) + 1)
                break
            }
            print
        }' "$SOURCE/tests/packages/paths.table" -
}

@test "the debs are built, and lintian finds no error in them" {
    requires dpkg-buildpackage dh lintian
    [ -n "${DEBS:-}" ] || "$SOURCE/scripts/package.sh" deb "$OUT"
    [ "$(ls "$OUT"/*.deb | wc -l)" = 2 ]
    run lintian --allow-root --fail-on error "$OUT"/*.deb
    echo "$output"
    [ "$status" = 0 ]
    [ "$(dpkg-deb -f "$OUT"/virtnbd_*.deb Version)" = \
        "$("$BUILD/backup/virtnbdbackup" --version)-1" ]
}

@test "the rpms are built and hold what the debs hold" {
    requires rpmbuild
    [ -e "$(echo "$OUT"/virtnbd_*.deb)" ] || skip "there is no deb"
    "$SOURCE/scripts/package.sh" rpm "$OUT"
    [ "$(ls "$OUT"/*.rpm | wc -l)" = 2 ]
    files_of_debs >"$T/deb"
    files_of_rpms >"$T/rpm"
    [ "$(wc -l <"$T/deb")" -gt 20 ]
    by_table deb <"$T/deb" | sort -u >"$T/deb.mapped"
    by_table rpm <"$T/rpm" | sort -u >"$T/rpm.mapped"
    diff -u "$T/deb.mapped" "$T/rpm.mapped"
    # The same modes for what is run and what is private.
    rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$OUT"/*.rpm >"$T/modes"
    grep -qx 'drwx------ /etc/virtnbdbackup' "$T/modes"
    grep -qx -- '-rwxr-xr-x /usr/libexec/virtnbdbackup/scheduled' "$T/modes"
    # Names of dependencies that Fedora and Enterprise Linux have.
    rpm -qp --requires "$OUT"/virtnbd-map-*.rpm >"$T/requires"
    grep -q '^nbdkit-server' "$T/requires"
    grep -q '^nbdkit-basic-filters' "$T/requires"
    rpm -qp --requires "$OUT"/virtnbd-[0-9]*.rpm | grep -qx qemu-img
}

@test "meson install puts the same files below a prefix, with DESTDIR" {
    [ -e "$(echo "$OUT"/virtnbd_*.deb)" ] || skip "there is no deb"
    DESTDIR=$T/d meson install -C "$BUILD" --no-rebuild --quiet
    prefix=$(meson introspect --buildoptions "$BUILD" |
        jq -r '.[] | select(.name == "prefix").value')
    (cd "$T/d$prefix" && find . ! -type d) |
        sed 's,^\.,,; s,^/etc/,/,; s,^/share/zsh/site-functions,/share/zsh,
            s,^/share/doc/virtnbdbackup,/share/doc,' | sort >"$T/ours"
    files_of_debs | sed 's,^/usr/,/,; s,^/etc/,/,
        s,^/share/zsh/vendor-completions,/share/zsh,
        s,^/share/doc/virtnbd-map/.*,,
        s,^/share/doc/virtnbd/\(README\|FORMAT\|copyright\|changelog\).*,,
        s,^/share/doc/virtnbd/,/share/doc/,; /^$/d' | sort >"$T/theirs"
    diff -u "$T/theirs" "$T/ours"
    [ "$("$T/d$prefix/bin/virtnbdrestore" --version)" = \
        "$("$BUILD/restore/virtnbdrestore" --version)" ]
}

# A Debian with our packages installed, a set to restore in /files/set, and the
# disk it was made of.
start_machine() {
    local why
    why=$(machine_requires) || skip "$why"
    [ -e "$(echo "$OUT"/virtnbd_*.deb)" ] || skip "there is no deb"
    machine_start "$T/machine"
    cp "$OUT"/*.deb "$MACHINE_FILES"
}

install_packages() {
    run machine_run sh -c 'apt-get install -y /files/virtnbd*.deb'
    echo "$output"
    [ "$status" = 0 ]
}

@test "the debs take the place of the Python suite's" {
    start_machine
    mkdir -p "$T/old/DEBIAN" "$T/old/usr/bin"
    printf '%s\n' 'Package: virtnbdbackup' 'Version: 1.9.15-1' \
        'Architecture: all' 'Maintainer: Nobody <nobody@example.org>' \
        'Description: stands for the Python suite' >"$T/old/DEBIAN/control"
    for name in virtnbdbackup virtnbdrestore virtnbdmap; do
        echo 'echo old' >"$T/old/usr/bin/$name"
    done
    chmod 755 "$T"/old/usr/bin/*
    dpkg-deb --build --root-owner-group "$T/old" "$MACHINE_FILES/old.deb"
    machine_run dpkg -i /files/old.deb
    [ "$(machine_run virtnbdmap)" = old ]
    install_packages
    [ "$(machine_run virtnbdmap --version)" = \
        "$("$BUILD/backup/virtnbdbackup" --version)" ]
    run machine_run dpkg-query -W -f '${db:Status-Status}' virtnbdbackup
    [ "$output" != installed ]
}

@test "in a fresh Debian: install, restore, map, remove; nothing is left" {
    start_machine
    machine_run find / -xdev -path /proc -prune -o -path /files -prune -o \
        ! -type d -print | sort >"$T/before"
    machine_run cat /etc/apparmor.d/local/abstractions/libvirt-qemu >"$T/apparmor"
    install_packages
    machine_run virtnbdbackup --version
    grep -q . <(machine_run dpkg -L virtnbd | grep /man7/)
    machine_run grep -qx 'include if exists <abstractions/virtnbdbackup>' \
        /etc/apparmor.d/local/abstractions/libvirt-qemu
    # The profile that libvirt gives to each machine, with our lines in it.
    machine_run sh -ec '
        printf "%s\n" "#include <tunables/global>" \
            "profile libvirt-test flags=(attach_disconnected) {" \
            "  #include <abstractions/libvirt-qemu>" "}" >/tmp/profile
        apparmor_parser -QK /tmp/profile
        apparmor_parser -QKp /tmp/profile | grep -q "/var/tmp/virtnbdbackup"'

    # A set of our own making, so that the bytes are known.
    machine_run sh -ec '
        qemu-img create -q -f qcow2 /tmp/disk.qcow2 64M
        qemu-io -c "write -P 7 1M 3M" -c "write -P 9 33M 64K" /tmp/disk.qcow2
        cat >/tmp/vm.xml <<END
<domain type="qemu"><name>vm</name><memory unit="MiB">32</memory>
<os><type>hvm</type></os><devices><disk type="file" device="disk">
<driver name="qemu" type="qcow2"/><source file="/tmp/disk.qcow2"/>
<target dev="vda" bus="virtio"/></disk></devices></domain>
END
        virsh define /tmp/vm.xml
        virtnbdbackup -d vm -o /set
        virtnbdrestore -i /set -o /restored
        qemu-img compare /tmp/disk.qcow2 /restored/disk.qcow2
        virtnbdmap -i /set -- sh -c "
            qemu-img compare -f raw -F qcow2 \"\$VIRTNBDMAP_URI\" /tmp/disk.qcow2"
        virsh undefine vm --nvram
        rm -r /set /restored /root/virtnbd*.log'

    machine_run sh -c 'dpkg -L virtnbd virtnbd-map' | sort -u >"$T/owned"
    machine_run apt-get purge -y virtnbd virtnbd-map
    machine_run find / -xdev -path /proc -prune -o -path /files -prune -o \
        ! -type d -print | sort >"$T/after"
    # Nothing of what was ours, nothing named after us, the line is gone.
    comm -13 "$T/before" "$T/after" >"$T/new"
    run comm -12 "$T/owned" "$T/new"
    [ -z "$output" ]
    run grep virtnbd "$T/new"
    [ -z "$output" ]
    machine_run cat /etc/apparmor.d/local/abstractions/libvirt-qemu |
        diff "$T/apparmor" -
    run machine_run ls -d /etc/virtnbdbackup /usr/libexec/virtnbdbackup
    [ "$status" != 0 ]
}

# type_in DOCUMENT [SECTION]: its commands, in a shell of the machine that stops
# at the first one that fails; $output is what it printed.
type_in() {
    "$SOURCE/tests/packages/commands.py" "$SOURCE/$1" "${@:2}" \
        >"$MACHINE_FILES/commands"
    [ -s "$MACHINE_FILES/commands" ]
    sed -i -f "$SOURCE/tests/packages/state.sed" "$MACHINE_FILES/commands"
    cat "$SOURCE/tests/packages/reader.bash" "$MACHINE_FILES/commands" \
        >"$MACHINE_FILES/script"
    run machine_run bash -exmo pipefail /files/script
    echo "$output"
    [ "$status" = 0 ]
}

@test "the tutorial, typed as printed, on a fresh Debian with systemd" {
    start_machine
    install_packages
    type_in docs/tutorial.pod "THE FIRST TEN MINUTES"
    [[ $output == *"Images are identical."* ]]
    type_in docs/tutorial.pod "EVERY NIGHT"
    # The service ran, confined, and verified what it had made.
    [[ $output == *"scheduled"*"no damage"* ]]
    type_in docs/tutorial.pod "MACHINES THAT LIBVIRT FORGETS"
    # The transient machine's increment is one.
    [[ $output != *"saved whole in this point"* ]]
    machine_run find /backup -name '*.data' | (! grep .)
}

@test "the examples of README and pages, typed as printed" {
    start_machine
    install_packages
    machine_run sh -e <"$SOURCE/tests/packages/vm1.sh"
    type_in docs/virtnbdbackup.pod EXAMPLES
    type_in README.md
    type_in docs/virtnbdrestore.pod EXAMPLES
    [[ $output != *$'\n'damaged* ]]
    machine_run sh -ec 'for i in 1 2 3 4 5; do
        virtnbdbackup -d vm1 -l inc -o /backup/vm1; done'
    type_in docs/virtnbdmap.pod EXAMPLES
    machine_run sh -ec 'virsh dumpxml vm1 | sed "s,<name>vm1,<name>try,; /<uuid>/d" >/tmp/try.xml
        virsh destroy vm1; virsh define /tmp/try.xml; virsh start try'
    type_in docs/tutorial.pod "WHAT TO DO WHEN ..."
}

@test "a killed service leaves nothing behind, and says so" {
    start_machine
    install_packages
    machine_run sh -e <"$SOURCE/tests/packages/vm1.sh"
    machine_run sh -ec '
        echo "OUTPUT=/backup/nightly
OPTIONS=--bwlimit 1M" >/etc/virtnbdbackup/vm1.conf
        printf "#!/bin/sh\necho \$1 >/run/failed\n" >/etc/virtnbdbackup/failed
        chmod 755 /etc/virtnbdbackup/failed
        systemctl start --no-block virtnbdbackup@vm1.service
        until virsh domjobinfo vm1 | grep -q "Operation:.*Backup"; do :; done
        systemctl kill -s KILL virtnbdbackup@vm1.service
        while systemctl is-active -q virtnbdbackup@vm1.service ||
            [ "$(systemctl is-active virtnbdbackup@vm1.service)" = deactivating ]
        do :; done'
    machine_run virsh domjobinfo vm1 | grep -q 'Job type: *None'
    run machine_run sh -c 'ls -d /var/tmp/virtnbd* /backup/nightly/vm1/*/intent*'
    [ "$status" != 0 ]
    for ((i = 0; i < 100; i++)); do
        [ "$(machine_run cat /run/failed 2>/dev/null)" != vm1 ] || break
        sleep 0.05
    done
    [ "$(machine_run cat /run/failed)" = vm1 ]
    # The next run works.
    machine_run sh -ec 'echo OUTPUT=/backup/nightly >/etc/virtnbdbackup/vm1.conf
        systemctl start virtnbdbackup@vm1.service'
    machine_run sh -c 'virtnbdrestore -i /backup/nightly/vm1/* -a list --json' |
        jq -e '.points | length == 1'
}

@test "the tarball of meson dist builds, and its tests pass" {
    [ -e "$SOURCE/.git" ] || skip "meson dist wants a git repository"
    requires git
    # A build directory of its own: dist writes into it.
    meson setup "$T/b" "$SOURCE" >/dev/null
    meson dist -C "$T/b" --no-tests --formats gztar --allow-dirty >"$T/log" 2>&1 ||
        { cat "$T/log"; false; }
    mkdir "$T/s"
    tar -xzf "$T"/b/meson-dist/*.tar.gz -C "$T/s" --strip-components 1
    (cd "$SOURCE" && git ls-tree -r --name-only HEAD) | sort >"$T/tracked"
    (cd "$T/s" && find . ! -type d | sed 's,^\./,,') | sort >"$T/packed"
    diff "$T/tracked" "$T/packed"
    meson setup "$T/s/build" "$T/s" >/dev/null
    ninja -C "$T/s/build" --quiet backup/virtnbdbackup restore/virtnbdrestore \
        map/virtnbdmap tests/common/base/test-text tests/common/stream/test-meta
    meson test -C "$T/s/build" --no-rebuild -t 10 text meta style-layers
}
