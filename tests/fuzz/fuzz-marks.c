/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-marks.c - any bytes as the small files beside the data: .cpt, .chksum
 *
 * What is accepted can be written again, and means the same.  How to build and
 * run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "set/marks.h"
#include "set/name.h"

#include "fuzz.h"

static void check_cpt(const struct cpt *cpt)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_cpt_ struct cpt again = CPT_INIT;
    _cleanup_free_ char *text = NULL;

    PROMISE(cpt->count <= CPT_MAX_NAMES);
    for (size_t i = 0; i < cpt->count; i++)
        PROMISE(name_is_point(cpt->names[i]) && cpt_has(cpt, cpt->names[i]));
    PROMISE(cpt_encode(cpt, &text, &err) == 0);
    PROMISE(cpt_decode(text, strlen(text), &again, &err) == 0);
    PROMISE(again.count == cpt->count);
    for (size_t i = 0; i < cpt->count; i++)
        PROMISE(strcmp(again.names[i], cpt->names[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_error_ struct error more = ERROR_INIT;
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    uint32_t sum = 0;
    int known;

    if (cpt_decode(text, size, &cpt, &err) == 0)
        check_cpt(&cpt);
    else
        PROMISE(err.kind == ERR_DAMAGED);
    known = chksum_decode(text, size, &sum, &more);
    PROMISE(known >= 0 || more.kind == ERR_DAMAGED);
    PROMISE(known != 1 || size > 0);
    return 0;
}
