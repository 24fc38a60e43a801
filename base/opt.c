#include "base/opt.h"

#include "base/json.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

/* "250ms", "2s", "1.5m", "1h", "30" (seconds) */
static bool parse_seconds(const char *text, double *out)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    char *end;
    if (!isdigit((unsigned char)*text) && *text != '.')
        return false;
    double v = strtod(text, &end);
    for (size_t i = 0; i < WS_COUNT(units); i++)
        if (strcmp(end, units[i].suffix) == 0 && isfinite(v)) {
            *out = v * units[i].factor;
            return true;
        }
    return false;
}

bool ws_parse_count(const char *text, int64_t *out)
{
    char *end;
    if (!isdigit((unsigned char)text[*text == '-']))
        return false;
    errno = 0;
    int64_t v = strtoll(text, &end, 10), factor = 1;
    if (errno)
        return false;
    if (*end) {
        const char *suffix = strchr("kMG", *end);
        if (!suffix || end[1])
            return false;
        factor = *end == 'k' ? 1000 : *end == 'M' ? 1000000 : 1000000000;
    }
    return !__builtin_mul_overflow(v, factor, out);
}

/* Whether `value` is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strncmp(p, value, n) == 0 && (p[n] == '|' || !p[n]))
            return true;
    return false;
}

static void add_to_list(ws_opt_list *list, const char *value)
{
    WS_GROW(list->item, list->n, list->cap);
    list->item[list->n++] = value;
}

/* Writes `text` into the option's field; false: it is not of the option's type. `text` is kept. */
static bool set_value(const ws_opt *o, void *values, const char *text)
{
    void *field = (char *)values + o->offset;
    int64_t i;
    switch (o->type) {
    case WS_OPT_FLAG:
        *(bool *)field = strcmp(text, "0") != 0;
        return true;
    case WS_OPT_STRING:
        *(const char **)field = text;
        return true;
    case WS_OPT_LIST:
        add_to_list(field, text);
        return true;
    case WS_OPT_INT:
        if (!ws_parse_count(text, &i) || (o->max > o->min && (i < o->min || i > o->max)))
            return false;
        *(int64_t *)field = i;
        return true;
    case WS_OPT_SECONDS:
        return parse_seconds(text, field);
    case WS_OPT_NUMBER: {
        char *end;
        double v = strtod(text, &end);
        if (end == text || *end || !isfinite(v))
            return false;
        *(double *)field = v;
        return true;
    }
    case WS_OPT_CHOICE:
        if (!is_choice(o->choices, text))
            return false;
        *(const char **)field = text;
        return true;
    }
    return false;
}

/* As set_value, for what the user said. */
static bool give_value(const ws_opt *o, void *values, const char *text)
{
    if (o->given)
        *(bool *)((char *)values + o->given) = true;
    return set_value(o, values, text);
}

static const char *expected(const ws_opt *o)
{
    switch (o->type) {
    case WS_OPT_INT: return "a whole number (k, M and G are allowed)";
    case WS_OPT_SECONDS: return "a time such as 250ms, 2s or 5m";
    case WS_OPT_NUMBER: return "a number";
    case WS_OPT_CHOICE: return o->choices;
    default: return "a value";
    }
}

static ws_status bad_value(const ws_opt *o, const char *source, const char *text, ws_err *err)
{
    if (o->type == WS_OPT_INT && o->max > o->min)
        return ws_fail(err, WS_EUSAGE,
                       "%s '%s': expected a whole number from %" PRId64 " to %" PRId64, source,
                       text, o->min, o->max);
    return ws_fail(err, WS_EUSAGE, "%s '%s': expected %s", source, text, expected(o));
}

/* ---- parsing ---- */

