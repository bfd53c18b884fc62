/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-until.c - what -u means: names, numbers, times, and what is refused */
#include "set/until.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"

#include "check.h"

#define MAX_POINTS 16
#define MAX_NOTES 4

/* A chain that no directory is behind: until.h looks at points and notes. */
struct model {
    struct chain chain;
    struct chain_point points[MAX_POINTS];
    struct chain_file files[MAX_POINTS];
    struct chain_note notes[MAX_NOTES];
};

static void begin(struct model *m)
{
    memset(m, 0, sizeof(*m));
    m->chain.dirfd = -1;
    m->chain.points = m->points;
    m->chain.notes = m->notes;
}

/* A point of ours, with the next sequence number. */
static void add(struct model *m, const char *name, const char *time)
{
    size_t i = m->chain.point_count++;

    m->points[i].name = (char *)name;
    m->points[i].ours = true;
    m->points[i].manifest.time = (char *)time;
    m->points[i].manifest.sequence = i;
}

static void add_note(struct model *m, enum chain_note_kind kind,
                     const char *name, const char *text)
{
    m->notes[m->chain.note_count++] =
        (struct chain_note){kind, (char *)name, (char *)text};
}

/* 0 at 7:00:00, 1 at 8:00:30, a differential at 9, 2 at 10, a copy at 11. */
static void make(struct model *m)
{
    begin(m);
    add(m, "virtnbdbackup.0", "2026-11-21T07:00:00Z");
    add(m, "virtnbdbackup.1", "2026-11-21T08:00:30Z");
    add(m, "diff.1795251600", "2026-11-21T09:00:00Z");
    add(m, "virtnbdbackup.2", "2026-11-21T10:00:00Z");
    add(m, "copy", "2026-11-22T11:00:00Z");
}

static void finds(const struct model *m, const char *text, const char *want)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *got = NULL;

    CHECK_OK(until_find(&m->chain, text, &got, &err), &err);
    CHECK_STR(got, want);
}

/* It is refused; the caller looks at `err`. */
static void refuses(const struct model *m, const char *text,
                    enum error_kind kind, const char *part)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *got = NULL;

    CHECK_EQ_INT(until_find(&m->chain, text, &got, &err), -1);
    CHECK_EQ_INT(err.kind, kind);
    CHECK_CONTAINS(error_text(&err), part);
    CHECK(got == NULL);
}

static void test_times_read(void)
{
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01 00:00:01", 1},
        {"1970-01-01T00:00", 59},
        {"1970-01-01T00:00Z", 59},
        {"1970-01-01", 86399},
        {"2026-11-21T07:00:00Z", 1795244400},
        {"2026-11-21 07:00:00Z", 1795244400},
        {"2026-11-21 07:00", 1795244459},
        {"2024-02-29", 1709251199},
        {"2000-02-29T00:00:00", 951782400},
        {"9999-12-31T23:59:59Z", 253402300799},
    };

    for (size_t i = 0; i < array_size(good); i++) {
        int64_t got = -1;

        CHECK(until_parse_time(good[i].text, &got));
        CHECK_EQ_INT(got, good[i].want);
    }
}

static void test_times_refused(void)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11",
        "2026-1-21",
        "1969-12-31",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-11-00",
        "2026-11-21Z",
        "2026-11-21T",
        "2026-11-21 ",
        "2026-11-21T07",
        "2026-11-21T24:00",
        "2026-11-21T07:60",
        "2026-11-21T07:00:60",
        "2026-11-21T07:00:",
        "2026-11-21T07:00:0",
        "2026-11-21T07:00:00+01:00",
        "2026-11-21T07:00:00.5Z",
        "2026-11-21T07:00:00ZZ",
        "2026-11-21  07:00:00",
        "2026-11-21t07:00:00z",
        " 2026-11-21",
        "+026-11-21",
        "20261121",
        "yesterday",
    };

    for (size_t i = 0; i < array_size(bad); i++) {
        int64_t got = 42;

        if (until_parse_time(bad[i], &got))
            CHECK_FAIL("'%s' was taken for a time", bad[i]);
        CHECK_EQ_INT(got, 42);
    }
}

