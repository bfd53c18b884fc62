/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_page.c - see report_page.h */
#include "report_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/vec.h"
#include "html.h"
#include "report_draw.h"
#include "report_style.h"
#include "set/until.h"

static bool is_lost(const struct page *p, size_t i)
{
    return p->survey.points[i].faults.count > 0 || p->points[i].lost_count > 0;
}

size_t page_lost_points(const struct page *p)
{
    size_t lost = 0;

    for (size_t i = 0; i < p->survey.count; i++)
        lost += is_lost(p, i);
    return lost;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static const char *domain_of(const struct page *p)
{
    return p->set->chain->domain_name ? p->set->chain->domain_name
                                      : "a virtual machine";
}

static const char *place_of(const struct page *p)
{
    return p->directory ? p->directory : p->set->path;
}

static void put_time(time_t when, FILE *out)
{
    char text[32];
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
    fputs(text, out);
}

/* "2026-11-21 07:00:05"; false: not known. */
static bool point_time(const struct chain_point *point,
                       char out[static UNTIL_TIME_ROOM])
{
    char *t;

    if (!until_point_text(point, out))
        return false;
    t = strchr(out, 'T');
    if (t)
        *t = ' ';
    out[strcspn(out, "Z")] = '\0';
    return true;
}

static void put_head(const struct page *p, FILE *out)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,"
          "initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" "
          "content=\"default-src 'none';style-src 'unsafe-inline'\"><title>"
          "Backup of ",
          out);
    html_text(out, domain_of(p));
    fprintf(out, "</title><style>%s</style></head><body>\n", report_style);
    draw_patterns(out);
    fputs("<main><h1>Backup of ", out);
    html_text(out, domain_of(p));
    fputs("</h1><p class=\"soft\">", out);
    html_text(out, place_of(p));
    fputs(", looked at on ", out);
    put_time(p->made, out);
    fputs("</p>\n", out);
}

/* The one sentence that somebody in a hurry reads. */
static void put_state(const struct page *p, FILE *out)
{
    size_t lost = page_lost_points(p), count = p->survey.count;
    bool bad = lost > 0 || p->survey.faults.count > 0 || p->verified.faults > 0;

    fprintf(out, "<p class=\"state%s\">%s ", bad ? " bad" : "",
            bad ? "&#10008;" : "&#10004;");
    if (lost > 0)
        fprintf(out, "%zu of %zu points cannot be restored", lost, count);
    else if (bad)
        fputs("There is damage, but all points can be restored", out);
    else if (count == 1)
        fputs("Its one point can be restored", out);
    else
        fprintf(out, "All %zu points can be restored", count);
    if (!p->was_verified)
        fputs(", as far as can be told without reading the data", out);
    fputs("</p>\n", out);
}

static void put_fact(const char *name, const char *value, FILE *out)
{
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    html_text(out, value);
    fputs("</dd></div>", out);
}

static void put_facts(const struct page *p, FILE *out)
{
    const struct survey *s = &p->survey;
    char number[24], size[TEXT_SIZE_ROOM], time[UNTIL_TIME_ROOM];
    uint64_t sum = 0;

    for (size_t i = 0; i < s->count; i++)
        sum += s->points[i].size;
    snprintf(number, sizeof(number), "%zu", s->count);
    fputs("<dl>", out);
    put_fact("Points", number, out);
    put_fact("Size of the data files", text_size(sum, size), out);
    if (s->count > 0 && point_time(s->points[0].point, time))
        put_fact("Oldest, UTC", time, out);
    if (s->count > 1 && point_time(s->points[s->count - 1].point, time))
        put_fact("Newest, UTC", time, out);
    if (p->set->chain->domain_uuid[0])
        put_fact("UUID of the domain", p->set->chain->domain_uuid, out);
    fputs("</dl>\n", out);
}

static void put_list(char *const *items, size_t count, FILE *out)
{
    if (count == 0)
        return;
    fputs("<ul>", out);
    for (size_t i = 0; i < count; i++) {
        fputs("<li>", out);
        html_text(out, items[i]);
        fputs("</li>", out);
    }
    fputs("</ul>", out);
}

static void put_disks(const struct page *p, const struct chain_point *point,
                      FILE *out)
{
    bool first = true;

    for (size_t k = 0; k < point->file_count; k++) {
        const struct chain_file *f = &point->files[k];

        if (p->disk && strcmp(p->disk, f->disk) != 0)
            continue;
        fputs(first ? "" : ", ", out);
        first = false;
        html_text(out, f->disk);
        if (f->level != point->level)
            fprintf(out, " (%s)", level_text(f->level));
    }
}

