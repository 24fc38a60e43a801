/* Where the plan stands in the source: its comment, and the places of its values. */
#include "harness/plan/internal.h"

#include "base/json.h"

#include <string.h>

/* Past a string or character literal that begins at s[i]; an unclosed one ends with its line. */
static size_t skip_literal(const char *s, size_t n, size_t i)
{
    char quote = s[i++];
    while (i < n && s[i] != quote && s[i] != '\n')
        i += s[i] == '\\' && i + 1 < n ? 2 : 1;
    return i < n ? i + 1 : n;
}

static size_t find_in(const char *s, size_t from, size_t n, const char *what)
{
    size_t w = strlen(what);
    for (size_t i = from; i + w <= n; i++)
        if (memcmp(s + i, what, w) == 0)
            return i;
    return n;
}

static int line_of(const char *s, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++)
        line += s[i] == '\n';
    return line;
}

/* The text after "@plan" of the comment body [b, e): true when the body starts with the mark. */
static bool plan_mark(const char *s, size_t b, size_t e, size_t *json)
{
    while (b < e && (strchr(" \t\r\n*", s[b])))
        b++;
    if (e - b < 5 || memcmp(s + b, "@plan", 5) != 0)
        return false;
    b += 5;
    while (b < e && (s[b] == ':' || s[b] == ' '))
        b++;
    *json = b;
    return true;
}

/* The comment's JSON, at its own lines and columns. A '*' that begins a line of the comment is
 * decoration: no JSON value does, and JSON strings do not run over lines. */
static void lift_text(ws_arena *a, const char *s, size_t b, size_t e, plan_text *out)
{
    char *t = ws_arena_alloc(a, e + 1);
    bool fresh = false;
    for (size_t i = 0; i < e; i++) {
        t[i] = i >= b ? s[i] : s[i] == '\n' ? '\n' : ' ';
        if (i >= b && fresh && s[i] == '*')
            t[i] = ' ';
        fresh = s[i] == '\n' || (fresh && (s[i] == ' ' || s[i] == '\t'));
    }
    while (e > b && strchr(" \t\r\n", t[e - 1]))
        e--;
    t[e] = '\0';
    *out = (plan_text){.text = t, .json = t + b, .n = e};
    while (*out->json && strchr(" \t\r\n", *out->json))
        out->json++;
}

/* The line of another comment that begins with @plan { after `from`; 0: there is none. */
static int find_second(const char *s, size_t n, size_t from)
{
    for (size_t i = from; i + 1 < n;) {
        size_t json, end;
        if (s[i] == '"' || s[i] == '\'') {
            i = skip_literal(s, n, i);
        } else if (s[i] == '/' && s[i + 1] == '/') {
            i = find_in(s, i, n, "\n");
        } else if (s[i] == '/' && s[i + 1] == '*' && i >= from + 2) {
            end = find_in(s, i + 2, n, "*/");
            if (plan_mark(s, i + 2, end, &json)) {
                while (json < end && strchr(" \t\r\n*", s[json]))
                    json++;
                if (json < end && s[json] == '{')
                    return line_of(s, i);
            }
            i = end < n ? end + 2 : n;
        } else {
            i++;
        }
    }
    return 0;
}

/* The first control character in s[b, e) that JSON does not know as white space; e: there is none.
 * cJSON would skip it. */
static size_t find_control(const char *s, size_t b, size_t e)
{
    while (b < e && ((unsigned char)s[b] >= ' ' || (s[b] && strchr("\t\r\n", s[b]))))
        b++;
    return b;
}

bool plan_find(ws_arena *a, const char *source, size_t n, plan_text *out, hx_diag *d)
{
    int in_line_comment = 0;
    for (size_t i = 0; i < n;) {
        size_t json, end;
        if (source[i] == '"' || source[i] == '\'') {
            i = skip_literal(source, n, i);
        } else if (i + 1 < n && source[i] == '/' && source[i + 1] == '/') {
            end = find_in(source, i, n, "\n");
            if (!in_line_comment && plan_mark(source, i + 2, end, &json))
                in_line_comment = line_of(source, i);
            i = end;
        } else if (i + 1 < n && source[i] == '/' && source[i + 1] == '*') {
            end = find_in(source, i + 2, n, "*/");
            if (plan_mark(source, i + 2, end, &json)) {
                int line = line_of(source, i);
                if (end == n)
                    return hx_reject(d, HX_PLAN_INVALID, line, 0,
                                     "the @plan comment is not closed by '*/'");
                int second = find_second(source, n, end);
                if (second)
                    return hx_reject(d, HX_PLAN_INVALID, second, 0,
                                     "a second @plan comment; the first one is in line %d, and a "
                                     "source has one plan",
                                     line);
                size_t control = find_control(source, json, end);
                if (control < end)
                    return hx_reject(d, HX_PLAN_INVALID, line_of(source, control), 0,
                                     "the @plan has the control character 0x%02x",
                                     (unsigned)(unsigned char)source[control]);
                lift_text(a, source, json, end, out);
                out->line = line;
                return true;
            }
            i = end < n ? end + 2 : n;
        } else {
            i++;
        }
    }
    if (in_line_comment)
        return hx_reject(d, HX_PLAN_MISSING, in_line_comment, 0,
                         "the @plan must stand in a '/* ... */' comment, not after '//'");
    return hx_reject(d, HX_PLAN_MISSING, 0, 0,
                     "the source has no launch plan: it must begin with the comment "
                     "'/* @plan { ... } */'");
}

/* ---- places in JSON that has been parsed already ---- */

static const char *skip_space(const char *p)
{
    while (*p && strchr(" \t\r\n", *p))
        p++;
    return p;
}

const char *plan_json_end(const char *p)
{
    int depth = 0;
    do {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                if (*p == '\\' && p[1])
                    p++;
            p += *p == '"';
        } else if (*p == '{' || *p == '[') {
            depth++, p++;
        } else if (*p == '}' || *p == ']') {
            depth--, p++;
        } else if (depth) {
            p++;
        } else {
            while (*p && !strchr(",]} \t\r\n", *p))
                p++;
        }
    } while (*p && depth);
    return p;
}

const char *plan_json_member(const char *object, const char *key)
{
    size_t n = strlen(key);
    if (!object || *object != '{')
        return NULL;
    for (const char *p = skip_space(object + 1); *p == '"';) {
        bool found = strncmp(p + 1, key, n) == 0 && p[n + 1] == '"';
        p = skip_space(plan_json_end(p));
        p = skip_space(p + (*p == ':'));
        if (found)
            return p;
        p = skip_space(plan_json_end(p));
        p = skip_space(p + (*p == ','));
    }
    return NULL;
}

const char *plan_json_element(const char *array, int index)
{
    if (!array || *array != '[')
        return NULL;
    for (const char *p = skip_space(array + 1); *p && *p != ']'; index--) {
        if (index == 0)
            return p;
        p = skip_space(plan_json_end(p));
        p = skip_space(p + (*p == ','));
    }
    return NULL;
}

void plan_suggest(const char *word, const char *const *list, int n, ws_buf *out)
{
    const char *z[257];
    int m = 0;
    for (int i = 0; i < n && m < 256; i++)
        z[m++] = list[i];
    z[m] = NULL;
    const char *near = ws_nearest(word, z);
    if (near)
        ws_buf_printf(out, "; did you mean '%s'?", near);
}
