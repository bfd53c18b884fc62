/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-zip.c - what is put into an archive comes out of it again, with every
 * program that people unpack with
 */
#include "ziplab.h"

#include "base/stop.h"

static const struct {
    const char *name;
    size_t size;
} streams[] = {
    {"vda.full.data", 2 * MIB + 777},
    {"vdb.full.data", 0},
    {"vdc.full.data", 1},
    {"vdd.full.data", 4095},
    {"vde.full.data", 4096},
    {"vdf.full.data", 4097},
};

#define CPT "vm one \xc3\xa4.cpt"
#define CPT_TEXT "[\"virtnbdbackup.0\"]"
#define XML_TEXT "<domaincheckpoint/>\n"
#define MANIFEST "manifest.virtnbdbackup.0.json"

/* One of each kind; the originals are left in the lab's directory `want`. */
static void fill(const struct lab *lab, struct sink *sink)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(run(lab, "mkdir -p want/checkpoints"), 0);
    for (size_t i = 0; i < array_size(streams); i++) {
        _cleanup_free_ unsigned char *bytes = pattern(streams[i].size, 3);
        char path[64] = "";

        add_stream(sink, streams[i].name, bytes, streams[i].size);
        snprintf(path, sizeof(path), "want/%s", streams[i].name);
        put(lab, path, bytes, streams[i].size);
    }
    put(lab, "want/" CPT, CPT_TEXT, strlen(CPT_TEXT));
    put(lab, "want/checkpoints/virtnbdbackup.0.xml", XML_TEXT,
        strlen(XML_TEXT));
    put(lab, "want/" MANIFEST, "{}\n", 3);
    put(lab, "want/empty.log", "", 0);
    {
        _cleanup_close_ int want =
            openat(lab->dirfd, "want", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        CHECK_OK(zip_sink_add_file(sink, want, CPT, &err), &err);
        CHECK_OK(zip_sink_add_file(sink, want,
                                   "checkpoints/virtnbdbackup.0.xml", &err),
                 &err);
        CHECK_OK(zip_sink_add_file(sink, want, "empty.log", &err), &err);
    }
    CHECK_OK(zip_sink_add_bytes(sink, MANIFEST, "{}\n", 3, &err), &err);
    CHECK_OK(zip_sink_close(sink, &err), &err);
    /* Twice is fine. */
    CHECK_OK(zip_sink_close(sink, &err), &err);
}

/* Every reader agrees about `a.zip`. */
static void check_readers(const struct lab *lab)
{
    CHECK_EQ_INT(run(lab, "unzip -tqq a.zip"), 0);
    CHECK_EQ_INT(run(lab, "mkdir u && cd u && unzip -qq ../a.zip && cd .. && "
                          "diff -r want u"),
                 0);
    CHECK_EQ_INT(run(lab, "mkdir t && bsdtar -xf a.zip -C t && "
                          "diff -r want t"),
                 0);
    /* Without seeking: from the front to the end. */
    CHECK_EQ_INT(run(lab, "mkdir s && cat a.zip | bsdtar -xf - -C s && "
                          "diff -r want s"),
                 0);
    CHECK_EQ_INT(run(lab, "mkdir p && /usr/bin/python3 -m zipfile -e a.zip p "
                          "&& diff -r want p"),
                 0);
    CHECK_EQ_INT(run(lab, "test -z \"$(find u -type f ! -perm 600)\""), 0);
}

static const char look[] =
    "import time, zipfile\n"
    "z = zipfile.ZipFile('a.zip')\n"
    "assert z.testzip() is None\n"
    "assert not z.comment\n"
    "now = time.time()\n"
    "for i in z.infolist():\n"
    "    assert i.compress_type == 0 and i.file_size == i.compress_size, i\n"
    "    assert i.external_attr >> 16 == 0o100600, i\n"
    "    t = time.mktime(i.date_time + (0, 0, -1))\n"
    "    assert now - 600 < t < now + 60, i\n"
    "print('\\n'.join(z.namelist()))\n";

/* Names, in order; stored; private; dated today. */
static void check_directory(const struct lab *lab)
{
    put(lab, "look.py", look, strlen(look));
    CHECK_EQ_INT(run(lab, "PYTHONIOENCODING=utf-8 /usr/bin/python3 look.py "
                          ">names"),
                 0);
    put(lab, "expected", "", 0);
    for (size_t i = 0; i < array_size(streams); i++)
        CHECK_EQ_INT(run(lab, "echo %s >>expected", streams[i].name), 0);
    CHECK_EQ_INT(run(lab,
                     "printf '%%s\\n' '" CPT
                     "' checkpoints/virtnbdbackup.0.xml empty.log " MANIFEST
                     " >>expected; cmp names expected"),
                 0);
}

