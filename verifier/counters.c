#include "verifier/counters.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define X(name, metric, says) {#name, offsetof(ptx_counters, name), metric, says},
const vfy_counter vfy_counters[] = {
#include "harness/ptx/counters.def"
};
#undef X
const int vfy_n_counters = (int)WS_COUNT(vfy_counters);

void vfy_counters_print(const ptx_counters *c, bool zeros, ws_buf *out)
{
    const char *before = "{";
    for (int i = 0; i < vfy_n_counters; i++) {
        uint64_t value;
        memcpy(&value, (const char *)c + vfy_counters[i].offset, sizeof value);
        if (!value && !zeros)
            continue;
        ws_buf_printf(out, "%s\"%s\":%" PRIu64, before, vfy_counters[i].name, value);
        before = ",";
    }
    ws_buf_adds(out, *before == '{' ? "{}" : "}");
}

void vfy_counters_read(const cJSON *o, ptx_counters *out)
{
    *out = (ptx_counters){0};
    for (int i = 0; i < vfy_n_counters; i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, vfy_counters[i].name);
        uint64_t value = cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble < 0x1p63
                             ? (uint64_t)v->valuedouble
                             : 0;
        memcpy((char *)out + vfy_counters[i].offset, &value, sizeof value);
    }
}
