#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# completion.bats - what bash, zsh and fish offer, in a lab with two domains and
# a backup
#
# SOURCE is the directory of sources, COMPLETION that of the built files.
bats_require_minimum_version 1.5.0
load ../lib/cli

setup_file() {
    cli_setup_file
    [ -d "${LAB:-}" ] || return 0
    lab_bin "$RESTORE" "$MAP"
    cp "$SOURCE/packaging/completion/words.sh" "$LAB/bin/words"
    chmod 755 "$LAB/bin/words"
    local file
    for file in virtnbdbackup _virtnbdbackup virtnbdbackup.fish; do
        # Not installed: the helper is elsewhere.
        sed "s,[^(]*/words ,$LAB/bin/words ," "$COMPLETION/$file" \
            >"$LAB/bin/$file.completion"
    done
    mv "$LAB/bin/_virtnbdbackup.completion" "$LAB/bin/_virtnbdbackup"
    chmod 644 "$LAB"/bin/*completion "$LAB/bin/_virtnbdbackup"
}

setup() {
    cli_setup
    lab_domain vm1 vda=a.qcow2,size=8M vdb=b.qcow2,size=8M
    lab_domain web-1 vda=c.qcow2,size=8M
    S=$T/set
}

teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

make_set() {
    backup -d vm1 -l full -o "$S"
    backup -d vm1 -l inc -o "$S"
}

# words LINE: what the helper prints for it, descriptions cut off.
words() {
    local line
    read -ra line <<<"$1"
    [[ $1 != *' ' ]] || line+=('')
    lab_run words "${line[@]}" >"$LAB/words"
    cut -f 1 "$LAB/words"
}

# in_bash LINE: what bash would offer there, through the function that is
# registered for the command, with its own idea of words.
in_bash() {
    lab_run bash --norc -c '
        . "$LAB/bin/virtnbdbackup.completion"
        COMP_LINE=$1
        COMP_POINT=${#1}
        COMP_WORDBREAKS=$'\'' \t\n"\'\''><=;|&(:'\''
        # Bash makes words of "=" and ":", too.
        read -ra COMP_WORDS <<<"$(sed "s/\([=:]\)/ \1 /g" <<<"$1")"
        [[ $1 != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        function=$(complete -p "${COMP_WORDS[0]}" | sed "s/.*-F \([^ ]*\) .*/\1/")
        $function "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" ""
        printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}

in_fish() {
    lab_run fish --no-config -c '
        source $LAB/bin/virtnbdbackup.fish.completion
        complete -C "$argv[1]"' "$1" | cut -f 1
}

# What stands on the command line after the tab key, in a zsh with a terminal.
in_zsh() {
    lab_run python3 "$SOURCE/tests/packages/zsh-tab.py" "$1"
}

@test "the words are those of the programs and of what is there" {
    make_set
    [ "$(words 'virtnbdbackup -d ' | sort | xargs)" = "vm1 web-1" ]
    [ "$(words 'virtnbdbackup -d w')" = web-1 ]
    [ "$(words 'virtnbdbackup --domain=v')" = --domain=vm1 ]
    [ "$(words 'virtnbdbackup -d vm1 -i ' | xargs)" = "vda vdb" ]
    [ "$(words 'virtnbdbackup -d vm1 -x vda,')" = vda,vdb ]
    [ "$(words 'virtnbdbackup -d web-1 -i ' | xargs)" = vda ]
    [ "$(words 'virtnbdbackup -l ' | xargs)" = "copy full inc diff auto" ]
    [ "$(words 'virtnbdbackup -kl a')" = auto ]
    [ "$(words 'virtnbdbackup --type=r')" = --type=raw ]
    [ "$(words 'virtnbdbackup -o ')" = :directories ]
    [ "$(words "virtnbdrestore -i $S -u " | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1" ]
    grep -q 'virtnbdbackup.1.inc of ....-..-..T' "$LAB/words"
    [ "$(words "virtnbdrestore -i $S -d " | xargs)" = "vda vdb" ]
    [ "$(words "virtnbdrestore --input=$S --target ")" = $'vda=\nvdb=' ]
    for action in restore list verify dump; do
        words 'virtnbdrestore -a ' | grep -qx "$action"
    done
    [ "$(words 'virtnbdrestore --format ' | xargs)" = "qcow2 raw" ]
    [ "$(words "virtnbdrestore -i $S -s vda." | xargs)" = \
        "vda.full.data vda.inc.virtnbdbackup.1.data" ]
    [ "$(words "virtnbdmap -i $S -u virtnbdbackup.1 --disk " | xargs)" = \
        "vda vdb" ]
    [ "$(words 'virtnbdmap --fuse ')" = :directories ]
    [ "$(words 'virtnbdmap --owner nobod')" = nobody ]
    # Nobody there, no backup, no domain: nothing, and no complaint.
    [ -z "$(words "virtnbdrestore -i $T/none -u ")" ]
    [ -z "$(words 'virtnbdbackup -d none -i ')" ]
    # A wish that libvirt is asked elsewhere is heard.
    [ -z "$(words 'virtnbdbackup -U test:///nowhere -d ')" ]
}