static void test_names(void)
{
    struct model m;

    make(&m);
    finds(&m, "virtnbdbackup.0", "virtnbdbackup.0");
    finds(&m, "virtnbdbackup.2", "virtnbdbackup.2");
    finds(&m, "diff.1795251600", "diff.1795251600");
    finds(&m, "copy", "copy");
    refuses(&m, "virtnbdbackup.3", ERR_INPUT, "no point 'virtnbdbackup.3'");
    refuses(&m, "virtnbdbackup", ERR_INPUT, "no point");
    refuses(&m, "virtnbdbackup.02", ERR_INPUT, "no point");
    refuses(&m, "", ERR_INPUT, "no point");
    refuses(&m, "../copy", ERR_INPUT, "no point");
}

static void test_numbers(void)
{
    struct model m;

    make(&m);
    finds(&m, "0", "virtnbdbackup.0");
    finds(&m, "2", "virtnbdbackup.2");
    finds(&m, "1795251600", "diff.1795251600");
    refuses(&m, "3", ERR_INPUT, "no point '3'");
    refuses(&m, "02", ERR_INPUT, "no point '02'");
    refuses(&m, "-1", ERR_INPUT, "no point '-1'");
    refuses(&m, "99999999999999999999", ERR_INPUT, "no point");
    /* An increment of a domain that was off, by the Python suite. */
    add(&m, "inc.virtnbdbackup.2", "2026-11-23T11:00:00Z");
    refuses(&m, "2", ERR_INPUT, "'virtnbdbackup.2' or 'inc.virtnbdbackup.2'");
    finds(&m, "virtnbdbackup.2", "virtnbdbackup.2");
}

static void test_numbers_of_a_named_chain(void)
{
    struct model m;

    begin(&m);
    add(&m, "virtnbdbackup.weekly2.0", "2026-11-21T07:00:00Z");
    add(&m, "virtnbdbackup.weekly2.12", "2026-11-21T08:00:00Z");
    finds(&m, "12", "virtnbdbackup.weekly2.12");
    refuses(&m, "2", ERR_INPUT, "no point '2'");
}

static void test_times(void)
{
    struct model m;

    make(&m);
    finds(&m, "2026-11-21T07:00:00Z", "virtnbdbackup.0");
    finds(&m, "2026-11-21T08:00:29Z", "virtnbdbackup.0");
    finds(&m, "2026-11-21 08:00:30", "virtnbdbackup.1");
    /* The whole minute, the whole day. */
    finds(&m, "2026-11-21T08:00", "virtnbdbackup.1");
    finds(&m, "2026-11-21", "virtnbdbackup.2");
    finds(&m, "2026-11-21T09:59:59Z", "diff.1795251600");
    finds(&m, "2030-01-01", "copy");
    refuses(&m, "2026-11-21T06:59:59Z", ERR_INPUT,
            "begun at or before '2026-11-21T06:59:59Z'");
    refuses(&m, "2026-11-20", ERR_INPUT,
            "'virtnbdbackup.0' (2026-11-21T07:00:00Z)");
}

/* A clock that was set back does not change which point is the newest. */
/* covers: D9:R */
static void test_clock_set_back(void)
{
    struct model m;

    begin(&m);
    add(&m, "virtnbdbackup.0", "2026-11-21T07:00:00Z");
    add(&m, "virtnbdbackup.1", "2026-11-21T09:00:00Z");
    add(&m, "virtnbdbackup.2", "2026-11-21T08:00:00Z");
    finds(&m, "2026-11-21T08:30", "virtnbdbackup.2");
    finds(&m, "2026-11-21T09:30", "virtnbdbackup.2");
    finds(&m, "2026-11-21T07:30", "virtnbdbackup.0");
}

