/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* html.h - text of strangers inside a page
 *
 * Writes to streams of memory, whose errors are seen when they are closed.
 */
#ifndef RESTORE_HTML_H
#define RESTORE_HTML_H

#include <stdio.h>

#include "base/macro.h"

/* Write `text` so that a browser shows it and takes nothing in it for markup,
 * inside of an element or of a quoted attribute.  Control characters and what
 * is no UTF-8 are shown as \xNN.  NULL is nothing.
 */
void html_text(FILE *out, const char *text);

/* The same for what printf makes of it. */
void html_printf(FILE *out, const char *fmt, ...) printf_format(2, 3);

#endif
