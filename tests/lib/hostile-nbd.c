/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostile-nbd.c - an NBD server that lies as it is told
 *
 *     hostile-nbd SOCKET [KEY=VALUE]...
 *
 * nbdkit and qemu-nbd tidy up what they send, so they cannot play a broken or
 * malicious server.  This one speaks just enough of the protocol (fixed
 * newstyle, structured replies, one metadata context) to get a client to the
 * point where it can be told nonsense.  One process a connection; ends with
 * its parent.
 *
 * size=N        what it says the export's size is (default 1 MiB)
 * grow=N        and how much more it says on each connection than on the one
 *               before
 * context=NAME  the context it offers (default base:allocation)
 * min=N max=N   block sizes to advertise
 * greet=        normal | drop | hang | garbage | leave (when all is agreed)
 * status=       normal | short | uneven | over | overflow | zero | zerotail |
 *               empty | none | twice | endless | otherid | huge | error |
 *               errors:N | half | hang | drop | drip | flags:F
 * read=         normal | short | none | over | cookie | magic | eio |
 *               errors:N | odd | nodf |
 *               hang:N | drop:N | drip
 * write=        normal | eio | hang:N | drop:N | zeromax (zeroes longer than
 *               max= are EINVAL)
 * flush=        normal | eio | hang
 * readonly=1, nozero=1
 *
 * The N of errors, hang and drop: for the first N requests, or after N.
 *
 * The disk: byte o is pattern(o); cells of 64 KiB are in turn data, hole and
 * zero, and allocated zero (to block status only: reads give the pattern).
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CELL 65536U
#define REQUEST_MAX (32U << 20)

static struct {
    uint64_t size, grow;
    uint32_t min, max;
    const char *context, *greet, *status, *read, *write, *flush;
    bool readonly, nozero;
} script = {1 << 20,           0,        0,        0,
            "base:allocation", "normal", "normal", "normal",
            "normal",          "normal", false,    false};

static int client;

static unsigned char pattern(uint64_t o)
{
    return (unsigned char)(o ^ (o >> 8) ^ (o >> 16) ^ (o >> 24));
}

/* --- bytes -------------------------------------------------------------- */

static void say(const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(client, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        p += n;
        len -= (size_t)n;
    }
}

