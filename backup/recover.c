/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover.c - see recover.h
 *
 * The order matters: the job goes first, since its checkpoint cannot be
 * deleted and its private directory is in use while it runs; the intent goes
 * last, so that what fails here is tried again by the next run.
 */
#include "recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/stop.h"
#include "base/text.h"
#include "host/host.h"
#include "set/chain.h"
#include "set/marks.h"
#include "virt/agent.h"
#include "virt/checkpoint.h"
#include "virt/domain.h"
#include "virt/job.h"

#define LIBVIRT_TIMEOUT_MS 30000
#define JOB_END_TIMEOUT_MS 60000

/* How long the guardian waits for the lock of a process that is dying. */
#define LOCK_TRIES 400
#define LOCK_TRY_MS 50

/* How long the guardian goes on trying: less than its deadline. */
#define RETRY_SECONDS 60
#define RETRY_MS 1000

/* The guest comes first, but if it does not answer the job has to be ended all
 * the same; then the guest is tried again for as long as there is time.
 */
#define GUEST_FIRST_SECONDS 20
#define GUEST_AGAIN_SECONDS 30
#define THAW_TIMEOUT_MS 10000

/* How often, and how many times in a row without any job, the guardian asks
 * whether libvirt is beginning one.
 */
#define BEGIN_TRY_MS 100
#define IDLE_TRIES 10

static int end_job(struct domain *domain, const struct intent *in,
                   struct error *err)
{
    int r;

    if (!in->socket[0])
        return 0;
    r = job_end(domain, in->socket, JOB_END_TIMEOUT_MS, err);
    if (r < 0)
        return error_prefix(err, "end the backup job of domain '%s'",
                            in->domain_name);
    if (r > 0)
        log_debug("ended the backup job of '%s'", in->domain_name);
    return 0;
}

/* Outcome 1: libvirt deletes it only while the domain runs; later then. */
static int drop_checkpoint(struct domain *domain, const struct intent *in,
                           struct error *err)
{
    char description[CHECKPOINT_DESCRIPTION_ROOM];
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    int r;

    if (!in->checkpoint[0])
        return 0;
    /* A name is no identity: only the UUID tells that it is this run's. */
    checkpoint_describe(in->point, in->chain, description);
    r = checkpoint_find(domain, in->checkpoint, &c, err);
    if (r <= 0 || strcmp(c.description, description) != 0)
        return r < 0 ? -1 : 0;
    r = domain_is_active(domain, err);
    if (r <= 0)
        return r < 0 ? -1 : 1;
    return checkpoint_delete_own(domain, in->checkpoint, description, err) < 0
               ? -1
               : 0;
}

/* The run may have ended while the guest held still, and its guardian with it.
 * Failing is no reason not to end the job.
 */
static void let_go(struct domain *domain, const struct intent *in)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if ((!in->frozen && !in->suspended) || domain_is_active(domain, &err) <= 0)
        return;
    if (in->suspended && domain_resume(domain, &err) > 0)
        log_warning("the guest '%s' was still suspended; resumed",
                    in->domain_name);
    error_clear(&err);
    if (in->frozen && agent_thaw(domain, THAW_TIMEOUT_MS, &err) > 0)
        log_warning("the guest '%s' was still frozen; thawed", in->domain_name);
}

/* What the run did to the domain.  A domain that is gone has nothing.
 * Outcome 1: something has to wait until the domain runs again.
 */
static int undo_domain(struct session *session, const struct intent *in,
                       bool committed, struct error *err)
{
    _cleanup_(domain_closep) struct domain *domain = NULL;
    _cleanup_error_ struct error open_err = ERROR_INIT;
    int later;

    if (domain_open_uuid(session, in->domain_uuid, &domain, &open_err) < 0) {
        if (open_err.kind == ERR_INPUT)
            return 0;
        error_move(err, &open_err);
        return -1;
    }
    let_go(domain, in);
    if (end_job(domain, in, err) < 0)
        return -1;
    later = committed ? 0 : drop_checkpoint(domain, in, err);
    if (later < 0)
        return -1;
    if (in->started && domain_stop_if_untouched(domain, err) < 0)
        return -1;
    return later;
}

static int other_libvirt(const struct intent *in, const char *uri,
                         struct error *err)
{
    /* Of what was hidden a hash is left. */
    const char *hash = strrchr(in->uri, '#');
    int length = (int)(hash ? hash - in->uri : (ptrdiff_t)strlen(in->uri));

