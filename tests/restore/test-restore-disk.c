/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-restore-disk.c - several layers into one image; what is damaged or
 * fails ends the restore, says where, and writes nothing that is wrong
 *
 * Data files, indexes and manifests are written as a run would (lab.h), with
 * random frames; the truth is the same laid over each other in memory.
 */
#include <sys/syscall.h>

#include "../backup/pipeline.h"
#include "stream/codec.h"

#define LAYERS 4
#define CHAIN 31
#define DISK_SIZE (6 * MIB + 512)
#define BLOCK 4096

static const struct variant plain = {0, false, 4U << 20};
static const struct variant packed = {1, false, 4U << 20};

static unsigned char truth[DISK_SIZE];

/* One layer: its stream, its index, and how both are written. */
struct layer {
    struct lab *lab;
    int fd;
    struct stream_writer writer;
    struct index_writer *index;
    struct codec *codec;
    bool compressed;
};

static void put_bytes(struct layer *l, struct index_record *r,
                      const unsigned char *bytes)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t room = codec_bound(r->length), stored = r->length;
    _cleanup_free_ unsigned char *coded = malloc(room);

    r->file_offset = writer_position(&l->writer);
    if (l->compressed)
        CHECK_OK(codec_encode(l->codec, 1, bytes, r->length, coded, room,
                              &stored, &err),
                 &err);
    lab_put(&l->fd, l->compressed ? coded : bytes, stored, NULL);
    CHECK_OK(writer_data_end(&l->writer, stored, &err), &err);
    r->stored_length = stored;
}

/* A frame of random bytes or of zeroes. */
static void put_frame(struct layer *l, uint64_t offset, uint64_t length,
                      bool zero)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_record r = {.offset = offset,
                             .length = length,
                             .kind = zero ? INDEX_ZERO : INDEX_DATA,
                             .compressed = l->compressed && !zero,
                             .hashed = !zero};

    for (uint64_t i = 0; i < length; i++)
        truth[offset + i] = zero ? 0 : (unsigned char)random();
    if (zero) {
        CHECK_OK(writer_zero(&l->writer, offset, length, &err), &err);
    } else {
        CHECK_OK(writer_data_begin(&l->writer, offset, length, &err), &err);
        put_bytes(l, &r, truth + offset);
        index_hash_block(truth + offset, length, r.hash);
    }
    CHECK_OK(index_writer_add(l->index, &r, &err), &err);
}

struct piece {
    uint64_t offset, length;
    bool zero;
};

static unsigned density = 50; /* percent of the disk in an increment */

/* Random frames: a full covers the disk, an increment leaves gaps. */
static size_t draw_frames(struct piece *pieces, size_t room, bool increment,
                          uint64_t *ret_data)
{
    uint64_t at = 0;
    size_t n = 0;

    *ret_data = 0;
    while (at < DISK_SIZE && n < room) {
        uint64_t length =
            (1 + below(random() % 2 ? 64 * KIB / 512 : MIB / 512)) * 512;
        bool zero = random() % 4 == 0;

        length = MIN_OF(length, DISK_SIZE - at);
        if (!increment || below(100) < density) {
            pieces[n] = (struct piece){at, length, zero};
            *ret_data += pieces[n++].zero ? 0 : length;
        }
        at += length;
    }
    return n;
}

static void layer_write(struct layer *l, const struct lab_plan *plan,
                        struct manifest_disk *d)
{
    static struct piece pieces[DISK_SIZE / 512];
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t data = 0;
    bool increment = plan->level != LEVEL_FULL;
    size_t count = draw_frames(pieces, array_size(pieces), increment, &data);
    struct meta meta = {
        .virtual_size = DISK_SIZE,
        .data_size = data,
        .date = (char *)"2026-01-02T03:04:05.000001",
        .disk_name = (char *)"vda",
        .disk_format = (char *)"qcow2",
        .checkpoint_name = (char *)plan->name,
        .parent_checkpoint = (char *)(increment ? "virtnbdbackup.0" : ""),
        .incremental = increment,
        .compressed = l->compressed,
        .level = l->compressed,
    };

    writer_init(&l->writer, lab_put, &l->fd);
    CHECK_OK(writer_meta(&l->writer, &meta, &err), &err);
    for (size_t i = 0; i < count; i++)
        put_frame(l, pieces[i].offset, pieces[i].length, pieces[i].zero);
    CHECK_OK(writer_stop(&l->writer, &err), &err);
    CHECK_OK(writer_trailer(&l->writer, &err), &err);
    d->file_size = writer_position(&l->writer);
    d->data_size = data;
    d->zero_size = index_writer_zero_size(l->index);
    CHECK_OK(index_writer_finish(l->index, d->file_size, d->index_hash, &err),
             &err);
    writer_done(&l->writer);
}

