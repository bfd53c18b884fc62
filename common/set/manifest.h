/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manifest.h - the record that makes a restore point exist
 *
 * A point exists if and only if its manifest, `manifest.<point>.json`, does.
 * It is written last, in one step, when every file it names is complete and
 * durable.  It never changes afterwards.  Hides the JSON; opens files of the
 * set only to compare them.  Must not know how the points hang together
 * (chain.h does).
 *
 * The file is a JSON object in UTF-8, four spaces of indentation, at most 16
 * MiB, no duplicate keys, sealed by a checksum (sealed.h).  A reader ignores
 * keys it does not know; a change that an old reader must not overlook raises
 * `format`.
 *
 * | Key          | Type    | Meaning                                          |
 * |--------------|---------|--------------------------------------------------|
 * | `format`     | integer | 1; anything higher is refused                    |
 * | `tool`       | string  | program and version that wrote it, for people    |
 * | `chain`      | UUID    | of the set: the same in every manifest of a      |
 * |              |         | directory                                        |
 * | `point`      | UUID    | of this point; new for every attempt             |
 * | `name`       | string  | of the point: `virtnbdbackup.3`, `copy`,         |
 * |              |         | `diff.1700000000`                                |
 * | `sequence`   | integer | 0 for the first point of the directory, then one |
 * |              |         | more each                                        |
 * | `previous`   | string  | hash of the manifest before (all of its bytes),  |
 * |              |         | empty in the first                               |
 * | `levelAsked` | string  | `full`, `inc`, `diff`, `copy`, `auto`            |
 * | `levelDone`  | string  | `full`, `inc`, `diff`, `copy`                    |
 * | `domain`     | object  | `name` and `uuid`                                |
 * | `time`       | string  | UTC, `YYYY-MM-DDThh:mm:ssZ`; informative only    |
 * | `frozenMs`   | integer | milliseconds the guest's file systems were       |
 * |              |         | frozen                                           |
 * | `disks`      | array   | one object a disk, see below; empty where the    |
 * |              |         | domain has none to back up                       |
 * | `files`      | array   | every other file of the point: `name` (a leaf, or|
 * |              |         | `checkpoints/` and a leaf), `size` in bytes,     |
 * |              |         | `hash`; `role`, of what the guest boots from:    |
 * |              |         | `loader`, `nvram`, `kernel`, `initrd`            |
 * | `warnings`   | array   | of strings: what the run warned about            |
 * | `adopted`    | boolean | another program made the point, and we only      |
 * |              |         | wrote the manifest and the indexes (adopt.h);    |
 * |              |         | absent if not so                                 |
 * | `checksum`   | string  | of every byte before its digits                  |
 *
 * One of `disks`:
 *
 * | Key           | Type    | Meaning                                         |
 * |---------------|---------|-------------------------------------------------|
 * | `target`      | string  | name of the disk in the domain, `vda`           |
 * | `file`        | string  | data file, a leaf name                          |
 * | `index`       | string  | its index (index.h), a leaf name                |
 * | `level`       | string  | of this disk in this point; `full` in an inc    |
 * |               |         | where the increment was not possible, `copy` of |
 * |               |         | a raw disk in a full                            |
 * | `parent`      | UUID    | of the point that this disk's data builds upon; |
 * |               |         | empty for `full` and `copy`                     |
 * | `checkpoint`  | string  | the checkpoint that this point owns for this    |
 * |               |         | disk, so that it may be a parent; or empty      |
 * | `format`      | string  | driver type of the disk, `qcow2`                |
 * | `raw`         | boolean | the file is a plain image, not a stream         |
 * | `compressed`  | boolean | the stream's payloads are lz4                   |
 * | `virtualSize` | integer | bytes of the guest's disk                       |
 * | `dataSize`    | integer | disk bytes in data frames, as in the metadata   |
 * | `zeroSize`    | integer | disk bytes that the index calls zero            |
 * | `fileSize`    | integer | bytes of the data file                          |
 * | `indexHash`   | string  | hash of the index file                          |
 * | `sourceId`    | string  | what identified the image behind the disk       |
 * |               |         | (device, inode, birth time); absent if unknown  |
 *
 * Hashes are xxh3-128 in 32 lower-case hexadecimal digits: good against decay,
 * not against forgery.
 */
#ifndef SET_MANIFEST_H
#define SET_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/name.h"
#include "set/sealed.h"

#define MANIFEST_FORMAT 1
#define MANIFEST_MAX_DISKS 1024
#define MANIFEST_MAX_FILES 10000
#define UUID_TEXT_SIZE 37

struct manifest_disk {
    char *target;
    char *file;
    char *index;
    enum level level;
    char parent[UUID_TEXT_SIZE]; /* "" = none */
    char *checkpoint;            /* "" = none */
    char *format;
    bool raw;
    bool compressed;
    uint64_t virtual_size;
    uint64_t data_size;
    uint64_t zero_size;
    uint64_t file_size;
    char index_hash[HASH_TEXT_SIZE];
    char *source_id; /* "" or NULL = not known */
};

