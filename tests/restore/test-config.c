/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config.c - virt/rewrite against a corpus of configurations
 *
 *     test-config DIRECTORY
 *
 * For each NAME.xml in the directory, NAME.want.xml is what the rewriting makes
 * of it, to the byte, and NAME.notes what it says; or NAME.error is the end of
 * the reason why it is refused.  The first line of NAME.xml, a comment, has the
 * parameters: DISK=PATH:FORMAT[:device], loader=PATH and so on, keep-mac.
 *
 * With UPDATE in the environment these files are written instead: look at what
 * has changed before you keep it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "check.h"
#include "virt/disk.h"
#include "virt/rewrite.h"
#include "virt/xml.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define DISKS_MAX 16

static int corpus;
static const char *current; /* name of the case, without its suffix */

static char *read_part(const char *suffix)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char name[NAME_MAX + 1];
    char *text = NULL;
    size_t length = 0;

    snprintf(name, sizeof(name), "%s%s", current, suffix);
    return file_read_all(corpus, name, MIB, &text, &length, &err) < 0 ? NULL
                                                                      : text;
}

/* Compare with the file, or write it. */
static void compare(const char *suffix, const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *want = read_part(suffix);
    char name[NAME_MAX + 1];

    if (getenv("UPDATE")) {
        snprintf(name, sizeof(name), "%s%s", current, suffix);
        CHECK_OK(file_replace(corpus, name, text, strlen(text), 0644, &err),
                 &err);
    } else if (!want || strcmp(want, text) != 0) {
        CHECK_FAIL("%s%s is not what came out:\n%s", current, suffix, text);
    }
}

/* ---- parameters ---- */

struct parameters {
    struct rewrite how;
    struct rewrite_disk disks[DISKS_MAX];
    char *text; /* what the above points into */
    struct rewrite_origin origin;
    char *name;
};

static void parameters_done(struct parameters *p)
{
    free(p->text);
    free(p->name);
    rewrite_origin_free(&p->origin);
}

static void add_disk(struct parameters *p, char *word)
{
    struct rewrite_disk *disk = &p->disks[p->how.disk_count++];
    char *value = strchr(word, '=');
    char *format = value ? strchr(value, ':') : NULL;
    char *device = format ? strchr(format + 1, ':') : NULL;

    if (!format || p->how.disk_count > DISKS_MAX)
        abort();
    *value = *format = '\0';
    if (device)
        *device = '\0';
    *disk = (struct rewrite_disk){word, value + 1, format + 1, device != NULL};
}

static void add_word(struct parameters *p, char *word)
{
    struct {
        const char *key;
        const char **value;
    } boot[] = {{"loader=", &p->how.loader},
                {"nvram=", &p->how.nvram},
                {"kernel=", &p->how.kernel},
                {"initrd=", &p->how.initrd}};

    if (strcmp(word, "keep-mac") == 0) {
        p->how.keep_mac = true;
        return;
    }
    for (size_t i = 0; i < array_size(boot); i++) {
        if (strncmp(word, boot[i].key, strlen(boot[i].key)) == 0) {
            *boot[i].value = word + strlen(boot[i].key);
            return;
        }
    }
    add_disk(p, word);
}

/* -1 with the reason if the XML does not even name a domain. */
static int read_parameters(const char *xml, struct parameters *p,
                           struct error *err)
{
    char *state = NULL;

    p->how.uuid = UUID;
    p->how.disks = p->disks;
    p->text = strndup(xml, strcspn(xml, "\n"));
    if (!p->text)
        abort();
    if (strncmp(p->text, "<!--", 4) == 0)
        for (char *word = strtok_r(p->text + 4, " ", &state);
             word && strcmp(word, "-->") != 0;
             word = strtok_r(NULL, " ", &state))
            add_word(p, word);
    if (rewrite_origin_parse(xml, &p->origin, err) < 0)
        return -1;
    p->name = text_dup_printf("restore_%s", p->origin.name);
    p->how.name = p->name;
    return p->name ? 0 : error_memory(err);
}

/* ---- a case ---- */

static char *notes_text(const struct rewrite_notes *notes)
{
    static const char *const kinds[] = {"changed", "missing", "trust"};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        abort();
    for (size_t i = 0; i < notes->count; i++)
        fprintf(out, "%s: %s\n", kinds[notes->items[i].kind],
                notes->items[i].text);
    fclose(out);
    return text;
}

