/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* marks.c - see marks.h */
#include "set/marks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/vec.h"
#include "set/files.h"
#include "set/name.h"
#include "set/sealed.h"

#define CHKSUM_MAX_SIZE 64

void cpt_done(struct cpt *cpt)
{
    for (size_t i = 0; i < cpt->count; i++)
        free(cpt->names[i]);
    free(cpt->names);
    *cpt = (struct cpt)CPT_INIT;
}

int cpt_add(struct cpt *cpt, const char *name, struct error *err)
{
    char **names = NULL;

    if (!name_is_point(name))
        return error_set(err, ERR_INPUT, "'%s' is not a checkpoint of ours",
                         name);
    if (cpt->count >= CPT_MAX_NAMES)
        return error_set(err, ERR_INPUT, "more than %d checkpoints",
                         CPT_MAX_NAMES);
    names = reallocarray(cpt->names, cpt->count + 1, sizeof(*names));
    if (!names)
        return error_memory(err);
    cpt->names = names;
    names[cpt->count] = strdup(name);
    if (!names[cpt->count])
        return error_memory(err);
    cpt->count++;
    return 0;
}

int cpt_has(const struct cpt *cpt, const char *name)
{
    for (size_t i = 0; i < cpt->count; i++)
        if (strcmp(cpt->names[i], name) == 0)
            return 1;
    return 0;
}

int cpt_decode(const char *text, size_t len, struct cpt *ret, struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    json_auto_t *root = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (len > CPT_MAX_SIZE)
        return error_set(err, ERR_DAMAGED, "%zu bytes are too long", len);
    if (json_check_depth(text, len, SEALED_MAX_DEPTH, err) < 0)
        return -1;
    root = json_read(text, len, ERR_DAMAGED, err);
    if (!root)
        return -1;
    if (!json_is_array(root))
        return error_set(err, ERR_DAMAGED, "it is no list of names");
    json_array_foreach(root, i, item)
    {
        if (!json_is_string(item) || !name_is_point(json_string_value(item)))
            return error_set(err, ERR_DAMAGED,
                             "entry %zu is not the name of a checkpoint", i);
        if (cpt_add(&cpt, json_string_value(item), err) < 0)
            return -1;
    }
    *ret = cpt;
    cpt = (struct cpt)CPT_INIT;
    return 0;
}

int cpt_encode(const struct cpt *cpt, char **ret_text, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return error_memory(err);
    fputc('[', out);
    for (size_t i = 0; i < cpt->count; i++)
        fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", cpt->names[i]);
    fputc(']', out);
    if (text_stream_end(out, &text) < 0)
        return error_memory(err);
    *ret_text = take(text);
    return 0;
}

/* "<domain>.cpt": the name is libvirt's, not one read from a set. */
static int cpt_name(const char *domain, char **ret, struct error *err)
{
    _cleanup_free_ char *name = text_dup_printf("%s.cpt", domain);

    if (!name)
        return error_memory(err);
    if (!name_is_leaf(name))
        return error_set(err, ERR_INPUT,
                         "no file can be named after the domain '%s'", domain);
    *ret = take(name);
    return 0;
}

int cpt_read(int dirfd, const char *domain, struct cpt *ret, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    if (cpt_name(domain, &name, err) < 0)
        return -1;
    if (file_read_all(dirfd, name, CPT_MAX_SIZE, &text, &len, &why) < 0) {
        if (why.kind == ERR_SYSTEM && why.code == ENOENT)
            return 0;
        error_move(err, &why);
        return -1;
    }
    if (cpt_decode(text, len, ret, err) < 0)
        return error_prefix(err, "'%s'", name);
    return 1;
}

int cpt_write(int dirfd, const char *domain, const struct cpt *cpt,
              struct error *err)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *text = NULL;

    if (cpt_name(domain, &name, err) < 0 || cpt_encode(cpt, &text, err) < 0)
        return -1;
    return file_replace(dirfd, name, text, strlen(text), 0600, err);
}

static int chksum_name(const char *datafile, char **ret, struct error *err)
{
    if (!name_is_safe(datafile))
        return error_set(err, ERR_INPUT, "'%s' is not the name of a data file",
                         datafile);
    *ret = text_dup_printf("%s.chksum", datafile);
    return *ret ? 0 : error_memory(err);
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int chksum_decode(const char *text, size_t len, uint32_t *ret,
                  struct error *err)
{
    char number[CHKSUM_MAX_SIZE + 1] = "";
    uint64_t value = 0;

    while (len > 0 && is_blank(text[len - 1]))
        len--;
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    if (len > CHKSUM_MAX_SIZE)
        return error_set(err, ERR_DAMAGED, "it is no checksum");
    memcpy(number, text, len);
    if (strcmp(number, "None") == 0 && len == 4)
        return 0;
    if (strlen(number) != len || text_u64(number, &value) < 0 ||
        value > UINT32_MAX)
        return error_set(err, ERR_DAMAGED, "it is no checksum");
    *ret = (uint32_t)value;
    return 1;
}

int chksum_read(int dirfd, const char *datafile, uint32_t *ret,
                struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int found = 0;

    if (chksum_name(datafile, &name, err) < 0)
        return -1;
    if (files_read(dirfd, name, CHKSUM_MAX_SIZE, &text, &len, &why) < 0) {
        if (why.kind == ERR_SYSTEM && why.code == ENOENT)
            return 0;
        error_move(err, &why);
        return -1;
    }
    found = chksum_decode(text, len, ret, err);
    return found < 0 ? error_prefix(err, "'%s'", name) : found;
}

int chksum_write(int dirfd, const char *datafile, uint32_t adler,
                 struct error *err)
{
    _cleanup_(file_discard) struct new_file nf = NEW_FILE_INIT;
    _cleanup_free_ char *name = NULL;
    char text[16] = "";
    int len = 0;

    if (chksum_name(datafile, &name, err) < 0 ||
        file_create(dirfd, name, 0600, &nf, err) < 0)
        return -1;
    len = snprintf(text, sizeof(text), "%u", adler);
    if (len < 0 || file_write_full(nf.fd, text, (size_t)len) < 0)
        return error_errno(err, errno, "cannot write '%s'", name);
    return file_publish(&nf, FILE_NOREPLACE, err);
}
