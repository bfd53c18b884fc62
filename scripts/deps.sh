#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# deps.sh - what must be installed, and installs it
#
# usage: scripts/deps.sh [--dry-run] SET...
#
# A set is a purpose: build (compile and make the man pages), demo (run the
# demonstration), check (run the test suite), lint (make lint, valgrind and
# coverage), fuzz (make fuzz), deb and rpm (make packages).  On Debian and its
# relatives the packages of the sets are looked up; what is missing is installed
# when we are root, otherwise the one command that installs it is printed on
# standard output and we fail.  Elsewhere programs and libraries are looked up
# instead, and what is missing is named.
# Nothing is done, and nothing is printed, when nothing is missing.  For check
# on a Debian, the systems that some tests want are built, too: a virtual
# machine (tests/lib/guest/build.bash), and a Debian to install our packages in
# (tests/lib/machine.bash).
#
# --dry-run   never install, only tell
#
# Exit status: 0 everything is there, 1 something is missing, 64 wrong usage.
#
# Lists of packages are words in a variable, split where they are used:
# shellcheck disable=SC2046,SC2086

set -u
export LC_ALL=C

build_packages='gcc libc6-dev meson ninja-build pkg-config perl
    libvirt-dev libnbd-dev libxml2-dev liblz4-dev zlib1g-dev libjansson-dev
    libxxhash-dev libdeflate-dev libarchive-dev nbdkit-plugin-dev'
demo_packages='libvirt-daemon-system libvirt-daemon libvirt-clients
    libvirt-daemon-driver-qemu qemu-system-x86 qemu-system-common qemu-utils
    procps util-linux'
check_packages='bats clang fuse2fs nbdkit libnbd-bin fuse3 strace python3 python3-jsonschema e2fsprogs mount
    fdisk openssl iproute2 jq unzip libarchive-tools sasl2-bin
    libsasl2-modules openssh-client openssh-server libvirt-daemon-system
    debootstrap apparmor systemd zsh fish libxml2-utils swtpm swtpm-tools'
lint_packages='clang clang-tidy cppcheck valgrind gcovr'
fuzz_packages='clang libclang-rt-dev'
deb_packages='dpkg-dev debhelper lintian'
rpm_packages='rpm'
# Tests that want these are skipped without them, and not every release of
# every distribution has them: they are installed where there is one.
check_optional='clang-format-14 virtnbdbackup ovmf chromium fonts-dejavu-core'

build_programs='cc meson ninja pkg-config pod2man'
build_modules='libvirt libvirt-qemu libnbd libxml-2.0 liblz4 zlib jansson
    libxxhash libdeflate libarchive nbdkit'
deb_programs='dpkg-buildpackage dh lintian'
lint_programs='clang clang-tidy cppcheck valgrind gcovr'
rpm_programs='rpmbuild'
demo_programs='libvirtd virsh qemu-system-x86_64 qemu-img qemu-nbd qemu-io
    pgrep runuser'
check_programs='ssh sshd bats clang nbdkit nbdinfo nbdfuse fusermount3 strace python3
    mkfs.ext4 mount sfdisk openssl ss jq unzip bsdtar'

say() {
    printf '%s\n' "$*" >&2
}

# The words on one line.
words() {
    echo "$@"
}

# The words of $1 but those of $2.
without() {
    for word in $1; do
        case " $2 " in
        *" $word "*) ;;
        *) printf '%s ' "$word" ;;
        esac
    done
}

# Words that are packages and not installed, one a line.
missing_packages() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $1 2>/dev/null |
        sed -n 's/^installed //p' | sort -u >"$work/installed"
    printf '%s\n' $1 | sort -u | comm -23 - "$work/installed"
}

# Those of the words that apt has no version of.
unknown_packages() {
    for package in $1; do
        # "pkg:" at the start of a line, then its candidate.
        apt-cache policy "$package" 2>/dev/null |
            grep -q '^  Candidate: [^(]' || echo "$package"
    done
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends $1 </dev/null >"$work/apt.log" 2>&1
}

apt_update() {
    say "Reading the package lists"
    apt-get -o DPkg::Lock::Timeout=300 update </dev/null \
        >"$work/apt.log" 2>&1
}

