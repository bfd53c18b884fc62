/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-picture.c - restore/picture and restore/html */
#include "picture.h"

#include "../common/set/lab.h"

#include "html.h"

/* An index of these records, all at once. */
static struct index *make_index(uint64_t size, const struct index_record *r,
                                size_t count)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_writer *w = NULL;
    struct index *idx = NULL;
    char hash[HASH_TEXT_SIZE];

    CHECK_OK(index_writer_new(lab.dirfd, "i.index", size, &w, &err), &err);
    for (size_t i = 0; i < count; i++)
        CHECK_OK(index_writer_add(w, &r[i], &err), &err);
    CHECK_OK(index_writer_finish(w, 1 << 20, hash, &err), &err);
    CHECK_OK(index_publish(lab.dirfd, "i.index", &err), &err);
    CHECK_OK(index_open(lab.dirfd, "i.index", hash, &idx, &err), &err);
    index_writer_free(w);
    return idx;
}

/* Whatever the size: the columns tile the disk, and no byte is lost. */
static void test_columns(void)
{
    static const uint64_t sizes[] = {
        1, 479, 480, 481, 65536, 1 << 20, 9999999, UINT64_C(1) << 62};

    for (size_t i = 0; i < array_size(sizes); i++) {
        const struct index_record all = {
            .length = sizes[i], .file_offset = 0, .kind = INDEX_ZERO};
        struct index *idx = make_index(sizes[i], &all, 1);
        struct picture_row row;
        uint64_t sum = 0;

        picture_fill(idx, sizes[i], &row);
        for (unsigned k = 0; k < PICTURE_COLUMNS; k++) {
            uint64_t width =
                picture_edge(sizes[i], k + 1) - picture_edge(sizes[i], k);

            CHECK_EQ_U64(row.zero[k], width);
            sum += row.zero[k];
        }
        CHECK_EQ_U64(sum, sizes[i]);
        CHECK_EQ_U64(picture_edge(sizes[i], PICTURE_COLUMNS), sizes[i]);
        index_free(idx);
    }
}

/* One byte of data in a column of zeroes is seen, and both fit. */
static void test_steps(void)
{
    struct picture_row row = {.size = 480 * 1000};
    unsigned data = 0, zero = 0;

    row.data[7] = 1;
    row.zero[7] = 999;
    picture_steps(&row, 7, &data, &zero);
    CHECK_EQ_INT(data, 1);
    CHECK_EQ_INT(zero, PICTURE_HEIGHT - 1);
    picture_steps(&row, 8, &data, &zero);
    CHECK_EQ_INT(data + zero, 0);
    row.data[9] = 1000;
    picture_steps(&row, 9, &data, &zero);
    CHECK_EQ_INT(data, PICTURE_HEIGHT);
}

static char *path_of(const struct picture_row *row, bool zero)
{
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);

    picture_path(row, 20, zero, f);
    fclose(f);
    return text;
}

static void test_path(void)
{
    struct picture_row row = {.size = 480 * 1000};
    _cleanup_free_ char *data = NULL;
    _cleanup_free_ char *zero = NULL;
    _cleanup_free_ char *last = NULL;

    row.data[3] = row.data[4] = 1000;
    row.data[5] = row.zero[5] = 500;
    data = path_of(&row, false);
    zero = path_of(&row, true);
    CHECK_STR(data, "M3 20h2v-12h-2zM5 20h1v-6h-1z");
    CHECK_STR(zero, "M5 14h1v-6h-1z");
    row = (struct picture_row){.size = 480 * 1000};
    row.data[479] = 1000;
    last = path_of(&row, false);
    CHECK_STR(last, "M479 20h1v-12h-1z");
}

static void test_html(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);

    html_text(f, "<a href=\"x\">&'\n\x1b\xff</a>");
    html_text(f, NULL);
    html_printf(f, "%s %d", "<", 7);
    fclose(f);
    CHECK_STR(text, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\\n\\x1b\\xff"
                    "&lt;/a&gt;&lt; 7");
    free(text);
}

int main(void)
{
    RUN(test_columns);
    RUN(test_steps);
    RUN(test_path);
    RUN(test_html);
    return check_result();
}