/* A point of the chain; `hash` is that of the manifest before, and after. */
static void point_write(struct lab *lab, unsigned number,
                        char hash[HASH_TEXT_SIZE])
{
    char name[32] = "";
    struct lab_plan plan = {.name = name,
                            .level = number ? LEVEL_INC : LEVEL_FULL,
                            .uuid = number + 1,
                            .sequence = number,
                            .previous = hash};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    struct manifest_disk *d = manifest_add_disk(&m, &err);
    struct layer l = {.lab = lab, .compressed = random() % 2};
    struct name_text file = {""}, index = {""};

    snprintf(name, sizeof(name), "virtnbdbackup.%u", number);
    lab_manifest(&plan, &m);
    CHECK_OK(name_data("vda", plan.level, name, &file, &err), &err);
    CHECK_OK(name_index(file.text, &index, &err), &err);
    l.fd = openat(lab->dirfd, file.text, O_WRONLY | O_CREAT | O_EXCL, 0600);
    l.codec = codec_new(&err);
    CHECK_OK(
        index_writer_new(lab->dirfd, index.text, DISK_SIZE, &l.index, &err),
        &err);
    layer_write(&l, &plan, d);
    index_writer_free(l.index);
    codec_free(l.codec);
    close(l.fd);
    CHECK_OK(index_publish(lab->dirfd, index.text, &err), &err);
    d->level = plan.level;
    d->virtual_size = DISK_SIZE;
    d->compressed = l.compressed;
    if (number)
        lab_uuid(number, d->parent);
    CHECK_OK(manifest_set(&d->target, "vda", &err), &err);
    CHECK_OK(manifest_set(&d->file, file.text, &err), &err);
    CHECK_OK(manifest_set(&d->index, index.text, &err), &err);
    CHECK_OK(manifest_set(&d->checkpoint, name, &err), &err);
    CHECK_OK(manifest_set(&d->format, "qcow2", &err), &err);
    CHECK_OK(manifest_write(lab->dirfd, &m, &err), &err);
    strcpy(hash, m.hash);
}

static void target_start(struct server *s, const char *options)
{
    CHECK(shell("rm -f b.raw; truncate -s %" PRIu64 " b.raw",
                (uint64_t)DISK_SIZE));
    nbdkit_start(s, "%s", options);
}

/* The target holds the truth, or where it is not written yet, zeroes. */
static void check_target(bool complete)
{
    static unsigned char got[DISK_SIZE];
    _cleanup_close_ int fd = work_open("b.raw");
    uint64_t wrong = 0;

    CHECK(file_pread_full(fd, got, sizeof(got), 0) == (ssize_t)sizeof(got));
    if (complete) {
        CHECK_MEM(got, truth, sizeof(got));
        return;
    }
    for (size_t i = 0; i < sizeof(got); i++)
        wrong += got[i] != 0 && got[i] != truth[i];
    CHECK_EQ_U64(wrong, 0);
}

static void test_layers(void)
{
    const char *given = getenv("ROUNDS");
    int rounds = given ? atoi(given) : 6;

    for (int i = 0; i < rounds; i++) {
        struct lab lab = lab_new();
        char hash[HASH_TEXT_SIZE] = "";
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_server_ struct server s = SERVER_INIT;

        memset(truth, 0, sizeof(truth));
        for (unsigned n = 0; n < 1 + below(LAYERS); n++)
            point_write(&lab, n, hash);
        target_start(&s, random() % 2 ? "file b.raw"
                                      : "--filter=delay file b.raw wdelay=2ms");
        CHECK_OK(lab_restore(&lab, &s, &err), &err);
        CHECK(server_end(&s));
        check_target(true);
        lab_done(&lab);
    }
}

/* Every read of a file comes through here while `reads` counts. */

static struct {
    pthread_mutex_t lock;
    bool counting;
    uint64_t calls;
    uint64_t bytes, twice; /* read; read more than once */
    struct {
        ino_t inode;
        unsigned char *seen; /* a byte for each of the file */
    } files[64];
    size_t file_count;
} reads = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned char *seen_of(int fd)
{
    struct stat st = {0};

    if (fstat(fd, &st) < 0)
        abort();
    for (size_t i = 0; i < reads.file_count; i++)
        if (reads.files[i].inode == st.st_ino)
            return reads.files[i].seen;
    reads.files[reads.file_count].inode = st.st_ino;
    reads.files[reads.file_count].seen = calloc(1, (size_t)st.st_size + 1);
    return reads.files[reads.file_count++].seen;
}

