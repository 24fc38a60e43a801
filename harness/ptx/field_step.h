/* Field mode in the engine: see field.h. */
#ifndef HARNESS_PTX_FIELD_STEP_H
#define HARNESS_PTX_FIELD_STEP_H

#include "harness/ptx/field.h"
#include "harness/ptx/lanes.h"

typedef struct ptx_field_step { /* beside an instruction that touches memory */
    ptx_handler run;            /* what executes it */
    const ptx_field_access *access;
    bool blind_shared, blind_global; /* as ptx_field has them */
} ptx_field_step;

/* ---- elements; the constant of a prime is floor(2^47 / p) ---- */

static inline u32 field_reduce(u64 x, u32 p, u64 m) /* x < 2^32 + 2^16 */
{
    u64 r = x - (x * m >> 47) * p;
    return (u32)(r >= p ? r - p : r);
}

static inline u64 field_constant(u32 p)
{
    return (1ull << 47) / p;
}

static inline u32 field_add(u32 a, u32 b, u32 p)
{
    u32 r = a + b;
    return a >= p || b >= p ? WS_FIELD_OUTSIDE : r >= p ? r - p : r;
}

static inline u32 field_neg(u32 a, u32 p)
{
    return a >= p ? WS_FIELD_OUTSIDE : a ? p - a : 0;
}

static inline u32 field_fma(u32 a, u32 b, u32 c, u32 p, u64 m)
{
    u32 r = field_reduce((u64)a * b + c, p, m);
    return a >= p || b >= p || c >= p ? WS_FIELD_OUTSIDE : r;
}

static inline u32 field_div(u32 a, u32 b, u32 p)
{
    if (a >= p || b >= p || !b)
        return WS_FIELD_OUTSIDE;
    return (u32)((u64)a * ws_field_inverse(p, b) % p);
}

/* Codes of 32 and 64 bits hold nothing below; else they are no elements. */
static inline u32 field_of32(u32 v)
{
    return v & 0xffff ? WS_FIELD_OUTSIDE : v >> 16;
}

static inline u32 field_of64(u64 v)
{
    return v << 16 ? WS_FIELD_OUTSIDE : (u32)(v >> 48);
}

/* The prime of the running launch, 0: it is an ordinary one. */
static inline u32 ptx_field_prime(const ptx_warp *w)
{
    return w->worker->grid->options->field_prime;
}

/* Puts the handlers of field mode in the place of the others. */
void ptx_field_access_memory(ptx_warp *w, const ptx_insn *i); /* field_mem.c */
void ptx_field_bind(ptx_program *p, ptx_code *c, const ptx_field *field);
/* Whether nothing in the program keeps it from running over the field; else a finding says what. */
bool ptx_field_may_run(const ptx_program *p, const ptx_ast *ast, ptx_report *r);
/* The lanes of a warp write numbers of `bytes` bytes there, other than by a store. */
void ptx_field_wrote(ptx_warp *w, ptx_space space, const u64 addr[PTX_LANES], u32 bytes);
/* An instruction without meaning in the field: ends the run. */
void ptx_field_leave(ptx_warp *w, const ptx_insn *i, const char *why);

#endif
