/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian_wire.h - what the two sides of guardian.h say to each other
 *
 * One socket of packets (SOCK_SEQPACKET), the guardian's stdin.  A packet
 * arrives whole or not at all, so that being killed while sending does no
 * harm.  The guardian says WIRE_YES once when it is ready, and answers every
 * packet with WIRE_YES or WIRE_NO (not understood, or too many facts):
 *
 *     WIRE_SET   key NUL value NUL
 *     WIRE_UNSET key NUL
 *     WIRE_BYE
 */
#ifndef HOST_GUARDIAN_WIRE_H
#define HOST_GUARDIAN_WIRE_H

#include "host/guardian.h"

#define GUARDIAN_OPTION "--guardian"

#define WIRE_SET 'S'
#define WIRE_UNSET 'U'
#define WIRE_BYE 'B'
#define WIRE_YES 'Y'
#define WIRE_NO 'N'

#define WIRE_MAX (1 + GUARDIAN_KEY_MAX + GUARDIAN_VALUE_MAX)

#endif