static void hear(void *data, size_t len)
{
    char *p = data;

    while (len > 0) {
        ssize_t n = recv(client, p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        p += n;
        len -= (size_t)n;
    }
}

static void say16(uint16_t v)
{
    v = htobe16(v);
    say(&v, sizeof(v));
}

static void say32(uint32_t v)
{
    v = htobe32(v);
    say(&v, sizeof(v));
}

static void say64(uint64_t v)
{
    v = htobe64(v);
    say(&v, sizeof(v));
}

static uint64_t hear_number(size_t bytes)
{
    unsigned char raw[8];
    uint64_t v = 0;

    hear(raw, bytes);
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | raw[i];
    return v;
}

static void hang(void)
{
    for (;;)
        pause();
}

static bool is(const char *mode, const char *name)
{
    return strcmp(mode, name) == 0;
}

/* "name:N" -> true and N. */
static bool is_counted(const char *mode, const char *name, unsigned *ret)
{
    size_t len = strlen(name);

    if (strncmp(mode, name, len) != 0 || mode[len] != ':')
        return false;
    *ret = (unsigned)strtoul(mode + len + 1, NULL, 0);
    return true;
}

/* --- handshake ---------------------------------------------------------- */

static void option_reply(uint32_t option, uint32_t type, uint32_t len)
{
    say64(0x3e889045565a9);
    say32(option);
    say32(type);
    say32(len);
}

static void option_info(uint32_t option)
{
    option_reply(option, 3, 12);
    say16(0);
    say64(script.size);
    /* has flags, flush, fua, trim, zeroes, df, multi-conn */
    say16((uint16_t)(0x1 | 0x4 | 0x80 | 0x100 | (script.readonly ? 0x2 : 0) |
                     (script.nozero ? 0 : 0x40)));
    if (script.min || script.max) {
        option_reply(option, 3, 14);
        say16(3);
        say32(script.min ? script.min : 1);
        say32(4096);
        say32(script.max ? script.max : REQUEST_MAX);
    }
    option_reply(option, 1, 0);
}

static void option_context(uint32_t option, const char *data, uint32_t len)
{
    size_t name = strlen(script.context);

    if (memmem(data, len, script.context, name)) {
        option_reply(option, 4, (uint32_t)(4 + name));
        say32(1);
        say(script.context, name);
    }
    option_reply(option, 1, 0);
}

static void handshake(void)
{
    char data[4096];

    if (is(script.greet, "drop"))
        _exit(0);
    if (is(script.greet, "hang"))
        hang();
    say(is(script.greet, "garbage") ? "NBDTRAGIIHAVEOPT" : "NBDMAGICIHAVEOPT",
        16);
    say16(3);
    (void)hear_number(4);
    for (;;) {
        uint32_t option = 0, len = 0;

        (void)hear_number(8);
        option = (uint32_t)hear_number(4);
        len = (uint32_t)hear_number(4);
        if (len > sizeof(data))
            _exit(0);
        hear(data, len);
        if (option == 8) {
            option_reply(option, 1, 0);
        } else if (option == 10) {
            option_context(option, data, len);
        } else if (option == 6 || option == 7) {
            option_info(option);
            if (option == 7)
                return;
        } else {
            option_reply(option, option == 2 ? 1 : 0x80000001, 0);
            if (option == 2)
                _exit(0);
        }
    }
}

/* --- answers ------------------------------------------------------------ */

struct request {
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t length;
};

static void chunk(const struct request *r, bool done, uint16_t type,
                  uint32_t len)
{
    say32(0x668e33ef);
    say16(done);
    say16(type);
    say64(r->cookie);
    say32(len);
}

static void fail(const struct request *r, uint32_t errnum)
{
    chunk(r, true, 0x8001, 6);
    say32(errnum);
    say16(0);
}

static void simple(const struct request *r, uint32_t errnum)
{
    say32(0x67446698);
    say32(errnum);
    say64(r->cookie);
}

/* Bytes for ever, but never enough of them: an answer, slowly. */
static void drip(const struct request *r)
{
    if (r->type == 7) {
        chunk(r, false, 5, (1 << 20) + 4);
    } else {
        chunk(r, false, 1, 8 + r->length);
        say64(r->offset);
    }
    for (;;) {
        say("x", 1);
        usleep(20000);
    }
}

/* Hang or leave after the Nth request of a kind. */
static void maybe_leave(const struct request *r, const char *mode,
                        unsigned count)
{
    unsigned n = 0;

    if (is_counted(mode, "hang", &n) && count > n)
        hang();
    if (is_counted(mode, "drop", &n) && count > n)
        _exit(0);
    if (is(mode, "hang"))
        hang();
    if (is(mode, "drop"))
        _exit(0);
    if (is(mode, "drip"))
        drip(r);
}

struct extents {
    uint32_t pair[2 * 4096];
    uint32_t count; /* of numbers: two an extent */
};

static void add(struct extents *e, uint32_t length, uint32_t flags)
{
    if (e->count + 2 > sizeof(e->pair) / sizeof(e->pair[0]))
        return;
    e->pair[e->count++] = length;
    e->pair[e->count++] = flags;
}

static void say_extents(const struct request *r, const struct extents *e,
                        bool done)
{
    chunk(r, done, 5, 4 + 4 * e->count);
    say32(is(script.status, "otherid") ? 77 : 1);
    for (uint32_t i = 0; i < e->count; i++)
        say32(e->pair[i]);
}

/* The truth, up to `most` extents, each cut at `cut`, the last one at the end
 * of the request or, if `over`, of its cell.
 */
static void truth(const struct request *r, struct extents *e, uint32_t most,
                  uint32_t cut, bool over)
{
    static const uint32_t flags[] = {0, 3, 2};
    uint64_t at = r->offset, end = r->offset + r->length;
    unsigned forced = 0;
    bool force = is_counted(script.status, "flags", &forced);

    while (at < end && most-- > 0) {
        uint64_t next = (at / CELL + 1) * CELL;

        if (next > at + cut)
            next = at + cut;
        if (next > end && !over)
            next = end;
        add(e, (uint32_t)(next - at), force ? forced : flags[at / CELL % 3]);
        at = next;
    }
}

static void answer_status_lie(const struct request *r, struct extents *e)
{
    const char *mode = script.status;

    if (is(mode, "empty")) {
        say_extents(r, e, true);
    } else if (is(mode, "none")) {
        chunk(r, true, 0, 0);
    } else if (is(mode, "overflow")) {
        add(e, 0xffffffff, 3);
        add(e, 0xffffffff, 0);
        say_extents(r, e, true);
    } else if (is(mode, "zero")) {
        add(e, 0, 0);
        say_extents(r, e, true);
    } else if (is(mode, "zerotail")) {
        truth(r, e, 2, CELL, false);
        add(e, 0, 3);
        say_extents(r, e, true);
    } else if (is(mode, "twice")) {
        truth(r, e, 4096, CELL, false);
        say_extents(r, e, false);
        say_extents(r, e, true);
    } else if (is(mode, "endless")) {
        truth(r, e, 1, CELL, false);
        for (;;)
            say_extents(r, e, false);
    } else if (is(mode, "huge")) {
        chunk(r, true, 5, 0xfffffffc);
        for (;;)
            say_extents(r, e, false);
    } else if (is(mode, "half")) {
        truth(r, e, 1, CELL, false);
        say_extents(r, e, false);
        fail(r, 5);
    } else if (is(mode, "error")) {
        fail(r, 5);
    } else {
        truth(r, e, 4096, CELL, false);
        say_extents(r, e, true);
    }
}

static void answer_status(const struct request *r)
{
    static unsigned count;
    struct extents e = {.count = 0};
    unsigned n = 0;

    count++;
    maybe_leave(r, script.status, count);
    if (is_counted(script.status, "errors", &n) && count <= n) {
        fail(r, 5);
    } else if (is(script.status, "short")) {
        truth(r, &e, 1, 4096, false);
        say_extents(r, &e, true);
    } else if (is(script.status, "uneven")) {
        truth(r, &e, 1 + count % 7, 512 * (1 + count % 200), count % 2);
        say_extents(r, &e, true);
    } else if (is(script.status, "over")) {
        truth(r, &e, 4096, CELL, true);
        add(&e, 0xffff0000, 0);
        add(&e, 0xffff0000, 0);
        say_extents(r, &e, true);
    } else {
        answer_status_lie(r, &e);
    }
}

static void say_data(const struct request *r, uint64_t offset, uint32_t length,
                     bool done)
{
    static unsigned char data[REQUEST_MAX];

    if (length > sizeof(data))
        _exit(0);
    for (uint32_t i = 0; i < length; i++)
        data[i] = pattern(offset + i);
    chunk(r, done, 1, 8 + length);
    say64(offset);
    say(data, length);
}

static void answer_read(struct request *r)
{
    const char *mode = script.read;
    static unsigned count;
    unsigned n = 0;

    count++;
    maybe_leave(r, mode, count);
    if (is(mode, "eio") || (is_counted(mode, "errors", &n) && count <= n)) {
        fail(r, 5);
    } else if (script.min &&
               (r->offset % script.min || r->length % script.min ||
                r->length > script.max) &&
               !(is(mode, "odd") && r->offset + r->length == script.size)) {
        fail(r, 22);
    } else if (is(mode, "short")) {
        say_data(r, r->offset, r->length / 2, true);
    } else if (is(mode, "nodf") && r->flags & 4) {
        fail(r, 75);
    } else if (is(mode, "none")) {
        chunk(r, true, 0, 0);
    } else if (is(mode, "over")) {
        say_data(r, r->offset, r->length + 512, true);
    } else if (is(mode, "cookie")) {
        r->cookie ^= 0xdead;
        say_data(r, r->offset, r->length, true);
    } else if (is(mode, "magic")) {
        say("what is this, and why does it not end?", 38);
    } else {
        /* In two chunks, the second one first: that is allowed. */
        uint32_t half = r->length / 2;

        say_data(r, r->offset + half, r->length - half, half == 0);
        if (half > 0)
            say_data(r, r->offset, half, true);
    }
}

static void answer_write(const struct request *r)
{
    static unsigned count;
    char data[4096];

    for (uint32_t left = r->type == 1 ? r->length : 0; left > 0;) {
        uint32_t piece = left < sizeof(data) ? left : sizeof(data);

        hear(data, piece);
        left -= piece;
    }
    count++;
    maybe_leave(r, script.write, count);
    if (is(script.write, "eio"))
        simple(r, 5);
    else if (is(script.write, "zeromax") && r->length > script.max)
        simple(r, 22);
    else
        simple(r, 0);
}

static void answer_flush(const struct request *r)
{
    maybe_leave(r, script.flush, 1);
    simple(r, is(script.flush, "eio") ? 5 : 0);
}

static void serve(void)
{
    handshake();
    if (is(script.greet, "leave"))
        _exit(0);
    for (;;) {
        struct request r;

        if (hear_number(4) != 0x25609513)
            _exit(1);
        r.flags = (uint16_t)hear_number(2);
        r.type = (uint16_t)hear_number(2);
        r.cookie = hear_number(8);
        r.offset = hear_number(8);
        r.length = (uint32_t)hear_number(4);
        if (r.type == 0)
            answer_read(&r);
        else if (r.type == 1 || r.type == 6)
            answer_write(&r);
        else if (r.type == 3)
            answer_flush(&r);
        else if (r.type == 7)
            answer_status(&r);
        else
            _exit(0);
    }
}

/* --- start -------------------------------------------------------------- */

static void argument(const char *arg)
{
    const char *value = strchr(arg, '=');
    size_t len = value ? (size_t)(value++ - arg) : 0;
    static const struct {
        const char *key;
        const char **text;
    } texts[] = {
        {"context", &script.context}, {"greet", &script.greet},
        {"status", &script.status},   {"read", &script.read},
        {"write", &script.write},     {"flush", &script.flush},
    };

    for (size_t i = 0; len && i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strlen(texts[i].key) == len &&
            strncmp(arg, texts[i].key, len) == 0) {
            *texts[i].text = value;
            return;
        }
    if (strncmp(arg, "size=", 5) == 0)
        script.size = strtoull(value, NULL, 0);
    else if (strncmp(arg, "grow=", 5) == 0)
        script.grow = strtoull(value, NULL, 0);
    else if (strncmp(arg, "min=", 4) == 0)
        script.min = (uint32_t)strtoul(value, NULL, 0);
    else if (strncmp(arg, "max=", 4) == 0)
        script.max = (uint32_t)strtoul(value, NULL, 0);
    else if (strcmp(arg, "readonly=1") == 0)
        script.readonly = true;
    else if (strcmp(arg, "nozero=1") == 0)
        script.nozero = true;
    else {
        fprintf(stderr, "hostile-nbd: what is '%s'?\n", arg);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path))
        return 64;
    strcpy(address.sun_path, argv[1]);
    for (int i = 2; i < argc; i++)
        argument(argv[i]);
    if (listening < 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listening, 16) < 0) {
        perror("hostile-nbd");
        return 1;
    }
    for (;;) {
        client = accept(listening, NULL, NULL);
        if (client < 0)
            continue;
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve();
        }
        close(client);
        script.size += script.grow;
    }
}
