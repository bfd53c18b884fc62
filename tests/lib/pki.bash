# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# pki.bash - certificates for tests of TLS, made when they are needed
#
#     pki_ca DIR/ca             an authority: DIR/ca/{ca-cert,ca-key}.pem
#     pki_pair DIR/ca DIR/both 127.0.0.1
#                               a directory as QEMU and libnbd want it: the
#                               CA's certificate, and certificate and key for a
#                               server of that name or address and for a client
#
# PKI_DAYS: how long they are valid from now on (1); -1: they were until
# yesterday.

_pki_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
        -out "$1" 2>/dev/null && chmod 644 "$1"
}

# pki_ca DIR
pki_ca() {
    mkdir -p "$1" && _pki_key "$1/ca-key.pem" || return 1
    openssl req -x509 -new -key "$1/ca-key.pem" -days 2 -subj "/CN=CA ${1##*/}" \
        -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign -out "$1/ca-cert.pem" || return 1
}

# _pki_sign CA DIR NAME SUBJECT EXTENSIONS
_pki_sign() {
    local ca=$1 dir=$2 name=$3 subject=$4 extensions=$5
    _pki_key "$dir/$name-key.pem" || return 1
    openssl req -new -key "$dir/$name-key.pem" -subj "/CN=$subject" |
        openssl x509 -req -CA "$ca/ca-cert.pem" -CAkey "$ca/ca-key.pem" \
            -CAcreateserial -days "${PKI_DAYS:-1}" -extfile "$extensions" \
            -out "$dir/$name-cert.pem" 2>/dev/null
}

# pki_pair CA DIR NAME
pki_pair() {
    local ca=$1 dir=$2 name=$3 kind=DNS
    mkdir -p "$dir" && cp "$ca/ca-cert.pem" "$dir/" || return 1
    case $name in
    *:* | [0-9]*.[0-9]*) kind=IP ;;
    esac
    printf '%s\n' "subjectAltName=$kind:$name" extendedKeyUsage=serverAuth \
        >"$dir/ext"
    _pki_sign "$ca" "$dir" server "$name" "$dir/ext" || return 1
    echo extendedKeyUsage=clientAuth >"$dir/ext"
    _pki_sign "$ca" "$dir" client "a backup host" "$dir/ext" || return 1
    rm "$dir/ext"
    chmod -R a+rX "$dir"
}
