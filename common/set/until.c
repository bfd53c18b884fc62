/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* until.c - see until.h */
#include "set/until.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "set/name.h"

#define LIST_MAX 10

/* Exactly `digits` digits; advances `*text`. */
static bool read_digits(const char **text, int digits, int min, int max,
                        int *ret)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        char c = (*text)[i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    if (value < min || value > max)
        return false;
    *text += digits;
    *ret = value;
    return true;
}

static bool skip(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static bool read_date(const char **text, struct tm *tm)
{
    int year, month, day;

    if (!read_digits(text, 4, 1970, 9999, &year) || !skip(text, '-') ||
        !read_digits(text, 2, 1, 12, &month) || !skip(text, '-') ||
        !read_digits(text, 2, 1, days_of_month(year, month), &day))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

/* What is not said is the last that it can be. */
static bool read_time_of_day(const char **text, struct tm *tm)
{
    tm->tm_hour = 23;
    tm->tm_min = tm->tm_sec = 59;
    if (**text == '\0')
        return true;
    if ((!skip(text, 'T') && !skip(text, ' ')) ||
        !read_digits(text, 2, 0, 23, &tm->tm_hour) || !skip(text, ':') ||
        !read_digits(text, 2, 0, 59, &tm->tm_min))
        return false;
    return !skip(text, ':') || read_digits(text, 2, 0, 59, &tm->tm_sec);
}

bool until_parse_time(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    bool timed;

    if (!read_date(&text, &tm))
        return false;
    timed = *text != '\0';
    if (!read_time_of_day(&text, &tm))
        return false;
    if (timed)
        skip(&text, 'Z');
    if (*text)
        return false;
    *ret = timegm(&tm);
    return true;
}

/* Upstream's: local time, without a zone, with a fraction or without. */
static bool parse_local(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    time_t t;

    if (!read_date(&text, &tm) || *text != 'T' || !read_time_of_day(&text, &tm))
        return false;
    if (*text && *text != '.')
        return false;
    tm.tm_isdst = -1;
    t = mktime(&tm);
    if (t == -1)
        return false;
    *ret = t;
    return true;
}

bool until_point_time(const struct chain_point *point, int64_t *ret)
{
    bool known = false;

    if (point->ours)
        return point->manifest.time &&
               until_parse_time(point->manifest.time, ret);
    for (size_t i = 0; i < point->file_count; i++) {
        const char *date = point->files[i].meta.date;
        int64_t t;

        if (!date || !parse_local(date, &t) || (known && t >= *ret))
            continue;
        *ret = t;
        known = true;
    }
    return known;
}

bool until_point_text(const struct chain_point *point,
                      char out[static UNTIL_TIME_ROOM])
{
    int64_t t = 0;
    time_t seconds;
    struct tm tm;

    if (!until_point_time(point, &t))
        return false;
    seconds = (time_t)t;
    return gmtime_r(&seconds, &tm) &&
           strftime(out, UNTIL_TIME_ROOM, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0;
}

static void print_point(FILE *out, const struct chain_point *point)
{
    char time[UNTIL_TIME_ROOM];

    fprintf(out, "'%s'", point->name);
    if (until_point_text(point, time))
        fprintf(out, " (%s)", time);
}

/* The points there are, the newest ten of them.  NULL: no memory. */
static char *list_points(const struct chain *chain)
{
    char *text = NULL;
    size_t length = 0;
    size_t first =
        chain->point_count > LIST_MAX ? chain->point_count - LIST_MAX : 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        return NULL;
    if (first > 0)
        fprintf(out, "%zu older ones, ", first);
    for (size_t i = first; i < chain->point_count; i++) {
        fputs(i > first ? ", " : "", out);
        print_point(out, &chain->points[i]);
    }
    return text_stream_end(out, &text) < 0 ? NULL : text;
}

/* `err` says why; add what there is instead. */
static int add_list(const struct chain *chain, struct error *err)
{
    _cleanup_free_ char *list = NULL;

    if (chain->point_count == 0)
        return error_append(err, "; there is no complete backup in the "
                                 "directory");
    list = list_points(chain);
    if (!list)
        return error_memory(err);
    return error_append(err, "; there %s: %s",
                        chain->point_count == 1 ? "is" : "are", list);
}

/* The first note that may stand for a point that cannot be seen, or NULL. */
static const struct chain_note *find_damage(const struct chain *chain)
{
    bool unfinished = chain_count_notes(chain, CHAIN_INTENT) > 0;

    for (size_t i = 0; i < chain->note_count; i++) {
        const struct chain_note *note = &chain->notes[i];

        if (note->kind == CHAIN_DAMAGE ||
            (note->kind == CHAIN_UNCOMMITTED && !unfinished))
            return note;
    }
    return NULL;
}

static int unknown(const struct chain *chain, const char *text,
                   struct error *err)
{
    _cleanup_free_ char *manifest = text_dup_printf("manifest.%s.json", text);

    if (!manifest)
        return error_memory(err);
    for (size_t i = 0; i < chain->note_count; i++) {
        const struct chain_note *note = &chain->notes[i];

        if (note->kind == CHAIN_DAMAGE && strcmp(note->name, manifest) == 0)
            return error_set(err, ERR_DAMAGED, "point '%s': %s", text,
                             note->text ? note->text : "damaged");
    }
    error_set(err, ERR_INPUT, "there is no point '%s'", text);
    return add_list(chain, err);
}

static int find_number(const struct chain *chain, const char *text,
                       uint64_t number, const char **ret, struct error *err)
{
    const char *found = NULL;

    /* A directory holds one chain, so this is the newest. */
    for (size_t i = 0; i < chain->point_count; i++) {
        const char *name = chain->points[i].name;
        unsigned long long n = 0;

        if (!name_point_number(name, &n) || n != number)
            continue;
        if (found)
            return error_set(err, ERR_INPUT,
                             "'%s' may be the point '%s' or '%s'; say which "
                             "by its name",
                             text, found, name);
        found = name;
    }
    if (!found)
        return unknown(chain, text, err);
    *ret = found;
    return 0;
}

/* Does point `next` follow the one before without a gap?  Then none between
 * them can be hidden.
 */
static bool follows(const struct chain *chain, size_t next)
{
    const struct chain_point *a = &chain->points[next - 1];
    const struct chain_point *b = &chain->points[next];
    int64_t t = 0;

    return a->ours && b->ours &&
           b->manifest.sequence == a->manifest.sequence + 1 &&
           until_point_time(b, &t);
}

static int find_time(const struct chain *chain, const char *text, int64_t limit,
                     const char **ret, struct error *err)
{
    const struct chain_note *damage = find_damage(chain);
    size_t found = chain->point_count;

    for (size_t i = 0; i < chain->point_count; i++) {
        int64_t t = 0;

        if (until_point_time(&chain->points[i], &t) && t <= limit)
            found = i;
    }
    if (found == chain->point_count) {
        error_set(err, ERR_INPUT, "there is no point begun at or before '%s'",
                  text);
        return add_list(chain, err);
    }
    if (damage &&
        (found + 1 == chain->point_count || !follows(chain, found + 1)))
        return error_set(err, ERR_DAMAGED,
                         "the point before '%s' may be one that is damaged or "
                         "missing ('%s'); the one in front of it can be "
                         "selected by its name, '%s'",
                         text, damage->name, chain->points[found].name);
    *ret = chain->points[found].name;
    return 0;
}

int until_find(const struct chain *chain, const char *text, const char **ret,
               struct error *err)
{
    ssize_t exact = chain_find(chain, text);
    uint64_t number = 0;
    int64_t limit = 0;

    if (exact >= 0) {
        *ret = chain->points[exact].name;
        return 0;
    }
    if (text_u64(text, &number) == 0)
        return find_number(chain, text, number, ret, err);
    if (until_parse_time(text, &limit))
        return find_time(chain, text, limit, ret, err);
    return unknown(chain, text, err);
}
