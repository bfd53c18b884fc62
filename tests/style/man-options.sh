#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# man-options.sh - the manual page knows the options of the program
#
# usage: man-options.sh PROGRAM PAGE.pod
#
# Every option that PROGRAM --help lists is an =item in the OPTIONS of the page,
# spelled alike: same names, same argument, in brackets where it is optional.
# And the other way round.

set -eu
export LC_ALL=C

program=$1
page=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# argp prints "  -d, --domain=NAME          text"; two blanks end the names.
# What it says of arguments at the end is no option.
"$program" --help >"$work/help"
sed -n 's/^ \{2,6\}\(-.*\)$/\1/p' "$work/help" | sed 's/  .*//; s/ *$//' |
    sort >"$work/program"

# "=item B<-d>, B<--domain>=I<NAME>" without its markup.
sed -n '/^=head1 OPTIONS/,/^=head1 FILES/s/^=item //p' "$page" |
    sed 's/[BI]<\([^>]*\)>/\1/g' | sort >"$work/page"

if [ ! -s "$work/program" ]; then
    echo "no options found in the output of $program --help"
    exit 1
fi
if ! diff -u --label "$page" --label "$program --help" \
    "$work/page" "$work/program"; then
    echo "options differ: '-' only in the page, '+' only in the program"
    exit 1
fi
