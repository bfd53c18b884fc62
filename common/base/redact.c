/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* redact.c - see redact.h */
#include "base/redact.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SECRETS_MAX 8
#define SECRET_MIN 4 /* bytes */
#define STARS "***"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Under the mutex: */
static char *secrets[SECRETS_MAX];
static size_t secret_count;

bool redact_secret(const char *secret)
{
    LOCK_SCOPE(&mutex);
    if (strlen(secret) < SECRET_MIN || secret_count == SECRETS_MAX)
        return false;
    secrets[secret_count] = strdup(secret);
    if (!secrets[secret_count])
        return false;
    secret_count++;
    return true;
}

void redact_forget(void)
{
    LOCK_SCOPE(&mutex);
    for (; secret_count > 0; secret_count--) {
        char *secret = take(secrets[secret_count - 1]);

        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

/* Bytes of the secret that `text` begins with, the longest one; 0: none. */
static size_t secret_length(const char *text)
{
    size_t longest = 0;

    for (size_t i = 0; i < secret_count; i++) {
        size_t length = strlen(secrets[i]);

        if (length > longest && strncmp(text, secrets[i], length) == 0)
            longest = length;
    }
    return longest;
}

/* The path of a socket and nothing else? */
static bool is_harmless(const char *query, const char *end)
{
    static const char socket[] = "?socket=";
    size_t length = (size_t)(end - query);

    return length >= strlen(socket) &&
           memcmp(query, socket, strlen(socket)) == 0 &&
           !memchr(query, '&', length) && !memchr(query, ';', length);
}

/* Print what follows "://"; the authority, path and query end at `end`. */
static void print_rest(FILE *f, const char *host, const char *end)
{
    const char *query = memchr(host, '?', (size_t)(end - host));
    const char *path_end = query ? query : end;
    const char *path = memchr(host, '/', (size_t)(path_end - host));
    const char *at =
        memrchr(host, '@', (size_t)((path ? path : path_end) - host));

    if (at)
        fputs(STARS, f);
    host = at ? at : host;
    if (query && is_harmless(query, end))
        path_end = end;
    fwrite(host, 1, (size_t)(path_end - host), f);
    if (path_end < end)
        fputs("?" STARS, f);
}

/* Print the text with its URIs changed; `stops`: what ends a URI. */
static void print_uris(FILE *f, const char *text, const char *stops)
{
    const char *mark;

    while ((mark = strstr(text, "://"))) {
        const char *host = mark + 3;
        const char *end = host + strcspn(host, stops);

        fwrite(text, 1, (size_t)(host - text), f);
        print_rest(f, host, end);
        text = end;
    }
    fputs(text, f);
}

static void print_without_secrets(FILE *f, const char *text)
{
    LOCK_SCOPE(&mutex);
    while (*text) {
        size_t length = secret_length(text);

        if (length > 0) {
            fputs(STARS, f);
            text += length;
        } else {
            fputc(*text++, f);
        }
    }
}

/* A new string, from one of the two printers. */
static char *print(const char *text, const char *stops)
{
    char *result = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&result, &length);
    bool failed;

    if (!f)
        return NULL;
    if (stops)
        print_uris(f, text, stops);
    else
        print_without_secrets(f, text);
    failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed)
        free(take(result));
    return result;
}

static char *redact(const char *text, const char *stops)
{
    _cleanup_free_ char *half = print(text, NULL);

    return half ? print(half, stops) : NULL;
}

char *redact_text(const char *text)
{
    return redact(text, " \t\r\n'\"<>");
}

char *redact_word(const char *word)
{
    return redact(word, "");
}
