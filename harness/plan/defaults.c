/* The source with other defaults of its tunables. */
#include "harness/plan/internal.h"

#include <inttypes.h>
#include <string.h>

void plan_put_defaults(const char *source, size_t n, const plan *p, const int64_t *tune,
                       ws_buf *out)
{
    ws_arena a = {0};
    plan_text text;
    hx_diag d;
    size_t done = 0;
    if (!plan_find(&a, source, n, &text, &d))
        ws_bug("a plan that was parsed is not found: %s", d.text);
    const char *lists = plan_json_member(text.json, "tune");
    for (int k = 0; k < p->n_tune; k++) {
        const plan_tunable *t = &p->tune[k];
        const char *from = plan_json_member(lists, t->name);
        ws_buf_add(out, source + done, (size_t)(from - text.text) - done);
        ws_buf_printf(out, "[%" PRId64, tune[k]);
        for (int v = 0; v < t->n_values; v++)
            if (t->value[v] != tune[k])
                ws_buf_printf(out, ", %" PRId64, t->value[v]);
        ws_buf_addc(out, ']');
        done = (size_t)(plan_json_end(from) - text.text);
    }
    ws_buf_add(out, source + done, n - done);
    ws_arena_release(&a);
}
