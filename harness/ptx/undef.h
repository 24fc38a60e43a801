/* Values that depend on bytes which nobody wrote.
 *
 * Correct kernels load such bytes and drop them: a row of partial sums of which one is wanted, a key past the end
 * that a select leaves out, the padding of a structure. So a load is no fault; it makes the registers of the lanes
 * concerned undefined, bit by bit, and initcheck reports what uses an undefined bit: a guard or a branch, an address,
 * an operand of an atomic or of whatever is not listed in flow.c, and a store to global memory of something that was
 * computed, or of an element that is undefined all over. The place of the fault is the load. Arithmetic, selects,
 * shuffles and mma carry undefined bits on; stores carry them into memory, where the bytes become unwritten again.
 *
 * All of this exists while a register of the warp is undefined. Then the warp is stepped one instruction at a time
 * (ptx_undef_step) by the same handlers; otherwise nothing of it is looked at. What an instruction makes of undefined
 * sources is found by running it several times with other values in their place: result bits that come out different
 * are undefined. So `p && q` with a false p, a select of the other side and a mask by a constant need no rule. */
#ifndef HARNESS_PTX_UNDEF_H
#define HARNESS_PTX_UNDEF_H

#include "harness/ptx/compact.h"
#include "harness/ptx/engine.h"

typedef enum ptx_flow { /* what an instruction does with undefined sources */
    PTX_FLOW_USE,       /* it needs them */
    PTX_FLOW_NONE,      /* nothing */
    PTX_FLOW_COPY,      /* results lane by lane: bits of the sources */
    PTX_FLOW_COMPUTE,   /* results lane by lane */
    PTX_FLOW_COMPARE,   /* the same; equality of the sources decides */
    PTX_FLOW_SHUFFLE,   /* results from other lanes, after waiting for them: bits of the first source */
    PTX_FLOW_LANES,     /* results from all lanes, after waiting for them */
    PTX_FLOW_MEMORY,    /* it needs addresses only, and takes care of the rest itself */
    PTX_FLOW_LOAD, PTX_FLOW_MATRIX /* ldmatrix */, PTX_FLOW_STORE
} ptx_flow;
ptx_flow ptx_flow_of(const ptx_ast_insn *a); /* flow.c */

typedef struct ptx_origin { /* the load that met undefined bytes */
    ptx_warp *warp;
    const ptx_insn *insn;
    uint64_t addr;
    uint32_t size;
    uint8_t lane, space;
} ptx_origin;

struct ptx_undef {
    bool on;                /* something may be undefined */
    ptx_origin *origin;     /* number k is origin[k - 1] */
    int n, cap;
    uint32_t carry;         /* undefined lanes of ptx_warp.carry, and their origin */
    uint16_t carry_id;
};

/* Numbers of origins; those of values that were computed from what was loaded have the flag. 0: none. */
enum { PTX_ORIGIN_COMPUTED = 1 << 15, PTX_MAX_ORIGINS = PTX_ORIGIN_COMPUTED - 1 };

typedef struct ptx_undef_frame {
    uint8_t *bits;          /* laid out as the registers and predicates */
    uint16_t *origin;       /* see ptx_undef_origin */
    size_t capacity, origins;
} ptx_undef_frame;

typedef struct ptx_named { /* a register that an instruction names */
    uint32_t at, bytes;    /* in the frame */
    uint32_t lane_bytes;   /* 0: a predicate */
    ptx_reg_use use;
} ptx_named;
enum { PTX_MAX_NAMED = 160 };
typedef struct ptx_names {
    int n;                 /* those that are read first */
    ptx_named reg[PTX_MAX_NAMED];
    const ptx_code *code;
} ptx_names;
void ptx_undef_names(const ptx_code *c, const ptx_insn *i, ptx_names *out);
uint32_t ptx_undef_lanes(const ptx_frame *f, const ptx_named *r); /* that have an undefined bit */
uint16_t *ptx_undef_origin(const ptx_frame *f, const ptx_named *r, uint32_t lane);
void ptx_undef_clear(const ptx_frame *f, const ptx_named *r, uint32_t lanes);
/* The one of two that came first; the flag of either. */
uint16_t ptx_undef_first(uint16_t a, uint16_t b);

/* ---- memory: undef_mem.c ---- */
struct ptx_access;
/* A load of x->insn is about to read bytes that nobody wrote: state[addr - base] is that of the byte at addr, NULL:
 * local memory. */
void ptx_undef_load(ptx_warp *w, const struct ptx_access *x, const uint8_t *state, uint64_t base);
/* A store of undefined registers was executed. */
void ptx_undef_store(ptx_warp *w, const ptx_insn *i);
/* An instruction for whole warps stores x->size bytes of register r from byte `at` of each lane on. */
void ptx_undef_stored(ptx_warp *w, const struct ptx_access *x, const ptx_named *r, uint32_t at);
/* The same of rows of 16 bytes in shared memory; row[l] has ones where lane l's is undefined. The registers that they
 * come from are the instruction's, one for every `rows` lanes. */
void ptx_undef_stored_rows(ptx_warp *w, const ptx_insn *i, const uint64_t *addr, const uint8_t row[][16], uint32_t lanes,
                           uint32_t rows);
/* A duplicate of a register is made. */
void ptx_undef_same(ptx_warp *w, const ptx_named *to, const ptx_named *from);
static inline bool ptx_undef_here(const ptx_warp *w) /* the running frame may have undefined registers */
{
    return w->undef && w->undef->on && w->frame->undef;
}

typedef struct ptx_taken { /* what an asynchronous copy takes of bytes that nobody wrote */
    uint64_t from[PTX_LANES];
    uint8_t undefined[PTX_LANES][16];
} ptx_taken;
void ptx_undef_take(const struct ptx_access *x, const uint8_t *state, uint64_t base);
/* The copy of insn is complete for the lanes: `bytes` were written to shared memory. */
void ptx_undef_arrived(ptx_warp *w, const ptx_insn *insn, const ptx_taken *t, uint32_t lanes, const uint64_t *to,
                       uint32_t bytes);
/* An instruction needs `bytes` of local memory: whether they are copies of what nobody wrote, which is then reported. */
bool ptx_undef_used_local(ptx_warp *w, const ptx_insn *i, int lane, uint32_t at, uint32_t bytes);
/* A call copies parameters in local memory, of these lanes. */
void ptx_undef_copy_local(ptx_warp *w, uint32_t to, uint32_t from, uint32_t bytes, uint32_t lanes);
void ptx_undef_forget(ptx_block *b); /* what its memory holds */

/* ---- undef.c ---- */
/* An instruction needs a value with that origin. */
void ptx_undef_use(ptx_warp *w, const ptx_insn *i, uint16_t origin);
uint16_t ptx_undef_new(ptx_warp *w, const ptx_origin *o);
const ptx_origin *ptx_undef_named(const ptx_warp *w, uint16_t origin); /* NULL: none */
void ptx_undef_begin(ptx_warp *w); /* something in the running frame becomes undefined */
bool ptx_undef_left(ptx_warp *w);  /* whether something is; else tracking ends */
void ptx_undef_reset(ptx_warp *w);
void ptx_undef_release(ptx_warp *w);
void ptx_undef_frame_reset(ptx_frame *f);
void ptx_undef_frame_free(ptx_frame *f);

/* The next instruction of the running group. */
void ptx_undef_step(ptx_warp *w);

#endif
