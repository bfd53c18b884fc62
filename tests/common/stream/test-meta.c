/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-meta.c - metadata to the byte, every dialect, and hostile JSON */
#include "stream/meta.h"

#include <time.h>

#include "check.h"

static struct meta sample(void)
{
    static char date[] = "2024-01-02T03:04:05.678900", disk[] = "sda",
                format[] = "qcow2", name[] = "virtnbdbackup.0";

    return (struct meta){.virtual_size = 4096,
                         .data_size = 32,
                         .date = date,
                         .disk_name = disk,
                         .disk_format = format,
                         .checkpoint_name = name};
}

static void test_encode(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    struct meta m = sample();
    size_t len = 0;

    CHECK_OK(meta_encode(&m, &text, &len, &err), &err);
    CHECK_EQ_U64(len, 315);
    CHECK_STR(text, "{\n"
                    "    \"virtualSize\": 4096,\n"
                    "    \"dataSize\": 32,\n"
                    "    \"date\": \"2024-01-02T03:04:05.678900\",\n"
                    "    \"diskName\": \"sda\",\n"
                    "    \"diskFormat\": \"qcow2\",\n"
                    "    \"checkpointName\": \"virtnbdbackup.0\",\n"
                    "    \"compressed\": false,\n"
                    "    \"compressionMethod\": \"lz4\",\n"
                    "    \"parentCheckpoint\": \"\",\n"
                    "    \"incremental\": false,\n"
                    "    \"streamVersion\": 2\n"
                    "}");
}

static void test_encode_variants(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *compressed = NULL;
    _cleanup_free_ char *without = NULL;
    _cleanup_free_ char *text = NULL;
    static char odd[] = "a\"b\\c/\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7";
    struct meta m = sample();
    size_t len = 0;

    m.virtual_size = INT64_MAX;
    m.data_size = INT64_MAX;
    m.compressed = true;
    m.level = 16;
    m.incremental = true;
    CHECK_OK(meta_encode(&m, &compressed, &len, &err), &err);
    CHECK_CONTAINS(compressed, "\"virtualSize\": 9223372036854775807,");
    CHECK_CONTAINS(compressed, "\"compressed\": 16,\n");
    CHECK_CONTAINS(compressed, "\"incremental\": true,\n");
    m.compressed = false;
    m.no_compressed_key = true;
    CHECK_OK(meta_encode(&m, &without, &len, &err), &err);
    CHECK(!strstr(without, "\"compressed\""));
    CHECK_CONTAINS(without, "\"compressionMethod\": \"lz4\"");
    /* As Python's json.dumps writes it. */
    m.checkpoint_name = odd;
    CHECK_OK(meta_encode(&m, &text, &len, &err), &err);
    CHECK_CONTAINS(text, "\"a\\\"b\\\\c/\\u00e4\\u20ac\\ud83d\\udc27\"");
}

static void test_encode_refused(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    static char bad[] = "x\ny", slash[] = "../sda", utf[] = "\xc3(",
                overlong[] = "\xc0\xaf", half[] = "\xe2\x82";
    char *texts[] = {bad, utf, overlong, half};
    char *text = NULL;
    struct meta m = sample();
    size_t len = 0;

    m.data_size = 4097;
    CHECK_FAILS(meta_encode(&m, &text, &len, &err), &err, "4097");
    m = sample();
    m.compressed = true;
    CHECK_FAILS(meta_encode(&m, &text, &len, &err), &err, "level 0");
    m.level = 17;
    CHECK_FAILS(meta_encode(&m, &text, &len, &err), &err, "level 17");
    m = sample();
    m.disk_name = slash;
    CHECK_FAILS(meta_encode(&m, &text, &len, &err), &err, "name of a disk");
    m.disk_name = NULL;
    CHECK_FAILS(meta_encode(&m, &text, &len, &err), &err, "name of a disk");
    for (size_t i = 0; i < array_size(texts); i++) {
        m = sample();
        m.checkpoint_name = texts[i];
        CHECK_FAILS(meta_encode(&m, &text, &len, &err), &err, "printable");
    }
    CHECK(!text);
}

static void test_roundtrip(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    _cleanup_meta_ struct meta back = META_INIT;
    static char parent[] = "virtnbdbackup.\xc3\xa4\xf0\x9f\x90\xa7.\"9\\";
    struct meta m = sample();
    size_t len = 0;

    m.virtual_size = (1ULL << 53) + 1; /* a double would lose the last bit */
    m.parent_checkpoint = parent;
    m.compressed = true;
    m.level = 2;
    CHECK_OK(meta_encode(&m, &text, &len, &err), &err);
    CHECK_OK(meta_decode(text, len, &back, &err), &err);
    CHECK_EQ_U64(back.virtual_size, m.virtual_size);
    CHECK_EQ_U64(back.data_size, 32);
    CHECK_STR(back.date, m.date);
    CHECK_STR(back.disk_name, "sda");
    CHECK_STR(back.disk_format, "qcow2");
    CHECK_STR(back.checkpoint_name, "virtnbdbackup.0");
    CHECK_STR(back.parent_checkpoint, parent);
    CHECK(back.compressed && !back.no_compressed_key && !back.incremental);
    CHECK_EQ_INT(back.level, 2);
    CHECK_EQ_INT(back.stream_version, 2);
}

