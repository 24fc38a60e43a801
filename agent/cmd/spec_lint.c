/* `warpsmith spec lint`: one row a spec, its findings below it. */
#include "agent/cli.h"
#include "agent/cmd/spec_lint.h"
#include "base/clock.h"
#include "base/json.h"
#include "verifier/lint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The catalogue takes about so many seconds of processor time: specs get several times their share
 * of what is left, as most need less. */
#define CATALOGUE_SECONDS 240.0
#define SHARES            4.0
#define LEAST_SECONDS     1.0 /* what small specs need: the last ones have it, too */

typedef struct listing {
    const spec_lint_options *o;
    cJSON *rows;                    /* NULL: text */
    int specs, clean, failed, left; /* left: of the catalogue */
    double start;
    double worst; /* share of the tolerance that honest arithmetic takes */
    int by_kind[LINT_COUNT], always[LINT_COUNT];
} listing;

/* The worst of the orders. */
static double honest(const lint_report *r)
{
    double worst = 0;
    for (int o = 0; o < REF_ORDER_COUNT; o++)
        worst = fmax(worst, r->honest[o]);
    return worst;
}

/* Which trials there was no time for. */
static void print_cut(const lint_report *r)
{
    if (r->tried == r->possible)
        return;
    printf("  (%d of %d trials; not tried:", r->tried, r->possible);
    for (int k = 0; k < LINT_COUNT; k++)
        if (r->cut[k])
            printf(" %s %d", vfy_lint_name((lint_kind)k), r->cut[k]);
    putchar(')');
}

static void print_row(const spec *s, const lint_report *r)
{
    printf("%-56s %-28s tolerance %.1e%s  honest %s (", s->name, r->shape, r->tolerance,
           r->by_trial ? " by trial" : "",
           honest(r) <= r->honest_limit ? "in bound" : "OUT OF BOUND");
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT; o++)
        printf("%.2g ", r->honest[o]);
    printf("of it)  lower precision %s", isnan(r->lower_excess) ? "rounds nothing"
                                         : r->lower_excess > 1  ? "rejected"
                                                                : "passes");
    if (!isnan(r->lower_excess))
        printf(" (%.3g of it)", r->lower_excess);
    if (r->least_flops < r->flops)
        printf("  work %.3g, by shortcuts %.3g", r->flops, r->least_flops);
    printf("  %d findings", r->n);
    print_cut(r);
    putchar('\n');
    for (int i = 0; i < r->n; i++)
        printf("    %s%s\n", r->finding[i].text,
               r->finding[i].always || vfy_lint_informs(r->finding[i].kind)
                   ? ""
                   : ", on the spec's own inputs only");
}

static cJSON *row_json(const spec *s, const lint_report *r)
{
    cJSON *o = cJSON_CreateObject(), *list;
    cJSON_AddStringToObject(o, "spec", s->name);
    cJSON_AddStringToObject(o, "sha256", s->sha256);
    cJSON_AddStringToObject(o, "shape", r->shape);
    ws_json_add_double(o, "relative_tolerance", r->tolerance);
    cJSON_AddBoolToObject(o, "by_trial", r->by_trial);
    if (!isnan(r->lower_excess))
        ws_json_add_double(o, "lower_precision_of_tolerance", r->lower_excess);
    cJSON *orders = cJSON_AddObjectToObject(o, "honest_of_tolerance");
    for (ref_order q = REF_ORDER_EXACT + 1; q < REF_ORDER_COUNT; q++)
        ws_json_add_double(orders, ref_order_name(q), r->honest[q]);
    if (r->flops > 0) {
        ws_json_add_double(o, "flops", r->flops);
        ws_json_add_double(o, "flops_by_shortcuts", r->least_flops);
    }
    cJSON_AddNumberToObject(o, "tried", r->tried);
    cJSON_AddNumberToObject(o, "possible", r->possible);
    cJSON *cut = cJSON_AddObjectToObject(o, "cut");
    for (int k = 0; k < LINT_COUNT; k++)
        if (r->cut[k])
            cJSON_AddNumberToObject(cut, vfy_lint_name((lint_kind)k), r->cut[k]);
    list = cJSON_AddArrayToObject(o, "findings");
    for (int i = 0; i < r->n; i++) {
        cJSON *f = cJSON_CreateObject();
        cJSON_AddStringToObject(f, "kind", vfy_lint_name(r->finding[i].kind));
        cJSON_AddStringToObject(f, "name", r->finding[i].name);
        cJSON_AddStringToObject(f, "text", r->finding[i].text);
        cJSON_AddBoolToObject(f, "always", r->finding[i].always);
        cJSON_AddItemToArray(list, f);
    }
    return o;
}

