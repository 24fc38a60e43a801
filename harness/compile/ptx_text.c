/* PTX as text, where no parser is needed. */
#include "harness/compile/internal.h"

#include <stdio.h>
#include <string.h>

static bool starts(ws_str line, const char *word)
{
    size_t n = strlen(word);
    line = ws_str_trim(line);
    return line.n > n && memcmp(line.p, word, n) == 0 && (line.p[n] == ' ' || line.p[n] == '\t');
}

/* What becomes of the lines of a PTX text, in order. NVRTC writes one directive a line; a .section
 * is "{" ... "}" with no braces or strings inside. */
typedef struct reader {
    const char *p, *end;
    bool in_section;
} reader;

typedef enum line_kind { LINE_CODE, LINE_LOC, LINE_DEBUG } line_kind;

static bool next_line(reader *r, ws_str *line, line_kind *kind)
{
    if (r->p >= r->end)
        return false;
    const char *newline = memchr(r->p, '\n', (size_t)(r->end - r->p));
    size_t len = newline ? (size_t)(newline - r->p) + 1 : (size_t)(r->end - r->p);
    *line = (ws_str){r->p, len};
    r->p += len;
    if (r->in_section || starts(*line, ".section")) {
        r->in_section = !memchr(line->p, '}', line->n);
        *kind = LINE_DEBUG;
    } else {
        *kind = starts(*line, ".loc") ? LINE_LOC : starts(*line, ".file") ? LINE_DEBUG : LINE_CODE;
    }
    return true;
}

void comp_ptx_without_lines(const char *ptx, size_t n, ws_buf *out)
{
    reader r = {ptx, ptx + n, false};
    ws_str line;
    line_kind kind;
    while (next_line(&r, &line, &kind))
        if (kind == LINE_CODE)
            ws_buf_add(out, line.p, line.n);
}

int comp_ptx_source_line(const char *ptx, size_t n, int number)
{
    reader r = {ptx, ptx + n, false};
    ws_str line;
    line_kind kind;
    int at = 0, source = 0;
    while (at < number && next_line(&r, &line, &kind)) {
        int file = 0, l = 0;
        at += kind == LINE_CODE;
        /* File 1 is the candidate: NVRTC numbers it first. */
        if (kind == LINE_LOC && sscanf(line.p, " .loc %d %d", &file, &l) == 2 && file == 1)
            source = l;
    }
    return at == number ? source : 0;
}

bool comp_ptx_version(const char *ptx, size_t n, char *out, size_t cap)
{
    static const char mark[] = ", V";
    ws_str head = {ptx, n < 600 ? n : 600};
    const char *at = memmem(head.p, head.n, "release ", 8);
    const char *end = head.p + head.n;
    if (at)
        at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1);
    if (!at)
        return false;
    at += sizeof mark - 1;
    int len = 0;
    while (at + len < end && strchr("0123456789.", at[len]) && at[len])
        len++;
    return len && snprintf(out, cap, "NVRTC %.*s", len, at) < (int)cap;
}
