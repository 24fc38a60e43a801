/* A spec bound to a shape with its inputs, evaluated: what the reference tests share. */
#ifndef TESTS_REFERENCE_FIXTURE_H
#define TESTS_REFERENCE_FIXTURE_H

#include "reference/ops.h"
#include "tests/reference_cases.h"
#include "tests/tap.h"

enum { FIXTURE_MAX = 64 };

typedef struct fixture {
    spec *spec;
    ref_graph *graph;
    ref_bound *bound;
    ws_arena arena;
    ws_err err;
    ref_tensor in[FIXTURE_MAX], out[FIXTURE_MAX], of[FIXTURE_MAX];
} fixture;

__attribute__((unused)) static void fixture_close(fixture *f)
{
    for (int i = 0; i < FIXTURE_MAX; i++) {
        ref_tensor_release(&f->in[i]);
        ref_tensor_release(&f->out[i]);
        ref_tensor_release(&f->of[i]);
    }
    ref_graph_free(f->graph);
    spec_free(f->spec);
    ws_arena_release(&f->arena);
}

/* Graph, shape `which` (-1: the benchmark shape) and inputs of f->spec under seed 1. */
__attribute__((unused)) static ws_status fixture_bind(fixture *f, int which)
{
    ws_env *env = WS_ARENA_NEW(&f->arena, ws_env, 1);
    *env = spec_env(f->spec, which);
    if (ref_graph_new(f->spec, &f->graph, &f->err) ||
        ref_bind(f->graph, env, &f->arena, &f->bound, &f->err))
        return f->err.status;
    for (int i = 0; i < f->spec->n_inputs + f->spec->n_weights; i++)
        if (ref_make_input(f->bound, i, 1, &f->in[i], &f->err))
            return f->err.status;
    return WS_OK;
}

__attribute__((unused)) static ws_status fixture_eval(fixture *f)
{
    return ref_eval_full(f->bound, f->in, true, f->out, f->of, &f->err);
}

/* The case tensors with `nodes`; the output is y. */
__attribute__((unused)) static ws_status fixture_case(fixture *f, const char *nodes)
{
    ws_buf text = {0};
    ws_buf_printf(&text, "%s,\"graph\":[%s],\"outputs\":[\"y\"]}", case_head, nodes);
    ws_status st = spec_from_text(text.p, text.n, "case.json", &f->spec, &f->err);
    ws_buf_release(&text);
    return st ? st : fixture_bind(f, -1);
}

__attribute__((unused)) static ws_status fixture_open(fixture *f, const char *name, int which)
{
    ws_status st = spec_find(name, &f->spec, &f->err);
    return st ? st : fixture_bind(f, which);
}

#endif
