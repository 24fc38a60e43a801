#include "agent/evidence/quote.h"

#include <string.h>

enum { WIDTH = 160 };

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
        size_t n = strcspn(p, "\n"), shown = n > WIDTH ? WIDTH : n;
        while (shown < n && shown && ((unsigned char)p[shown] & 0xc0) == 0x80)
            shown--; /* no half characters */
        if (at >= line - around)
            ws_buf_printf(out, "  %s %4d | %.*s%s\n", at == line ? ">" : " ", at, (int)shown, p,
                          shown < n ? " ..." : "");
        p += n + (p[n] == '\n');
    }
}
