/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* index_hash.c - the hashes of index.h: xxh3-128 */
#include <stdlib.h>

#include <xxhash.h>

#include "base/cleanup.h"
#include "set/index.h"

struct index_hasher {
    XXH3_state_t *state;
};

static void store(XXH128_hash_t hash, unsigned char ret[INDEX_HASH_SIZE])
{
    XXH128_canonical_t canonical = {{0}};

    XXH128_canonicalFromHash(&canonical, hash);
    for (size_t i = 0; i < INDEX_HASH_SIZE; i++)
        ret[i] = canonical.digest[i];
}

void index_hash_block(const void *data, size_t len,
                      unsigned char ret[INDEX_HASH_SIZE])
{
    store(XXH3_128bits(data, len), ret);
}

int index_hasher_new(struct index_hasher **ret, struct error *err)
{
    _cleanup_free_ struct index_hasher *h = calloc(1, sizeof(*h));

    if (!h)
        return error_memory(err);
    h->state = XXH3_createState();
    if (!h->state)
        return error_memory(err);
    XXH3_128bits_reset(h->state);
    *ret = take(h);
    return 0;
}

void index_hasher_reset(struct index_hasher *h)
{
    XXH3_128bits_reset(h->state);
}

void index_hasher_add(struct index_hasher *h, const void *data, size_t len)
{
    if (len > 0)
        XXH3_128bits_update(h->state, data, len);
}

void index_hasher_get(const struct index_hasher *h,
                      unsigned char ret[INDEX_HASH_SIZE])
{
    store(XXH3_128bits_digest(h->state), ret);
}

void index_hasher_free(struct index_hasher *h)
{
    if (!h)
        return;
    XXH3_freeState(h->state);
    free(h);
}
