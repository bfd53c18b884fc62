# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154,SC2034,SC2086
#
# remote_agent.sh - what runs on another host for as long as we work there
#
# See remote.h and remote_agent.h.  It reads one request a line from its stdin,
# which is our end of the connection, and answers each with one line.  When its
# stdin ends, or when nothing has come for two minutes, it takes back everything
# that it was told of and not told to forget, the last thing first, and ends.
# Nobody has to say goodbye for that, and no signal keeps it from it.
#
# A request is VERB KEY WORD...; words come encoded (remote_word), so that any
# byte fits into a line.  This text travels in single quotes: it has none.

umask 077
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
trap "" HUP INT QUIT TERM PIPE
set -f
keys=

# The word behind $1, in $word; the dot saves newlines at its end.
decode() {
    word=$(printf "%b." "${1#:}")
    word=${word%.}
}

limit() {
    timeout -s KILL 60 "$@"
}

# ---- what is taken back: the arguments are in a, b and c ----

is_our_job() {
    limit virsh -q -c "$a" backup-dumpxml "$b" 2>/dev/null |
        grep -F -- "$c" >/dev/null
}

has_no_job() {
    limit virsh -q -c "$a" domjobinfo "$b" 2>/dev/null |
        grep "None" >/dev/null
}

# $1: how many times in a row there has to be no job at all.
end_job() {
    tries=0 idle=0
    while [ $tries -lt 150 ]; do
        tries=$((tries + 1))
        if is_our_job; then
            limit virsh -q -c "$a" domjobabort "$b"
            idle=0
        elif has_no_job; then
            idle=$((idle + 1))
            [ $idle -lt $1 ] || return 0
        elif [ $tries -gt 10 ] && [ $1 = 1 ]; then
            return 0
        fi
        sleep 0.2
    done
}

remove_dir() {
    [ -d "$a" ] && [ ! -h "$a" ] || return 0
    set +f
    rm -f -- "$a"/* "$a"/.[!.]*
    set -f
    rmdir -- "$a"
}

# End the server $a with signal $1; its exit status is in $a.rc then.
end_server() {
    if [ ! -s "$a.rc" ] && [ -s "$a.pid" ]; then
        kill -s $1 "$(cat "$a.pid")"
    fi
    until [ -s "$a.rc" ]; do sleep 0.02; done
}

take_back() {
    eval "kind=\$kind_$1 a=\$a_$1 b=\$b_$1 c=\$c_$1"
    case $kind in
    dir) remove_dir ;;
    file) rm -f -- "$a" ;;
    server) end_server KILL ;;
    begin) end_job 10 ;;
    job) end_job 1 ;;
    frozen) limit virsh -q -c "$a" domfsthaw "$b" ;;
    paused) limit virsh -q -c "$a" resume "$b" ;;
    esac
}

forget() {
    rest=
    for k in $keys; do
        [ "$k" = "$1" ] || rest="$rest $k"
    done
    keys=$rest
}

remember() {
    key_now=$1
    eval "kind_$key_now=\$2 a_$key_now=\$3 b_$key_now=\$4 c_$key_now=\$5"
    case " $keys " in
    *" $1 "*) ;;
    *) keys="$1 $keys" ;;
    esac
}

# ---- requests ----

# dir PATH [OWNER:GROUP]: a private directory for that owner
make_dir() {
    mkdir -m 0700 -- "$1" || return 1
    if [ -n "$2" ] && [ "$2" != "$(id -u):$(id -g)" ]; then
        if [ "$(id -u)" = 0 ]; then
            chown -- "$2" "$1"
        else
            chmod 1733 -- "$1"
        fi || { rmdir -- "$1"; return 1; }
    fi
}

# serve BASE PROGRAM...: it has started once BASE.pid is there
serve() {
    a=$1
    shift
    (
        "$@" </dev/null >/dev/null 2>"$a.err" &
        wait $!
        echo $? >"$a.rc"
    ) </dev/null >/dev/null 2>&1 &
    until [ -s "$a.pid" ] || [ -s "$a.rc" ]; do sleep 0.02; done
    [ ! -s "$a.rc" ]
}

# The last bytes of the file $1 on one line.
tail_of() {
    tail -c 4000 -- "$1" | tr "\n" "\t"
}

# One request, its words decoded; the answer is in $answer.
handle() {
    verb=$1 key=$2
    shift 2
    answer=ok
    case $verb in
    beat) ;;
    dir)
        said=$(make_dir "$1" "$2" 2>&1) || { answer="no $said"; return; }
        remember "$key" dir "$1" "" ""
        ;;
    tell) remember "$key" "$1" "$2" "$3" "$4" ;;
    forget) forget "$key" ;;
    undo)
        said=$(take_back "$key" 2>&1) || { answer="no $said"; return; }
        forget "$key"
        ;;
    serve)
        remember "$key" server "$1" "" ""
        serve "$@" || {
            answer="no $(tail_of "$1.err")"
            forget "$key"
        }
        ;;
    stop)
        eval "a=\$a_$key"
        end_server TERM
        forget "$key"
        answer="ok $(cat "$a.rc") $(tail_of "$a.err")"
        ;;
    *) answer="no what is $verb" ;;
    esac
}

echo virtnbdbackup-agent-1
while line=$(timeout -s KILL 120 head -n 1) && [ -n "$line" ]; do
    set -- $line
    count=$#
    while [ $count -gt 0 ]; do
        decode "$1"
        shift
        set -- "$@" "$word"
        count=$((count - 1))
    done
    handle "$@"
    printf "%s\n" "$answer" | tr "\n" "\t"
    echo
done
exec >/dev/null 2>&1
for key in $keys; do
    take_back "$key"
done