/* Once more changes nothing: the copy of a copy is a copy. */
static void check_again(const char *xml, const struct rewrite *how)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(rewrite_notes_free) struct rewrite_notes notes = {0};
    _cleanup_free_ char *again = NULL;

    CHECK_OK(domain_rewrite(xml, how, &again, &notes, &err), &err);
    REQUIRE(again);
    CHECK_STR(again, xml);
}

static void refuse(struct error *err)
{
    char text[400];

    snprintf(text, sizeof(text), "%s\n", error_text(err));
    CHECK(err->kind == ERR_INPUT);
    compare(".error", text);
    error_clear(err);
}

static void test_case(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *xml = read_part(".xml");
    _cleanup_(parameters_done) struct parameters p = {0};
    _cleanup_(rewrite_notes_free) struct rewrite_notes notes = {0};
    _cleanup_free_ char *result = NULL;
    _cleanup_free_ char *said = NULL;

    REQUIRE(xml);
    if (read_parameters(xml, &p, &err) < 0 ||
        domain_rewrite(xml, &p.how, &result, &notes, &err) < 0) {
        CHECK(strncmp(current, "refused-", 8) == 0);
        refuse(&err);
        return;
    }
    CHECK(strncmp(current, "refused-", 8) != 0);
    compare(".want.xml", result);
    said = notes_text(&notes);
    compare(".notes", said);
    check_again(result, &p.how);
}

static int is_input(const struct dirent *e)
{
    const char *suffix = strchr(e->d_name, '.');

    return suffix && strcmp(suffix, ".xml") == 0;
}

static void run_all(const char *directory)
{
    struct dirent **names = NULL;
    int count = scandir(directory, &names, is_input, alphasort);

    if (count < 20)
        CHECK_FAIL("there is no corpus in '%s'", directory);
    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *name = strdup(names[i]->d_name);

        if (!name)
            abort();
        *strchr(name, '.') = '\0';
        current = name;
        printf("# %s\n", name);
        RUN(test_case);
        free(names[i]);
    }
    free(names);
}

/* ---- names ---- */

static void test_names(void)
{
    static const char *const bad[] = {"",    " ",    "   ",     ".", "..",
                                      "a/b", "a\nb", "\x1b[1m", "/"};
    static const char *const good[] = {"a", "restore_vm 1", "-x", "a.b",
                                       "\xc3\xa4"};
    _cleanup_error_ struct error err = ERROR_INIT;
    char longest[202];

    for (size_t i = 0; i < array_size(bad); i++)
        CHECK_FAILS(rewrite_name_check(bad[i], &err), &err, "name");
    for (size_t i = 0; i < array_size(good); i++)
        CHECK_OK(rewrite_name_check(good[i], &err), &err);
    memset(longest, 'x', sizeof(longest));
    longest[201] = '\0';
    CHECK_FAILS(rewrite_name_check(longest, &err), &err, "too long");
    longest[200] = '\0';
    CHECK_OK(rewrite_name_check(longest, &err), &err);
}

/* Every network card gets an address of its own, and another UUID others. */
static void test_addresses(void)
{
    static const char head[] = "<domain type='kvm'><name>v</name><devices>";
    static const char card[] = "<interface type='user'><mac address='x'/>"
                               "</interface>";
    _cleanup_error_ struct error err = ERROR_INIT;
    char xml[sizeof(head) + 1000 * sizeof(card) + 30] = "";
    char seen[2000][18], *end = stpcpy(xml, head);
    struct rewrite how = {.name = "n"};
    size_t count = 0;

    for (int i = 0; i < 100; i++)
        end = stpcpy(end, card);
    stpcpy(end, "</devices></domain>");
    for (int i = 0; i < 2; i++) {
        _cleanup_(rewrite_notes_free) struct rewrite_notes notes = {0};
        _cleanup_free_ char *text = NULL;

        how.uuid = i ? "11111111-2222-4333-8444-555555555556" : UUID;
        CHECK_OK(domain_rewrite(xml, &how, &text, &notes, &err), &err);
        REQUIRE(text);
        for (char *c = text; (c = strstr(c, "address=\"")); c++) {
            memcpy(seen[count], c + 9, 17);
            seen[count][17] = '\0';
            CHECK(strncmp(seen[count], "52:54:00:", 9) == 0);
            for (size_t k = 0; k < count; k++)
                CHECK(strcmp(seen[k], seen[count]) != 0);
            count++;
        }
    }
    CHECK_EQ_U64(count, 200);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    corpus = open(argv[1], O_RDONLY | O_DIRECTORY);
    run_all(argv[1]);
    RUN(test_names);
    RUN(test_addresses);
    return check_result();
}
