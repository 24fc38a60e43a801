#include "harness/reason.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
} reasons[] = {
#define X(id, name, text) [HX_##id] = {name, text},
    HX_REASON_LIST(X)
#undef X
};

const char *hx_reason_name(hx_reason r)
{
    return reasons[r].name;
}

const char *hx_reason_text(hx_reason r)
{
    return reasons[r].text;
}

bool hx_reason_named(const char *name, hx_reason *out)
{
    for (int r = 0; r < HX_REASON_COUNT; r++)
        if (strcmp(reasons[r].name, name) == 0) {
            *out = (hx_reason)r;
            return true;
        }
    return false;
}

bool hx_reject(hx_diag *d, hx_reason reason, int line, int column, const char *fmt, ...)
{
    va_list ap;
    d->reason = reason;
    d->line = line;
    d->column = column;
    va_start(ap, fmt);
    vsnprintf(d->text, sizeof d->text, fmt, ap);
    va_end(ap);
    return false;
}
