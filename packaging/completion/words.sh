#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# words - what could stand at the end of a command line of the suite
#
# usage: words PROGRAM [WORD...] CURRENT
#
# For the completions of bash, zsh and fish, which only show what this prints:
# a word a line, with a tab and a description behind it where there is one.
# The last line may instead be ":files" or ":directories": what the shell knows
# itself, for the part of CURRENT that is behind a "=" or a comma.
#
# Nothing of the programs is written down here: options and their arguments come
# from --help, fixed values from what PROGRAM says of a wrong one, domains and
# their disks from virsh, disks and points of a backup from virtnbdrestore.

set -u
export LC_ALL=C

tab=$(printf '\t')
program=$1
name=${program##*/}
shift

# SHORT|LONG|ARGUMENT|TEXT of each option, a line each; - for what is not there.
# ("-z, --compress[=LEVEL]" has the argument [LEVEL].)
options() {
    ARGP_HELP_FMT=rmargin=4000 "$program" --help 2>/dev/null | awk '
        /^ *-/ {
            line = $0
            sub(/^ */, "", line)
            text = line
            if (!sub(/^[^ ]*(, --[^ ]*)?  */, "", text)) text = ""
            short = "-"
            if (line ~ /^-[^-]/) short = substr(line, 1, 2)
            if (!match(line, /--[^ ]*/)) next
            long = substr(line, RSTART, RLENGTH)
            argument = "-"
            if (match(long, /\[=.*\]$/)) {
                argument = "[" substr(long, RSTART + 2)
                long = substr(long, 1, RSTART - 1)
            } else if (match(long, /=.*$/)) {
                argument = substr(long, RSTART + 1)
                long = substr(long, 1, RSTART - 1)
            }
            gsub(/\|/, "/", argument)
            gsub(/\|/, "/", text)
            print short "|" long "|" argument "|" text
        }'
}

# The value that an option has so far, by its short and its long name.
value_of() {
    short=$1
    long=$2
    shift 2
    value=
    while [ $# -gt 0 ]; do
        case $1 in
        "$long"=*) value=${1#*=} ;;
        "$long" | -"$short")
            [ $# -lt 2 ] || value=$2
            ;;
        -"$short"?*) value=${1#-?} ;;
        esac
        shift
    done
    # As the shell has it: with a home directory's sign, and quoted.
    case $value in
    '~'/*) value=$HOME/${value#??} ;;
    esac
    printf '%s\n' "$value" | sed 's/\\\(.\)/\1/g'
}

# virsh COMMAND with the words of the line's URI.
ask_virsh() {
    command=$1
    if [ -n "$uri" ]; then
        set -- -c "$uri"
    else
        set --
    fi
    timeout 5 virsh -q "$@" "$command" ${domain:+"$domain"} \
        ${detail:+"$detail"} </dev/null 2>/dev/null
}

domains() {
    domain=
    detail=--all
    ask_virsh list | awk '{
        state = $0
        sub(/^ *[^ ]+ +/, "", state)
        # The name ends where two blanks do.
        name = state
        sub(/  .*/, "", name)
        sub(/^.*   */, "", state)
        print name "\t" state
    }'
}

domain_disks() {
    [ -n "$domain" ] || return 0
    detail=--details
    ask_virsh domblklist | awk '$2 == "disk" {
        source = $0
        sub(/^ *[^ ]+ +[^ ]+ +[^ ]+ +/, "", source)
        print $3 "\t" source
    }'
}

# The list of a backup's points, as JSON.
list() {
    [ -d "$input" ] || return 0
    log=$(mktemp) || return 0
    case $program in
    */*) restore=${program%/*}/virtnbdrestore ;;
    *) restore=virtnbdrestore ;;
    esac
    timeout 5 "$restore" -i "$input" -a list --json --quiet -L "$log" \
        </dev/null 2>/dev/null | sed 's/[{},]/\n/g'
    rm -f "$log"
}

points() {
    list | awk -F '"' '
        $2 == "name" { name = $4 }
        $2 == "time" { time = $4 }
        $2 == "level" && name {
            print name "\t" $4 (time ? " of " time : "")
            name = time = ""
        }'
}

backup_disks() {
    list | awk -F '"' '$2 == "target" { print $4 }' | sort -u
}

# Those of the backup.
data_files() {
    for file in "$input"/*.data; do
        [ ! -f "$file" ] || echo "${file##*/}"
    done
}

