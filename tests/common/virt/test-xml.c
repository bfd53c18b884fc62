/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-xml.c - tests of virt/xml */
#include "virt/xml.h"

#include "base/cleanup.h"
#include "check.h"

static void test_read(void)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct xml_node *root = NULL, *b = NULL;

    CHECK_OK(xml_parse("<a n='1&lt;&#10;' e=''><!-- c --><b>x&amp;y</b>"
                       "<q:b xmlns:q='u' k='no'>ns</q:b><c/>"
                       "<b k='2'><![CDATA[<z>]]></b><d>t<e/></d></a>",
                       "text", &x, &err),
             &err);
    REQUIRE(x);
    root = xml_root(x);
    CHECK_STR(xml_name(root), "a");
    CHECK_STR(xml_attr(root, "n"), "1<\n");
    CHECK_STR(xml_attr(root, "e"), "");
    CHECK(xml_attr(root, "k") == NULL);
    b = xml_child(root, "b");
    CHECK_STR(xml_content(b), "x&y");
    CHECK(xml_attr(b, "k") == NULL);
    b = xml_next(b, "b");
    CHECK_STR(xml_content(b), "<z>");
    CHECK_STR(xml_attr(b, "k"), "2");
    CHECK(xml_next(b, "b") == NULL);
    CHECK_STR(xml_content(xml_child(root, "c")), "");
    CHECK(xml_content(xml_child(root, "d")) == NULL);
    CHECK(xml_content(xml_child(xml_child(root, "no"), "no")) == NULL);
    CHECK(xml_attr(NULL, "x") == NULL);
}

/* covers: F14:R */
static void test_refused(void)
{
    static const char *const bad[][2] = {
        {"", "is no XML"},
        {"<a>", "is no XML"},
        {"<a></b>", "is no XML"},
        {"<a/><b/>", "is no XML"},
        {"<a b='1' b='2'/>", "is no XML"},
        {"<a>\xff</a>", "is no XML"},
        {"<a>&x;</a>", "is no XML"},
        {"<!DOCTYPE a><a/>", "has a DOCTYPE"},
        {"<!DOCTYPE a [<!ENTITY x 'y'>]><a b='&x;'/>", "has a DOCTYPE"},
        {"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "has a DOCTYPE"},
    };

    for (size_t i = 0; i < array_size(bad); i++) {
        _cleanup_(xml_freep) struct xml *x = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK_FAILS(xml_parse(bad[i][0], "It", &x, &err), &err, bad[i][1]);
        CHECK(x == NULL);
    }
}

/* `count` times `part`, with `front` and `back` around. */
static char *repeated(const char *front, const char *part, size_t count,
                      const char *back)
{
    size_t size = strlen(front) + count * strlen(part) + strlen(back) + 1;
    char *text = malloc(size), *end = text;

    if (!text)
        abort();
    end = stpcpy(end, front);
    for (size_t i = 0; i < count; i++)
        end = stpcpy(end, part);
    stpcpy(end, back);
    return text;
}

/* covers: F14:R */
static void test_limits(void)
{
    _cleanup_free_ char *deep = repeated("", "<a>", 5000, "");
    _cleanup_free_ char *large = repeated("<a>", "x", XML_SIZE_MAX, "</a>");
    _cleanup_free_ char *fits = repeated("<a>", "x", XML_SIZE_MAX - 7, "</a>");
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_FAILS(xml_parse(deep, "It", &x, &err), &err, "is no XML");
    CHECK_FAILS(xml_parse(large, "It", &x, &err), &err, "larger than 4 MiB");
    CHECK_OK(xml_parse(fits, "It", &x, &err), &err);
    REQUIRE(x);
    CHECK_EQ_U64(strlen(xml_content(xml_root(x))), XML_SIZE_MAX - 7);
}

/* Before the parser looks for two of one name, which takes it minutes. */
static void test_attributes(void)
{
    _cleanup_free_ char *wide = repeated("<a", " b=''", 500000, "/>");
    _cleanup_free_ char *blanks = repeated("<a", " b\n=\n\"<\"", 2001, "/>");
    _cleanup_free_ char *fits = repeated("<a", " b = 'x'", 2000, "/>");
    _cleanup_free_ char *text = repeated("<a>", "b='=\"=", 3000, "</a>");
    _cleanup_free_ char *many =
        repeated("<a>", "<b c='' d='='/>", 9999, "</a>");
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_FAILS(xml_parse(wide, "It", &x, &err), &err, "2000 attributes");
    CHECK_FAILS(xml_parse(blanks, "It", &x, &err), &err, "is no XML");
    CHECK_FAILS(xml_parse(fits, "It", &x, &err), &err, "is no XML");
    CHECK_FAILS(xml_parse(text, "It", &x, &err), &err, "2000 attributes");
    CHECK_OK(xml_parse(many, "It", &x, &err), &err);
}

static void test_write(void)
{
    _cleanup_(xml_freep) struct xml *x = xml_new("a");
    _cleanup_(xml_freep) struct xml *again = NULL;
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct xml_node *b = NULL;

    REQUIRE(x);
    b = xml_add(x, xml_root(x), "b", "<&'\">");
    xml_set(x, b, "k", "1<2 & \"3\" '4'");
    xml_set(x, b, "gone", "1");
    xml_unset(b, "gone");
    xml_add(x, xml_root(x), "c", NULL);
    xml_remove(xml_add(x, xml_root(x), "d", "text"));
    xml_set_content(x, xml_child(xml_root(x), "c"), "a & b");
    CHECK_OK(xml_write(x, &text, &err), &err);
    REQUIRE(text);
    CHECK(strstr(text, "gone") == NULL && strstr(text, "<d") == NULL);
    CHECK_OK(xml_parse(text, "It", &again, &err), &err);
    REQUIRE(again);
    b = xml_child(xml_root(again), "b");
    CHECK_STR(xml_content(b), "<&'\">");
    CHECK_STR(xml_attr(b, "k"), "1<2 & \"3\" '4'");
    CHECK_STR(xml_content(xml_child(xml_root(again), "c")), "a & b");
}

static void test_write_refused(void)
{
    static const char *const bad[] = {"\x01", "a\x1b[1m", "\xff", "\r"};

    for (size_t i = 0; i < array_size(bad); i++) {
        _cleanup_(xml_freep) struct xml *x = xml_new("a");
        _cleanup_free_ char *text = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;

        REQUIRE(x);
        xml_set(x, xml_root(x), "k", bad[i]);
        CHECK_FAILS(xml_write(x, &text, &err), &err, "control characters");
        CHECK(text == NULL);
    }
}

static void test_parse_as(void)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_FAILS(xml_parse_as("<b><a/></b>", "It", "a", &x, &err), &err,
                "It starts with 'b'");
    CHECK_FAILS(xml_parse_as("<a", "It", "a", &x, &err), &err, "is no XML");
    CHECK(x == NULL);
    CHECK_OK(xml_parse_as("<a/>", "It", "a", &x, &err), &err);
    CHECK(x != NULL);
}

