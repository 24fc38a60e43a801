/* The toolkit headers that a source includes before it says anything else. They are compiled in
 * front of the plan's macros, so that a tunable named like a template parameter of theirs does not
 * meet them, and every source that begins with the same ones begins with the same text: that part
 * can be compiled once (pch.c). */
#include "harness/compile/internal.h"

#include <string.h>

typedef struct reader {
    const char *p, *end;
} reader;

/* Over blanks and, unless `line`, newlines; and over comments. A backslash, which may join lines,
 * ends the reading. */
static void skip(reader *r, bool line)
{
    while (r->p < r->end) {
        const bool two = r->p + 1 < r->end;
        if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || (*r->p == '\n' && !line)) {
            r->p++;
        } else if (two && r->p[0] == '/' && r->p[1] == '*') {
            const char *close = memmem(r->p + 2, (size_t)(r->end - r->p - 2), "*/", 2);
            const size_t n = close ? (size_t)(close - r->p) : 0;
            if (!close || memchr(r->p, '\\', n))
                return;
            r->p = close + 2;
        } else if (two && r->p[0] == '/' && r->p[1] == '/') {
            const char *close = memchr(r->p, '\n', (size_t)(r->end - r->p));
            if (!close || memchr(r->p, '\\', (size_t)(close - r->p)))
                return;
            r->p = close;
        } else {
            return;
        }
    }
}

static bool take_word(reader *r, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

/* One `#include <name>` and the rest of its line. */
static bool take_include(reader *r, ws_str *name)
{
    skip(r, false);
    if (!take_word(r, "#"))
        return false;
    skip(r, true);
    if (!take_word(r, "include"))
        return false;
    skip(r, true);
    if (r->p == r->end || (*r->p != '<' && *r->p != '"'))
        return false;
    const char closing = *r->p++ == '<' ? '>' : '"';
    const char *start = r->p;
    while (r->p < r->end && *r->p != closing && *r->p != '\n')
        r->p++;
    if (r->p == r->end || *r->p != closing)
        return false;
    *name = (ws_str){start, (size_t)(r->p++ - start)};
    skip(r, true);
    return r->p == r->end || *r->p == '\n';
}

void comp_prefix(ws_str source, ws_buf *out)
{
    reader r = {source.p, source.p + source.n};
    ws_str name;
    while (take_include(&r, &name) && !comp_include_refused(name.p, name.n))
        if (!comp_include_is_empty(name.p, name.n))
            ws_buf_printf(out, "#include <%.*s>\n", WS_STR_ARG(name));
}
