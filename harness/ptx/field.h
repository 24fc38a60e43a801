/* Field mode: a kernel runs over a prime field in place of the floating-point numbers.
 *
 * The same code, the same addresses, but add, sub, mul, fma, neg, div and the matrix products
 * compute modulo a prime, so that reordering and rounding are invisible and a wrong coefficient or
 * index is not. Elements lie where their registers and buffers have floating-point numbers
 * (base/field.h): e << 16 in f32 and tf32, e in f16 and bf16, e << 48 in f64. So conversions
 * between the formats, packing and widening of bf16 by shifts keep the element, and zero is zero.
 * What is not in the field (the result of ex2, max, sqrt, ...) has a code of p or above, and so has
 * what is computed from it.
 *
 * Two things end a run (as findings UNSUPPORTED): an instruction whose result would decide
 * something, a comparison or a conversion to an integer; and code that looks at the bits of
 * floating-point numbers, which are others here. For the second, field_ast.c sorts the registers
 * of a function into classes between which values are only copied, and tells from the
 * instructions at both ends what a class holds. Where values go through memory, its bytes
 * remember what they hold (kind maps). */
#ifndef HARNESS_PTX_FIELD_H
#define HARNESS_PTX_FIELD_H

#include "base/field.h"
#include "harness/ptx/ast.h"

#include <stdatomic.h>

/* What a class of registers, or a byte of memory, holds; 0: it is only copied, or zero. */
enum { PTX_HOLDS_INT = 1, PTX_HOLDS_FLOAT = 2, PTX_HOLDS_BOTH = 3,
       PTX_HOLDS_GIVEN = 4 /* beside one of them: as the host has said it */ };

typedef struct ptx_field_class {
    uint8_t holds;           /* by the instructions that write and read it */
    uint8_t formats;         /* of its floating-point numbers, FORMAT_* of field_ast.c */
    bool is_loaded_blindly;  /* from memory whose kind nobody checks */
    const ptx_ast_insn *first[2]; /* that has it for an integer, for a floating-point number */
    atomic_uchar seen;       /* only copied: what loads found in memory */
} ptx_field_class;

/* What an instruction that loads or stores moves, element by element. */
enum { PTX_FIELD_ELEMENTS = 8,
       PTX_FIELD_LOCAL = 1 << 16 /* bytes of local memory that are told apart */ };
typedef struct ptx_field_access {
    ptx_field_class *of[PTX_FIELD_ELEMENTS]; /* NULL: a constant, or nothing */
    uint8_t constant[PTX_FIELD_ELEMENTS];    /* what that holds */
    uint8_t n;
} ptx_field_access;

typedef struct ptx_field_func { /* what is known of one function */
    const ptx_field_access **access; /* per instruction, NULL: it touches no memory */
    const ptx_ast_insn *mixed;       /* uses the bits of a floating-point number; NULL: none does */
} ptx_field_func;

typedef struct ptx_field {
    uint32_t prime;
    const ptx_field_func **func;     /* by the module's order of functions */
    bool blind_shared, blind_global; /* something writes there that kind maps do not follow */
} ptx_field;

/* The module for field mode: constants in it are elements. Variables and names are shared. */
const ptx_ast *ptx_field_ast(ws_arena *a, const ptx_ast *ast, uint32_t prime);
/* A number in format `t` (f32, f64, f16, bf16, tf32, or a pair of halves) as code. */
uint64_t ptx_field_encode(uint32_t prime, ptx_type t, uint64_t bits);
bool ptx_type_is_float(ptx_type t);

#endif