    error_set(err, ERR_BUSY,
              "the run that did not finish used the libvirt at '%.*s', not "
              "'%s'; run it once more with ",
              length, in->uri, uri);
    return hash ? error_append(err, "the -U of that run (its *** are not kept)")
                : error_append(err, "-U '%s'", in->uri);
}

/* The same, if this is the libvirt that the run used: a domain that another one
 * does not know is not gone.  The intent's URI is compared, never opened: in a
 * URI a file could name a command.
 */
static int undo_libvirt(struct session *session, const struct intent *in,
                        bool committed, struct error *err)
{
    int same;

    if (!in->socket[0] && !in->checkpoint[0] && !in->started)
        return 0;
    same = intent_is_uri(in, session_uri(session), err);
    if (same < 0)
        return -1;
    if (!same)
        return other_libvirt(in, session_uri(session), err);
    return undo_domain(session, in, committed, err);
}

/* Files that a kill between creating and renaming leaves, under names that
 * only we make.
 */
static int sweep(int dirfd, const char *cpt, struct error *err)
{
    int copy = dir_reopen(dirfd);
    _cleanup_(closedirp) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;

    PATIENCE_SCOPE("reading a directory");
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return error_errno(err, errno, "read the backup directory");
    }
    while ((e = readdir(dir))) {
        const char *name = e->d_name;

        if (!file_name_is_temporary(name))
            continue;
        if (strncmp(name, "intent.", 7) == 0 ||
            strncmp(name, "manifest.", 9) == 0 ||
            (cpt && strncmp(name, cpt, strlen(cpt)) == 0))
            unlinkat(dirfd, name, 0);
    }
    return 0;
}

/* The list of checkpoints follows from the manifests; a full restarts it. */
int recover_write_cpt(int dirfd, const struct intent *in, struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    if (!in->checkpoint[0])
        return 0;
    if (chain_open(dirfd, &chain, err) < 0)
        return -1;
    if (chain_cpt(chain, chain->point_count, NULL, &cpt, err) < 0)
        return -1;
    return cpt_write(dirfd, in->domain_name, &cpt, err);
}

int recover_complete(int dirfd, const struct intent *in, struct error *err)
{
    if (recover_write_cpt(dirfd, in, err) < 0)
        return -1;
    return intent_drop(dirfd, in, err);
}

/* Was the intent written for this directory on this machine, or was it copied
 * here with the directory?
 */
static int is_at_home(int dirfd, const struct intent *in, struct error *err)
{
    _cleanup_free_ char *here = NULL;

    if (intent_place(dirfd, &here, err) < 0)
        return -1;
    return strcmp(here, in->place) == 0;
}

static int sweep_all(int dirfd, const struct intent *in, struct error *err)
{
    _cleanup_free_ char *cpt = text_dup_printf("%s.cpt", in->domain_name);

    return cpt ? sweep(dirfd, cpt, err) : error_memory(err);
}

/* The private directory, where it is. */
static int remove_runtime(const struct recover_through *through,
                          const struct intent *in, struct error *err)
{
    if (!in->runtime_dir[0] || (through->elsewhere && !through->remote))
        return 0;
    return host_remove_dir(through->remote, in->runtime_dir, err);
}

int recover_intent(int dirfd, const struct recover_through *through,
                   const struct intent *in, struct error *err)
{
    int committed = intent_is_committed(dirfd, in, err);
    int home = committed < 0 ? -1 : is_at_home(dirfd, in, err);
    int later = 0;

    if (home < 0)
        return -1;
    if (home)
        later = undo_libvirt(through->session, in, committed > 0, err);
    if (later < 0 || sweep_all(dirfd, in, err) < 0)
        return -1;
    if (home && remove_runtime(through, in, err) < 0)
        return -1;
    if (committed)
        return recover_complete(dirfd, in, err);
    if (intent_remove_files(dirfd, in, NULL, err) < 0)
        return -1;
    if (later) {
        log_warning("checkpoint '%s' of '%s' can be deleted only while the "
                    "domain runs; the next run does it",
                    in->checkpoint, in->domain_name);
        return 0;
    }
    return intent_drop(dirfd, in, err);
}

/* Is this the job of a --startonly, and does it run?  Outcomes 1 and 0. */
static int is_kept(int dirfd, struct session *session, const struct intent *in,
                   struct error *err)
{
    _cleanup_(domain_closep) struct domain *domain = NULL;
    _cleanup_error_ struct error open_err = ERROR_INIT;
    _cleanup_free_ char *mark = NULL;
    int r = in->kept ? is_at_home(dirfd, in, err) : 0;