static void test_strip(void)
{
    static const char *const cases[][2] = {
        {"<a><!-- x --></a>", "<a/>"},
        {"<!-- x --><?y?><a/><!-- z -->", "<a/>"},
        {"<a>b<!-- x -->c<?y?>d<!-- x --></a>", "<a>bcd</a>"},
        {"<a>b<!-- x --> <b/></a>", "<a>b <b/></a>"},
        {"<a> <!-- x --> <b> </b>\n<c/> <!-- x --> </a>",
         "<a>\n  <b> </b>\n  <c/>\n</a>"},
        {"<a><!-- 1 --><!-- 2 --><b><!-- 3 --></b><!-- 4 --></a>",
         "<a>\n  <b/>\n</a>"},
        {"<a>b<![CDATA[<c>]]><!-- x -->d</a>", "<a>b&lt;c&gt;d</a>"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_(xml_freep) struct xml *x = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *text = NULL;
        const char *body = NULL;

        CHECK_OK(xml_parse(cases[i][0], "It", &x, &err), &err);
        REQUIRE(x);
        xml_strip(x);
        CHECK_OK(xml_write(x, &text, &err), &err);
        REQUIRE(text);
        body = strchr(text, '\n') + 1;
        text[strlen(text) - 1] = '\0';
        CHECK_STR(body, cases[i][1]);
    }
}

/* Very many comments take a moment, not a day. */
static void test_strip_many(void)
{
    _cleanup_free_ char *notes = repeated("<a>", "<!----> ", 400000, "</a>");
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(xml_parse(notes, "It", &x, &err), &err);
    REQUIRE(x);
    xml_strip(x);
    CHECK_EQ_U64(strlen(xml_content(xml_root(x))), 400000);
}

static void test_everything(void)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct xml_attribute *a = NULL;
    struct xml_node *node = NULL;

    CHECK_OK(xml_parse("<a xmlns:q='u' b='1' q:c='2'>t<q:d/><e/></a>", "It", &x,
                       &err),
             &err);
    REQUIRE(x);
    a = xml_attr_first(xml_root(x));
    CHECK_STR(xml_attr_name(a), "b");
    CHECK_STR(xml_attr_value(a), "1");
    CHECK(!xml_attr_has_namespace(a));
    a = xml_attr_next(a);
    CHECK_STR(xml_attr_name(a), "c");
    CHECK(xml_attr_has_namespace(a));
    CHECK(xml_attr_next(a) == NULL);
    CHECK(xml_is_mixed(xml_root(x)));
    CHECK(xml_parent(xml_root(x)) == NULL);
    node = xml_first(xml_root(x));
    CHECK_STR(xml_name(node), "d");
    CHECK_STR(xml_namespace(node), "u");
    CHECK(xml_parent(node) == xml_root(x));
    node = xml_following(node);
    CHECK_STR(xml_name(node), "e");
    CHECK(xml_namespace(node) == NULL);
    CHECK(xml_following(node) == NULL && xml_first(node) == NULL);
    xml_clear(xml_root(x));
    CHECK(xml_attr_first(xml_root(x)) == NULL);
    CHECK_STR(xml_content(xml_root(x)), "");
}

int main(void)
{
    RUN(test_read);
    RUN(test_refused);
    RUN(test_parse_as);
    RUN(test_limits);
    RUN(test_attributes);
    RUN(test_write);
    RUN(test_write_refused);
    RUN(test_strip);
    RUN(test_strip_many);
    RUN(test_everything);
    return check_result();
}
