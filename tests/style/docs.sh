#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs.sh - the documents name what is there
#
# usage: docs.sh SOURCE_ROOT
#
# In README.md, CONTRIBUTING.md and docs/*.md: every path of the tree that
# stands in `backquotes`, and every target of a [link](target), exists.
# Sources are named without a suffix where header and source are meant.

set -eu
export LC_ALL=C
cd "$1"

status=0
exists() {
    [ -e "$1" ] || [ -e "$1.c" ] || [ -e "$1.h" ]
}

for page in README.md CONTRIBUTING.md NEWS.md docs/*.md; do
    # Paths that begin with a directory of the tree.
    paths=$(grep -oE \
        '`(backup|common|demo|docs|map|packaging|restore|scripts|tests)/[^` *<]*`' \
        "$page" | tr -d '`' | sort -u) || :
    for path in $paths; do
        if ! exists "$path"; then
            echo "$page: there is no '$path'"
            status=1
        fi
    done
    links=$(grep -oE '\]\([^)#]+' "$page" | sed 's/^](//' | sort -u) || :
    for link in $links; do
        case $link in
        http*) continue ;;
        esac
        if [ ! -e "$(dirname "$page")/$link" ]; then
            echo "$page: there is no '$link'"
            status=1
        fi
    done
done
exit $status