    if (r <= 0)
        return r;
    if (domain_open_uuid(session, in->domain_uuid, &domain, &open_err) < 0) {
        if (open_err.kind == ERR_INPUT)
            return 0;
        error_move(err, &open_err);
        return -1;
    }
    r = job_find(domain, &mark, err);
    if (r <= 0)
        return r;
    return mark && strcmp(mark, in->socket) == 0;
}

int recover_directory(int dirfd, const struct recover_through *through,
                      struct error *err)
{
    _cleanup_intent_list_ struct intent_list list = {0};

    if (sweep(dirfd, NULL, err) < 0 || intent_list(dirfd, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        _cleanup_intent_ struct intent in = INTENT_INIT;

        int kept;

        if (intent_load(dirfd, list.names[i].text, &in, err) < 0)
            return -1;
        kept = is_kept(dirfd, through->session, &in, err);
        if (kept < 0)
            return -1;
        if (kept)
            continue;
        log_info("cleaning up after a run that did not finish (%s of '%s', "
                 "begun %s)",
                 level_text(in.level), in.domain_name, in.time);
        if (recover_intent(dirfd, through, &in, err) < 0)
            return error_prefix(err, "clean up after an unfinished run");
    }
    return 0;
}

/* Wait for the lock, which a dying process may hold a moment longer.
 * Outcome 0: somebody else works here now and has cleaned up.
 */
static int wait_for_lock(int dirfd, int *ret_fd, struct error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int r = lock_take(dirfd, LOCK_NAME, ret_fd, err);

        if (r != LOCK_HELD)
            return r < 0 ? -1 : 1;
        if (stop_wait(-1, LOCK_TRY_MS) == STOP_NOW)
            return 0;
    }
    return 0;
}

/* Connect as the run had connected. */
static int open_session(const struct guardian_facts *facts,
                        struct session **ret, struct error *err)
{
    const struct session_options options = {
        .uri = facts_get(facts, FACT_URI),
        .user = facts_get(facts, FACT_USER),
        .password = facts_get(facts, FACT_PASSWORD),
        .timeout_ms = LIBVIRT_TIMEOUT_MS,
    };

    return session_open_with(&options, ret, err);
}

/* The run ended while libvirt was beginning the job: libvirt goes on with that
 * although nobody waits for it.  Until its answer is there, there is no job
 * that could be ended.  Outcome 1: the begin is over, one way or the other; 0:
 * it goes on, or libvirt does not say.
 */
static int begin_is_over(const struct guardian_facts *facts,
                         const struct intent *in, unsigned *idle)
{
    _cleanup_(session_closep) struct session *session = NULL;
    _cleanup_(domain_closep) struct domain *domain = NULL;
    _cleanup_error_ struct error ignored = ERROR_INIT;
    struct job_stats stats;
    int r;

    if (open_session(facts, &session, &ignored) < 0 ||
        domain_open_uuid(session, in->domain_uuid, &domain, &ignored) < 0)
        return ignored.kind == ERR_INPUT;
    r = job_find(domain, NULL, &ignored);
    if (r != 0)
        return r > 0;
    if (job_stats(domain, &stats, &ignored) < 0 || stats.active) {
        *idle = 0;
        return 0;
    }
    /* The request itself may be on its way yet. */
    return ++*idle >= IDLE_TRIES;
}

static void wait_for_begin(const struct guardian_facts *facts,
                           const struct intent *in, time_t until)
{
    unsigned idle = 0;

    while (time(NULL) < until && !begin_is_over(facts, in, &idle))
        if (stop_wait(-1, BEGIN_TRY_MS) == STOP_NOW)
            break;
}

static int recover_once(int dirfd, const struct guardian_facts *facts,
                        const struct intent *in, struct error *err)
{
    _cleanup_(session_closep) struct session *session = NULL;
    struct recover_through through = {
        .elsewhere = facts_get(facts, FACT_ELSEWHERE) != NULL};

    if (open_session(facts, &session, err) < 0)
        return -1;
    through.session = session;
    return recover_intent(dirfd, &through, in, err);
}

