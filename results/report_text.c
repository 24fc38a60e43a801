/* Numbers as people read them, for the report's writers. */
#include "results/report.h"

#include <math.h>
#include <string.h>

void rep_time_label(const rep_arm *arm, ws_buf *out)
{
    const bool one = *arm->gpu != '\0';
    if (arm->modelled && arm->measured)
        ws_buf_printf(out, "%d modelled, %d measured", arm->modelled, arm->measured);
    else if (arm->modelled)
        ws_buf_printf(out, "modelled for %s", one ? arm->gpu : "several GPUs");
    else if (arm->measured)
        ws_buf_printf(out, "measured on %s", one ? arm->gpu : "several GPUs");
    else
        ws_buf_adds(out, "no times");
}

void rep_put_ratio(double v, ws_buf *out)
{
    if (!isfinite(v))
        ws_buf_adds(out, "-");
    else
        ws_buf_printf(out, v >= 99.5 ? "%.0fx" : "%.2fx", v);
}

/* Three digits at least, in the largest of these units that gives them. */
void rep_put_time(double seconds, ws_buf *out)
{
    static const struct {
        double from, factor;
        const char *name;
    } unit[] = {{1, 1, "s"}, {1e-3, 1e3, "ms"}, {0, 1e6, "us"}};
    if (!isfinite(seconds)) {
        ws_buf_adds(out, "-");
        return;
    }
    for (size_t i = 0; i < WS_COUNT(unit); i++)
        if (seconds >= unit[i].from) {
            const double v = seconds * unit[i].factor;
            ws_buf_printf(out, "%.*f %s", v >= 100 ? 1 : 2, v, unit[i].name);
            return;
        }
}

void rep_put_usd(double usd, ws_buf *out)
{
    if (isnan(usd))
        ws_buf_adds(out, "unknown");
    else
        ws_buf_printf(out, fabs(usd) >= 100 ? "%.0f USD" : fabs(usd) >= 1 ? "%.2f USD" : "%.4f USD",
                      usd);
}

void rep_put_count(double n, ws_buf *out)
{
    static const struct {
        double from;
        const char *name;
    } unit[] = {{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e4, " k"}};
    for (size_t i = 0; i < WS_COUNT(unit); i++)
        if (n >= unit[i].from) {
            const double f = unit[i].from >= 1e6 ? unit[i].from : 1e3;
            ws_buf_printf(out, "%.3g%s", n / f, unit[i].name);
            return;
        }
    ws_buf_printf(out, "%.0f", n);
}
