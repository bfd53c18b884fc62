#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# selftest.sh - the style checks see what they are there for
#
# usage: selftest.sh SOURCE_ROOT
#
# A small tree that breaks every rule once, and one that breaks none.

set -eu
export LC_ALL=C
root=$1
style=$root/tests/style
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# Beginnings of a tree in $work/$1
begin() {
    rm -rf "${work:?}/$1"
    mkdir -p "$work/$1/common/base" "$work/$1/common/nbd" "$work/$1/tests/style"
    cp "$style/files.sh" "$work/$1/tests/style/"
    cd "$work/$1"
    licence='/* SPDX-License-Identifier: LGPL-2.1-or-later */'
    {
        echo "$licence"
        echo '#include "base/a.h"'
        echo '#include <stdio.h>'
        echo 'int main(void)'
        echo '{'
        echo '    _cleanup_free_ char *x = "goto y; /*";'
        echo '    /* goto z; #if 0 */'
        echo '    return 0;'
        echo '}'
    } >common/nbd/good.c
}

# expect SCRIPT TEXT...: it refuses the tree and says each of that
expect() {
    script=$1
    shift
    if "$style/$script" . >"$work/out" 2>&1; then
        echo "$script refuses nothing"
        failures=$((failures + 1))
    fi
    for text in "$@"; do
        if ! grep -qF -e "$text" "$work/out"; then
            echo "$script does not say: $text"
            sed 's/^/    /' "$work/out"
            failures=$((failures + 1))
        fi
    done
}

begin good
for script in layers.sh sizes.sh cleanup.sh words.sh; do
    if ! "$style/$script" . >"$work/out" 2>&1; then
        echo "$script refuses a tree that is fine:"
        cat "$work/out"
        failures=$((failures + 1))
    fi
done

begin layers
{
    echo '#include "virt/session.h"'
    echo '#  include <jansson.h>'
    echo '#include "good.h"'
    echo '#include "backup/run.h"'
} >common/nbd/bad.c
echo '#include "block/extent.h"' >common/base/bad.h
expect layers.sh \
    'common/nbd/bad.c:1: nbd must not include "virt/session.h"' \
    'common/nbd/bad.c:2: <jansson.h> is not for this file' \
    'common/nbd/bad.c:3: "good.h" does not show its layer' \
    'common/nbd/bad.c:4: nbd must not include "backup/run.h"' \
    'common/base/bad.h:1: base must not include "block/extent.h"'

begin sizes
{
    echo 'static int long_one(int a,'
    echo '                    int b)'
    echo '{'
    seq 98 | sed 's/.*/    a++;/'
    echo '}'
    echo 'int fine(void)'
    echo '{'
    echo '}'
} >common/nbd/bad.c
seq 601 | sed 's,.*,/* x */,' >common/nbd/long.c
expect sizes.sh \
    'common/nbd/bad.c:1: long_one() has 102 lines, more than 100' \
    'common/nbd/long.c: file has 601 lines, more than 600'

begin cleanup
{
    echo '    _cleanup_close_ int fd;'
    echo '    _cleanup_(x_freep) struct x *x;'
    echo '    goto out;'
} >common/nbd/bad.c
expect cleanup.sh common/nbd/bad.c:1: common/nbd/bad.c:2: common/nbd/bad.c:3:

begin words
{
    echo "$licence"
    echo '/* see #'12 '*/'
    printf 'x\t= 1;\n'
    echo 'x = 2; '
    printf 'x = 3;\r\n'
    printf 'x = 4;'
} >common/nbd/bad.c
echo 'int x;' >common/nbd/bare.c
expect words.sh 'bad.c:2:' 'bad.c:3:' 'bad.c:4:' 'bad.c:5:' \
    'bad.c: no newline' 'bare.c: no licence line'

# The table of faults: a test that goes makes it stale.
begin matrix
matrix=$root/tests/faults/matrix.py
mkdir -p tests/faults tests/backup docs
printf 'A1\tFI\tno room\texit 1\nB1\tR\tkilled\tnothing\tR: no time\n' \
    >tests/faults/matrix.tsv
{
    echo '# covers: A1:FI'
    echo '@test "a disk | that is full" {'
    echo '}'
} >tests/backup/full.bats
sed -n 's/^BEGIN = "\(.*\)"/\1/p; s/^END = "\(.*\)"/\1/p' "$matrix" \
    >docs/RELIABILITY.md
python3 "$matrix" --write .
if ! python3 "$matrix" --check . ||
    ! grep -qF 'FI `tests/backup/full.bats`: a disk \| that is full |' \
        docs/RELIABILITY.md || ! grep -qF '*R: no time*' docs/RELIABILITY.md; then
    echo "matrix.py refuses a table that is fine, or makes none"
    failures=$((failures + 1))
fi
for edit in 's/A1:FI/A1:F/' 's/A1/A9/' 's/FI/FX/' 's/^@test/#/' 's/full/no/'; do
    cp tests/backup/full.bats "$work/kept"
    sed -i "$edit" tests/backup/full.bats
    if python3 "$matrix" --check . >/dev/null 2>&1; then
        echo "matrix.py takes $edit"
        failures=$((failures + 1))
    fi
    cp "$work/kept" tests/backup/full.bats
done

# A check that finds no files is broken.
begin words
rm -rf common
: >tests/style/empty
expect sizes.sh 'no files to check'

[ $failures = 0 ]
