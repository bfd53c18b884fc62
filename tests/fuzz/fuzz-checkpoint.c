/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-checkpoint.c - any text as the XML of a checkpoint
 *
 * It is refused by all readers or by none; made an orphan it is the same but
 * for its parent.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "virt/checkpoint.h"

#include "fuzz.h"

static void check_orphan(const char *xml, const struct checkpoint *c)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(checkpoint_free) struct checkpoint again = {0};
    _cleanup_free_ char *orphan = NULL;

    PROMISE(checkpoint_orphan(xml, &orphan, &err) == 0);
    if (checkpoint_parse(orphan, &again, &err) < 0)
        return; /* only white space was there */
    PROMISE(strcmp(again.name, c->name) == 0);
    PROMISE(strcmp(again.description, c->description) == 0);
    PROMISE(again.created == c->created);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    _cleanup_free_ char *xml = strndup((const char *)data, size);
    _cleanup_free_ char *uuid = NULL;
    char point[TEXT_UUID_ROOM], chain[TEXT_UUID_ROOM];
    uint64_t bytes = 0;

    if (!xml)
        return 0;
    if (checkpoint_parse(xml, &c, &err) < 0) {
        PROMISE(err.kind == ERR_INPUT);
        return 0;
    }
    PROMISE(c.name && c.name[0] && c.description);
    if (checkpoint_identity(c.description, point, chain) == 1)
        PROMISE(uuid_is_valid(point) && uuid_is_valid(chain));
    PROMISE(checkpoint_parse_domain(xml, &uuid, NULL) >= 0);
    PROMISE(checkpoint_parse_size(xml, "vda", &bytes, NULL) >= 0);
    if (checkpoint_parse_sizes(xml, &bytes, &err) < 0)
        PROMISE(err.kind == ERR_INPUT);
    check_orphan(xml, &c);
    return 0;
}
