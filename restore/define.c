/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define.c - see define.h */
#include "define.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "virt/define.h"
#include "virt/rewrite.h"
#include "virt/session.h"

#define LIBVIRT_TIMEOUT_MS 30000
#define POOL_TIMEOUT_MS 5000
#define NAME_PREFIX "restore_"
#define NAME_TRIES 100

void definition_done(struct definition *d)
{
    free(d->name);
    free(d->xml);
    *d = (struct definition){0};
}

static int open_session(const struct restore_options *o, int timeout_ms,
                        struct session **ret, struct error *err)
{
    const struct session_options options = {
        .uri = o->uri,
        .user = o->login.user,
        .password = o->login.password,
        .timeout_ms = timeout_ms,
    };

    return session_open_with(&options, ret, err);
}

/* ---- the name ---- */

static int connect_libvirt(const struct machine_request *r,
                           struct session **ret, struct error *err)
{
    _cleanup_(session_closep) struct session *s = NULL;

    if (open_session(r->options, LIBVIRT_TIMEOUT_MS, &s, err) < 0)
        return -1;
    if (session_is_remote(s) && !r->elsewhere)
        return error_set(err, ERR_INPUT,
                         "'%s' is libvirt on another host, but the disks are "
                         "restored on this one",
                         session_uri(s));
    *ret = take(s);
    return 0;
}

/* The one that the user wants, or the original's with a prefix and, the second
 * time and later, a number.
 */
static char *make_name(const struct machine_request *r, unsigned number)
{
    if (r->options->name)
        return strdup(r->options->name);
    if (number <= 1)
        return text_dup_printf(NAME_PREFIX "%s", r->config->origin.name);
    return text_dup_printf(NAME_PREFIX "%s-%u", r->config->origin.name, number);
}

/* Without libvirt (`s` NULL), nobody knows which names are taken. */
static int choose_name(const struct machine_request *r, struct session *s,
                       char **ret, struct error *err)
{
    for (unsigned number = 1; number <= NAME_TRIES; number++) {
        _cleanup_free_ char *name = make_name(r, number);
        int known = 0;

        if (!name)
            return error_memory(err);
        if (rewrite_name_check(name, err) < 0)
            return error_append(err, "; choose a name with -N");
        if (s)
            known = define_is_known(s, name, err);
        if (known < 0)
            return -1;
        if (!known) {
            *ret = take(name);
            return 0;
        }
        if (r->options->name)
            return error_set(err, ERR_EXISTS,
                             "there is a domain '%s' already; choose another "
                             "name with -N, or undefine it",
                             name);
    }
    return error_set(err, ERR_EXISTS,
                     "there are %d restored domains of this kind already; "
                     "choose a name with -N",
                     NAME_TRIES);
}

/* ---- the XML ---- */

/* The disks as the rewriting wants them. */
static int list_disks(const struct machine_request *r, struct rewrite *how,
                      struct error *err)
{
    struct rewrite_disk *disks =
        calloc(r->places->count + 1, sizeof(*how->disks));

    how->disks = disks;
    if (!disks)
        return error_memory(err);
    for (size_t i = 0; i < r->places->count; i++) {
        const struct place *p = &r->places->items[i];

        if (!p->path)
            return error_set(err, ERR_INPUT,
                             "disk %s goes to an NBD export, which no adjusted "
                             "configuration can name; leave out -c and -D",
                             p->disk->disk);
        disks[how->disk_count++] = (struct rewrite_disk){
            .target = p->disk->disk,
            .path = p->path,
            .format = p->format,
            .is_device = p->kind == PLACE_DEVICE,
        };
    }
    return 0;
}

/* Where a boot file is going to be; `*ret` stays NULL: nowhere. */
static int boot_path(const struct machine_request *r,
                     const struct bootfiles *boot, enum file_role role,
                     char **ret, struct error *err)
{
    const struct bootfile *f = bootfiles_get(boot, role);

    if (!f)
        return 0;
    *ret = f->in_place ? strdup(f->original)
                       : text_dup_printf("%s/%s", r->target, f->name);
    return *ret ? 0 : error_memory(err);
}

/* Say what was changed; how many things should be looked at first? */
static size_t tell(const struct rewrite_notes *notes, bool trusted)
{
    size_t suspicious = 0;

    for (size_t i = 0; i < notes->count; i++) {
        const struct rewrite_note *note = &notes->items[i];

        if (note->kind == REWRITE_TRUST)
            suspicious++;
        if (note->kind == REWRITE_CHANGED ||
            (note->kind == REWRITE_TRUST && trusted))
            log_info("configuration: %s", note->text);
        else
            log_warning("configuration: %s", note->text);
    }
    return suspicious;
}

/* Boot files that would make QEMU read other files. */
static int count_overlays(const struct machine_request *r,
                          const struct bootfiles *boot, size_t *count,
                          struct error *err)
{
    for (size_t i = 0; i < boot->count; i++) {
        int refers = bootfile_refers(&boot->items[i], r->set, err);

        if (refers < 0)
            return -1;
        if (refers)
            log_warning("configuration: '%s' is an image that refers to "
                        "another file",
                        boot->items[i].file);
        *count += (size_t)refers;
    }
    return 0;
}