/* The intent in the directory that the facts name. */
static int recover_named(const struct guardian_facts *facts, struct error *err)
{
    const char *name = facts_get(facts, FACT_INTENT);
    _cleanup_close_ int dirfd = dir_open(facts_get(facts, FACT_DIRECTORY), err);
    _cleanup_close_ int lockfd = -1;
    _cleanup_intent_ struct intent in = INTENT_INIT;
    time_t until = time(NULL) + RETRY_SECONDS;
    int r;

    if (dirfd < 0)
        return -1;
    r = wait_for_lock(dirfd, &lockfd, err);
    if (r <= 0)
        return r;
    if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return sweep(dirfd, NULL, err);
    if (intent_load(dirfd, name, &in, err) < 0)
        return -1;
    if (facts_get(facts, FACT_BEGIN_UNKNOWN))
        wait_for_begin(facts, &in, until);
    for (;;) {
        if (recover_once(dirfd, facts, &in, err) == 0)
            return 0;
        if (time(NULL) >= until || stop_wait(-1, RETRY_MS) == STOP_NOW)
            return -1;
        error_clear(err);
    }
}

void recover_remove_socket(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
}

/* Put the guest's state back: thaw, resume.  Outcome 1: done; 0: not yet. */
static int put_guest_back(const struct guardian_facts *facts)
{
    _cleanup_(session_closep) struct session *session = NULL;
    _cleanup_(domain_closep) struct domain *domain = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    int done = 1;

    if (open_session(facts, &session, &err) < 0 ||
        domain_open_uuid(session, facts_get(facts, FACT_DOMAIN), &domain,
                         &err) < 0)
        return err.kind == ERR_INPUT; /* it is gone */
    if (domain_is_active(domain, &err) == 0)
        return 1;
    if (facts_get(facts, FACT_PAUSE) && domain_resume(domain, &err) < 0) {
        error_clear(&err);
        done = 0;
    }
    if (facts_get(facts, FACT_FREEZE) &&
        agent_thaw(domain, THAW_TIMEOUT_MS, &err) < 0)
        done = 0;
    return done;
}

static int help_guest(const struct guardian_facts *facts, int seconds)
{
    time_t until = time(NULL) + seconds;

    if (!facts_get(facts, FACT_URI) || !facts_get(facts, FACT_DOMAIN) ||
        (!facts_get(facts, FACT_FREEZE) && !facts_get(facts, FACT_PAUSE)))
        return 1;
    while (put_guest_back(facts) == 0) {
        if (time(NULL) >= until || stop_wait(-1, RETRY_MS) == STOP_NOW)
            return 0;
    }
    return 1;
}

/* It was started for the backup only. */
static int stop_guest(const struct guardian_facts *facts, struct error *err)
{
    _cleanup_(session_closep) struct session *session = NULL;
    _cleanup_(domain_closep) struct domain *domain = NULL;

    if (!facts_get(facts, FACT_START))
        return 0;
    if (open_session(facts, &session, err) < 0 ||
        domain_open_uuid(session, facts_get(facts, FACT_DOMAIN), &domain, err) <
            0)
        return -1;
    return domain_stop_if_untouched(domain, err) < 0 ? -1 : 0;
}

static int recover_files(const struct guardian_facts *facts, struct error *err)
{
    const char *runtime = facts_get(facts, FACT_RUNTIME);
    const char *local = facts_get(facts, FACT_LOCAL);

    if (local && host_remove_dir(NULL, local, err) < 0)
        return -1;
    if (facts_get(facts, FACT_DIRECTORY) && facts_get(facts, FACT_INTENT) &&
        facts_get(facts, FACT_URI) && recover_named(facts, err) < 0)
        return -1;
    if (facts_get(facts, FACT_ELSEWHERE))
        return 0;
    if (facts_get(facts, FACT_SOCKET))
        recover_remove_socket(facts_get(facts, FACT_SOCKET));
    return runtime ? host_remove_dir(NULL, runtime, err) : 0;
}

/* What is completed here is like the rest. */
static void share_again(const struct guardian_facts *facts)
{
    const char *digits = facts_get(facts, FACT_GROUP);
    uint64_t group = 0;

    if (digits && text_u64(digits, &group) == 0)
        file_share_with((gid_t)group);
}

int recover_as_guardian(const struct guardian_facts *facts, struct error *err)
{
    int helped = help_guest(facts, GUEST_FIRST_SECONDS);
    int r;

    share_again(facts);
    r = recover_files(facts, err);
    if (!helped)
        helped = help_guest(facts, GUEST_AGAIN_SECONDS);
    if (r == 0 && !helped)
        r = error_set(err, ERR_TIMEOUT,
                      "the guest does not answer: it may still be frozen or "
                      "suspended (virsh domfsthaw, virsh resume)");
    /* Whatever became of the rest. */
    if (stop_guest(facts, r == 0 ? err : NULL) < 0)
        r = -1;
    return r;
}
