/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.c - see machine.h */
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "bootfiles.h"
#include "define.h"

struct machine {
    const struct machine_request *request;
    struct bootfiles boot;
    char *config_name; /* of the configuration; NULL: there is none */
    bool config_is_there;
    struct definition definition;
    const char *names[BOOTFILES_MAX + 1]; /* borrowed from the above */
    size_t name_count;
};

static bool is_adjusted(const struct restore_options *o)
{
    return o->adjust || o->define;
}

/* ---- the files that it boots from ---- */

/* Names that files beside the disks may not have. */
static int taken_names(const struct machine *m, char ***ret, size_t *ret_count,
                       struct error *err)
{
    const struct place_list *places = m->request->places;
    char **names = calloc(places->count + 1, sizeof(*names));
    size_t count = 0;

    if (!names)
        return error_memory(err);
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i].kind == PLACE_IMAGE)
            names[count++] = places->items[i].name;
    if (m->config_name)
        names[count++] = m->config_name;
    *ret = names;
    *ret_count = count;
    return 0;
}

static int plan_boot_files(struct machine *m, struct error *err)
{
    const struct machine_request *r = m->request;
    _cleanup_free_ char **taken = NULL;
    size_t count = 0;

    if (bootfiles_find(r->set, r->point, r->config, &m->boot, err) < 0 ||
        taken_names(m, &taken, &count, err) < 0)
        return -1;
    if (r->options->boot_in_place &&
        bootfiles_in_place(&m->boot, r->set, is_adjusted(r->options), err) < 0)
        return -1;
    return bootfiles_name(&m->boot, r->set, r->targetfd, taken, count, err);
}

/* ---- the configuration ---- */

static int choose_config_name(struct machine *m, struct error *err)
{
    const struct machine_request *r = m->request;
    const char *name = r->options->config_file;

    if (!r->config->text)
        return 0;
    if (!name)
        name = VMCONFIG_NAME;
    for (size_t i = 0; i < r->places->count; i++)
        if (r->places->items[i].kind == PLACE_IMAGE &&
            strcmp(r->places->items[i].name, name) == 0)
            return error_set(err, ERR_INPUT,
                             "disk %s is restored as '%s'; choose another name "
                             "for the configuration with -C",
                             r->places->items[i].disk->disk, name);
    m->config_name = strdup(name);
    return m->config_name ? 0 : error_memory(err);
}

/* Is it there already, the same to the byte?  It is when disks are restored one
 * by one.
 */
static bool same_is_there(const struct machine *m)
{
    const struct vmconfig *config = m->request->config;
    _cleanup_error_ struct error ignored = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;

    return file_read_all(m->request->targetfd, m->config_name,
                         config->length + 1, &text, &length, &ignored) == 0 &&
           length == config->length && memcmp(text, config->text, length) == 0;
}

static int plan_config(struct machine *m, struct error *err)
{
    const struct machine_request *r = m->request;

    if (is_adjusted(r->options))
        return definition_make(r, &m->boot, m->config_name, &m->definition,
                               err);
    if (!m->config_name)
        return 0;
    m->config_is_there = same_is_there(m);
    if (r->config->origin.has_backing)
        log_warning("the configuration names backing stores, which the "
                    "restored images do not have: adjust it before it is used "
                    "(or restore with --adjust-config)");
    return 0;
}

/* ---- the steps ---- */

static void collect_names(struct machine *m)
{
    if (m->config_name && !m->config_is_there)
        m->names[m->name_count++] = m->config_name;
    for (size_t i = 0; i < m->boot.count; i++)
        if (!m->boot.items[i].in_place && !m->boot.items[i].is_there)
            m->names[m->name_count++] = m->boot.items[i].name;
}

int machine_plan(const struct machine_request *request, struct machine **ret,
                 struct error *err)
{
    _cleanup_(machine_freep) struct machine *m = calloc(1, sizeof(*m));

    if (!m)
        return error_memory(err);
    m->request = request;
    /* Files given by hand are a disk, not a domain. */
    if (!request->options->sequence &&
        (choose_config_name(m, err) < 0 || plan_boot_files(m, err) < 0 ||
         plan_config(m, err) < 0))
        return -1;
    collect_names(m);
    *ret = take(m);
    return 0;
}

size_t machine_name_count(const struct machine *m)
{
    return m->name_count;
}

const char *machine_name(const struct machine *m, size_t i)
{
    return m->names[i];
}

int machine_stage(struct machine *m, int stagingfd, struct error *err)
{
    const struct vmconfig *config = m->request->config;
    const char *text = m->definition.xml ? m->definition.xml : config->text;

    if (bootfiles_stage(&m->boot, m->request->set, stagingfd, err) < 0)
        return -1;
    if (!m->config_name || m->config_is_there)
        return 0;
    return file_replace(stagingfd, m->config_name, text,
                        m->definition.xml ? strlen(text) : config->length, 0600,
                        err);
}

int machine_place(struct machine *m, int stagingfd, struct error *err)
{
    if (bootfiles_place(&m->boot, stagingfd, err) == 0)
        return 0;
    bootfiles_take_back(&m->boot);
    return -1;
}

void machine_take_back(struct machine *m)
{
    bootfiles_take_back(&m->boot);
}

int machine_define(struct machine *m, struct error *err)
{
    const struct restore_options *o = m->request->options;
    int r = 0;

    if (o->define)
        r = definition_use(&m->definition, m->request, m->config_name, err);
    else if (m->definition.xml)
        log_info("the configuration of '%s' is '%s/%s'; nothing is defined yet",
                 m->definition.name, m->request->target, m->config_name);
    if (r >= 0)
        definition_refresh_pool(m->request);
    return r;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    bootfiles_done(&m->boot);
    definition_done(&m->definition);
    free(m->config_name);
    free(m);
}
