#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# help.sh - what --help looks like
#
# usage: help.sh PROGRAM...
#
# At most 79 columns, whatever the terminal; options under headings, the first
# one too, no heading twice and none without options; examples last, and at
# least two of them.

set -eu
export LC_ALL=C
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() {
    echo "${program##*/} --help: $*"
    status=1
}

for program in "$@"; do
    COLUMNS=300 "$program" --help >"$work/help"
    awk 'length > 79' "$work/help" >"$work/long"
    [ ! -s "$work/long" ] || complain "wider than 79: $(cat "$work/long")"

    # Headings are indented by one blank; options by two or six.
    grep -nE '^ [^ ].*:$' "$work/help" >"$work/headings" || :
    [ "$(wc -l <"$work/headings")" -ge 3 ] || complain "no headings"
    first=$(grep -nE '^ {2,6}-' "$work/help" | head -n 1 | cut -d : -f 1)
    [ "$(head -n 1 "$work/headings" | cut -d : -f 1)" -lt "$first" ] ||
        complain "options in front of the first heading"
    sed 's/^[0-9]*://' "$work/headings" | sort | uniq -d >"$work/twice"
    [ ! -s "$work/twice" ] || complain "twice: $(cat "$work/twice")"
    awk '/^ [^ ].*:$/ { heading = $0; getline
        if ($0 !~ /^ +-/) print heading }' "$work/help" >"$work/empty"
    [ ! -s "$work/empty" ] || complain "without options: $(cat "$work/empty")"

    sed -n '/^Examples:$/,$p' "$work/help" >"$work/examples"
    [ "$(grep -c "^  ${program##*/} " "$work/examples")" -ge 2 ] ||
        complain "no examples at the end"
    grep -qE '^ +-' "$work/examples" && complain "options behind the examples"
done
exit $status
