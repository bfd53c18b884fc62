/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad_option.c - see bad_option.h */
#include "cli/bad_option.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/groups.h"

/* Options of all programs that begin alike, at most. */
#define FOUND_MAX 16

/* What is looked for, and the options that it can mean. */
struct search {
    const char *word; /* "--name" or "--name=value"; NULL: a letter */
    size_t length;    /* of "--name" */
    char letter;
    const struct argp_option *found[FOUND_MAX];
    size_t count;
    bool exact;
};

static bool is_end(const struct argp_option *o)
{
    return !o->key && !o->name && !o->doc && !o->group;
}

static void add(struct search *s, const struct argp_option *o)
{
    if (s->count < FOUND_MAX)
        s->found[s->count++] = o;
}

static void consider_name(struct search *s, const struct argp_option *o)
{
    size_t length = s->length - strlen("--");

    if (!o->name || s->exact ||
        strncmp(o->name, s->word + strlen("--"), length) != 0)
        return;
    s->exact = o->name[length] == '\0';
    if (s->exact)
        s->count = 0;
    add(s, o);
}

static void search_table(struct search *s, const struct argp_option *o)
{
    for (; o && !is_end(o); o++) {
        if (s->word)
            consider_name(s, o);
        else if (o->key == s->letter)
            add(s, o);
    }
}

/* In a program's table and in those of its children, who have none. */
static void search_all(struct search *s, const struct argp *argp)
{
    const struct argp_child *child = argp->children;

    search_table(s, argp->options);
    for (; child && child->argp; child++)
        search_table(s, child->argp->options);
}

static bool takes_value(const struct argp_option *o)
{
    return o->arg && !(o->flags & OPTION_ARG_OPTIONAL);
}

static char *ambiguous(const struct search *s, const char *shown)
{
    _cleanup_free_ char *names = NULL;

    for (size_t i = 0; i < s->count; i++) {
        char *longer = text_dup_printf("%s%s--%s", names ? names : "",
                                       i > 0 ? ", " : "", s->found[i]->name);

        free(names);
        names = longer;
        if (!names)
            return NULL;
    }
    return text_dup_printf("option '%s' is ambiguous: it can mean %s", shown,
                           names);
}

/* `word` begins with "--". */
static char *judge_long(const struct argp *argp, const char *word)
{
    struct search s = {.word = word, .length = strcspn(word, "=")};
    _cleanup_free_ char *name = strndup(word, s.length);
    const char *shown = name ? cli_shown(name) : "***";

    if (s.length > strlen("--"))
        search_all(&s, argp);
    if (s.count == 0)
        return text_dup_printf("option '%s' is unknown", shown);
    if (s.count > 1)
        return ambiguous(&s, shown);
    if (word[s.length] == '=' && !s.found[0]->arg)
        return text_dup_printf("option '--%s' takes no value",
                               s.found[0]->name);
    if (word[s.length] == '\0' && takes_value(s.found[0]))
        return text_dup_printf("option '--%s' needs a value", s.found[0]->name);
    return NULL;
}

/* Letters behind one "-"; what follows a letter that takes a value is one.
 * `last`: also the last of them.
 */
static char *judge_letters(const struct argp *argp, const char *word, bool last)
{
    for (const char *p = word + 1; *p && (last || p[1]); p++) {
        struct search s = {.letter = *p};

        search_all(&s, argp);
        if (s.count == 0 && !isprint((unsigned char)*p))
            return strdup("an option begins with '-' and a letter that is "
                          "none of this program's");
        if (s.count == 0)
            return text_dup_printf("option '-%c' is unknown", *p);
        if (s.found[0]->arg)
            return p[1] || !takes_value(s.found[0])
                       ? NULL
                       : text_dup_printf("option '-%c' needs a value", *p);
    }
    return NULL;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static bool is_long(const char *word)
{
    return strncmp(word, "--", strlen("--")) == 0;
}

char *bad_option(const struct argp *argp, int argc, char *const *argv, int next)
{
    const char *word;
    char *text = NULL;

    /* getopt stays at a word until it comes to the last of its letters. */
    if (next < argc && is_option(argv[next]) && !is_long(argv[next]))
        text = judge_letters(argp, argv[next], false);
    if (text || next < 1 || next > argc)
        return text;
    word = argv[next - 1];
    if (!is_option(word))
        return NULL;
    return is_long(word) ? judge_long(argp, word)
                         : judge_letters(argp, word, true);
}
