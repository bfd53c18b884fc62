#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# words.sh - what does not belong into the tree
#
# usage: words.sh SOURCE_ROOT
#
# - Numbers of issues, and names of notes and places that readers do not have:
#   the reason itself belongs where the number would be.
# - Blanks at line ends, a missing newline at the end, tabs and line ends of
#   other systems in sources, and sources without the licence line.

set -eu
export LC_ALL=C
cd "$1"
. tests/style/files.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# Byte for byte what other programs wrote, licence texts, and this list.
list_files | grep -vE '^(tests/compat/|tests/fuzz/corpus/|COPYING|tests/style/words\.sh$)' \
    >"$work/all"
require_files "$work/all"
# Text files only.
tr '\n' '\0' <"$work/all" | xargs -0 grep -IlZ '' >"$work/text" || :

# refuse WHY PATTERN [GREP-OPTION...]: in the files of $work/text
refuse() {
    why=$1
    pattern=$2
    shift 2
    if xargs -0 grep -HnE "$@" -e "$pattern" <"$work/text" >"$work/out"; then
        sed "s/\$/    <- $why/" "$work/out"
        status=1
    fi
}

edge='(^|[^A-Za-z0-9_])'
tail='([^A-Za-z0-9_]|$)'
refuse 'number of an issue' "(^|[ (,])#[0-9]+$tail"
refuse 'number of an issue' \
    "${edge}(issues?|tickets?|bug|pull request|PR|MR) #?[0-9]+$tail" -i
refuse 'a note that readers do not have' \
    "${edge}(brief|design|faults|features|lab|styles|performance)\.md$tail"
refuse 'a place that readers do not have' "/work/(main|shared)$tail"
refuse 'a word of the workplace' \
    "${edge}(farm|session task|sub-?agents?|prompt engineering|co-authored-by)$tail" \
    -i
refuse 'blanks at the end of the line' '[ 	]+$'
refuse 'line end of another system' "$(printf '\r')\$"

# Tabs: in what we indent with blanks.
grep -zE '\.(c|h|sh|bash|bats|py|build|md|pod|ini)$' "$work/text" \
    >"$work/sources" || :
if xargs -0 grep -HnF "$(printf '\t')" <"$work/sources" >"$work/out"; then
    grep -v '^tests/style/words.sh:' "$work/out" |
        sed 's/$/    <- tab/' >"$work/tabs"
    if [ -s "$work/tabs" ]; then
        cat "$work/tabs"
        status=1
    fi
fi

tr '\0' '\n' <"$work/text" >"$work/names"
while IFS= read -r file; do
    if [ -s "$file" ] && [ "$(tail -c 1 "$file" | wc -l)" = 0 ]; then
        echo "$file: no newline at the end"
        status=1
    fi
    case $file in
    *.c | *.h) first='/\* SPDX-License-Identifier: LGPL-2\.1-or-later \*/' ;;
    *.sh) first='# SPDX-License-Identifier: LGPL-2\.1-or-later' ;;
    *) continue ;;
    esac
    if ! head -n 2 "$file" | grep -qx "$first"; then
        echo "$file: no licence line at the top"
        status=1
    fi
done <"$work/names"
exit $status
