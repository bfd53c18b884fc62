/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.h - what --report and --metrics write of a run
 *
 * Collects from the run what cli/report.h asks for; the forms are made there.
 * Opened first of all, so that a wrong name costs nothing; written last, for
 * failed runs too.
 */
#ifndef BACKUP_REPORT_H
#define BACKUP_REPORT_H

#include "base/error.h"
#include "cli/result_file.h"
#include "point.h"

struct reports {
    struct result_file json;
    struct result_file metrics;
};

#define REPORTS_INIT                                                           \
    {                                                                          \
        RESULT_FILE_INIT, RESULT_FILE_INIT                                     \
    }

/* Open what the options name; nothing if they name nothing. */
must_check int reports_open(const struct backup_options *options,
                            struct reports *ret, struct error *err);

/* Write them.  `status` is what the program is going to exit with, `error` the
 * sentence if it failed, else NULL.
 */
must_check int reports_write(const struct reports *reports,
                             const struct run *run, int status,
                             const char *error, struct error *err);

void reports_close(struct reports *reports);

#endif
