#include "agent/cmd/ptx_counters.h"

#include "base/mem.h"
#include "verifier/counters.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- counters ---- */

static uint64_t value_of(const ptx_counters *c, int i)
{
    uint64_t v;
    memcpy(&v, (const char *)c + vfy_counters[i].offset, sizeof v);
    return v;
}

static void ratio(ws_buf *out, const char *name, uint64_t part, uint64_t of, const char *says)
{
    if (of)
        ws_buf_printf(out, "  %-24s %14.2f  %s\n", name, (double)part / (double)of, says);
}

static void share(ws_buf *out, const char *name, uint64_t part, uint64_t of, const char *says)
{
    if (of)
        ws_buf_printf(out, "  %-24s %12.1f %%  %s\n", name, 100.0 * (double)part / (double)of, says);
}

void ptx_counters_text(const ptx_counters *c, ws_buf *out)
{
    for (int i = 0; i < vfy_n_counters; i++)
        if (value_of(c, i))
            ws_buf_printf(out, "  %-24s %14" PRIu64 "  %s\n", vfy_counters[i].name, value_of(c, i),
                          vfy_counters[i].says);
    ratio(out, "lanes an instruction", c->thread_insns, c->warp_insns, "of 32");
    ratio(out, "sectors a load", c->global_ld_sectors, c->global_ld_requests, "of global memory");
    share(out, "ideal of load sectors", c->global_ld_ideal_sectors, c->global_ld_sectors, "100 %: coalesced");
    ratio(out, "sectors a store", c->global_st_sectors, c->global_st_requests, "of global memory");
    share(out, "ideal of store sectors", c->global_st_ideal_sectors, c->global_st_sectors, "100 %: coalesced");
    ratio(out, "wavefronts a request", c->shared_wavefronts, c->shared_requests, "of shared memory");
    share(out, "L1 hits", c->l1_hit_sectors, c->l1_ld_sectors, "of the sectors that are looked for there");
    share(out, "L2 hits", c->l2_hit_sectors, c->l2_ld_sectors + c->l2_atomic_sectors, "of loads and atomics");
}

cJSON *ptx_counters_json(const ptx_counters *c)
{
    cJSON *o = cJSON_CreateObject();
    for (int i = 0; i < vfy_n_counters; i++)
        cJSON_AddNumberToObject(o, vfy_counters[i].name, (double)value_of(c, i));
    return o;
}

/* ---- source lines ---- */

static const struct column {
    const char *name, *title; /* in JSON; two lines of text */
    size_t offset;
} columns[] = {
#define COLUMN(field, title) {#field, title, offsetof(ptx_line_row, field)},
    COLUMN(warp_insns, "warp\ninsns")
    COLUMN(thread_insns, "thread\ninsns")
    COLUMN(global_requests, "global\nrequests")
    COLUMN(sectors, "\nsectors")
    COLUMN(ideal_sectors, "ideal\nsectors")
    COLUMN(l1_hits, "L1\nhits")
    COLUMN(l2_hits, "L2\nhits")
    COLUMN(dram_sectors, "DRAM\nsectors")
    COLUMN(shared_requests, "shared\nrequests")
    COLUMN(wavefronts, "wave-\nfronts")
    COLUMN(conflicts, "bank\nconflicts")
    COLUMN(divergent_branches, "divergent\nbranches")
    COLUMN(atomic_passes, "atomic\npasses")
    COLUMN(local_requests, "local\nrequests")
#undef COLUMN
};

static uint64_t cell(const ptx_line_row *r, size_t column)
{
    uint64_t v;
    memcpy(&v, (const char *)r + columns[column].offset, sizeof v);
    return v;
}

static bool is_used(const ptx_lines *l, size_t column)
{
    for (int i = 0; i < l->n; i++)
        if (cell(&l->line[i], column))
            return true;
    return false;
}

static void titles(const ptx_lines *l, int part, int place, ws_buf *out)
{
    ws_buf_printf(out, "  %-*s", place, part ? "line" : "");
    for (size_t k = 0; k < WS_COUNT(columns); k++) {
        const char *low = strchr(columns[k].title, '\n');
        const int high = (int)(low - columns[k].title);
        if (is_used(l, k))
            ws_buf_printf(out, " %10.*s", part ? 10 : high, part ? low + 1 : columns[k].title);
    }
    ws_buf_adds(out, "\n");
}

void ptx_lines_text(const ptx_lines *l, ws_buf *out)
{
    int place = 8;
    for (int i = 0; i < l->n; i++) {
        const int n = (int)strlen(l->line[i].file) + 6;
        place = n > place ? n : place;
    }
    titles(l, 0, place, out);
    titles(l, 1, place, out);
    for (int i = 0; i < l->n; i++) {
        const ptx_line_row *r = &l->line[i];
        char where[96] = "(no line)";
        if (r->line)
            snprintf(where, sizeof where, "%s:%d", r->file, r->line);
        ws_buf_printf(out, "  %-*s", place, where);
        for (size_t k = 0; k < WS_COUNT(columns); k++)
            if (is_used(l, k))
                ws_buf_printf(out, " %10" PRIu64, cell(r, k));
        ws_buf_adds(out, "\n");
    }
    if (l->full)
        ws_buf_adds(out, "  further lines had no room\n");
}

cJSON *ptx_lines_json(const ptx_lines *l)
{
    cJSON *all = cJSON_CreateArray();
    for (int i = 0; i < l->n; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "file", l->line[i].file);
        cJSON_AddNumberToObject(o, "line", l->line[i].line);
        for (size_t k = 0; k < WS_COUNT(columns); k++)
            cJSON_AddNumberToObject(o, columns[k].name, (double)cell(&l->line[i], k));
        cJSON_AddItemToArray(all, o);
    }
    return all;
}
