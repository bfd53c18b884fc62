/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-report.c - cli/report, cli/metrics and cli/result_file */
#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "check.h"
#include "cli/metrics.h"
#include "cli/result_file.h"

static const struct report_disk disks[] = {
    {.target = "vda",
     .level = "inc",
     .parent = "virtnbdbackup.0",
     .virtual_size = 1000,
     .changed_size = 300,
     .read_size = 200,
     .zero_size = 100,
     .stored_size = 250,
     .extent_count = 3,
     .duration_ms = 7},
    {.target = "vd\"b\\",
     .level = "full",
     .lost_tracking = true,
     .virtual_size = UINT64_C(1) << 60,
     .read_size = 5},
};

/* A name and an error with everything that may hurt the two forms. */
static struct report full_report(void)
{
    static const char *warnings[] = {"a \"quoted\"\nline", "\xff no UTF-8"};

    return (struct report){
        .program = "virtnbdbackup",
        .domain = "v\"m\\\n1",
        .level_asked = "inc",
        .level_done = "inc",
        .point = "virtnbdbackup.1",
        .point_uuid = "00000000-0000-4000-8000-000000000000",
        .sequence = 1,
        .result = REPORT_COMPLETE,
        .begun = 1700000000,
        .ended = 1700000009,
        .duration_ms = 9500,
        .warnings = warnings,
        .warning_count = 2,
        .disks = disks,
        .disk_count = 2,
        .set_points = 2,
        .set_size = 12345,
        .chain_length = 2,
        .set_lost_tracking = 1,
        .last_success = 1700000000,
    };
}

static void test_json(void)
{
    const struct report r = full_report();
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(report_json(&r, &text, &err) == 0);
    CHECK_CONTAINS(text, "\"begun\": \"2023-11-14T22:13:20Z\"");
    CHECK_CONTAINS(text, "\"a \\\"quoted\\\"\\\\nline\"");
    CHECK_CONTAINS(text, "\\\\xff no UTF-8");
    CHECK_CONTAINS(text, "\"virtualBytes\": 1152921504606846976");
    CHECK_CONTAINS(text, "\"readBytes\": 205");
    CHECK_CONTAINS(text, "\"error\": null");
    CHECK_CONTAINS(text, "\"parent\": null");
    CHECK(text[strlen(text) - 1] == '\n');
}

/* A run that knows next to nothing still has a report. */
static void test_json_of_a_failure(void)
{
    const struct report r = {
        .program = "virtnbdbackup",
        .level_asked = "auto",
        .result = REPORT_FAILED,
        .exit_status = 1,
        .error = "no",
        .set_points = -1,
        .set_size = -1,
        .chain_length = -1,
        .set_lost_tracking = -1,
        .last_success = -1,
    };
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(report_json(&r, &text, &err) == 0);
    CHECK_CONTAINS(text, "\"point\": null");
    CHECK_CONTAINS(text, "\"newestPoint\": null");
    CHECK_CONTAINS(text, "\"points\": null");
    CHECK_CONTAINS(text, "\"result\": \"failed\"");
}

static void test_metrics(void)
{
    const struct report r = full_report();
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(metrics_text(&r, NULL, &text, &err) == 0);
    CHECK_CONTAINS(text, "\nvirtnbdbackup_last_success_timestamp_seconds{"
                         "domain=\"v\\\"m\\\\\\n1\"} 1700000000\n");
    CHECK_CONTAINS(text, "\nvirtnbdbackup_last_run_duration_seconds{domain="
                         "\"v\\\"m\\\\\\n1\"} 9.5\n");
    CHECK_CONTAINS(text, ",disk=\"vd\\\"b\\\\\"} 1152921504606846976\n");
    CHECK_CONTAINS(text, "\nvirtnbdbackup_last_run_lost_tracking{domain="
                         "\"v\\\"m\\\\\\n1\"} 1\n");
}

/* After a failure, the time of the last success stays as it was; that of
 * another domain, or what is no number, is not taken for it.
 */
static void test_last_success(void)
{
    static const struct {
        const char *before, *found;
    } cases[] = {
        {NULL, NULL},
        {"", NULL},
        {"virtnbdbackup_last_success_timestamp_seconds{domain=\"a\"} 17\n",
         "{domain=\"a\"} 17\n"},
        {"x\nvirtnbdbackup_last_success_timestamp_seconds{domain=\"a\"} 18",
         "{domain=\"a\"} 18\n"},
        {"virtnbdbackup_last_success_timestamp_seconds{domain=\"b\"} 17\n",
         NULL},
        {"virtnbdbackup_last_success_timestamp_seconds{domain=\"a\"} -1\n",
         NULL},
        {"virtnbdbackup_last_success_timestamp_seconds{domain=\"a\"} 1x\n",
         NULL},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        const struct report r = {
            .domain = "a", .set_points = -1, .last_success = -1};
        _cleanup_free_ char *text = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;

        REQUIRE(metrics_text(&r, cases[i].before, &text, &err) == 0);
        if (cases[i].found)
            CHECK_CONTAINS(text, cases[i].found);
        else
            CHECK(!strstr(text, "last_success_timestamp_seconds{"));
    }
}

static void test_result_file(void)
{
    char dir[] = "/tmp/vnb-result.XXXXXX";
    _cleanup_(result_file_close) struct result_file f = RESULT_FILE_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    char path[64], back[8] = "";
    struct stat st;
    int fd;

    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/r.json", dir);
    REQUIRE(result_file_open(path, &f, &err) == 0);
    CHECK_EQ_INT(result_file_put(&f, "one", 3, 0600, &err), 0);
    CHECK_EQ_INT(result_file_put(&f, "two", 3, 0600, &err), 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    CHECK_EQ_INT(read(fd, back, sizeof(back) - 1), 3);
    CHECK_STR(back, "two");
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600);
    close(fd);
    CHECK_EQ_INT(unlink(path), 0);
    CHECK_EQ_INT(rmdir(dir), 0);
}

/* What is no place for a file is told before there is anything to write. */
static void test_bad_places(void)
{
    static const struct {
        const char *path, *why;
    } cases[] = {
        {"/nowhere/at/all/r.json", "/nowhere/at/all"},
        {"/tmp/", "no name"},
        {"", "no name"},
        {"/dev/null", "not a regular file"},
        {"/tmp", "not a regular file"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_(result_file_close) struct result_file f = RESULT_FILE_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK_EQ_INT(result_file_open(cases[i].path, &f, &err), -1);
        CHECK_CONTAINS(error_text(&err), cases[i].why);
        CHECK(f.dirfd == -1 && !f.path);
    }
}

int main(void)
{
    RUN(test_json);
    RUN(test_json_of_a_failure);
    RUN(test_metrics);
    RUN(test_last_success);
    RUN(test_result_file);
    RUN(test_bad_places);
    return check_result();
}
