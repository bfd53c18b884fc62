#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# package.sh - packages for Debian, for Fedora and its relatives
#
# usage: scripts/package.sh deb|rpm DIRECTORY
#
# Builds what the tree holds now, committed or not, in a copy of it, and puts
# the packages into DIRECTORY (debugging symbols into DIRECTORY/debug).  Says
# little unless something fails.  The rpm is built on Debian as well: what it
# wants at run time is then computed, what it wants for building is not looked
# for.

set -eu
cd "$(dirname "$0")/.."

kind=$1
mkdir -p "$2"
target=$(cd "$2" && pwd)
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
name=virtnbdbackup-$version
# A fixed place: paths are part of what compilers cache.
work=$target/build
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The tree, as files and links; without git, all but build directories.
list() {
    git ls-files -z --cached --others --exclude-standard 2>/dev/null ||
        find . -name .git -prune -o -name 'build*' -type d -prune -o \
            ! -type d -print0
}

copy() {
    mkdir -p "$work/$name"
    # What was deleted and not committed is still listed.
    list | while IFS= read -r -d '' file; do
        if [ -e "$file" ] || [ -h "$file" ]; then
            printf '%s\0' "$file"
        fi
    done | tar -cf - --null -T - | tar -xf - -C "$work/$name"
}

quietly() {
    if ! "$@" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        exit 1
    fi
}

build_deb() {
    cp -R "$work/$name/packaging/debian" "$work/$name/debian"
    quietly sh -c "cd '$work/$name' && dpkg-buildpackage -us -uc -b"
    mkdir -p "$target/debug"
    rm -f "$target"/virtnbd*.deb "$target"/debug/virtnbd*.deb
    mv "$work"/*-dbgsym_*.deb "$target/debug"
    mv "$work"/*.deb "$target"
}

build_rpm() {
    mkdir -p "$work/top/SOURCES" "$target/debug"
    tar -C "$work" -czf "$work/top/SOURCES/$name.tar.gz" "$name"
    set -- --define "_topdir $work/top"
    if [ -e /etc/debian_version ]; then
        # Directories as Fedora has them; no program here splits symbols off.
        set -- "$@" --nodeps --define "_libdir /usr/lib64" \
            --define "_libexecdir /usr/libexec" --define "debug_package %{nil}"
    fi
    quietly rpmbuild -bb "$@" "$work/$name/packaging/rpm/virtnbd.spec"
    rm -f "$target"/virtnbd*.rpm "$target"/debug/virtnbd*.rpm
    mv "$work"/top/RPMS/*/*.rpm "$target"
    for file in "$target"/*-debuginfo-*.rpm "$target"/*-debugsource-*.rpm; do
        [ ! -e "$file" ] || mv "$file" "$target/debug"
    done
}

copy
case $kind in
deb) build_deb ;;
rpm) build_rpm ;;
esac
