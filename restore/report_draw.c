/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_draw.c - see report_draw.h */
#include "report_draw.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "html.h"
#include "picture.h"
#include "set/until.h"

/* Of both drawings, in units of their own: what stands left of the columns, and
 * the room of a row. */
#define LEFT 96
#define WIDTH (LEFT + PICTURE_COLUMNS + 10)
#define ROW (PICTURE_HEIGHT + 5)

/* Of the sizes: a power of four a step, from 1 KiB up. */
#define STEP 13
#define STEPS 12
#define FIRST_SIZE KIB
#define TOP 8

size_t draw_first(const struct page *p)
{
    return p->survey.count > DRAW_POINTS_MAX ? p->survey.count - DRAW_POINTS_MAX
                                             : 0;
}

void draw_patterns(FILE *out)
{
    fputs("<svg width=\"0\" height=\"0\" style=\"position:absolute\" "
          "aria-hidden=\"true\"><defs>"
          "<pattern id=\"zero\" width=\"4\" height=\"4\" "
          "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
          "<rect width=\"4\" height=\"4\" fill=\"var(--zero)\" "
          "opacity=\".35\"/><rect width=\"2\" height=\"4\" "
          "fill=\"var(--zero)\"/></pattern>"
          "<pattern id=\"inc\" width=\"4\" height=\"4\" "
          "patternUnits=\"userSpaceOnUse\"><rect width=\"4\" height=\"4\" "
          "fill=\"var(--data)\" opacity=\".3\"/><rect width=\"4\" "
          "height=\"1.5\" fill=\"var(--data)\"/></pattern></defs></svg>\n",
          out);
}

/* The time without seconds, or the name where it is not known. */
static void put_label(const struct chain_point *point, FILE *out)
{
    char time[UNTIL_TIME_ROOM];

    if (until_point_text(point, time) && strlen(time) >= 16)
        html_printf(out, "%.10s %.5s", time, time + 11);
    else
        html_text(out, point->name);
}

/* Height of a bar; sizes between two steps are in between, in quarters. */
static unsigned bar_height(uint64_t size)
{
    uint64_t step = FIRST_SIZE;
    unsigned high = 0;

    if (size == 0)
        return 0;
    for (; size >= step * 4 && high < STEPS * STEP; step *= 4)
        high += STEP;
    if (size > step)
        high +=
            (unsigned)((unsigned __int128)(size - step) * STEP / (step * 3));
    return high > 2 ? high : 2;
}

static unsigned highest_bar(const struct page *p)
{
    unsigned high = 2 * STEP;

    for (size_t i = draw_first(p); i < p->survey.count; i++) {
        unsigned bar = bar_height(p->survey.points[i].size);

        high = MAX_OF(high, bar);
    }
    return high;
}

static void draw_size_axis(unsigned high, unsigned bottom, FILE *out)
{
    char text[TEXT_SIZE_ROOM];
    uint64_t size = FIRST_SIZE;

    for (unsigned y = 0; y <= high; y += STEP, size *= 4)
        if (y / STEP % 2 == 0)
            fprintf(out,
                    "<path class=\"axis\" d=\"M%d %uh%d\"/><text x=\"%d\" "
                    "y=\"%u\" text-anchor=\"end\">%s</text>\n",
                    LEFT, bottom - y, PICTURE_COLUMNS, LEFT - 6, bottom - y + 3,
                    text_size(size, text));
}

static bool is_lost(const struct page *p, size_t i)
{
    return p->survey.points[i].faults.count > 0 || p->points[i].lost_count > 0;
}

static void draw_bar(const struct page *p, size_t i, double x, double width,
                     unsigned bottom, FILE *out)
{
    const struct survey_point *sp = &p->survey.points[i];
    unsigned high = bar_height(sp->size);
    char text[TEXT_SIZE_ROOM];

    fprintf(out,
            "<rect class=\"%s%s\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" "
            "height=\"%u\"><title>",
            level_text(sp->point->level), is_lost(p, i) ? " lost" : "", x,
            bottom - high, width, high);
    html_text(out, sp->point->name);
    fputs(", ", out);
    put_label(sp->point, out);
    fprintf(out, ", %s, %s%s</title></rect>\n", level_text(sp->point->level),
            text_size(sp->size, text),
            is_lost(p, i) ? ", cannot be restored" : "");
}

