/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-job-raw.c - raw disks in virt/domain, virt/disk and virt/job, against a
 * real libvirtd
 *
 * The guest "raw" has a qcow2 disk vda, a raw file vdb, a raw volume of a pool
 * vdc and, if the machine has loop devices, two of these: vdd, raw, and vde
 * with qcow2 on it.  The guest "only-raw" has one raw file.
 */
#include "virt/job.h"

#include "in-lab.h"
#include "virt/checkpoint.h"

static struct session *session;
static struct domain *raw;
static bool has_devices;

/* A request for the disks of "raw" with the checkpoint `name`, which is of vda
 * and vde; since `parent` if there is one.
 */
static struct job_request request_for(struct job_disk disks[static 5],
                                      const char *name, const char *parent)
{
    static const char *const targets[] = {"vda", "vdb", "vdc", "vdd", "vde"};

    for (size_t i = 0; i < array_size(targets); i++) {
        bool is_raw = i > 0 && i < 4;

        disks[i] = (struct job_disk){.target = targets[i],
                                     .incremental = is_raw ? NULL : parent,
                                     .no_checkpoint = is_raw};
    }
    return (struct job_request){
        .socket_path = in_run("sock"),
        .scratch_dir = getenv("LAB_RUN"),
        .prefix = "p",
        .disks = disks,
        .disk_count = has_devices ? 5 : 3,
        .checkpoint = name,
        .parent = parent,
        .description = "d",
    };
}

/* Of the first 64 KiB of an export, how many are not the byte `pattern`? */
static int others(const char *export_name, unsigned pattern)
{
    return atoi(sh_out("nbdcopy 'nbd+unix:///%s?socket=%s' - | head -c 65536 | "
                       "tr -d '\\%o' | wc -c",
                       export_name, in_run("sock"), pattern));
}

static void check_raw(const struct domain_disk *disk, const char *type,
                      const char *file)
{
    char path[256];

    REQUIRE(disk);
    snprintf(path, sizeof(path), "%s/disks/%s", getenv("LAB"), file);
    CHECK_STR(disk->source, path);
    CHECK_STR(disk->type, type);
    CHECK_STR(disk->format, "raw");
    CHECK(disk->raw);
    CHECK_EQ_INT(disk->skip_kind, DISK_SKIP_WARNING);
    CHECK_STR(disk->skip, "it is a raw disk, which has no dirty bitmaps; --raw "
                          "saves it whole");
}

static void test_disks(void)
{
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct domain_disk *disk = NULL;

    CHECK_OK(domain_disks(raw, &list, &err), &err);
    check_raw(disk_list_find(&list, "vdb"), "file", "raw.img");
    check_raw(disk_list_find(&list, "vdc"), "volume", "volume.img");
    has_devices = disk_list_find(&list, "vdd") != NULL;
    if (has_devices) {
        check_raw(disk_list_find(&list, "vdd"), "block", "loop");
        disk = disk_list_find(&list, "vde");
        REQUIRE(disk);
        CHECK_STR(disk->type, "block");
        CHECK_EQ_INT(disk->skip_kind, DISK_TAKEN);
    } else {
        printf("# no loop devices: without block devices\n");
    }
}

/* All disks at one moment, whatever the guest writes after it. */
static void test_beside_qcow2(void)
{
    struct job_disk disks[5];
    struct job_request request = request_for(disks, "v.0", NULL);
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < request.disk_count; i++)
        CHECK_EQ_INT(guest_write("raw", disks[i].target, 7, "0", "64K"), 0);
    CHECK_OK(job_begin(raw, &request, &err), &err);
    for (size_t i = 0; i < request.disk_count; i++) {
        CHECK_EQ_INT(guest_write("raw", disks[i].target, 9, "0", "64K"), 0);
        CHECK_EQ_INT(others(disks[i].target, 7), 0);
        CHECK_EQ_INT(others(disks[i].target, 9), 65536);
    }
    CHECK_EQ_INT(job_end(raw, request.socket_path, 10000, &err), 1);
    CHECK_STR(sh_out("ls -A $LAB_RUN"), "");
    CHECK_EQ_INT(checkpoint_validate(raw, "v.0", NULL, &err), 1);
}

/* The next one: what has changed of the qcow2 disks, all of the others. */
static void test_increment(void)
{
    struct job_disk disks[5];
    struct job_request request = request_for(disks, "v.1", "v.0");
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t bytes = 0;

    CHECK_OK(checkpoint_changed_size(raw, "v.0", &bytes, &err), &err);
    CHECK_EQ_U64(bytes, has_devices ? 131072 : 65536);
    CHECK_OK(job_begin(raw, &request, &err), &err);
    CHECK_CONTAINS(sh_out("nbdinfo --map=qemu:dirty-bitmap:backup-vda "
                          "'nbd+unix:///vda?socket=%s' 2>&1",
                          request.socket_path),
                   "0       65536    1");
    CHECK_EQ_INT(others("vdb", 9), 0);
    CHECK_EQ_INT(job_end(raw, request.socket_path, 10000, &err), 1);
    CHECK_OK(checkpoint_delete_many(raw, (const char *[]){"v.0", "v.1"}, 2,
                                    NULL, &err),
             &err);
}

static void test_no_bitmaps(void)
{
    struct job_disk disks[5];
    struct job_request request = request_for(disks, "v.0", NULL);
    _cleanup_error_ struct error err = ERROR_INIT;

    disks[1].no_checkpoint = false;
    CHECK_FAILS(job_begin(raw, &request, &err), &err, "vdb");
    CHECK(job_undo(raw, &request, 10000, &err) >= 0);
    CHECK_STR(sh_out("virsh -q checkpoint-list raw --name | xargs"), "\n");
}

static void test_only_raw(void)
{
    static const struct job_disk disk = {.target = "vda",
                                         .no_checkpoint = true};
    struct job_disk none[5];
    struct job_request request = request_for(none, NULL, NULL);
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    request.disks = &disk;
    request.disk_count = 1;
    CHECK_OK(domain_open(session, "only-raw", &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(guest_write("only-raw", "vda", 5, "0", "64K"), 0);
    CHECK_OK(job_begin(d, &request, &err), &err);
    CHECK_EQ_INT(others("vda", 5), 0);
    CHECK_EQ_INT(job_end(d, request.socket_path, 10000, &err), 1);
    CHECK_STR(sh_out("ls -A $LAB_RUN"), "");
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0 ||
        domain_open(session, "raw", &raw, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_disks);
    RUN(test_beside_qcow2);
    RUN(test_increment);
    RUN(test_no_bitmaps);
    RUN(test_only_raw);
    domain_close(raw);
    session_close(session);
    return check_result();
}
