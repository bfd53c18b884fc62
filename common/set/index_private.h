/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* index_private.h - the layout of an index, shared by the index_*.c of this
 * folder
 */
#ifndef SET_INDEX_PRIVATE_H
#define SET_INDEX_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "set/index.h"

#define INDEX_MAGIC "VNBINDEX"
#define INDEX_END_MAGIC "VNBINEND"
#define INDEX_VERSION 1

struct index {
    unsigned char *bytes; /* records only; owned */
    size_t count;
    uint64_t virtual_size;
    uint64_t file_size;
    uint64_t data_size;
    uint64_t zero_size;
};

/* Follows the records of one index and refuses what breaks a rule. */
struct index_rules {
    uint64_t virtual_size;
    uint64_t file_size; /* UINT64_MAX while it is not known */
    bool hashed;        /* data records have to be hashed and small */
    uint64_t end;       /* of the record before, on the disk */
    uint64_t file_end;  /* and in the file */
    uint64_t data_size;
    uint64_t zero_size;
};
must_check int index_rules_next(struct index_rules *rules,
                                const struct index_record *record,
                                struct error *err);

void index_record_encode(const struct index_record *record,
                         unsigned char out[static INDEX_RECORD_SIZE]);
/* ERR_DAMAGED if bytes that are to be zero are not. */
must_check int
index_record_decode(const unsigned char in[static INDEX_RECORD_SIZE],
                    struct index_record *ret, struct error *err);

void index_header_encode(uint64_t virtual_size,
                         unsigned char out[static INDEX_RECORD_SIZE]);
/* All of the footer but the hash. */
void index_footer_encode(uint64_t count, const struct index_rules *rules,
                         unsigned char out[static INDEX_RECORD_SIZE]);

/* Grows a table of records in memory. */
struct index_builder {
    struct index *idx;
    size_t cap; /* records */
    struct index_rules rules;
};
must_check int index_builder_add(struct index_builder *b,
                                 const struct index_record *record,
                                 struct error *err);
/* Hand over what was built. */
struct index *index_builder_finish(struct index_builder *b);

#endif