/* A complete object in which `key` has the value `value`; without it if
 * `value` is NULL.
 */
static char *object(const char *key, const char *value)
{
    static const char *const keys[][2] = {
        {"virtualSize", "4096"},
        {"dataSize", "32"},
        {"date", "\"2024-01-02T03:04:05\""},
        {"diskName", "\"sda\""},
        {"diskFormat", "\"raw\""},
        {"checkpointName", "\"virtnbdbackup.0\""},
        {"compressed", "2"},
        {"compressionMethod", "\"lz4\""},
        {"parentCheckpoint", "\"\""},
        {"incremental", "false"},
        {"streamVersion", "2"},
    };
    char *text = NULL;
    size_t len = 0;
    bool known = false;
    FILE *out = open_memstream(&text, &len);

    fputs("{", out);
    for (size_t i = 0; i < array_size(keys); i++) {
        bool this = strcmp(keys[i][0], key) == 0;

        known = known || this;
        if (!this || value)
            fprintf(out, "\"%s\": %s, ", keys[i][0], this ? value : keys[i][1]);
    }
    if (!known)
        fprintf(out, "\"%s\": %s, ", key, value);
    fputs("\"other\": {\"more\": [1, null]}}", out);
    fclose(out);
    return text;
}

static int decode(const char *key, const char *value, struct meta *ret_meta,
                  struct error *err)
{
    _cleanup_free_ char *text = object(key, value);

    return meta_decode(text, strlen(text), ret_meta, err);
}

#define DECODES(m, key, value)                                                 \
    _cleanup_meta_ struct meta m = META_INIT;                                  \
    CHECK_OK(decode(key, value, &m, &err), &err)

static void test_dialects(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    DECODES(plain, "compressed", "false");
    CHECK(!plain.compressed && !plain.no_compressed_key);
    CHECK_STR(plain.disk_format, "raw");
    DECODES(missing, "compressed", NULL);
    CHECK(!missing.compressed && missing.no_compressed_key);
    DECODES(boolean, "compressed", "true");
    CHECK(boolean.compressed && boolean.level == 0);
    DECODES(level, "compressed", "16");
    CHECK(level.compressed && level.level == 16);
    DECODES(zero, "compressed", "0");
    CHECK(zero.compressed && zero.level == 0);
    DECODES(method, "compressionMethod", NULL);
    CHECK(method.compressed);
    DECODES(format, "diskFormat", NULL);
    CHECK_STR(format.disk_format, "qcow2");
    DECODES(parent, "parentCheckpoint", "false");
    CHECK_STR(parent.parent_checkpoint, "");
    DECODES(number, "checkpointName", "17");
    CHECK_STR(number.checkpoint_name, "17");
    DECODES(version, "streamVersion", "1");
    CHECK(!version.compressed && version.stream_version == 1);
    DECODES(spelling, "stream-version", "1");
    CHECK(!spelling.compressed && spelling.stream_version == 1);
    DECODES(both, "stream-version", "2");
    CHECK(both.compressed && both.stream_version == 2);
}

static const struct {
    const char *key, *value, *why;
} wrong[] = {
    {"streamVersion", "3", "written by a newer version"},
    {"streamVersion", "9", "written by a newer version"},
    {"stream-version", "9", "written by a newer version"},
    {"streamVersion", "0", "'streamVersion'"},
    {"streamVersion", "-1", "'streamVersion'"},
    {"streamVersion", "\"2\"", "'streamVersion'"},
    {"streamVersion", "2.0", "'streamVersion'"},
    {"streamVersion", NULL, "'streamVersion'"},
    {"virtualSize", NULL, "'virtualSize'"},
    {"virtualSize", "-1", "'virtualSize'"},
    {"virtualSize", "4096.0", "'virtualSize'"},
    {"virtualSize", "4e3", "'virtualSize'"},
    {"virtualSize", "\"4096\"", "'virtualSize'"},
    {"virtualSize", "NaN", "no JSON object"},
    {"virtualSize", "9223372036854775808", "no JSON object"},
    {"virtualSize", "31", "32 bytes of data on a disk of 31"},
    {"dataSize", NULL, "'dataSize'"},
    {"dataSize", "true", "'dataSize'"},
    {"date", NULL, "'date'"},
    {"date", "\"\\u001b[2J\"", "'date'"},
    {"date", "\"\\u009b2J\"", "'date'"},
    {"date", "\"a\\u0000b\"", "no JSON object"},
    {"diskName", NULL, "'diskName'"},
    {"diskName", "\"\"", "'diskName'"},
    {"diskName", "\"..\"", "'diskName'"},
    {"diskName", "\".\"", "'diskName'"},
    {"diskName", "\"../sda\"", "'diskName'"},
    {"diskName", "\"/etc/passwd\"", "'diskName'"},
    {"diskName", "\"-rf\"", "'diskName'"},
    {"diskName", "\"sd a\"", "'diskName'"},
    {"diskName", "\"sd\\na\"", "'diskName'"},
    {"diskName", "7", "'diskName'"},
    {"diskFormat", "false", "'diskFormat'"},
    {"checkpointName", NULL, "'checkpointName'"},
    {"checkpointName", "-1", "'checkpointName'"},
    {"checkpointName", "true", "'checkpointName'"},
    {"parentCheckpoint", NULL, "'parentCheckpoint'"},
    {"parentCheckpoint", "true", "'parentCheckpoint'"},
    {"parentCheckpoint", "null", "'parentCheckpoint'"},
    {"incremental", NULL, "'incremental'"},
    {"incremental", "0", "'incremental'"},
    {"compressed", "\"yes\"", "'compressed'"},
    {"compressed", "[]", "'compressed'"},
    {"compressed", "null", "'compressed'"},
    {"compressionMethod", "\"zstd\"", "written by a newer version"},
    {"compressionMethod", "1", "'compressionMethod'"},
    {"other", "1", "no JSON object"}, /* twice */
};

