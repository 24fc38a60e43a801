#include "results/traits.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Text of a source, and the word for it. Several texts may have one word; they follow each other.
 */
static const struct {
    const char *text, *word;
} traits[] = {
    {"float4", "float4"},
    {"float2", "float2"},
    {"int4", "int4"},
    {"half2", "half2"},
    {"__half", "half"},
    {"bfloat16", "bf16"},
    {"double", "double"},
    {"extern __shared__", "dynamic-shared"},
    {"__shared__", "shared"},
    {"__shfl", "shuffle"},
    {"__reduce_", "redux"},
    {"__ballot", "ballot"},
    {"__match_", "match"},
    {"__syncwarp", "syncwarp"},
    {"atomic", "atomics"},
    {"__threadfence", "fence"},
    {"cooperative_groups", "cooperative-groups"},
    {"cub::", "cub"},
    {"wmma", "wmma"},
    {"wgmma", "wgmma"},
    {"mma.sync", "mma"},
    {"ldmatrix", "ldmatrix"},
    {"cp.async.bulk", "tma"},
    {"cp_async_bulk", "tma"},
    {"CUtensorMap", "tma"},
    {"cp.async", "cp-async"},
    {"__pipeline", "cp-async"},
    {"memcpy_async", "cp-async"},
    {"mbarrier", "mbarrier"},
    {"__ldg", "ldg"},
    {"__ldcs", "streaming"},
    {"__stcs", "streaming"},
    {"__constant__", "constant"},
    {"#pragma unroll", "unroll"},
    {"__launch_bounds__", "launch-bounds"},
    {"__restrict__", "restrict"},
    {"__expf", "fast-exp"},
    {"exp2f", "exp2"},
    {"__fdividef", "fast-divide"},
    {"rsqrtf", "rsqrt"},
    {"fmaf", "fma"},
    {"\"scratch\"", "scratch"},
    {"\"tune\"", "tunables"},
};

/* Habits: they say nothing about what changed. */
static const char *const habits = "launch-bounds restrict fma tunables";

/* The source without its comments, but with the plan: what is only talked about is not used. */
static char *without_comments(const char *source)
{
    char *out = ws_malloc(strlen(source) + 1), *to = out;
    for (const char *p = source; *p;) {
        bool block = p[0] == '/' && p[1] == '*', line = p[0] == '/' && p[1] == '/';
        if (!block && !line) {
            *to++ = *p++;
            continue;
        }
        const char *end = block ? strstr(p + 2, "*/") : strchr(p, '\n');
        end = end ? end + (block ? 2 : 0) : p + strlen(p);
        const char *plan = strstr(p, "@plan");
        if (block && plan && plan < end) {
            memcpy(to, p, (size_t)(end - p));
            to += end - p;
        }
        p = end;
    }
    *to = 0;
    return out;
}

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

void db_traits(const char *source, ws_buf *out)
{
    char *text = without_comments(source ? source : "");
    ws_buf words = {0};
    for (size_t i = 0; i < WS_COUNT(traits); i++)
        if (!has_word(ws_buf_z(&words), traits[i].word) && strstr(text, traits[i].text))
            ws_buf_printf(&words, "%s%s", words.n ? " " : "", traits[i].word);
    ws_buf_adds(out, ws_buf_z(&words));
    ws_buf_release(&words);
    free(text);
}

void db_traits_changed(const char *before, const char *after, ws_buf *out)
{
    ws_buf had = {0}, has = {0};
    size_t start = out->n;
    db_traits(before, &had);
    db_traits(after, &has);
    for (int lost = 0; lost < 2; lost++)
        for (size_t i = 0; i < WS_COUNT(traits); i++) {
            const char *in = ws_buf_z(lost ? &had : &has), *not_in = ws_buf_z(lost ? &has : &had);
            bool again = i && strcmp(traits[i].word, traits[i - 1].word) == 0;
            if (!again && !has_word(habits, traits[i].word) && has_word(in, traits[i].word) &&
                !has_word(not_in, traits[i].word))
                ws_buf_printf(out, "%s%c%s", out->n > start ? " " : "", lost ? '-' : '+',
                              traits[i].word);
        }
    ws_buf_release(&had);
    ws_buf_release(&has);
}