static void put_notes(const struct page *p, size_t i, FILE *out)
{
    const struct survey_point *sp = &p->survey.points[i];
    const struct manifest *m = &sp->point->manifest;

    fprintf(out, "<td class=\"t\">%s", is_lost(p, i) ? "<b>no</b>" : "yes");
    put_list(sp->faults.items, sp->faults.count, out);
    put_list(p->points[i].lost, p->points[i].lost_count, out);
    if (sp->point->ours && m->warning_count > 0) {
        fprintf(out, "<details><summary>%zu warning%s of the run</summary>",
                m->warning_count, plural(m->warning_count));
        put_list(m->warnings, m->warning_count, out);
        fputs("</details>", out);
    }
    fputs("</td>", out);
}

static void put_row(const struct page *p, size_t i, FILE *out)
{
    const struct survey_point *sp = &p->survey.points[i];
    char time[UNTIL_TIME_ROOM], size[TEXT_SIZE_ROOM];
    bool known = point_time(sp->point, time);

    fprintf(out, "<tr%s><td><code>", is_lost(p, i) ? " class=\"bad\"" : "");
    html_text(out, sp->point->name);
    fprintf(out, "</code></td><td>%s</td><td>%s</td><td class=\"n\">%s</td>",
            known ? time : "not known", level_text(sp->point->level),
            text_size(sp->size, size));
    fputs("<td>", out);
    put_disks(p, sp->point, out);
    fputs("</td><td class=\"n\">", out);
    if (sp->point->ours)
        fprintf(out, "%llu ms",
                (unsigned long long)sp->point->manifest.frozen_ms);
    fputs("</td>", out);
    put_notes(p, i, out);
    fputs("</tr>\n", out);
}

static void put_key(const char *class, const char *text, FILE *out)
{
    fprintf(out,
            "<svg class=\"key\" viewBox=\"0 0 16 10\" aria-hidden=\"true\">"
            "<rect class=\"%s\" x=\"1\" y=\"1\" width=\"14\" height=\"8\"/>"
            "</svg>%s",
            class, text);
}

