#include "verifier/kept.h"

#include "verifier/reach.h"
#include "verifier/repeat.h"

#include <stdlib.h>

/* Of one session. The first that are made stay: every candidate meets them in the same order, so
 * that putting out the oldest would leave none that is asked for again. */
static const double MOST_BYTES = 256e6;

struct vfy_kept_case {
    vfy_kept_case *next;
    vfy_inputs kind;
    vfy_case c;
};

static double tensor_bytes(const ref_tensor *t)
{
    return (double)t->shape.count * (double)sizeof *t->v * ((t->v != NULL) + (t->e != NULL));
}

static double case_bytes(const vfy_case *c)
{
    const ref_graph *g = c->bound->graph;
    double n = 0;
    for (int i = 0; i < g->spec->n_inputs + g->spec->n_weights; i++)
        n += (double)c->in_bytes[i];
    for (int o = 0; o < g->n_outputs; o++) {
        n += tensor_bytes(&c->want[o]) + tensor_bytes(&c->of[o]);
        n += c->open[o] ? (double)c->want[o].shape.count : 0;
    }
    return n;
}

/* Of the same names, in the spec's order. */
static bool same_dims(const ws_env *a, const ws_env *b)
{
    for (size_t d = 0; d < a->n; d++)
        if (a->item[d].value != b->item[d].value)
            return false;
    return true;
}

static const vfy_case *find(const vfy_kept *k, int check, const ws_env *at, vfy_inputs kind)
{
    for (const vfy_kept_case *i = k->first; i; i = i->next)
        if (i->kind == kind && i->c.check == check &&
            (check >= 0 || same_dims(&i->c.bound->env, at)))
            return &i->c;
    return NULL;
}

void vfy_kept_release(vfy_kept *k)
{
    for (vfy_kept_case *i = k->first, *next; i; i = next) {
        next = i->next;
        vfy_case_release(&i->c);
        free(i);
    }
    vfy_draw_release(&k->draw);
    ws_arena_release(&k->arena);
    *k = (vfy_kept){0};
}

static void begin(vfy_kept *k, uint64_t seed)
{
    if (k->seed != seed)
        vfy_kept_release(k);
    k->seed = seed;
}

ws_status vfy_kept_get(vfy_kept *k, const ref_graph *g, int check, const ws_env *at,
                       vfy_inputs kind, uint64_t seed, vfy_case *own, const vfy_case **out,
                       ws_err *err)
{
    begin(k, seed);
    if ((*out = find(k, check, at, kind)))
        return WS_OK;
    if (check >= 0 ? vfy_case_init(own, g, check, kind, seed, err)
                   : vfy_reach_case(own, g, at, kind, seed, &k->draw, err))
        return err->status;
    if (kind == VFY_INPUTS_QUICK - 1)
        vfy_draw_release(&k->draw); /* that was the last that takes it */
    *out = own;
    const double bytes = case_bytes(own);
    if (!(k->bytes + bytes <= MOST_BYTES))
        return WS_OK;
    vfy_kept_case *i = ws_malloc(sizeof *i);
    *i = (vfy_kept_case){.next = k->first, .kind = kind, .c = *own};
    *own = (vfy_case){0};
    k->first = i;
    k->bytes += bytes;
    *out = &i->c;
    return WS_OK;
}

bool vfy_kept_repeat_shape(vfy_kept *k, const ref_graph *g, uint64_t seed, ws_env *out)
{
    begin(k, seed);
    if (!k->repeat_known)
        k->repeats = vfy_repeat_shape(g, seed, &k->arena, &k->repeat_at);
    k->repeat_known = true;
    *out = k->repeat_at;
    return k->repeats;
}
