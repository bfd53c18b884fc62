/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-allocations.c - each allocation of the inner layers fails in turn
 *
 * Each operation below runs again and again: first its first allocation fails,
 * then its second one, until it runs to its end without a fault; once with that
 * allocation alone failing, and once with all behind it failing too.  The
 * libraries' allocations count as well.  Whenever one fails: the operation says
 * so (there is no memory, and not that something is damaged) or has managed
 * without; it does not crash; nothing is leaked; outputs are as they were.
 *
 * Without words it runs everything; with a number N as its word only every Nth
 * allocation, which is quicker.
 */
#include <dirent.h>
#include <signal.h>

#include "allocations-run.h"
#include "allocations.h"

static const struct operation operations[] = {
    {"texts", run_texts},
    {"words", run_words},
    {"errors", run_errors},
    {"files", run_files},
    {"a child", run_spawn},
    {"segments", run_segments},
    {"extents", run_extents},
    {"metadata", run_meta},
    {"writing a stream", run_writer},
    {"reading a stream", run_walk},
    {"lz4", run_codec},
    {"a manifest", run_manifest},
    {"comparing a point", run_manifest_check},
    {"an intent", run_intent},
    {"marks", run_marks},
    {"an index", run_index_writer},
    {"an index made anew", run_index_scan},
    {"a set", run_chain},
    {"a point that is not there", run_until},
    {"a disk of a set", run_source},
    {"a sequence", run_sequence},
    {"a sequence of a set", run_chain_sequence},
    {"a set of upstream's", run_upstream},
    {"adoption", run_adopt, put_upstream, undo_adoption},
};

/* ---- the loop ---- */

static const struct operation *running;
static volatile size_t running_n;
static size_t step = 1;

static void crashed(int signo)
{
    char text[200];
    int length = snprintf(text, sizeof(text),
                          "Bail out! signal %d: %s, allocation %zu\n", signo,
                          running->name, running_n);

    if (write(STDOUT_FILENO, text, (size_t)length) < 0)
        _exit(2);
    _exit(1);
}

static void empty_scratch(void)
{
    DIR *dir = fdopendir(openat(scratch.dirfd, ".", O_RDONLY | O_CLOEXEC));
    struct dirent *entry;

    if (!dir)
        abort();
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            lab_remove(&scratch, entry->d_name);
    closedir(dir);
}

static size_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    if (!dir)
        abort();
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* One run; how many allocations failed, and how many stayed behind? */
static size_t run_once(const struct operation *op, size_t n, bool all,
                       long *ret_left)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t descriptors = count_descriptors();
    long live;
    size_t failed;
    int result;

    running_n = n;
    if (op->before)
        op->before();
    live = allocations_live();
    allocations_fail(n, all);
    result = op->run(&err);
    failed = allocations_end();
    if (failed == 0 && result < 0)
        CHECK_FAIL("without a fault: %s", error_text(&err));
    if (result < 0 && err.kind != ERR_MEMORY)
        CHECK_FAIL("allocation %zu: kind %d: %s", n, err.kind,
                   error_text(&err));
    error_clear(&err);
    *ret_left = allocations_live() - live;
    if (count_descriptors() != descriptors)
        CHECK_FAIL("allocation %zu: a descriptor leaked", n);
    if (op->after)
        op->after();
    empty_scratch();
    return failed;
}

static size_t run_all(const struct operation *op, bool all)
{
    size_t runs = 0;
    long left = 0;

    for (size_t n = 1; run_once(op, n, all, &left) > 0; n += step, runs++) {
        /* glibc keeps something now and then (of the time zone, say); a leak
         * is one again.
         */
        if (left != 0)
            run_once(op, n, all, &left);
        if (left != 0)
            CHECK_FAIL("allocation %zu: %ld leaked", n, left);
    }
    return runs;
}

/* covers: B5:IDCRV */
static void each_allocation(void)
{
    const struct operation *op = running;
    size_t single, behind;
    long left = 0;

    run_once(op, SIZE_MAX, false, &left); /* what is allocated once stays */
    check_this_failed = false;
    single = run_all(op, false);
    behind = run_all(op, true);
    printf("# %s: %zu allocations failed alone, %zu with all behind\n",
           op->name, single, behind);
    CHECK(single > 0);
}

static void make_stream(void)
{
    struct bytes *b = &stream;
    char array[100];
    size_t first, second;

    build_meta(b, 8192, 6144, false, 1);
    build_header(b, "data", 0, 4096);
    first = build_lz4(b, 'a', 4096);
    build_text(b, "\r\n");
    build_header(b, "data", 4096, 2048);
    second = build_lz4(b, 0, 2048);
    build_text(b, "\r\n");
    build_header(b, "zero", 6144, 2048);
    build_header(b, "stop", 0, 0);
    snprintf(array, sizeof(array), "[%zu, %zu]", first, second);
    build_trailer(b, array);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        step = strtoul(argv[1], NULL, 10);
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    signal(SIGABRT, crashed);
    set = lab_new();
    upstream = lab_new();
    scratch = lab_new();
    made_fill(&set, 7, &made);
    put_golden(&upstream);
    make_stream();
    manifest_text =
        lab_read(&set, "manifest.virtnbdbackup.1.json", &manifest_length);
    for (size_t i = 0; i < array_size(operations); i++) {
        running = &operations[i];
        RUN(each_allocation);
    }
    lab_done(&set);
    lab_done(&upstream);
    lab_done(&scratch);
    free(manifest_text);
    bytes_free(&stream);
    return check_result();
}
