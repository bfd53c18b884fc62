#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# scheduled - one run of virtnbdbackup@.service
#
# usage: scheduled backup|verify|recover [OPTION...]
#
# backup: back DOMAIN up into the directory of this period.  verify: read a part
# of what is there.  recover: after a run that was killed, undo what it left
# behind.  OPTIONs go to virtnbdbackup.  The settings come in the environment,
# from /etc/virtnbdbackup/NAME.conf (see the example there).

set -eu
export PATH=@bindir@:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() {
    echo "virtnbdbackup: $*" >&2
    exit 64
}

action=${1:-}
[ $# = 0 ] || shift
[ -n "${DOMAIN:-}" ] || fail "DOMAIN is not set"
[ -n "${OUTPUT:-}" ] || fail "set OUTPUT in /etc/virtnbdbackup/$DOMAIN.conf"
case $OUTPUT in
/*) ;;
*) fail "OUTPUT is not an absolute path: $OUTPUT" ;;
esac
case ${ROTATE:-month} in
month) period=/$(date +%Y-%m) ;;
week) period=/$(date +%G-W%V) ;;
never) period= ;;
*) fail "ROTATE is month, week or never, not '$ROTATE'" ;;
esac
base=$OUTPUT/$DOMAIN
directory=$base$period

case $action in
backup)
    exec virtnbdbackup --noprogress --domain "$DOMAIN" \
        --level "${LEVEL:-auto}" --output "$directory" "$@"
    ;;
verify)
    case ${VERIFY:-5%} in
    0 | 0%) exit 0 ;;
    esac
    exec virtnbdrestore --noprogress --action verify --input "$directory" \
        --sample "${VERIFY:-5%}"
    ;;
recover)
    case ${SERVICE_RESULT:-success} in
    signal | timeout | core-dump | oom-kill | watchdog) ;;
    *) exit 0 ;;
    esac
    # Each run begins with cleaning up; this one then saves nothing.  The one
    # that was killed may have begun in the last period.
    for intent in "$base"/intent.*.json "$base"/*/intent.*.json; do
        [ -e "$intent" ] || continue
        virtnbdbackup --noprogress --domain "$DOMAIN" \
            --level "${LEVEL:-auto}" --output "${intent%/*}" "$@" \
            --printonly >/dev/null || :
    done
    ;;
*) fail "usage: scheduled backup|verify|recover [OPTION...]" ;;
esac
