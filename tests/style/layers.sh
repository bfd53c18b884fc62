#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# layers.sh - who may include whom
#
# usage: layers.sh SOURCE_ROOT
#
# Two tables: which layers a layer may include, and which files may include the
# headers of a library. Every #include of common/, backup/, restore/ and map/ is
# held against them. docs/ARCHITECTURE.md explains the layers.

set -eu
export LC_ALL=C
cd "$1"
. tests/style/files.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# layer: the layers whose headers it may include, itself among them
cat >"$work/layers" <<'END'
base:    base
block:   base block
stream:  base block stream
set:     base block stream set
sink:    base sink
nbd:     base block nbd
virt:    base virt
host:    base host
cli:     base cli
backup:  base block stream set sink nbd virt host cli
restore: base block stream set sink nbd virt host cli
map:     base block stream set sink nbd virt host cli
END

# header (a prefix): files (patterns) that may include it
cat >"$work/libraries" <<'END'
nbdkit:     map/plugin.c
libvirt/:   common/virt/*
libxml/:    common/virt/*
libnbd.h:   common/nbd/*
jansson.h:  common/base/json.c tests/*
jansson.h:  common/stream/meta.c common/set/manifest.c common/set/intent.c
jansson.h:  common/set/marks.c common/host/qemu*.c restore/list.c
jansson.h:  backup/nbdinfo.c common/virt/agent*.c common/cli/report.c
lz4:        common/stream/codec*.c
xxhash.h:   common/set/*.c common/stream/codec_frame.c
libdeflate: common/set/adler.c
archive:    common/sink/zipper.c
argp.h:     common/cli/* backup/options.c restore/options.c map/options.c
END

list_files .c .h | grep -E '^(common|backup|restore|map)/' >"$work/files"
require_files "$work/files"

awk -v layers="$work/layers" -v libraries="$work/libraries" '
    # Does the name match the pattern, in which * is the only special sign?
    function matches(name, pattern) {
        gsub(/[.]/, "[.]", pattern)
        gsub(/[*]/, "[^/]*", pattern)
        return name ~ ("^" pattern "$")
    }
    function complain(why) {
        print FILENAME ":" FNR ": " why
        bad = 1
    }
    # The layer, or the program, that a path belongs to.
    function layer_of(path, part) {
        split(path, part, "/")
        return part[1] == "common" ? part[2] : part[1]
    }
    function check_library(header,  i, j, n, part, known) {
        known = 0
        for (i = 0; i < library_count; i++) {
            if (index(header, library[i]) != 1)
                continue
            known = 1
            n = split(users[i], part, " ")
            for (j = 1; j <= n; j++)
                if (matches(FILENAME, part[j]))
                    return
        }
        if (known)
            complain("<" header "> is not for this file")
    }
    function check_own(header,  layer, target) {
        layer = layer_of(FILENAME)
        if (index(header, "/") == 0) {
            # A file beside it: in the programs only.
            if (FILENAME ~ /^common\//)
                complain("\"" header "\" does not show its layer")
            return
        }
        target = layer_of(header)
        if (!((layer " " target) in allowed))
            complain(layer " must not include \"" header "\"")
    }
    BEGIN {
        library_count = 0
        while ((getline line < layers) > 0) {
            n = split(line, word, /[: ]+/)
            for (i = 2; i <= n; i++)
                allowed[word[1] " " word[i]] = 1
        }
        while ((getline line < libraries) > 0) {
            library[library_count] = line
            sub(/:.*/, "", library[library_count])
            users[library_count] = line
            sub(/^[^:]*:/, "", users[library_count])
            library_count++
        }
    }
    /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
        header = $0
        sub(/^[^<"]*[<"]/, "", header)
        sub(/[>"].*/, "", header)
        if ($0 ~ /</)
            check_library(header)
        else
            check_own(header)
    }
    END { exit bad }
' $(cat "$work/files")
