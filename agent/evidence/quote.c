#include "agent/evidence/quote.h"

#include <string.h>

enum { WIDTH = 160 };

size_t ev_cut(const char *text, size_t n, size_t most)
{
    size_t k = n < most ? n : most;
    while (k < n && k && ((unsigned char)text[k] & 0xc0) == 0x80)
        k--;
    return k;
}

void ev_quote(const char *source, int line, int around, ws_buf *out)
{
    int at = 1;
    if (!source || line < 1)
        return;
    int last = 1;
    for (const char *p = source; (p = strchr(p, '\n')) && p[1]; p++)
        last++;
    if (line > last)
        return;
    for (const char *p = source; *p && at <= line + around; at++) {
        size_t n = strcspn(p, "\n"), shown = ev_cut(p, n, WIDTH);
        if (at >= line - around)
            ws_buf_printf(out, "  %s %4d | %.*s%s\n", at == line ? ">" : " ", at, (int)shown, p,
                          shown < n ? " ..." : "");
        p += n + (p[n] == '\n');
    }
}
