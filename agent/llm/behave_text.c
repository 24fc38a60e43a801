#include "agent/llm/behave.h"

#include "base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- formats ---- */

static const char *fenced(ws_arena *a, const char *say, const char *source)
{
    return ws_arena_printf(a, "%s\n\n```cuda\n%s```\n", say, source);
}

static const char *bare(ws_arena *a, const char *say, const char *source)
{
    return ws_arena_printf(a, "// %s\n%s", say, source);
}

static const char *two_fences(ws_arena *a, const char *say, const char *source)
{
    return ws_arena_printf(
        a,
        "%s The host calls it so:\n\n```cpp\nlaunch(x, y);  // on your stream\n```\n"
        "\nThe kernel itself:\n\n```cuda\n%s```\n\nBuild it with:\n\n```bash\n"
        "nvcc -O3 -arch=native kernel.cu\n```\n",
        say, source);
}

static const char *prose(ws_arena *a, const char *say, const char *source)
{
    return ws_arena_printf(
        a,
        "%s Put it into a ```cuda``` file. Here is what I did:\n\n"
        "* **Reads** are now coalesced (see `threadIdx.x`).\n\n~~~ c++\n%s~~~\n\n"
        "Let me know whether that helps :-)\n",
        say, source);
}

static const char *thinking(ws_arena *a, const char *say, const char *source)
{
    return ws_arena_printf(a,
                           "<think>\nA draft first:\n```cuda\n__global__ void draft() { }\n```\n"
                           "no, that is nothing.\n</think>\n%s\n\n```c++\n%s```\n",
                           say, source);
}

/* The plan breaks off in its middle; no reader can guess the rest. */
static const char *cut_plan(ws_arena *a, const char *say, const char *source)
{
    const char *end = strstr(source, "*/");
    size_t n = end ? (size_t)(end - source) : 0;
    return ws_arena_printf(a, "%s\n```cuda\n%.*s*/\n%s```\n", say, (int)(n / 2), source,
                           end ? end + 2 : source);
}

static const char *in_json(ws_arena *a, const char *say, const char *source)
{
    ws_buf text = {0};
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "explanation", say);
    cJSON_AddStringToObject(o, "code", source);
    ws_json_print(o, true, &text);
    cJSON_Delete(o);
    const char *reply = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    return reply;
}

static const char *windows(ws_arena *a, const char *say, const char *source)
{
    ws_buf text = {0};
    ws_buf_printf(&text, "%s\r\n\r\n````cuda title=\"kernel.cu\"\r\n", say);
    for (const char *p = source; *p; p++) {
        if (*p == '\n')
            ws_buf_addc(&text, '\r');
        ws_buf_addc(&text, *p);
    }
    ws_buf_adds(&text, "````\r\n");
    const char *reply = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    return reply;
}

static const char *(*const forms[])(ws_arena *, const char *, const char *) = {
    fenced, bare, two_fences, prose, thinking, cut_plan, in_json, windows};

int behave_forms(void)
{
    return (int)WS_COUNT(forms);
}

const char *behave_format(ws_arena *a, const char *say, const char *source, int form)
{
    return forms[form](a, say, source);
}

/* ---- what a prompt shows ---- */

char *behave_last_block(ws_arena *a, const char *text)
{
    const char *from = NULL, *to = NULL;
    for (const char *p = text; (p = strstr(p, "```cuda\n")); p = to) {
        const char *end = strstr(p + 8, "\n```");
        if (!end)
            break;
        from = p + 8;
        to = end + 1;
    }
    return from ? ws_arena_strndup(a, from, (size_t)(to - from)) : NULL;
}

/* ---- other names ---- */

enum { MAX_NAMES = 64 };

typedef struct name_list {
    ws_str name[MAX_NAMES];
    int n;
} name_list;

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t name_at(const char *p)
{
    size_t n = 0;
    if (isdigit((unsigned char)*p))
        return 0;
    while (is_name_char(p[n]))
        n++;
    return n;
}

static bool is_one_of(ws_str s, const char *const list[])
{
    for (int i = 0; list[i]; i++)
        if (ws_str_eqz(s, list[i]))
            return true;
    return false;
}

static bool listed(const name_list *l, ws_str s)
{
    for (int i = 0; i < l->n; i++)
        if (ws_str_eq(l->name[i], s))
            return true;
    return false;
}

/* A member of something: after a dot or an arrow. */
static bool is_member(const char *text, const char *p)
{
    return p > text && (p[-1] == '.' || (p[-1] == '>' && p - 1 > text && p[-2] == '-'));
}

static bool is_member_anywhere(const char *text, ws_str s)
{
    for (const char *p = text; (p = memmem(p, strlen(p), s.p, s.n)); p += s.n)
        if (is_member(text, p) && !is_name_char(p[s.n]))
            return true;
    return false;
}

/* What stands after a type, pointers and qualifiers: `const float *__restrict__ x`. */
static void find_declared(const char *text, name_list *out)
{
    static const char *const types[] = {"int",    "float", "double", "unsigned",
                                        "size_t", "bool",  NULL};
    static const char *const words[] = {
        "int",   "float", "double",   "unsigned",     "long",   "size_t",    "bool",
        "const", "char",  "operator", "__restrict__", "__half", "threadIdx", NULL};
    for (const char *p = text; *p;) {
        size_t n = name_at(p);
        ws_str type = {p, n};
        p += n ? n : 1;
        if (!n || !is_one_of(type, types))
            continue;
        const char *q = p;
        while (*q == ' ' || *q == '*' || strncmp(q, "__restrict__", 12) == 0)
            q += *q == '_' ? 12 : 1;
        ws_str s = {q, name_at(q)};
        bool fresh = s.n && q > p && !is_one_of(s, words) && !listed(out, s);
        if (fresh && out->n < MAX_NAMES && !is_member_anywhere(text, s))
            out->name[out->n++] = s;
    }
}

char *behave_rename(ws_arena *a, const char *source)
{
    name_list names = {.n = 0};
    ws_buf text = {0};
    const char *plan = strstr(source, "@plan"), *body = plan ? strstr(plan, "*/") : NULL;
    body = body ? body + 2 : source;
    find_declared(body, &names);
    ws_buf_add(&text, source, (size_t)(body - source)); /* the plan names tensors, not variables */
    for (const char *p = body; *p;) {
        size_t n = name_at(p);
        ws_buf_add(&text, p, n ? n : 1);
        if (n && !is_member(body, p) && listed(&names, (ws_str){p, n}))
            ws_buf_adds(&text, "_mine");
        if (!n && is_name_char(*p)) /* a number, with its suffix */
            while (is_name_char(p[1]))
                ws_buf_addc(&text, *++p);
        p += n ? n : 1;
    }
    char *renamed = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    return renamed;
}
