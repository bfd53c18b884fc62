/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-zip-huge.c - a file of 4 GiB, where zip begins to count otherwise
 *
 * It is all zeroes, so that the archive takes no room.
 */
#include "ziplab.h"

#include "base/stop.h"

#define MARK 0xffffffffULL /* what "see elsewhere" looks like in 32 bits */

/* Its size, and the place of what lies behind it, need 64 bits. */
static void test_huge(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    struct sink *sink = NULL;
    struct sink_file *f = NULL;
    pid_t pid = -1;
    int fd = start_reader(&lab,
                          "dd bs=1M iflag=fullblock conv=sparse of=a.zip "
                          "status=none",
                          false, &pid);

    CHECK_OK(zip_sink_new(fd, &sink, &err), &err);
    REQUIRE(sink);
    CHECK_OK(sink_begin(sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_finish(f, MARK, &err), &err);
    CHECK_OK(zip_sink_add_bytes(sink, "behind", "hello", 5, &err), &err);
    CHECK_OK(zip_sink_close(sink, &err), &err);
    sink_free(sink);
    close(fd);
    CHECK_EQ_INT(end_of(pid), 0);
    CHECK_EQ_INT(run(&lab,
                     "/usr/bin/python3 -c 'import zipfile\n"
                     "z = zipfile.ZipFile(\"a.zip\")\n"
                     "assert z.getinfo(\"vda.full.data\").file_size == %llu\n"
                     "assert z.read(\"behind\") == b\"hello\"'",
                     MARK),
                 0);
    CHECK_EQ_INT(run(&lab, "test \"$(unzip -p a.zip behind)\" = hello"), 0);
    CHECK_EQ_INT(run(&lab, "test \"$(bsdtar -xOf a.zip behind)\" = hello"), 0);
    CHECK_EQ_INT(
        run(&lab, "bsdtar -tvf a.zip | grep -q ' %llu .*vda.full'", MARK), 0);
}

int main(void)
{
    if (stop_init(NULL) < 0)
        return 1;
    RUN(test_huge);
    return check_result();
}