static void test_file(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_close_ int fd = create(&lab, "a.zip");
    _cleanup_(sink_freep) struct sink *sink = NULL;

    CHECK_OK(zip_sink_new(fd, &sink, &err), &err);
    REQUIRE(sink);
    fill(&lab, sink);
    check_readers(&lab);
    check_directory(&lab);
}

static void through(bool socket)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    struct sink *sink = NULL;
    pid_t pid = -1;
    int fd = start_reader(&lab, "cat >a.zip", socket, &pid);
    int flags = fcntl(fd, F_GETFL);

    CHECK_OK(zip_sink_new(fd, &sink, &err), &err);
    REQUIRE(sink);
    fill(&lab, sink);
    CHECK_EQ_INT(fcntl(fd, F_GETFL), flags);
    sink_free(sink);
    close(fd);
    CHECK_EQ_INT(end_of(pid), 0);
    check_readers(&lab);
    check_directory(&lab);
}

static void test_pipe(void)
{
    through(false);
}

static void test_socket(void)
{
    through(true);
}

/* Whoever shares the descriptor may have made it non-blocking. */
static void test_nonblocking(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    struct sink *sink = NULL;
    pid_t pid = -1;
    int fd = start_reader(&lab, "cat >a.zip", false, &pid);

    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        abort();
    CHECK_OK(zip_sink_new(fd, &sink, &err), &err);
    REQUIRE(sink);
    fill(&lab, sink);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    sink_free(sink);
    close(fd);
    CHECK_EQ_INT(end_of(pid), 0);
    check_readers(&lab);
}

/* What is left out is zeroes: in front, in between and behind. */
static void test_holes(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_close_ int fd = create(&lab, "a.zip");
    _cleanup_(sink_freep) struct sink *sink = NULL;
    _cleanup_free_ unsigned char *bytes = pattern(8192, 5);
    _cleanup_free_ unsigned char *want = calloc(1, 3 * MIB + 11);
    struct sink_file *f = NULL;

    CHECK_OK(zip_sink_new(fd, &sink, &err), &err);
    REQUIRE(sink);
    CHECK_OK(sink_begin(sink, "vda.full.data", &f, &err), &err);
    REQUIRE(f);
    CHECK_OK(sink_write(f, 4096, bytes, 4096, 4096, &err), &err);
    CHECK_OK(sink_write(f, 8192, bytes, 0, 0, &err), &err);
    CHECK_OK(sink_write(f, 2 * MIB, bytes, 5000, 8192, &err), &err);
    CHECK_OK(sink_finish(f, 3 * MIB + 11, &err), &err);
    CHECK_OK(sink_begin(sink, "vdb.full.data", &f, &err), &err);
    CHECK_OK(sink_finish(f, 70000, &err), &err);
    CHECK_OK(zip_sink_close(sink, &err), &err);

    memcpy(want + 4096, bytes, 4096);
    memcpy(want + 2 * MIB, bytes, 5000);
    CHECK_EQ_INT(run(&lab, "mkdir want"), 0);
    put(&lab, "want/vda.full.data", want, 3 * MIB + 11);
    CHECK_EQ_INT(run(&lab, "truncate -s 70000 want/vdb.full.data"), 0);
    check_readers(&lab);
}

static void test_empty(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_close_ int fd = create(&lab, "a.zip");
    _cleanup_(sink_freep) struct sink *sink = NULL;

    CHECK_OK(zip_sink_new(fd, &sink, &err), &err);
    REQUIRE(sink);
    CHECK_OK(zip_sink_close(sink, &err), &err);
    CHECK_EQ_INT(run(&lab, "/usr/bin/python3 -c 'import zipfile; assert "
                           "zipfile.ZipFile(\"a.zip\").namelist() == []'"),
                 0);
    CHECK_FAILS(zip_sink_add_bytes(sink, "x", "x", 1, &err), &err, "closed");
}

int main(void)
{
    if (stop_init(NULL) < 0)
        return 1;
    RUN(test_file);
    RUN(test_pipe);
    RUN(test_socket);
    RUN(test_nonblocking);
    RUN(test_holes);
    RUN(test_empty);
    return check_result();
}
