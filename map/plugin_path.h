/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugin_path.h - where our nbdkit plugin lies */
#ifndef MAP_PLUGIN_PATH_H
#define MAP_PLUGIN_PATH_H

#include "base/error.h"
#include "base/macro.h"

/* Beside the program itself, as in a build directory, or where it is installed.
 * `*ret` is the caller's.  ERR_INPUT: it is in neither place.
 */
must_check int plugin_path_find(char **ret, struct error *err);

#endif
