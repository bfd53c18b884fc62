/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-until.c - any text as what the user means by --until, and as the time
 * that a manifest says
 *
 * The point that is found is one that is there.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "set/until.h"

#include "fuzz.h"

static const char *const names[] = {"copy", "virtnbdbackup.0",
                                    "virtnbdbackup.1", "diff.1700000000"};
static const char *const times[] = {"2026-11-21T07:00:00Z",
                                    "2026-11-21T08:00:00Z",
                                    "2026-11-22T07:00:00Z", NULL};

static void check_found(const struct chain *chain, const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *found = NULL;
    size_t i = 0;

    if (until_find(chain, text, &found, &err) < 0) {
        PROMISE(err.kind == ERR_INPUT || err.kind == ERR_DAMAGED);
        PROMISE(error_text(&err)[0]);
        return;
    }
    while (i < array_size(names) && found != names[i])
        i++;
    PROMISE(i < array_size(names));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chain_point points[array_size(names)] = {{0}};
    struct chain chain = {.dirfd = -1, .points = points, .point_count = 4};
    _cleanup_free_ char *text = strndup((const char *)data, size);
    char shown[UNTIL_TIME_ROOM];
    int64_t when = 0, again = 0;

    if (!text)
        return 0;
    for (size_t i = 0; i < array_size(names); i++) {
        points[i].name = (char *)names[i];
        points[i].ours = true;
        points[i].manifest.time = times[i] ? (char *)times[i] : text;
    }
    check_found(&chain, text);
    if (!until_parse_time(text, &when))
        return 0;
    if (until_point_time(&points[3], &again) &&
        until_point_text(&points[3], shown)) {
        PROMISE(strlen(shown) < sizeof(shown));
        PROMISE(until_parse_time(shown, &when) && when == again);
    }
    return 0;
}
