/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics.h - a report as text for Prometheus' node exporter
 *
 * Its textfile collector reads `*.prom` of one directory.  One file a domain;
 * each series bears the label `domain`, those of disks `disk` too.  Pure: text
 * in, text out.
 *
 * A failed run says nothing new of when the last one succeeded: if the report
 * does not know, the value is taken from the text that is replaced.
 */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include "base/error.h"
#include "base/macro.h"
#include "cli/report.h"

/* The text, the caller's.  `before`: what the file held until now, or NULL. */
must_check int metrics_text(const struct report *r, const char *before,
                            char **ret_text, struct error *err);

#endif