install_packages() {
    needed=$1
    optional=$2
    if [ -n "$(unknown_packages "$needed $optional")" ] && ! apt_update; then
        say "deps: warning: 'apt-get update' failed:"
        tail -n 5 "$work/apt.log" >&2
    fi
    unknown=$(words $(unknown_packages "$optional"))
    if [ -n "$unknown" ]; then
        say "Not to be had here, the tests that want it are skipped: $unknown"
    fi
    all=$(words $needed $(without "$optional" "$unknown"))
    if [ -z "$all" ]; then
        return 0
    fi
    say "Installing $all"
    if ! apt_install "$all"; then
        # Lists older than the archive name files that are gone.
        apt_update && apt_install "$all"
    fi
    lost=$(words $(missing_packages "$all"))
    if [ -n "$lost" ]; then
        say "deps: these packages could not be installed: $lost"
        tail -n 20 "$work/apt.log" >&2
        return 1
    fi
}

tell_packages() {
    needed=$1
    # An optional package that is nowhere is no reason to fail.
    optional=$(without "$2" "$(words $(unknown_packages "$2"))")
    all=$(words $needed $optional)
    if [ -z "$all" ]; then
        return 0
    fi
    update=''
    if [ -n "$(unknown_packages "$needed")" ]; then
        update='apt-get update && '
    fi
    say "Packages are missing.  As root, run:"
    echo "${update}apt-get install -y --no-install-recommends $all"
    return 1
}

on_debian() {
    needed=$(missing_packages "$packages")
    wanted=''
    if [ -n "$optional" ]; then
        wanted=$(missing_packages "$optional")
    fi
    if [ -z "$needed$wanted" ]; then
        return 0
    fi
    if [ "$dry_run" = no ] && [ "$(id -u)" = 0 ]; then
        install_packages "$needed" "$wanted"
    else
        tell_packages "$needed" "$wanted"
    fi
}

elsewhere() {
    lost=''
    for program in $programs; do
        # Some are in directories that only root has in its path.
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null ||
            lost="$lost $program"
    done
    absent=''
    if command -v pkg-config >/dev/null; then
        for module in $modules; do
            pkg-config --exists "$module" || absent="$absent $module"
        done
    else
        absent=$modules
    fi
    if [ -z "$lost$absent" ]; then
        return 0
    fi
    say "Something is missing, and this is not a Debian: please install what"
    say "provides the following with the means of your system."
    [ -z "$lost" ] || say "  programs:" $lost
    [ -z "$absent" ] || say "  libraries (pkg-config names):" $absent
    return 1
}

# The guest of the tests, which they would build themselves, with their
# deadlines.
build_guest() {
    if ! "${0%/*}/../tests/lib/guest/build.bash" >"$work/guest"; then
        say "Tests are skipped: $(cat "$work/guest")"
    fi
    if [ "$(id -u)" = 0 ] &&
        ! bash "${0%/*}/../tests/lib/machine.bash" build >"$work/machine" 2>&1
    then
        say "Tests are skipped: no Debian system could be made:"
        tail -n 3 "$work/machine" >&2
    fi
}

usage() {
    say 'usage: scripts/deps.sh [--dry-run] build|demo|check|lint|fuzz|deb|rpm...'
    exit 64
}

dry_run=no
guest=no
packages='' optional='' programs='' modules=''
[ $# -gt 0 ] || usage
for word in "$@"; do
    case $word in
    --dry-run) dry_run=yes ;;
    build)
        packages="$packages $build_packages"
        programs="$programs $build_programs"
        modules="$modules $build_modules"
        ;;
    demo)
        packages="$packages $demo_packages"
        programs="$programs $demo_programs"
        ;;
    deb)
        packages="$packages $deb_packages"
        programs="$programs $deb_programs"
        ;;
    rpm)
        packages="$packages $rpm_packages"
        programs="$programs $rpm_programs"
        ;;
    check)
        packages="$packages $check_packages $deb_packages $rpm_packages"
        optional="$optional $check_optional"
        programs="$programs $check_programs"
        guest=yes
        ;;
    lint)
        packages="$packages $lint_packages"
        programs="$programs $lint_programs"
        ;;
    fuzz)
        packages="$packages $fuzz_packages"
        programs="$programs clang"
        ;;
    *) usage ;;
    esac
done

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    on_debian || exit
    if [ $guest = yes ] && [ "$dry_run" = no ]; then
        build_guest
    fi
else
    elsewhere
fi