# "...; use a, b or c" says the program of a value that cannot be.
fixed_values() {
    "$program" "$1=?" </dev/null 2>&1 >/dev/null |
        sed -n '1s/.*; use //p' | sed 's/ or /, /; s/, /\n/g'
}

# Add to each word what is in front of it, and drop those that do not fit.
offer() {
    while IFS= read -r line; do
        word=${line%%"$tab"*}
        case $word in
        "$typed"*) printf '%s%s\n' "$before" "$line" ;;
        esac
    done
}

# A list: the part behind the last comma, without what is there already.
offer_list() {
    case $typed in
    *,*)
        there=,${typed%,*},
        before=$before${typed%,*},
        typed=${typed##*,}
        ;;
    *) there= ;;
    esac
    while IFS= read -r line; do
        case $there in
        *,"${line%%"$tab"*}",*) ;;
        *) printf '%s\n' "$line" ;;
        esac
    done | offer
}

# The values of an option, by the program, its long name and what it calls its
# argument.
values() {
    case $name:$1:$2 in
    virtnbdbackup:--domain:*) domains | offer ;;
    virtnbdbackup:*:DISK,...) domain_disks | offer_list ;;
    *:--disk:*) backup_disks | offer ;;
    *:--target:*) backup_disks | sed 's/$/=/' | offer ;;
    *:--owner:*) getent passwd | cut -d : -f 1 | offer ;;
    *:LEVEL | *:TYPE | *:ACTION) fixed_values "$1" | offer ;;
    # What is wrong with this one is said after other things.
    *:FORMAT) printf 'qcow2\nraw\n' | offer ;;
    *:POINT) points | offer ;;
    *:URI) printf 'qemu:///system\nqemu:///session\n' | offer ;;
    virtnbdrestore:--sequence:*) data_files | offer_list ;;
    *:DIR) echo :directories ;;
    *:*FILE* | *:PATH | *:/dev/*) echo :files ;;
    esac
}

options=$(options)

# The fields of an option: "-d", "--domain", or the start of it.
find_option() {
    found=$(printf '%s\n' "$options" | awk -F '|' -v o="$1" '
        $1 == o || $2 == o { print; exit }')
    IFS='|' read -r _ long argument _ <<END
$found
END
}

# What is in front of the last word, and the word itself.
current=
previous=
rest=
for word in "$@"; do
    [ "$previous" != -- ] || exit 0
    previous=$current
    current=$word
done
[ "$previous" != -- ] || { echo :files; exit 0; }

uri=$(value_of U --uri "$@")
domain=
[ "$name" != virtnbdbackup ] || domain=$(value_of d --domain "$@")
input=$(value_of i --input "$@")
# Archives: what the next increment needs is here.
[ "$name" != virtnbdbackup ] || input=$(value_of o --output "$@")
before=
typed=$current

case $current in
--*=*)
    find_option "${current%%=*}"
    before=${current%%=*}=
    typed=${current#*=}
    values "$long" "$argument"
    exit 0
    ;;
esac

# The option in front of the word, which may be the last of several letters.
case $previous in
--*) find_option "$previous" ;;
-?*) find_option "-$(printf %s "$previous" | tail -c 1)" ;;
*) found= ;;
esac
if [ -n "$found" ]; then
    case $argument in
    - | '['*) ;;
    *)
        values "$long" "$argument"
        exit 0
        ;;
    esac
fi

case $current in
-*)
    printf '%s\n' "$options" | awk -F '|' '{
        # What needs a value is said with its "=".
        equals = $3 ~ /^[^-[]/ ? "=" : ""
        print $2 equals "\t" $4
        if ($1 != "-") print $1 "\t" $4
    }' | offer
    ;;
*) [ "$name" != virtnbdmap ] || echo :files ;;
esac
