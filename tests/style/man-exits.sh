#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# man-exits.sh - the manual pages know the exit statuses
#
# usage: man-exits.sh EXIT_HEADER PAGE.pod...
#
# The numbers of the enumerators in common/cli/exit.h are the =items of EXIT
# STATUS of each page, and the other way round ("128 + N" stands for signals).

set -eu
export LC_ALL=C

header=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^ *EXIT_[A-Z_]* *= *\([0-9]*\),.*/\1/p' "$header" |
    grep -vx 128 | sort -n >"$work/header"
if [ ! -s "$work/header" ]; then
    echo "no exit statuses found in $header"
    exit 1
fi

status=0
for page in "$@"; do
    sed -n '/^=head1 EXIT STATUS/,/^=head1 EXAMPLES/s/^=item //p' "$page" |
        sed 's/[BI]<\([^>]*\)>/\1/g' >"$work/items"
    if ! grep -qx '128 + N' "$work/items"; then
        echo "$page does not say what a signal gives"
        status=1
    fi
    grep -x '[0-9]*' "$work/items" | sort -n >"$work/page" || :
    if ! diff -u --label "$page" --label "$header" "$work/page" \
        "$work/header"; then
        echo "exit statuses differ: '-' only in the page, '+' in the header"
        status=1
    fi
done
exit $status