@test "every option of --help is offered, with its text" {
    local program option
    for program in virtnbdbackup virtnbdrestore virtnbdmap; do
        words "$program -" >"$LAB/offered"
        lab_run "$program" --help | sed -n 's/^ \{2,6\}\(-.*\)$/\1/p' |
            sed 's/  .*//; s/, /\n/; s/\[=[^]]*\]//; s/=.*/=/' | sort >"$LAB/there"
        [ "$(wc -l <"$LAB/there")" -gt 20 ]
        # "-d, --domain=NAME" is offered as -d and --domain=.
        diff <(sort "$LAB/offered") "$LAB/there"
        # None without a description.
        run grep -vc "$(printf '\t.')" "$LAB/words"
        [ "$output" = 0 ]
    done
}

@test "bash: domains, values behind '=', paths, lists" {
    make_set
    [ "$(in_bash 'virtnbdbackup -d ' | sort | xargs)" = "vm1 web-1" ]
    [ "$(in_bash 'virtnbdbackup --domain=w')" = web-1 ]
    [ "$(in_bash 'virtnbdbackup -d vm1 -l f')" = full ]
    [ "$(in_bash 'virtnbdbackup --dom')" = --domain= ]
    [ "$(in_bash 'virtnbdbackup -U qemu:///sy')" = ///system ]
    [ "$(in_bash "virtnbdrestore -i ${S%et}")" = "$S" ]
    [ "$(in_bash "virtnbdrestore -i $S -u " | xargs)" = \
        "virtnbdbackup.0 virtnbdbackup.1" ]
    [ "$(in_bash "virtnbdmap -i $S --disk ")" = $'vda\nvdb' ]
    [ "$(in_bash 'virtnbdbackup -d vm1 -x vda,')" = vda,vdb ]
}

@test "zsh: the same, with the tab key" {
    command -v zsh >/dev/null || skip "zsh is not installed"
    make_set
    [ "$(in_zsh 'virtnbdbackup -d w')" = 'virtnbdbackup -d web-1' ]
    [ "$(in_zsh 'virtnbdbackup -d vm1 -l ful')" = 'virtnbdbackup -d vm1 -l full' ]
    [ "$(in_zsh 'virtnbdbackup --dom')" = 'virtnbdbackup --domain=' ]
    [ "$(in_zsh 'virtnbdbackup --domain=v')" = 'virtnbdbackup --domain=vm1' ]
    [ "$(in_zsh "virtnbdrestore -i $S -u virtnbdbackup")" = \
        "virtnbdrestore -i $S -u virtnbdbackup." ]
    [ "$(in_zsh "virtnbdmap -i ${S%et}")" = "virtnbdmap -i $S/" ]
}

@test "fish: the same" {
    command -v fish >/dev/null || skip "fish is not installed"
    make_set
    [ "$(in_fish 'virtnbdbackup -d ' | sort | xargs)" = "vm1 web-1" ]
    [ "$(in_fish 'virtnbdbackup -l f')" = full ]
    in_fish 'virtnbdbackup --dom' | grep -qx -- --domain=
    in_fish "virtnbdrestore -i $S -u " | grep -qx virtnbdbackup.1
    in_fish "virtnbdrestore -i ${S%et}" | grep -qx "$S/"
}
