/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.h - what the guest agent tells about the guest, for people
 *
 * With --guest-info `osinfo.<point>`: operating system, host name, file
 * systems.  With --bitlocker-keys, of a Windows guest,
 * `bitlocker.recovery.key.<letter>.<point>`: what manage-bde prints, in plain
 * text.  Both are asked for before anything is made, and only if the user asks.
 */
#ifndef BACKUP_GUEST_H
#define BACKUP_GUEST_H

#include "base/error.h"
#include "point.h"

struct guest_text {
    char *name; /* of the file in the set */
    char *text;
};

/* Ask the agent, and add the names to the intent.  What cannot be had is a
 * warning.  Sets run->guest.
 */
must_check int guest_name(struct run *run, struct intent *in,
                          struct error *err);

/* Write the files, and list them in the manifest. */
must_check int guest_write(struct run *run, struct manifest *m,
                           struct error *err);

void guest_done(struct run *run);

#endif
