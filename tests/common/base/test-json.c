/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-json.c - JSON is read and printed, or it is said why not
 *
 * What happens without memory is in tests/faults/test-allocations.c.
 */
#include "base/json.h"

#include <jansson.h>

#include "base/cleanup.h"

#include "check.h"

static json_t *read_text(const char *text, struct error *err)
{
    return json_read(text, strlen(text), ERR_DAMAGED, err);
}

static void test_roundtrip(void)
{
    static const char text[] = "{\"a\": [1, \"\\u00e4\\n\", null], \"b\": {}}";
    _cleanup_error_ struct error err = ERROR_INIT;
    json_auto_t *root = read_text(text, &err);
    _cleanup_free_ char *again = json_print(root, JSON_ENSURE_ASCII);

    REQUIRE(root && again);
    CHECK_EQ_INT(json_is_object(root), 1);
    CHECK(strcasecmp(again, text) == 0);
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",       "{",          "{} x",        "{\"a\": 1, \"a\": 2}",
        "[1,]",   "[\"\xff\"]", "[\"\\x41\"]", "[18446744073709551616]",
        "\"\n\"", "nul",
    };

    for (size_t i = 0; i < array_size(texts); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        json_auto_t *root = read_text(texts[i], &err);

        CHECK(!root);
        CHECK_EQ_INT(err.kind, ERR_DAMAGED);
        CHECK_CONTAINS(error_text(&err), "line ");
    }
    CHECK(!json_read("{", 1, ERR_DAMAGED, NULL));
}

/* The line that is named is the one where it is wrong. */
static void test_line(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    json_auto_t *root = read_text("[\n1,\n]", &err);

    CHECK(!root);
    CHECK_CONTAINS(error_text(&err), "line 3: ");
}

static void test_watch(void)
{
    json_watch();
    CHECK(!json_string("\xff")); /* for another reason */
    CHECK(!json_missed());
}

int main(void)
{
    RUN(test_roundtrip);
    RUN(test_refused);
    RUN(test_line);
    RUN(test_watch);
    return check_result();
}