static ssize_t count_read(int fd, void *buf, size_t length, off_t offset)
{
    ssize_t n = syscall(SYS_pread64, fd, buf, length, offset);

    pthread_mutex_lock(&reads.lock);
    if (reads.counting && n > 0) {
        unsigned char *seen = seen_of(fd) + offset;

        reads.calls++;
        reads.bytes += (uint64_t)n;
        for (ssize_t i = 0; i < n; i++)
            reads.twice += seen[i]++ > 0;
    }
    pthread_mutex_unlock(&reads.lock);
    return n;
}

ssize_t pread(int fd, void *buf, size_t length, off_t offset)
{
    return count_read(fd, buf, length, offset);
}

/* What has to be read: each record that shows somewhere, once and whole. */
static uint64_t visible_bytes(const struct source *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < index_count(s->files[i].index); k++) {
            struct index_record r = index_get(s->files[i].index, k);
            struct blockmap_pieces it =
                blockmap_pieces(&s->map, (uint32_t)i, (uint32_t)k, &r);
            struct blockmap_range piece;

            if (r.kind == INDEX_DATA && blockmap_piece_next(&it, &piece))
                sum += r.stored_length;
        }
    return sum;
}

static void count_restore(const struct lab *lab, const struct server *server)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection selection = SELECTION_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    struct disk_target target = {.server = {.socket_path = server->socket},
                                 .io_timeout_ms = 300000};
    _cleanup_(source_done) struct source source = {0};
    uint64_t visible = 0;

    CHECK_OK(nbd_conn_open(&target.server, NULL, CONNECT_MS, &conn, &err),
             &err);
    target.conn = conn;
    CHECK_OK(chain_open(lab->dirfd, &chain, &err), &err);
    CHECK_OK(chain_select(chain, NULL, &selection, &err), &err);
    CHECK_OK(source_open(chain, &selection.disks[0], &source, &err), &err);
    REQUIRE(!check_this_failed);
    CHECK_EQ_U64(source.count, CHAIN);
    reads.counting = true;
    CHECK_OK(disk_restore(&source, &target, NULL, &err), &err);
    reads.counting = false;
    visible = visible_bytes(&source);
    printf("# %zu files, %" PRIu64 " bytes of a disk of %" PRIu64
           ", read: %" PRIu64 " of %" PRIu64 ", twice: %" PRIu64 "\n",
           source.count, source.data_size, (uint64_t)DISK_SIZE, reads.bytes,
           visible, reads.twice);
    /* Reads past the page cache are of whole blocks: two may share one.  Short
     * gaps are read, as that is faster than two reads.
     */
    CHECK(reads.twice <= reads.calls * BLOCK);
    CHECK(reads.bytes >= visible);
    CHECK(reads.bytes - visible <= visible / 20);
}

/* A full and thirty increments: what is newest is read once, nothing else is
 * read but what lies close by, whatever is below.
 */
static void test_long_chain(void)
{
    struct lab lab = lab_new();
    char hash[HASH_TEXT_SIZE] = "";
    _cleanup_server_ struct server s = SERVER_INIT;

    memset(truth, 0, sizeof(truth));
    density = 20;
    for (unsigned n = 0; n < CHAIN; n++)
        point_write(&lab, n, hash);
    density = 50;
    target_start(&s, "file b.raw");
    count_restore(&lab, &s);
    CHECK(server_end(&s));
    check_target(true);
    lab_done(&lab);
}

/* A backup of random data to be restored; the truth is what it holds. */
static bool make_set(struct bench *b, const struct variant *v)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_close_ int fd = -1;

    CHECK(
        shell("head -c %" PRIu64 " /dev/urandom >a.raw", (uint64_t)DISK_SIZE));
    fd = work_open("a.raw");
    CHECK(file_pread_full(fd, truth, sizeof(truth), 0) ==
          (ssize_t)sizeof(truth));
    nbdkit_start(&s, "-r file a.raw");
    if (!bench_back_up(b, &s, v))
        return false;
    bench_commit(b, v);
    return true;
}