static void test_list(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct model m;
    char names[MAX_POINTS][32];
    const char *got = NULL;

    begin(&m);
    refuses(&m, "1", ERR_INPUT, "no complete backup");
    for (int i = 0; i < 13; i++) {
        snprintf(names[i], sizeof(names[i]), "virtnbdbackup.%d", i);
        add(&m, names[i], "2026-11-21T07:00:00Z");
    }
    CHECK_EQ_INT(until_find(&m.chain, "13", &got, &err), -1);
    CHECK_CONTAINS(error_text(&err), "3 older ones, 'virtnbdbackup.3'");
    CHECK_CONTAINS(error_text(&err), "'virtnbdbackup.12'");
    CHECK(!strstr(error_text(&err), "'virtnbdbackup.2'"));
}

static void test_damage_and_names(void)
{
    struct model m;

    make(&m);
    add_note(&m, CHAIN_DAMAGE, "manifest.virtnbdbackup.3.json", "is cut off");
    /* Not hidden by damage that is none of theirs. */
    finds(&m, "virtnbdbackup.2", "virtnbdbackup.2");
    finds(&m, "1", "virtnbdbackup.1");
    refuses(&m, "virtnbdbackup.3", ERR_DAMAGED, "is cut off");
}

/* A time must not choose an older point because a newer one cannot be seen. */
static void test_damage_and_times(void)
{
    struct model m;

    make(&m);
    add_note(&m, CHAIN_UNCOMMITTED, "vda.inc.virtnbdbackup.3.data", NULL);
    finds(&m, "2026-11-21T07:30", "virtnbdbackup.0");
    finds(&m, "2026-11-21", "virtnbdbackup.2");
    refuses(&m, "2026-11-23", ERR_DAMAGED, "by its name, 'copy'");
    /* A run that is under way has not made a point yet. */
    add_note(&m, CHAIN_INTENT, "intent.x.json", NULL);
    finds(&m, "2026-11-23", "copy");

    /* A gap: the point with the number 2 may be of 9:30. */
    make(&m);
    m.points[3].manifest.sequence = 4;
    m.points[4].manifest.sequence = 5;
    add_note(&m, CHAIN_DAMAGE, "manifest.virtnbdbackup.2.json", "is missing");
    refuses(&m, "2026-11-21T09:30", ERR_DAMAGED,
            "by its name, 'diff.1795251600'");
    finds(&m, "2026-11-21T08:30", "virtnbdbackup.1");
}

/* Points of the Python suite: local time, in the metadata of the streams. */
static void test_upstream(void)
{
    struct model m;

    make(&m);
    for (size_t i = 0; i < m.chain.point_count; i++) {
        m.points[i].ours = false;
        m.points[i].files = &m.files[i];
        m.points[i].file_count = 1;
    }
    m.files[0].meta.date = (char *)"2026-07-21T07:00:00.123456";
    m.files[1].meta.date = (char *)"2026-07-21T08:00:00";
    m.files[2].meta.date = (char *)"at noon";
    m.files[3].meta.date = (char *)"2026-12-21T10:00:00.000001";
    setenv("TZ", "Europe/Berlin", 1);
    refuses(&m, "2026-07-21T04:59:59Z", ERR_INPUT, "(2026-07-21T05:00:00Z)");
    finds(&m, "2026-07-21T05:00:00Z", "virtnbdbackup.0");
    finds(&m, "2026-07-21T06:00:00Z", "virtnbdbackup.1");
    finds(&m, "2026-12-21T08:59:59Z", "virtnbdbackup.1");
    finds(&m, "2026-12-21T09:00:00Z", "virtnbdbackup.2");
    unsetenv("TZ");
}

int main(void)
{
    RUN(test_times_read);
    RUN(test_times_refused);
    RUN(test_names);
    RUN(test_numbers);
    RUN(test_numbers_of_a_named_chain);
    RUN(test_times);
    RUN(test_clock_set_back);
    RUN(test_list);
    RUN(test_damage_and_names);
    RUN(test_damage_and_times);
    RUN(test_upstream);
    return check_result();
}