/* What the guest boots with: which element of its configuration names it. */
enum file_role {
    FILE_OTHER = 0, /* none of these */
    FILE_LOADER,
    FILE_NVRAM,
    FILE_KERNEL,
    FILE_INITRD,
};

struct manifest_file {
    char *name;
    enum file_role role;
    uint64_t size;
    char hash[HASH_TEXT_SIZE];
};

/* Everything in here is owned by the structure. */
struct manifest {
    char *tool;
    char chain[UUID_TEXT_SIZE];
    char point[UUID_TEXT_SIZE];
    char *name;
    uint64_t sequence;
    char previous[HASH_TEXT_SIZE]; /* "" = the first */
    char *level_asked;
    enum level level_done;
    char *domain_name;
    char domain_uuid[UUID_TEXT_SIZE];
    char *time;
    uint64_t frozen_ms;
    struct manifest_disk *disks;
    size_t disk_count;
    struct manifest_file *files;
    size_t file_count;
    char **warnings;
    size_t warning_count;
    bool adopted;
    char hash[HASH_TEXT_SIZE]; /* of the file; set by decode and write only */
};

#define MANIFEST_INIT                                                          \
    {                                                                          \
        0                                                                      \
    }

/* Free what the manifest owns; it is then as MANIFEST_INIT. */
void manifest_done(struct manifest *m);
#define _cleanup_manifest_ __attribute__((cleanup(manifest_done)))

/* Set a string of a manifest or intent: a copy of `value`, the old one is
 * freed.
 */
must_check int manifest_set(char **member, const char *value,
                            struct error *err);

/* Append a disk, all empty, for the caller to fill (strings: manifest_set).
 * Valid until the next one is added.  NULL: ERR_MEMORY, or too many.
 */
struct manifest_disk *manifest_add_disk(struct manifest *m, struct error *err);

/* Append a file, whose size and hash are taken from the file itself, below
 * `dirfd`; `name` is a leaf name or "checkpoints/" and one.
 */
must_check int manifest_add_file(struct manifest *m, int dirfd,
                                 const char *name, struct error *err);

/* The same for a file that the guest boots from. */
must_check int manifest_add_boot_file(struct manifest *m, int dirfd,
                                      const char *name, enum file_role role,
                                      struct error *err);

/* "loader", ...; NULL for FILE_OTHER.  And back: 1 and `*ret`, or 0. */
const char *file_role_text(enum file_role role);
int file_role_parse(const char *text, enum file_role *ret);

must_check int manifest_add_warning(struct manifest *m, const char *text,
                                    struct error *err);

/* The disk with this target name, or NULL. */
const struct manifest_disk *manifest_find_disk(const struct manifest *m,
                                               const char *target);

/* The file's text, owned by the caller, of `*ret_len` bytes, NUL-terminated.
 * What decode would refuse is refused here (ERR_INPUT).
 */
must_check int manifest_encode(const struct manifest *m, char **ret_text,
                               size_t *ret_len, struct error *err);

/* Read a text of `len` bytes; strict: seal, types, ranges, names, no two disks
 * of one target, no file named twice.  ERR_DAMAGED, and `*ret` is unchanged.
 * Pure; made to be fuzzed.
 */
must_check int manifest_decode(const char *text, size_t len,
                               struct manifest *ret, struct error *err);

/* The hash of a manifest's text: what the next one calls `previous`. */
void manifest_hash(const char *text, size_t len, char ret[HASH_TEXT_SIZE]);

/* Commit: write `manifest.<name>.json` below `dirfd`, mode 0600, durable, in
 * one step, never over an existing one (ERR_EXISTS).  Sets `m->hash`.
 */
must_check int manifest_write(int dirfd, struct manifest *m, struct error *err);

/* Read the file `filename`.  ERR_DAMAGED also if its name is not that of the
 * point inside.  `*ret` must be empty (MANIFEST_INIT).
 */
must_check int manifest_load(int dirfd, const char *filename,
                             struct manifest *ret, struct error *err);

/* Are the files of the point there?  Not `deep`: data files and indexes are
 * regular files and the data files have their sizes.  `deep`: each index is
 * opened, has its hash and fits the manifest and the data file (the payload is
 * not read; index_check_data does that).  ERR_DAMAGED names the first file that
 * does not fit.  Files other than disks': manifest_check_files.
 */
must_check int manifest_check(int dirfd, const struct manifest *m, bool deep,
                              struct error *err);

/* The same for one disk of it. */
must_check int manifest_check_disk(int dirfd, const struct manifest_disk *d,
                                   bool deep, struct error *err);

/* Does an opened index fit what the manifest says of its disk: sizes, and that
 * a full covers the whole disk?  ERR_DAMAGED.
 */
struct index;
must_check int manifest_check_index(const struct manifest_disk *d,
                                    const struct index *idx, struct error *err);

/* The like of manifest_check for `files`: present, regular, size; `deep`: hash.
 */
must_check int manifest_check_files(int dirfd, const struct manifest *m,
                                    bool deep, struct error *err);

#endif