static ws_status lint_one(listing *l, spec *s, ws_err *err)
{
    lint_report r;
    ws_arena a = {0};
    bool of_kind[LINT_COUNT] = {0}, always[LINT_COUNT] = {0};
    double rest = CATALOGUE_SECONDS - (ws_cpu_seconds() - l->start), seconds = l->o->seconds;
    if (l->left > 0)
        seconds = fmin(seconds, fmax(LEAST_SECONDS, SHARES * rest / l->left--));
    ws_status st = vfy_lint(s, (uint64_t)l->o->seed, seconds, &a, &r, err);
    if (!st) {
        l->specs++;
        l->clean += !r.n;
        l->worst = fmax(l->worst, honest(&r));
        for (int i = 0; i < r.n; i++) {
            of_kind[r.finding[i].kind] = true;
            always[r.finding[i].kind] |= r.finding[i].always;
        }
        for (int k = 0; k < LINT_COUNT; k++) {
            l->by_kind[k] += of_kind[k];
            l->always[k] += always[k];
        }
        if (l->rows)
            cJSON_AddItemToArray(l->rows, row_json(s, &r));
        else
            print_row(s, &r);
        fflush(stdout);
    }
    ws_arena_release(&a);
    return st;
}

static void count_listed(void *ud, const char *path)
{
    listing *l = ud;
    (void)path;
    l->left++;
}

static void lint_listed(void *ud, const char *path)
{
    listing *l = ud;
    spec *s = NULL;
    ws_err err = {0};
    if (spec_load(path, &s, &err) || lint_one(l, s, &err)) {
        fprintf(stderr, "warpsmith: %s\n", err.msg);
        l->failed++;
    }
    spec_free(s);
}

static void print_counts(const listing *l)
{
    printf(
        "\n%d specs, %d without a finding; honest arithmetic in %d orders: %d out of bound, worst "
        "share of a tolerance %.2g; specs by finding (of them, also with other inputs):\n",
        l->specs, l->clean, REF_ORDER_COUNT - 1, l->by_kind[LINT_HONEST], l->worst);
    for (int k = 0; k < LINT_COUNT; k++)
        if (l->by_kind[k])
            printf("  %-16s %4d (%d)\n", vfy_lint_name((lint_kind)k), l->by_kind[k], l->always[k]);
}

ws_status spec_lint(const spec_lint_options *o, const char **names, int n, int *exit_code,
                    ws_err *err)
{
    listing l = {.o = o, .rows = o->json ? cJSON_CreateArray() : NULL, .start = ws_cpu_seconds()};
    ws_status st = WS_OK;
    if (o->all)
        st = spec_catalogue(count_listed, &l, err);
    if (o->all && !st)
        st = spec_catalogue(lint_listed, &l, err);
    for (int i = 0; i < n && !st; i++) {
        spec *s = NULL;
        st = spec_find(names[i], &s, err);
        if (!st)
            st = lint_one(&l, s, err);
        spec_free(s);
    }
    for (int k = 0; k < LINT_COUNT; k++) /* loose ones are refused, so they only inform */
        if (l.by_kind[k] && !vfy_lint_informs((lint_kind)k) && (!o->all || k == LINT_HONEST))
            *exit_code = 1;
    if (st) {
        cJSON_Delete(l.rows);
        return st;
    }
    if (l.rows) {
        cJSON *doc = cJSON_CreateObject();
        cJSON_AddNumberToObject(doc, "schema", 1);
        cJSON_AddItemToObject(doc, "specs", l.rows);
        cli_print_json(doc);
    } else if (o->all) {
        print_counts(&l);
    }
    if (l.failed)
        return ws_fail(err, WS_EINPUT, "%d specs of the catalogue cannot be examined", l.failed);
    return WS_OK;
}
