/* What 'warpsmith bench' says about a sitting: a table, JSON, rows of the archive. */
#ifndef AGENT_CMD_BENCH_PRINT_H
#define AGENT_CMD_BENCH_PRINT_H

#include "results/archive.h"
#include "verifier/baseline.h"
#include "verifier/bench.h"

#include <cjson/cJSON.h>

typedef struct bench_report {
    const spec *spec;
    const vfy_bench_options *o;
    const vfy_bench *b;
    const char *noise; /* name of the noise */
} bench_report;

void bench_print_text(const bench_report *r, ws_buf *out);
cJSON *bench_print_json(const bench_report *r);
ws_status bench_store(const bench_report *r, db_archive *db, int64_t *id,
                      ws_err *err) WS_MUST_CHECK;
/* Baselines that did not sit with the candidates, one a line; each with what it is. */
void bench_print_baselines(const vfy_baseline *b, int n, ws_buf *out);
cJSON *bench_baselines_json(const vfy_baseline *b, int n);
/* Someone won, and it was confirmed. */
bool bench_has_winner(const vfy_bench *b);

#endif
