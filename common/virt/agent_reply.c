/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent_reply.c - what is said to the agent and what it answers, see
 * agent_private.h
 *
 * Pure.  The answers were written by the guest: only the members that we know
 * are looked at, with values that make sense.
 */
#include "virt/agent_private.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "virt/agent.h"

/* No answer of ours is as long as this: two outputs in base64. */
#define REPLY_MAX (4 * AGENT_OUTPUT_MAX)

/* ---- requests ---- */

/* The request as a text; frees `arguments`, which may be NULL: no memory. */
static char *request_text(const char *command, json_t *arguments)
{
    json_auto_t *request =
        json_pack("{s:s, s:o}", "execute", command, "arguments", arguments);

    return request ? json_print(request, JSON_COMPACT) : NULL;
}

int agent_request_exec(const char *const *argv, char **ret, struct error *err)
{
    json_auto_t *words = json_array();

    for (size_t i = 0; argv[i]; i++) {
        json_t *word = json_string(argv[i]);

        if (!word)
            return error_set(err, ERR_INPUT,
                             "word %zu of the command is no valid UTF-8", i);
        if (json_array_append_new(words, word) < 0)
            return error_memory(err);
    }
    /* The program's own name is not among its arguments. */
    json_array_remove(words, 0);
    *ret = request_text("guest-exec",
                        json_pack("{s:s, s:O, s:b}", "path", argv[0], "arg",
                                  words, "capture-output", 1));
    return *ret ? 0 : error_memory(err);
}

char *agent_request_status(int64_t pid)
{
    return request_text("guest-exec-status",
                        json_pack("{s:I}", "pid", (json_int_t)pid));
}

/* ---- answers ---- */

static int nonsense(struct error *err, const char *why)
{
    return error_set(err, ERR_LIBVIRT,
                     "The guest agent's answer makes no sense: %s", why);
}

/* What was returned; owned.  NULL: nonsense. */
static json_t *returned(const char *reply, struct error *err)
{
    json_auto_t *root = NULL;
    json_t *value = NULL;
    size_t length = strnlen(reply, REPLY_MAX);

    if (length < REPLY_MAX)
        root = json_read(reply, length, ERR_LIBVIRT, err);
    value = json_object_get(root, "return");
    if (!value && (!err || err->kind != ERR_MEMORY))
        nonsense(err, "it is no JSON with a 'return', or too long");
    return json_incref(value);
}

int agent_reply_frozen(const char *reply, struct error *err)
{
    json_auto_t *value = returned(reply, err);
    const char *word = json_string_value(value);

    if (!value)
        return -1;
    if (word && strcmp(word, "frozen") == 0)
        return 1;
    if (word && strcmp(word, "thawed") == 0)
        return 0;
    return nonsense(err, "neither 'frozen' nor 'thawed'");
}

int agent_reply_pid(const char *reply, int64_t *ret, struct error *err)
{
    json_auto_t *value = returned(reply, err);
    const json_t *pid = json_object_get(value, "pid");

    if (!value)
        return -1;
    if (!json_is_integer(pid))
        return nonsense(err, "'pid' is no number");
    *ret = json_integer_value(pid);
    return 0;
}

/* The six bits of a sign, or -1. */
static int sextet(char c)
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(signs, c) : NULL;

    return at ? (int)(at - signs) : -1;
}

/* Decode base64, padded and without blanks, to a text: owned, NULL if it is not
 * that, holds a NUL or there is no memory for it.
 */
static char *decode(const char *text)
{
    size_t length = strlen(text), n = 0;
    _cleanup_free_ char *out = malloc(length / 4 * 3 + 1);
    uint32_t bits = 0;

    if (!out || length % 4 != 0)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        bool pad = text[i] == '=' && i + 2 >= length &&
                   (i + 1 == length || text[i + 1] == '=');
        int value = pad ? 0 : sextet(text[i]);

        if (value < 0)
            return NULL;
        bits = bits << 6 | (uint32_t)value;
        for (int shift = 16; i % 4 == 3 && shift >= 0; shift -= 8)
            out[n++] = (char)(bits >> shift & 0xff);
    }
    for (size_t i = length; i > 0 && text[i - 1] == '='; i--)
        n--;
    out[n] = '\0';
    return strlen(out) == n ? take(out) : NULL;
}

/* The output named `key` of `value`, "" if there is none; owned. */
static int get_output(const json_t *value, const char *key,
                      const char *truncated, char **ret, struct error *err)
{
    const json_t *member = json_object_get(value, key);
    const char *text = member ? json_string_value(member) : "";

    if (!text)
        return nonsense(err, "the program's output is no string");
    if (json_is_true(json_object_get(value, truncated)) ||
        strlen(text) / 4 * 3 > AGENT_OUTPUT_MAX)
        return error_set(err, ERR_LIBVIRT,
                         "The program's output is longer than %d bytes",
                         AGENT_OUTPUT_MAX);
    *ret = decode(text);
    return *ret ? 0 : nonsense(err, "the program's output is no text");
}

/* The number named `key`; -1 if there is none or no int holds it. */
static int get_number(const json_t *value, const char *key)
{
    const json_t *member = json_object_get(value, key);
    json_int_t n = json_is_integer(member) ? json_integer_value(member) : -1;

    return n >= 0 && n <= INT32_MAX ? (int)n : -1;
}

int agent_reply_exit(const char *reply, struct agent_exit *ret,
                     struct error *err)
{
    json_auto_t *value = returned(reply, err);
    _cleanup_(agent_exit_free) struct agent_exit e = {0};
    _cleanup_error_ struct error ignored = ERROR_INIT;
    const json_t *exited = json_object_get(value, "exited");

    if (!value)
        return -1;
    if (!json_is_boolean(exited))
        return nonsense(err, "'exited' is neither true nor false");
    if (json_is_false(exited))
        return 0;
    e.status = get_number(value, "exitcode");
    e.signal = get_number(value, "signal");
    if (e.status < 0 && e.signal < 0)
        return nonsense(err, "neither an exit status nor a signal");
    if (get_output(value, "out-data", "out-truncated", &e.out, err) < 0)
        return -1;
    /* It stands in messages only. */
    if (get_output(value, "err-data", "err-truncated", &e.said, &ignored) < 0)
        e.said = strdup("");
    if (!e.said)
        return error_memory(err);
    *ret = e;
    e = (struct agent_exit){0};
    return 1;
}

void agent_exit_free(struct agent_exit *e)
{
    free(e->out);
    free(e->said);
    *e = (struct agent_exit){0};
}
