/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-snapshot.c - tests of virt/snapshot against a real libvirtd */
#include "virt/snapshot.h"

#include "in-lab.h"

static struct session *session;

/* The snapshots of a guest as "name name/external". */
static const char *snapshots_of(const char *name)
{
    static char text[256];
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_(domain_snapshots_free) struct domain_snapshot_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    text[0] = '\0';
    if (domain_open(session, name, &d, &err) < 0 ||
        domain_snapshots(d, &list, &err) < 0)
        return error_text(&err);
    for (size_t i = 0; i < list.count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s",
                 i ? " " : "", list.items[i].name,
                 list.items[i].external ? "/external" : "");
    return text;
}

static void test_internal(void)
{
    CHECK_STR(snapshots_of("off"), "");
    CHECK_EQ_INT(sh("for i in z 'a <&>'; do virsh -q snapshot-create-as off "
                    "\"$i\" >/dev/null || exit 1; done"),
                 0);
    /* Parents first, whatever their names. */
    CHECK_STR(snapshots_of("off"), "z a <&>");
    CHECK_EQ_INT(sh("for i in z 'a <&>'; do virsh -q snapshot-delete off "
                    "\"$i\" >/dev/null || exit 1; done"),
                 0);
    CHECK_STR(snapshots_of("off"), "");
}

static void test_external(void)
{
    CHECK_EQ_INT(sh("virsh -q snapshot-create-as vm disks --disk-only "
                    ">/dev/null"),
                 0);
    CHECK_STR(snapshots_of("vm"), "disks/external");
    /* Of one disk only, and without libvirt's notes: it cannot know. */
    CHECK_EQ_INT(sh("virsh -q snapshot-create-as vm one --disk-only --diskspec "
                    "vda,snapshot=no >/dev/null"),
                 0);
    CHECK_EQ_INT(sh("virsh -q snapshot-create-as vm silent --disk-only "
                    "--no-metadata >/dev/null"),
                 0);
    CHECK_STR(snapshots_of("vm"), "disks/external one/external");
    CHECK_EQ_INT(sh("virsh -q snapshot-delete vm disks --metadata --children "
                    ">/dev/null"),
                 0);
    CHECK_STR(snapshots_of("vm"), "");
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_internal);
    RUN(test_external);
    session_close(session);
    return check_result();
}
