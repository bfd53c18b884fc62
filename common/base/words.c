/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.c - see words.h */
#include "base/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/vec.h"

void words_add(struct words *w, const char *fmt, ...)
{
    _cleanup_free_ char *word = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&word, fmt, args) < 0)
        word = NULL;
    va_end(args);
    if (word && vec_push(w, word) == 0)
        word = NULL;
    else
        w->failed = true;
}

int words_end(struct words *w, struct error *err)
{
    if (w->failed || vec_push(w, NULL) < 0)
        return error_memory(err);
    w->count--;
    return 0;
}

char *words_join(const struct words *w, const char *separator)
{
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        return NULL;
    for (size_t i = 0; i < w->count; i++)
        fprintf(out, "%s%s", i > 0 ? separator : "", w->items[i]);
    if (text_stream_end(out, &text) < 0 || w->failed)
        return NULL;
    return take(text);
}

void words_done(struct words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->items[i]);
    free(w->items);
    *w = (struct words)WORDS_INIT;
}
