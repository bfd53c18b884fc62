/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* until.h - which point the user means by --until
 *
 * A name, a number or a time becomes the name of a point that is there.  Looks
 * at the points only; must not know what they are chosen for.
 */
#ifndef SET_UNTIL_H
#define SET_UNTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/chain.h"

/* Read a time in UTC: `2026-11-21T07:00:00Z`; the Z may be missing, a blank may
 * stand for the T, and the seconds, or all of the time of day, may be missing.
 * `*ret` is the last second that is meant, counted from 1970: of that minute,
 * or of that day, where it was not said more exactly.  False: it is no time,
 * and `*ret` is unchanged.
 */
bool until_parse_time(const char *text, int64_t *ret);

/* When the point was begun, in seconds from 1970.  Points without a manifest
 * bear the local time of the machine that made them; it is taken for ours.
 * False: not known.
 */
bool until_point_time(const struct chain_point *point, int64_t *ret);

/* The same for people, "2026-11-21T07:00:00Z", written to `out`. */
#define UNTIL_TIME_ROOM 64
bool until_point_text(const struct chain_point *point,
                      char out[static UNTIL_TIME_ROOM]);

/* Find the point that `text` means, the first of these that fits:
 *
 * - its name: "virtnbdbackup.2", "diff.1700000000", "copy";
 * - a number, in which the name of exactly one point ends;
 * - a time: the newest point that was begun then or before.
 *
 * `*ret` is borrowed from the chain.  ERR_INPUT: there is no such point (the
 * text lists the newest ten that there are), or more than one; ERR_DAMAGED: the
 * manifest of the point of this name is damaged, or, for a time, damage may
 * hide the point that is meant.
 */
must_check int until_find(const struct chain *chain, const char *text,
                          const char **ret, struct error *err);

#endif
