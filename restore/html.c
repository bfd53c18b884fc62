/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* html.c - see html.h */
#include "html.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"

static void put(FILE *out, char c)
{
    switch (c) {
    case '&':
        fputs("&amp;", out);
        break;
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    case '\'':
        fputs("&#39;", out);
        break;
    default:
        fputc(c, out);
    }
}

void html_text(FILE *out, const char *text)
{
    _cleanup_free_ char *escaped = text ? text_escape(text) : NULL;

    for (const char *c = escaped; c && *c; c++)
        put(out, *c);
}

void html_printf(FILE *out, const char *fmt, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;
    int length;

    va_start(args, fmt);
    length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        text = NULL;
    html_text(out, text);
}