/* covers: F6:RVM F10:RV F13:CRVM */
static void test_wrong(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(wrong); i++) {
        struct meta m = META_INIT;

        printf("# %s: %s\n", wrong[i].key,
               wrong[i].value ? wrong[i].value : "missing");
        CHECK_FAILS(decode(wrong[i].key, wrong[i].value, &m, &err), &err,
                    wrong[i].why);
        CHECK(!m.date && !m.disk_name);
    }
}

/* Only "a newer version wrote it" is no damage. */
static void test_kinds(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct meta m = META_INIT;

    CHECK(decode("streamVersion", "9", &m, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK(decode("streamVersion", "0", &m, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
}

/* `count` times `text`. */
static char *repeat(const char *text, size_t count)
{
    size_t len = strlen(text);
    char *out = malloc(len * count + 1);

    for (size_t i = 0; i < count; i++)
        memcpy(out + i * len, text, len);
    out[len * count] = '\0';
    return out;
}

/* covers: F13:CRVM */
static void test_limits(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *deep = repeat("[", 200000);
    _cleanup_free_ char *objects = repeat("{\"a\":", 9);
    _cleanup_free_ char *blank = repeat(" ", META_SIZE_MAX + 1);
    _cleanup_free_ char *quoted = NULL;
    _cleanup_free_ char *name = repeat("x", 5000);
    _cleanup_meta_ struct meta m = META_INIT;

    CHECK_FAILS(meta_decode(deep, 200000, &m, &err), &err, "too deeply");
    CHECK_FAILS(meta_decode(objects, strlen(objects), &m, &err), &err,
                "too deeply");
    CHECK_FAILS(meta_decode(blank, META_SIZE_MAX + 1, &m, &err), &err,
                "too long");
    CHECK_FAILS(meta_decode(blank, META_SIZE_MAX, &m, &err), &err,
                "no JSON object");
    CHECK_FAILS(meta_decode("", 0, &m, &err), &err, "no JSON object");
    CHECK_FAILS(meta_decode("[]", 2, &m, &err), &err, "no JSON object");
    CHECK_FAILS(meta_decode("{}", 2, &m, &err), &err, "'streamVersion'");
    CHECK_FAILS(meta_decode("{} x", 4, &m, &err), &err, "no JSON object");
    CHECK_FAILS(meta_decode("\xef\xbb\xbf{}", 5, &m, &err), &err,
                "no JSON object");
    CHECK(asprintf(&quoted, "\"%s\"", name) > 0);
    CHECK_FAILS(decode("checkpointName", quoted, &m, &err), &err,
                "'checkpointName'");
    CHECK_FAILS(decode("diskName", quoted, &m, &err), &err, "'diskName'");
    /* Brackets in strings nest nothing. */
    CHECK_OK(decode("checkpointName", "\"[[[[[[[[[[[[{{\\\"[[[\"", &m, &err),
             &err);
}

static void test_date(void)
{
    char date[META_DATE_SIZE] = "";
    time_t before = time(NULL), then = 0;
    struct tm tm = {.tm_isdst = -1};
    const char *rest = NULL;
    unsigned fraction = 0;

    meta_date_now(date);
    rest = strptime(date, "%Y-%m-%dT%H:%M:%S", &tm);
    REQUIRE(rest);
    then = mktime(&tm);
    CHECK(then >= before && then <= time(NULL));
    CHECK(*rest == '\0' ||
          (strlen(date) == 26 && sscanf(rest, ".%06u", &fraction) == 1));
}

int main(void)
{
    RUN(test_encode);
    RUN(test_encode_variants);
    RUN(test_encode_refused);
    RUN(test_roundtrip);
    RUN(test_dialects);
    RUN(test_wrong);
    RUN(test_kinds);
    RUN(test_limits);
    RUN(test_date);
    return check_result();
}