void draw_sizes(const struct page *p, FILE *out)
{
    size_t first = draw_first(p), count = p->survey.count - first;
    unsigned high = highest_bar(p), bottom = high + TOP;
    double room = (double)PICTURE_COLUMNS / (double)MAX_OF(count, (size_t)8);
    double width = room * 0.8;

    fprintf(out,
            "<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"Size of each "
            "point, oldest first; the table below has the numbers\">\n",
            WIDTH, bottom + 14);
    draw_size_axis(high, bottom, out);
    for (size_t i = 0; i < count; i++)
        draw_bar(p, first + i, LEFT + room * ((double)i + 0.1), width, bottom,
                 out);
    if (count > 0) {
        fprintf(out, "<text x=\"%d\" y=\"%u\">", LEFT, bottom + 11);
        put_label(p->survey.points[first].point, out);
        fputs("</text>\n", out);
    }
    if (count > 4) {
        fprintf(out, "<text x=\"%.2f\" y=\"%u\" text-anchor=\"end\">",
                LEFT + room * (double)count, bottom + 11);
        put_label(p->survey.points[p->survey.count - 1].point, out);
        fputs("</text>\n", out);
    }
    fputs("</svg>\n", out);
}

static const struct chain_file *file_of(const struct chain_point *point,
                                        const char *disk)
{
    for (size_t k = 0; k < point->file_count; k++)
        if (strcmp(point->files[k].disk, disk) == 0)
            return &point->files[k];
    return NULL;
}

static void draw_scale(uint64_t size, unsigned y, FILE *out)
{
    char text[TEXT_SIZE_ROOM];

    for (unsigned i = 0; i <= 4; i++) {
        unsigned x = LEFT + PICTURE_COLUMNS * i / 4;

        fprintf(out,
                "<path class=\"axis\" d=\"M%u %uv4\"/><text x=\"%u\" y=\"%u\" "
                "text-anchor=\"%s\">%s</text>\n",
                x, y, x, y + 12,
                i == 0   ? "start"
                : i == 4 ? "end"
                         : "middle",
                text_size((uint64_t)((unsigned __int128)size * i / 4), text));
    }
}

static void draw_areas(const struct index *idx, uint64_t size, unsigned bottom,
                       FILE *out)
{
    struct picture_row row;

    picture_fill(idx, size, &row);
    fprintf(out, "<g transform=\"translate(%d 0)\"><path class=\"data\" d=\"",
            LEFT);
    picture_path(&row, bottom, false, out);
    fputs("\"/><path class=\"zero\" d=\"", out);
    picture_path(&row, bottom, true, out);
    fputs("\"/></g>\n", out);
}

/* One row; a file that cannot be read is one that says so. */
static int draw_row(const struct page *p, const struct chain_point *point,
                    const struct chain_file *f, uint64_t size, unsigned y,
                    FILE *out, struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    unsigned bottom = y + PICTURE_HEIGHT;
    bool good =
        !f->damage && chain_file_index(p->set->chain, f, &idx, err) == 0;

    if (!good && err->kind == ERR_MEMORY)
        return -1;
    error_clear(err);
    fprintf(out, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", LEFT - 6,
            bottom - 3);
    put_label(point, out);
    fprintf(out,
            "</text><rect class=\"ground\" x=\"%d\" y=\"%u\" width=\"%d\" "
            "height=\"%d\"/>\n",
            LEFT, y, PICTURE_COLUMNS, PICTURE_HEIGHT);
    if (good)
        draw_areas(idx, size, bottom, out);
    else
        fprintf(out, "<text x=\"%d\" y=\"%u\">damaged, not drawn</text>\n",
                LEFT + 6, bottom - 3);
    return 0;
}

int draw_disk(const struct page *p, const char *disk, FILE *out,
              struct error *err)
{
    uint64_t size = 0;
    unsigned rows = 0, y = 4;

    for (size_t i = draw_first(p); i < p->survey.count; i++) {
        const struct chain_file *f = file_of(p->survey.points[i].point, disk);

        rows += f != NULL;
        if (f)
            size = MAX_OF(size, f->virtual_size);
    }
    if (size == 0)
        return 0;
    fprintf(out,
            "<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"Areas of "
            "disk ",
            WIDTH, rows * ROW + 20);
    html_text(out, disk);
    fputs(" in each point: address across, points down\">\n", out);
    for (size_t i = draw_first(p); i < p->survey.count; i++) {
        const struct chain_point *point = p->survey.points[i].point;
        const struct chain_file *f = file_of(point, disk);

        if (f && draw_row(p, point, f, size, y, out, err) < 0)
            return -1;
        y += f ? ROW : 0;
    }
    draw_scale(size, y, out);
    fputs("</svg>\n", out);
    return 0;
}