/* Restore to a target that misbehaves. */
static void check_target_fails(const char *target, int signal_number,
                               const char *part)
{
    for (int level = 0; level < 2; level++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_server_ struct server s = SERVER_INIT;
        long long begun = 0;

        if (!make_set(&b, level ? &packed : &plain))
            return;
        target_start(&s, target);
        if (signal_number) {
            /* Its end while it answers late: writes are under way. */
            fflush(stdout);
            if (fork() == 0) {
                char sleep_then_kill[80] = "";

                snprintf(sleep_then_kill, sizeof(sleep_then_kill),
                         "sleep 1; kill -%d %d", signal_number, (int)s.pid);
                execl("/bin/sh", "sh", "-c", sleep_then_kill, (char *)NULL);
                _exit(127);
            }
        }
        begun = clock_ms();
        CHECK_FAILS(lab_restore(&b.lab, &s, &err), &err, part);
        CHECK(clock_ms() - begun < 10000);
        if (signal_number)
            (void)!wait(NULL);
        check_target(false);
    }
}

/* Onto what is there, through servers with abilities of all kinds: everything
 * is written, zeroes too.
 */
static void test_old_contents(void)
{
    static const char *const servers[] = {
        "file b.raw",
        "--filter=nozero file b.raw",
        "--filter=nozero file b.raw zeromode=emulate",
        "--filter=multi-conn file b.raw multi-conn-mode=disable",
        "--filter=blocksize-policy file b.raw blocksize-minimum=512",
    };

    for (size_t i = 0; i < array_size(servers); i++) {
        struct lab lab = lab_new();
        char hash[HASH_TEXT_SIZE] = "";
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_server_ struct server s = SERVER_INIT;

        memset(truth, 0, sizeof(truth));
        for (unsigned n = 0; n < 1 + below(LAYERS); n++)
            point_write(&lab, n, hash);
        CHECK(shell("rm -f b.raw; head -c %" PRIu64 " /dev/urandom >b.raw",
                    (uint64_t)DISK_SIZE));
        nbdkit_start(&s, "%s", servers[i]);
        CHECK_OK(lab_restore_onto(&lab, &s, false, &err), &err);
        CHECK(server_end(&s));
        check_target(true);
        lab_done(&lab);
    }
}

static void test_target_full(void)
{
    check_target_fails("--filter=error file b.raw error-pwrite=ENOSPC "
                       "error-pwrite-rate=100%",
                       0, "No space left");
}

static void test_target_fails_now_and_then(void)
{
    check_target_fails("--filter=error file b.raw error-pwrite=EIO "
                       "error-pwrite-rate=50%",
                       0, "writing ");
}

static void test_target_cannot_flush(void)
{
    check_target_fails("eval get_size='echo 6291968' pread='head -c $3 "
                       "/dev/zero' pwrite='cat >/dev/null' can_write='exit 0' "
                       "can_flush='exit 0' flush='echo EIO no >&2; exit 1'",
                       0, "flushing ");
}

static void test_target_killed(void)
{
    check_target_fails("--filter=delay file b.raw wdelay=20", SIGKILL,
                       "writing ");
}

static void test_target_too_small(void)
{
    check_target_fails("memory 6M", 0, "the disk needs 6291968");
}

/* Flip one byte of the file's payload. */
static void damage(const struct bench *b, uint64_t offset)
{
    _cleanup_close_ int fd =
        openat(b->lab.dirfd, b->data.text, O_RDWR | O_CLOEXEC);
    unsigned char c = 0;

    CHECK(file_pread_full(fd, &c, 1, offset) == 1);
    c ^= 0x10;
    CHECK(file_pwrite_full(fd, &c, 1, offset) == 0);
}

/* One byte anywhere in the payload: nothing wrong reaches the target. */
static void test_damage(void)
{
    for (int level = 0; level < 2; level++) {
        _cleanup_bench_ struct bench b = bench_new();
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_server_ struct server s = SERVER_INIT;

        if (!make_set(&b, level ? &packed : &plain))
            return;
        damage(&b, 2 * MIB + 100 + below(2 * MIB));
        target_start(&s, "file b.raw");
        CHECK_FAILS(lab_restore(&b.lab, &s, &err), &err,
                    "'vda.full.data' is damaged at ");
        CHECK(server_end(&s));
        check_target(false);
    }
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("nbdkit");
    work_dir_make();
    seed_random();
    CHECK_OK(stop_init(&err), &err);
    RUN(test_layers);
    RUN(test_long_chain);
    RUN(test_old_contents);
    RUN(test_target_full);
    RUN(test_target_fails_now_and_then);
    RUN(test_target_cannot_flush);
    RUN(test_target_killed);
    RUN(test_target_too_small);
    RUN(test_damage);
    return check_result();
}