static void put_points(const struct page *p, FILE *out)
{
    fputs("<h2>The points over time</h2><p class=\"soft\">Sizes of the data "
          "files; every second line is sixteen times the one below.",
          out);
    put_key("full", "full", out);
    put_key("inc", "increment", out);
    put_key("diff", "differential", out);
    put_key("copy", "copy", out);
    fputs("</p>\n<div class=\"wide\">", out);
    draw_sizes(p, out);
    fputs("</div>\n<div class=\"wide\"><table><thead><tr><th>Point</th><th>"
          "Begun (UTC)</th><th>Level</th><th>Size</th><th>Disks</th><th>Guest "
          "frozen</th><th>Can be restored</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < p->survey.count; i++)
        put_row(p, i, out);
    fputs("</tbody></table></div>\n", out);
}

/* Every disk of the points that are drawn, once, in the order of appearance. */
static int list_disks(const struct page *p, const char ***ret,
                      size_t *ret_count, struct error *err)
{
    VEC(const char *) names = {0};

    for (size_t i = draw_first(p); i < p->survey.count; i++) {
        const struct chain_point *point = p->survey.points[i].point;

        for (size_t k = 0; k < point->file_count; k++) {
            const char *name = point->files[k].disk;
            bool known = p->disk && strcmp(p->disk, name) != 0;

            vec_foreach (n, &names)
                known = known || strcmp(*n, name) == 0;
            if (!known && vec_push(&names, name) < 0) {
                vec_free(&names);
                return error_memory(err);
            }
        }
    }
    *ret = names.items;
    *ret_count = names.count;
    return 0;
}

static int put_pictures(const struct page *p, FILE *out, struct error *err)
{
    _cleanup_free_ const char **disks = NULL;
    size_t count = 0;

    if (list_disks(p, &disks, &count, err) < 0)
        return -1;
    if (count == 0)
        return 0;
    fputs(
        "<h2>What was saved where</h2><p class=\"soft\">The disk's addresses "
        "from left to right, a row a point: how much of each part of the disk "
        "the point holds.",
        out);
    put_key("data", "data", out);
    put_key("zero", "became zero, or is", out);
    if (draw_first(p) > 0)
        fprintf(out, " The newest %d points are drawn.", DRAW_POINTS_MAX);
    fputs("</p>\n", out);
    for (size_t i = 0; i < count; i++) {
        fputs("<h3>", out);
        html_text(out, disks[i]);
        fputs("</h3><div class=\"wide\">", out);
        if (draw_disk(p, disks[i], out, err) < 0)
            return -1;
        fputs("</div>\n", out);
    }
    return 0;
}

static void put_check(const struct file_check *check, FILE *out)
{
    _cleanup_free_ char *lost = NULL;

    if (check->faults == 0)
        return;
    lost = check->lost.count > 0 ? lost_text(&check->lost) : NULL;
    fputs("<tr class=\"bad\"><td><code>", out);
    html_text(out, check->file->file);
    fprintf(out, "</code></td><td>%s</td><td class=\"t\">%s%s</td></tr>\n",
            check->unusable ? "nothing of it can be used" : "damaged",
            lost ? "lost: " : "", lost ? lost : "");
}

/* How much was read, and what came of it. */
static void put_verified(const struct page *p, FILE *out)
{
    const struct verify_result *v = &p->verified;
    char size[TEXT_SIZE_ROOM];

    fputs("<h2>Verified</h2><p>", out);
    if (!p->was_verified) {
        fputs("No data was read for this report (<code>--no-verify</code>): "
              "names, sizes and links were looked at.</p>\n",
              out);
        return;
    }
    if (v->sample.share > 0)
        fprintf(out,
                "A sample of %g %% (number %llu) of %zu data file%s, %s, was "
                "read and compared with its checksums: ",
                v->sample.share * 100.0 / SAMPLE_ALL,
                (unsigned long long)v->sample.seed, v->count, plural(v->count),
                text_size(v->bytes, size));
    else
        fprintf(out,
                "Every byte of %zu data file%s, %s, was read and compared with "
                "its checksums: ",
                v->count, plural(v->count), text_size(v->bytes, size));
    fprintf(out,
            v->faults > 0 ? "<b>%u fault%s found.</b></p>\n"
                          : "no damage.</p>\n",
            v->faults, plural(v->faults));
    if (v->faults == 0)
        return;
    fputs("<div class=\"wide\"><table><tbody>\n", out);
    for (size_t i = 0; i < v->count; i++)
        put_check(&v->checks[i], out);
    fputs("</tbody></table></div>\n", out);
}

static void put_directory(const struct page *p, FILE *out)
{
    if (p->survey.faults.count == 0)
        return;
    fputs("<h2>In the directory</h2>", out);
    put_list(p->survey.faults.items, p->survey.faults.count, out);
}

/* Commands to be copied: for the newest point that is good. */
static void put_commands(const struct page *p, FILE *out)
{
    _cleanup_free_ char *place = text_quote(place_of(p));
    size_t i = p->survey.count;

    while (i > 0 && is_lost(p, i - 1))
        i--;
    if (i == 0 || !place)
        return;
    fputs("<h2>How to restore</h2><pre>", out);
    html_printf(out, "virtnbdrestore -i %s -o /restored -u %s", place,
                p->survey.points[i - 1].point->name);
    fputs("   <span class=\"soft\"># all disks, as images</span>\n", out);
    html_printf(out, "virtnbdmap -i %s -u %s --fuse /mnt", place,
                p->survey.points[i - 1].point->name);
    fputs("   <span class=\"soft\"># or look at them, at once</span></pre>\n",
          out);
}

static int put_page(const struct page *p, FILE *out, struct error *err)
{
    put_head(p, out);
    put_state(p, out);
    put_facts(p, out);
    put_directory(p, out);
    put_points(p, out);
    if (put_pictures(p, out, err) < 0)
        return -1;
    put_verified(p, out);
    put_commands(p, out);
    fputs("<p class=\"soft\">Made by virtnbdrestore " VERSION
          ". Times are in UTC.</p></main></body></html>\n",
          out);
    return 0;
}

int page_write(const struct page *p, char **ret_text, size_t *ret_length,
               struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    bool failed;
    int r;

    if (!out)
        return error_memory(err);
    r = put_page(p, out, err);
    failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed)
        r = r < 0 ? r : error_memory(err);
    if (r < 0)
        return -1;
    *ret_text = take(text);
    *ret_length = length;
    return 0;
}
