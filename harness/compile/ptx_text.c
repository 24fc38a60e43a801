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

/* NVRTC writes one directive a line; a .section is "{" ... "}" with no braces or strings inside. */
void comp_ptx_without_lines(const char *ptx, size_t n, ws_buf *out)
{
    const char *p = ptx, *end = ptx + n;
    bool in_section = false;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);
        ws_str line = {p, len};
        p += len;
        if (in_section || starts(line, ".section")) {
            in_section = !memchr(line.p, '}', line.n);
            continue;
        }
        if (!starts(line, ".loc") && !starts(line, ".file"))
            ws_buf_add(out, line.p, line.n);
    }
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