static int judge(const struct machine_request *r, const struct bootfiles *boot,
                 const struct rewrite_notes *notes, struct error *err)
{
    size_t suspicious = tell(notes, r->options->trust_config);

    if (count_overlays(r, boot, &suspicious, err) < 0)
        return -1;
    if (suspicious == 0 || r->options->trust_config || !r->options->define)
        return 0;
    return error_set(err, ERR_INPUT,
                     "the configuration names programs, devices or files of "
                     "the host (see above), and a backup can be forged; if "
                     "that is right, use --trust-config, or look at what -c "
                     "makes without -D");
}

static int rewrite(const struct machine_request *r,
                   const struct bootfiles *boot, struct definition *d,
                   struct error *err)
{
    _cleanup_(rewrite_notes_free) struct rewrite_notes notes = {0};
    _cleanup_free_ char *loader = NULL;
    _cleanup_free_ char *nvram = NULL;
    _cleanup_free_ char *kernel = NULL;
    _cleanup_free_ char *initrd = NULL;
    _cleanup_free_ const struct rewrite_disk *disks = NULL;
    char uuid[TEXT_UUID_ROOM] = "";
    struct rewrite how = {
        .name = d->name,
        .uuid = uuid,
        .keep_mac = r->options->keep_mac,
    };
    int failed = list_disks(r, &how, err);

    disks = how.disks;
    if (failed < 0 || uuid_new(uuid, err) < 0 ||
        boot_path(r, boot, FILE_LOADER, &loader, err) < 0 ||
        boot_path(r, boot, FILE_NVRAM, &nvram, err) < 0 ||
        boot_path(r, boot, FILE_KERNEL, &kernel, err) < 0 ||
        boot_path(r, boot, FILE_INITRD, &initrd, err) < 0)
        return -1;
    how.loader = loader;
    how.nvram = nvram;
    how.kernel = kernel;
    how.initrd = initrd;
    if (domain_rewrite(r->config->text, &how, &d->xml, &notes, err) < 0)
        return -1;
    return judge(r, boot, &notes, err);
}

/* ---- autostart ---- */

/* The original starts with its host if a file says so; the Python suite gives
 * it names that no point has.
 */
static int find_autostart(const struct machine_request *r, bool *ret,
                          struct error *err)
{
    _cleanup_free_ char *name = NULL;
    int found = point_file_find(r->set, r->point, "autostart.", "", &name, err);

    if (found < 0)
        return -1;
    *ret = found > 0;
    return 0;
}

int definition_make(const struct machine_request *request,
                    const struct bootfiles *boot, const char *config_name,
                    struct definition *ret, struct error *err)
{
    _cleanup_(definition_done) struct definition d = {0};
    _cleanup_(session_closep) struct session *session = NULL;

    if (!config_name)
        return error_set(err, ERR_INPUT,
                         "the configuration is not in the backup, so there is "
                         "nothing to adjust or define; leave out -c and -D");
    if (!request->config->origin.name)
        return error_set(err, ERR_INPUT,
                         "the configuration makes no sense, so it cannot be "
                         "adjusted or defined; leave out -c and -D");
    if (request->options->define && connect_libvirt(request, &session, err) < 0)
        return error_prefix(err, "--define");
    if (choose_name(request, session, &d.name, err) < 0 ||
        rewrite(request, boot, &d, err) < 0 ||
        find_autostart(request, &d.autostart, err) < 0)
        return -1;
    *ret = d;
    d = (struct definition){0};
    return 0;
}

/* ---- libvirt, at the end ---- */

static int define(const struct definition *d, const struct machine_request *r,
                  struct session **ret, struct error *err)
{
    _cleanup_(session_closep) struct session *s = NULL;

    if (connect_libvirt(r, &s, err) < 0 || define_domain(s, d->xml, err) < 0)
        return -1;
    *ret = take(s);
    return 0;
}

int definition_use(const struct definition *d,
                   const struct machine_request *request,
                   const char *config_name, struct error *err)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;

    if (define(d, request, &s, err) < 0) {
        error_prefix(err,
                     "everything is restored to '%s' and complete, but the "
                     "domain '%s' is not defined",
                     request->target, d->name);
        return error_append(err,
                            "; when that is solved, define it: virsh define "
                            "'%s/%s'",
                            request->target, config_name);
    }
    log_info("the domain '%s' is defined", d->name);
    if (!d->autostart)
        return 0;
    if (define_autostart(s, d->name, &why) < 0) {
        log_error("%s; it is defined, but does not start with this host as the "
                  "original did (virsh autostart '%s')",
                  error_text(&why), d->name);
        return 1;
    }
    log_info("the domain '%s' starts with this host, as the original did",
             d->name);
    return 0;
}

void definition_refresh_pool(const struct machine_request *request)
{
    const struct restore_options *o = request->options;
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;
    int done = 0;

    if (!o->define && !o->uri && geteuid() != 0)
        return;
    if (open_session(o, POOL_TIMEOUT_MS, &s, &why) < 0) {
        log_debug("no storage pool is refreshed: %s", error_text(&why));
        return;
    }
    if (session_is_remote(s) && !request->elsewhere)
        return;
    done = define_refresh_pool(s, request->target, &why);
    if (done < 0)
        log_warning("the storage pool '%s' does not know the restored files "
                    "yet: %s",
                    request->target, error_text(&why));
    else if (done > 0)
        log_info("the storage pool '%s' knows the restored files",
                 request->target);
}
