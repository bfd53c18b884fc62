/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_cpt.c - the list of checkpoints that a chain stands for, see chain.h
 *
 * The list follows from the manifests alone; what `<domain>.cpt` says now does
 * not matter.
 */
#include "base/cleanup.h"
#include "set/chain_private.h"

const char *manifest_checkpoint(const struct manifest *m)
{
    for (size_t i = 0; i < m->disk_count; i++)
        if (m->disks[i].checkpoint[0])
            return m->disks[i].checkpoint;
    return NULL;
}

static int add(struct cpt *cpt, const char *name, const struct manifest *m,
               struct error *err)
{
    if (m->level_done == LEVEL_FULL)
        cpt_done(cpt);
    return manifest_checkpoint(m) ? cpt_add(cpt, name, err) : 0;
}

int chain_cpt(const struct chain *chain, size_t count,
              const struct manifest *next, struct cpt *ret, struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    for (size_t i = 0; i < count && i < chain->point_count; i++)
        if (chain->points[i].ours && add(&cpt, chain->points[i].name,
                                         &chain->points[i].manifest, err) < 0)
            return -1;
    if (next && add(&cpt, next->name, next, err) < 0)
        return -1;
    *ret = cpt;
    cpt = (struct cpt)CPT_INIT;
    return 0;
}

int cpt_text_with(const struct chain *chain, const struct manifest *next,
                  char **ret, struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    if (chain_cpt(chain, chain->point_count, next, &cpt, err) < 0)
        return -1;
    return cpt_encode(&cpt, ret, err);
}
