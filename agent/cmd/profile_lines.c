#include "agent/cmd/profile_lines.h"

#include "agent/evidence/quote.h"
#include "base/json.h"
#include "base/mem.h"
#include "verifier/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10, WIDTH = 64 };
static const double LEAST = 0.02; /* of a launch; lines below are not shown */

/* Costs of a line that terms of the model are about. */
enum { INSTRUCTIONS, SECTORS, WAVEFRONTS, ATOMICS, COSTS };

typedef struct top_line {
    const ptx_line_row *row;
    double share[COSTS]; /* of the launch's */
    double cost;         /* of the total time, as far as the terms tell */
} top_line;

static void costs_of(const ptx_line_row *r, double out[COSTS])
{
    out[INSTRUCTIONS] = (double)r->warp_insns;
    out[SECTORS] = (double)r->sectors;
    out[WAVEFRONTS] = (double)(r->wavefronts + r->global_requests + r->local_requests);
    out[ATOMICS] = (double)r->atomic_passes;
}

static const vfy_launch *launch_of(const profile_report *r, const ptx_line_row *row)
{
    for (int i = 0; i < r->v->n_launches; i++)
        if (r->v->launch[i].index == row->launch + 1)
            return &r->v->launch[i];
    return NULL;
}

/* The cost of a line is its share of each kind, weighted by what the model's term takes. */
static double cost_of(const profile_report *r, const vfy_launch *l, const double share[COSTS])
{
    const tim_launch_estimate *e = &l->time;
    const double term[COSTS] = {e->compute_s + e->latency_s / 2,
                                fmax(e->memory_s, e->l2_s) + e->latency_s / 2, e->shared_s,
                                e->atomic_s};
    double sum = 0, all = 0;
    for (int k = 0; k < COSTS; k++) {
        sum += share[k] * term[k] * term[k];
        all += term[k] * term[k];
    }
    return all > 0 ? sum / all * e->seconds / r->v->model.seconds : 0;
}

static int dearer(const void *a, const void *b)
{
    const top_line *x = a, *y = b;
    return x->cost != y->cost ? (x->cost < y->cost) - (x->cost > y->cost)
                              : x->row->line - y->row->line;
}

/* The dearest lines; free() the array. */
static top_line *rank(const profile_report *r, int *n)
{
    const ptx_lines *all = r->lines;
    *n = 0;
    if (!all || !all->n || !r->v->has_model)
        return NULL;
    top_line *top = ws_calloc((size_t)all->n, sizeof *top);
    for (int i = 0; i < all->n; i++) {
        const ptx_line_row *row = &all->line[i];
        const vfy_launch *l = launch_of(r, row);
        double own[COSTS], sum[COSTS] = {0};
        if (!row->line || !l)
            continue;
        top_line *t = &top[(*n)++];
        t->row = row;
        for (int k = 0; k < all->n; k++) {
            double other[COSTS];
            if (all->line[k].launch != row->launch)
                continue;
            costs_of(&all->line[k], other);
            for (int c = 0; c < COSTS; c++)
                sum[c] += other[c];
        }
        costs_of(row, own);
        for (int c = 0; c < COSTS; c++)
            t->share[c] = sum[c] > 0 ? own[c] / sum[c] : 0;
        t->cost = cost_of(r, l, t->share);
    }
    qsort(top, (size_t)*n, sizeof *top, dearer);
    int kept = 0;
    while (kept < *n && kept < SHOWN && top[kept].cost >= LEAST)
        kept++;
    *n = kept;
    return top;
}

static const char *text_of(const profile_report *r, const ptx_line_row *row, ws_arena *a)
{
    const char *p = r->source;
    if (row->file[0] && strcmp(row->file, r->file) != 0)
        return row->file;
    for (int at = 1; p && at < row->line; at++)
        p = (p = strchr(p, '\n')) ? p + 1 : NULL;
    if (!p)
        return "";
    const ws_str text = ws_str_trim((ws_str){p, strcspn(p, "\n")});
    return ws_arena_strndup(a, text.p, ev_cut(text.p, text.n, WIDTH));
}

static double ratio(uint64_t part, uint64_t of)
{
    return of ? (double)part / (double)of : 0;
}

static void write_cell(double v, int width, int digits, ws_buf *out)
{
    if (v > 0)
        ws_buf_printf(out, " %*.*f", width, digits, v);
    else
        ws_buf_printf(out, " %*s", width, "-");
}

void profile_lines_text(const profile_report *r, ws_buf *out)
{
    ws_arena a = {0};
    int n;
    top_line *top = rank(r, &n);
    if (n)
        ws_buf_adds(out, "Lines that cost most (% of the modelled time and of the launch's "
                         "instructions; sectors, ideal "
                         "ones and wavefronts of an access; lanes of 32):\n"
                         "   line  time insns sectors (ideal) wavefr. lanes\n");
    for (int i = 0; i < n; i++) {
        const ptx_line_row *row = top[i].row;
        ws_buf_printf(out, "  %5d %5.0f %5.0f", row->line, 100 * top[i].cost,
                      100 * top[i].share[INSTRUCTIONS]);
        write_cell(ratio(row->sectors, row->global_requests), 7, 1, out);
        write_cell(ratio(row->ideal_sectors, row->global_requests), 7, 1, out);
        write_cell(ratio(row->wavefronts, row->shared_requests), 7, 1, out);
        write_cell(ratio(row->thread_insns, row->warp_insns), 5, 0, out);
        ws_buf_adds(out, "  ");
        ws_buf_add_foreign(out, text_of(r, row, &a), "");
        ws_buf_addc(out, '\n');
    }
    free(top);
    ws_arena_release(&a);
}

cJSON *profile_lines_json(const profile_report *r)
{
    ws_arena a = {0};
    int n;
    top_line *top = rank(r, &n);
    cJSON *array = cJSON_CreateArray();
    for (int i = 0; i < n; i++) {
        const ptx_line_row *row = top[i].row;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "launch", row->launch + 1);
        cJSON_AddNumberToObject(o, "line", row->line);
        ws_json_add_double(o, "cost", top[i].cost);
        ws_json_add_double(o, "instructions", (double)row->warp_insns);
        ws_json_add_double(o, "lanes", ratio(row->thread_insns, row->warp_insns));
        ws_json_add_double(o, "global_requests", (double)row->global_requests);
        ws_json_add_double(o, "sectors", (double)row->sectors);
        ws_json_add_double(o, "ideal_sectors", (double)row->ideal_sectors);
        ws_json_add_double(o, "shared_requests", (double)row->shared_requests);
        ws_json_add_double(o, "wavefronts", (double)row->wavefronts);
        ws_json_add_double(o, "divergent_branches", (double)row->divergent_branches);
        ws_json_add_double(o, "atomic_passes", (double)row->atomic_passes);
        ws_json_add_double(o, "local_requests", (double)row->local_requests);
        char *text = ws_utf8_valid(text_of(r, row, &a));
        cJSON_AddStringToObject(o, "text", text);
        free(text);
        cJSON_AddItemToArray(array, o);
    }
    free(top);
    ws_arena_release(&a);
    return array;
}
