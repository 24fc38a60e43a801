/* Options of every command that makes runs, and where they come from beside the command line: a run
 * of the archive that goes on, or a recording. The rows of the tables are in run_*.def. */
#ifndef AGENT_CMD_RUN_OPTIONS_H
#define AGENT_CMD_RUN_OPTIONS_H

#include "agent/cli.h"
#include "agent/cmd/model_access.h"
#include "agent/loop/loop.h"

/* Options that a run of the archive and a recording keep: what is given now replaces them. The
 * option's name here, the loop's. */
#define KEPT_OPTIONS(X)                                                                            \
    X(model, models) X(base_url, base_url) X(stream, no_stream) X(max_tokens, max_tokens)          \
    X(temperature, temperature) X(effort, reasoning_effort) X(prompts, prompts)                    \
    X(strategy, strategy) X(lanes, lanes) X(slack, slack)                                          \
    X(repairs, strategy_options.repairs) X(patience, strategy_options.patience)                    \
    X(stagnation, strategy_options.stagnation) X(barren, strategy_options.barren)                  \
    X(islands, strategy_options.islands)                                                           \
    X(migrate, strategy_options.migrate_every) X(inspirations, strategy_options.keep)              \
    X(diagnose, strategy_options.diagnose) X(rounds, budget.most.replies)                          \
    X(tokens, budget.most.tokens) X(calls, budget.most.requests)                                   \
    X(candidates, budget.most.candidates) X(cost, budget.most.usd) X(time, budget.seconds)         \
    X(prices, prices) X(unknown_price, allow_unknown_price) X(value, value_usd_per_gpu_hour)       \
    X(serves, expected_calls) X(target, target_speedup) X(target, target_roofline)                 \
    X(tune, tune_max)                                                                              \
    X(memory, no_memory) X(seed, seed)


typedef struct run_options {
    cli_common common; /* first, as in every options struct */
    loop_options l;
    const char *provider, *wire, *api_key_file, *target;
    int64_t attempts, repairs, patience, stagnation, barren, islands, migrate, inspirations;
    bool gpu, arch; /* were given */
    struct {
        bool model, base_url, stream, max_tokens, temperature, effort, prompts, strategy, lanes,
            slack, repairs, patience, stagnation, barren, islands, migrate, inspirations, diagnose,
            rounds, tokens, calls, candidates, cost, time, prices, unknown_price, value, serves,
            target, tune, memory, seed;
    } given;
} run_options;

/* Fills the numbers of `l` that the table reads in another type, and checks all of them. */
ws_status run_options_check(const run_options *o, loop_options *l, ws_err *err) WS_MUST_CHECK;
/* `old` where `o` was not given anything. */
void run_options_keep(const run_options *o, const loop_options *old, loop_options *l);
/* Run l->resume of archive l->archive into `run`, its options into `l` where none are given. */
ws_status run_options_resume(const run_options *o, db_run *run, ws_arena *a, loop_options *l,
                             ws_err *err) WS_MUST_CHECK;
/* Of recording l->replay: its models; its spec, unless one is named; its options where none is
 * given. Strings in m->arena. */
ws_status run_options_replay(const run_options *o, model_access *m, loop_options *l,
                             ws_err *err) WS_MUST_CHECK;

#endif
