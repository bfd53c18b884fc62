# SPDX-License-Identifier: LGPL-2.1-or-later
#
# files.sh - which files the style checks look at; to be sourced
#
# All of the tree that git knows or would add, deleted ones left out; without
# git, all but build directories.

# list_files SUFFIX...: names with one of the suffixes, one a line, sorted.
# Without a suffix: all.
list_files() {
    {
        git ls-files --cached --others --exclude-standard 2>/dev/null ||
            find . -name .git -prune -o -name 'build*' -type d -prune -o \
                -type f -print | sed 's,^\./,,'
    } | sort -u | while IFS= read -r file; do
        # A symbolic link is its target's affair.
        if [ ! -f "$file" ] || [ -h "$file" ]; then
            continue
        fi
        if [ $# = 0 ]; then
            printf '%s\n' "$file"
        fi
        for suffix in "$@"; do
            case $file in
            *"$suffix") printf '%s\n' "$file" ;;
            esac
        done
    done
}

# No files found is a broken check, not a clean tree.
require_files() {
    if [ ! -s "$1" ]; then
        echo "no files to check"
        exit 1
    fi
}
