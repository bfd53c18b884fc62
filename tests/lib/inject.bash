# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# inject.bash - ending a program at system calls all over its run
#
# Load it behind cli.bash.  A first run under strace says which calls there are;
# points are drawn from them (SEED, POINTS), and strace sends the signal when
# the program gets there:
#
#     traced "$LAB/calls" -f virtnbdbackup ...
#     while read -r name nth; do
#         traced /dev/null -f -e "inject=$name:signal=KILL:when=$nth" \
#             virtnbdbackup ...
#     done < <(draw "$LAB/calls")

# traced FILE STRACE-OPTION... COMMAND...: under strace, without the programs
# that the run starts (the guardian among them: it has to survive).  TRACED_BY
# is what runs it, instead of lab_run; TRACED_CHILDREN=1: those programs too.
traced() {
    local log=$1 alone=(-b execve)
    [ -z "${TRACED_CHILDREN:-}" ] || alone=()
    shift
    # Leaks cannot be looked for under ptrace.
    "${TRACED_BY:-lab_run}" env ASAN_OPTIONS=detect_leaks=0 \
        strace "${alone[@]}" -qq -o "$log" "$@"
}

# draw FILE: POINTS lines "SYSCALL NTH" from a log of strace; NTH counts the
# calls of that name in one thread, as strace does.
draw() {
    /usr/bin/python3 - "$1" "$POINTS" "$SEED" <<'PYTHON'
import random, re, sys
calls, counts = [], {}
for line in open(sys.argv[1], errors="replace"):
    m = re.match(r"(?:(\d+) +)?([a-z_0-9]+)\(", line)
    if m and m[2] not in ("exit_group", "exit", "rt_sigreturn", "execve"):
        key = (m[1], m[2])
        counts[key] = counts.get(key, 0) + 1
        calls.append((m[2], counts[key]))
calls = sorted(set(calls[len(calls) // 10:]))
random.seed(int(sys.argv[3]))
for name, nth in random.sample(calls, min(len(calls), int(sys.argv[2]))):
    print(name, nth)
PYTHON
}