static const ws_opt *find_long(const ws_opt *table, const char *name, size_t n)
{
    for (const ws_opt *o = table; o && o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static const ws_opt *find_letter(const ws_opt *table, char letter)
{
    for (const ws_opt *o = table; o && o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static ws_status unknown_option(const ws_command_doc *doc, const char *arg, ws_err *err)
{
    const char *names[128] = {0};
    int n = 0;
    for (const ws_opt *o = doc->options; o && o->name && n < 127; o++)
        names[n++] = o->name;
    const char *near = ws_nearest(arg + strspn(arg, "-"), names);
    ws_fail(err, WS_EUSAGE, "unknown option '%s'", arg);
    if (near)
        return ws_hint(err, "did you mean '--%s'?", near);
    return ws_hint(err, "'warpsmith help %s' lists the options", doc->name);
}

static ws_status set_defaults(const ws_command_doc *doc, void *values, ws_err *err)
{
    for (const ws_opt *o = doc->options; o && o->name; o++) {
        const char *env = o->env ? getenv(o->env) : NULL;
        if (o->fallback && !set_value(o, values, o->fallback))
            ws_bug("default '%s' of --%s is not valid", o->fallback, o->name);
        if (env && *env && !give_value(o, values, env))
            return bad_value(o, o->env, env, err);
    }
    return WS_OK;
}

typedef struct cursor {
    int argc, i;
    char **argv;
} cursor;

/* The argument of option `o`: what follows '=' or the letter, else the next word. */
static ws_status take_value(cursor *c, const ws_opt *o, const char *attached, void *values,
                            ws_err *err)
{
    char source[64];
    snprintf(source, sizeof source, "--%.60s", o->name);
    if (!attached && c->i + 1 >= c->argc)
        return ws_fail(err, WS_EUSAGE, "%s needs %s", source, o->arg ? o->arg : "a value");
    const char *text = attached ? attached : c->argv[++c->i];
    return give_value(o, values, text) ? WS_OK : bad_value(o, source, text, err);
}

static ws_status parse_long(const ws_command_doc *doc, cursor *c, void *values, ws_err *err)
{
    const char *arg = c->argv[c->i] + 2, *eq = strchr(arg, '=');
    size_t n = eq ? (size_t)(eq - arg) : strlen(arg);
    const ws_opt *o = find_long(doc->options, arg, n);
    if (o && o->type != WS_OPT_FLAG)
        return take_value(c, o, eq ? eq + 1 : NULL, values, err);
    if (!o && strncmp(arg, "no-", 3) == 0 && (o = find_long(doc->options, arg + 3, n - 3)) &&
        o->type == WS_OPT_FLAG && !eq) {
        give_value(o, values, "0");
        return WS_OK;
    }
    if (!o || o->type != WS_OPT_FLAG)
        return unknown_option(doc, c->argv[c->i], err);
    if (eq)
        return ws_fail(err, WS_EUSAGE, "--%s takes no value", o->name);
    give_value(o, values, "1");
    return WS_OK;
}

/* "-vq" sets two flags; "-oFILE" and "-o FILE" give a value. */
static ws_status parse_letters(const ws_command_doc *doc, cursor *c, void *values, ws_err *err)
{
    const char *word = c->argv[c->i];
    for (const char *p = word + 1; *p; p++) {
        const ws_opt *o = find_letter(doc->options, *p);
        if (!o)
            return unknown_option(doc, word, err);
        if (o->type != WS_OPT_FLAG)
            return take_value(c, o, p[1] ? p + 1 : NULL, values, err);
        give_value(o, values, "1");
    }
    return WS_OK;
}

static void print_help(const ws_command_doc *doc, bool full)
{
    ws_buf text = {0};
    ws_opt_help(doc, full, &text);
    fputs(ws_buf_z(&text), stdout);
    ws_buf_release(&text);
}

static ws_status check_count(const ws_command_doc *doc, int n, ws_err *err)
{
    if (n >= doc->min_args && (doc->max_args < 0 || n <= doc->max_args))
        return WS_OK;
    ws_fail(err, WS_EUSAGE, "%s: %s arguments", doc->name,
            n < doc->min_args ? "too few" : "too many");
    return ws_hint(err, "usage: warpsmith %s %s", doc->name, doc->usage);
}

ws_opt_result ws_opt_parse(const ws_command_doc *doc, int argc, char **argv, void *values,
                           const char **args, int *nargs, ws_err *err)
{
    cursor c = {argc, 1, argv};
    bool options = true;
    *nargs = 0;
    if (set_defaults(doc, values, err))
        return WS_OPT_BAD;
    for (; c.i < argc; c.i++) {
        const char *arg = argv[c.i];
        ws_status st = WS_OK;
        if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)) {
            print_help(doc, arg[1] == '-');
            return WS_OPT_HELP_SHOWN;
        } else if (options && arg[0] == '-' && arg[1] == '-') {
            st = parse_long(doc, &c, values, err);
        } else if (options && arg[0] == '-' && arg[1]) {
            st = parse_letters(doc, &c, values, err);
        } else {
            args[(*nargs)++] = arg;
            options &= !doc->first_ends_options;
        }
        if (st)
            return WS_OPT_BAD;
    }
    return check_count(doc, *nargs, err) ? WS_OPT_BAD : WS_OPT_RUN;
}

/* ---- help ---- */

static const char *group_of(const ws_opt *o)
{
    return o->group ? o->group : "Options";
}

static void help_option(const ws_opt *o, ws_buf *out)
{
    char left[64], letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
             o->arg ? o->arg : "");
    ws_buf_printf(out, "  %-28s %s", left, o->help);
    if (o->choices)
        ws_buf_printf(out, " (%s)", o->choices);
    if (o->fallback && o->type != WS_OPT_FLAG)
        ws_buf_printf(out, " [%s]", o->fallback);
    if (o->env)
        ws_buf_printf(out, " ($%s)", o->env);
    ws_buf_addc(out, '\n');
}

/* Whether an earlier option opened this option's group already. */
static bool group_seen(const ws_opt *table, const ws_opt *o)
{
    for (const ws_opt *p = table; p < o; p++)
        if (strcmp(group_of(p), group_of(o)) == 0)
            return true;
    return false;
}

static void each_group(const ws_opt *table, const char *heading,
                       void (*put)(const ws_opt *o, ws_buf *out), ws_buf *out)
{
    for (const ws_opt *o = table; o && o->name; o++) {
        if (group_seen(table, o))
            continue;
        ws_buf_printf(out, "%s%s:\n", heading, group_of(o));
        for (const ws_opt *p = o; p->name; p++)
            if (strcmp(group_of(p), group_of(o)) == 0)
                put(p, out);
    }
}

static void indented_lines(const char *text, const char *indent, ws_buf *out)
{
    for (const char *p = text; p && *p;) {
        size_t n = strcspn(p, "\n");
        ws_buf_printf(out, "%s%.*s\n", indent, (int)n, p);
        p += n + (p[n] == '\n');
    }
}

void ws_opt_help(const ws_command_doc *doc, bool full, ws_buf *out)
{
    ws_buf_printf(out, "warpsmith %s: %s\n\nusage: warpsmith %s %s\n", doc->name, doc->summary,
                  doc->name, doc->usage);
    if (full && doc->details)
        ws_buf_printf(out, "\n%s\n", doc->details);
    if (doc->examples) {
        ws_buf_adds(out, "\nExamples:\n");
        indented_lines(doc->examples, "  ", out);
    }
    each_group(doc->options, "\n", help_option, out);
}

static void man_option(const ws_opt *o, ws_buf *out)
{
    ws_buf_adds(out, ".TP\n");
    if (o->letter)
        ws_buf_printf(out, "\\fB\\-%c\\fR, ", o->letter);
    ws_buf_printf(out, "\\fB\\-\\-%s\\fR", o->name);
    if (o->arg)
        ws_buf_printf(out, " \\fI%s\\fR", o->arg);
    ws_buf_printf(out, "\n%s", o->help);
    if (o->fallback && o->type != WS_OPT_FLAG)
        ws_buf_printf(out, "; default %s", o->fallback);
    if (o->env)
        ws_buf_printf(out, "; environment %s", o->env);
    ws_buf_adds(out, ".\n");
}

void ws_opt_man(const ws_command_doc *doc, ws_buf *out)
{
    ws_buf_printf(out, ".SS \"%s %s\"\n%s.\n", doc->name, doc->usage, doc->summary);
    if (doc->details)
        ws_buf_printf(out, ".PP\n%s\n", doc->details);
    each_group(doc->options, ".PP\n", man_option, out);
    if (doc->examples)
        ws_buf_printf(out, ".PP\nExamples:\n.nf\n%s\n.fi\n", doc->examples);
}
