/* Parsed PTX, between the parser (parse.c) and the decoder (decode.c). Everything lives in the
 * module's arena. Names are resolved: registers to indices, labels to instruction indices, symbols
 * to entries.
 *
 * The parser knows grammar only: an opcode is its dotted parts ("ld", "global", "nc", "v4", "f32");
 * which combinations mean something is the decoder's business. Operands are in the order of the
 * text:
 *
 *     call (ret, ...), name, (arg, ...), prototype;
 *         VEC of the results (absent when there are none: then operand[0] is no VEC); FUNC, or REG
 * when indirect; VEC of the arguments (absent when none are written); FUNC of a prototype or target
 * list setp.lt.s32 %p|%q, ...     one operand: reg %p, reg2 %q; "_|%q": SINK with reg2; "%p|_":
 * reg2 -1 bra L  brx.idx %r, ts      LABEL; REG, TARGETS mov.u64 %rd, x+8           VAR with imm 8,
 * or FUNC when x is a function
 *     [%rd+8]  [x+8]  [64]       ADDR: reg >= 0, or var, or neither
 *     [tmap, {%r1, %r2}]         ADDR with elem = %r1, %r2; texture forms append whatever follows
 * the comma
 *     {%r1, 5, _}                VEC; an element may be REG, IMM, SREG, VAR, FUNC or SINK
 *     WARP_SZ                    IMM 32
 *
 * reg2, a guard and a negated operand are always .pred registers; the parser has checked it. */
#ifndef HARNESS_PTX_AST_H
#define HARNESS_PTX_AST_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdint.h>

typedef enum ptx_space {
    PTX_SPACE_GENERIC, PTX_SPACE_REG, PTX_SPACE_PARAM, PTX_SPACE_GLOBAL, PTX_SPACE_SHARED,
    PTX_SPACE_LOCAL, PTX_SPACE_CONST,
    PTX_SPACE_CLUSTER /* .shared::cluster, of instructions only */
} ptx_space;

/* Scalar types of .reg and variables. */
#define PTX_TYPE_LIST(X)                                                                           \
    X(pred, 1)                                                                                     \
    X(b8, 1) X(u8, 1) X(s8, 1) X(b16, 2) X(u16, 2) X(s16, 2) X(f16, 2) X(bf16, 2) X(b32, 4)        \
        X(u32, 4) X(s32, 4) X(f32, 4) X(f16x2, 4) X(bf16x2, 4) X(tf32, 4) X(b64, 8) X(u64, 8)      \
            X(s64, 8) X(f64, 8) X(b128, 16) X(e4m3x2, 2) X(e5m2x2, 2)
typedef enum ptx_type {
#define X(name, bytes) PTX_##name,
    PTX_TYPE_LIST(X)
#undef X
    PTX_TYPE_NONE
} ptx_type;
uint32_t ptx_type_bytes(ptx_type t);
const char *ptx_type_name(ptx_type t);
ptx_type ptx_type_find(ws_str name); /* without the dot; PTX_TYPE_NONE: no such type */

typedef struct ptx_var {          /* a variable of any space but .reg */
    const char *name;
    ptx_space space;
    ptx_type type;
    uint32_t align;               /* declared, else natural */
    uint64_t bytes;               /* total; 0: extern array of unknown size (dynamic shared) */
    bool is_extern, is_ptr, is_array;
    const uint8_t *init;          /* `bytes` long, or NULL for zeros */
    struct ptx_reloc *relocs;     /* addresses inside init */
    uint64_t address;             /* filled by the loader: window offset or device address */
} ptx_var;
typedef struct ptx_reloc {
    struct ptx_reloc *next;
    uint64_t offset;              /* in the initialiser */
    uint8_t bytes, shift;         /* 8, or 1: that byte of the address, `shift` bits up */
    const char *symbol;           /* variable or function */
    int64_t addend;
    bool generic;                 /* generic(sym) */
} ptx_reloc;

typedef struct ptx_reg {
    const char *name;             /* "%r12" */
    ptx_type type;
} ptx_reg;

typedef enum ptx_operand_kind {
    PTX_OPD_REG,      /* reg */
    PTX_OPD_IMM,      /* imm, or fimm when is_float (0f / 0d / decimal) */
    PTX_OPD_SREG,     /* special register, by text ("%tid.x") */
    PTX_OPD_ADDR,     /* [reg + imm], [var + imm], [imm] */
    PTX_OPD_VAR,      /* address of a variable, + imm */
    PTX_OPD_LABEL,    /* target = instruction index; n_insns: the label ends the body */
    PTX_OPD_FUNC,     /* function name; the name of a .callprototype or .calltargets after a call */
    PTX_OPD_VEC,      /* {a, b, ...}: elem[0..n) ; also call argument lists ( ... ) */
    PTX_OPD_TARGETS,  /* label list name of brx.idx: target[] */
    PTX_OPD_SINK      /* _ */
} ptx_operand_kind;

typedef struct ptx_operand {
    ptx_operand_kind kind;
    bool neg_pred;                /* !%p; of vmad, -%r */
    bool is_float;                /* immediate written as floating point */
    uint8_t float_bytes;          /* 4: 0f..., 8: 0d... or decimal */
    int reg;                      /* register index, -1 none; for ADDR the base */
    int reg2;                     /* second destination of a|b, -1 none */
    int64_t imm;                  /* immediate bits or displacement */
    const ptx_var *var;           /* ADDR with a variable as base, VAR */
    const char *text;             /* SREG, FUNC; the part of a REG, as "b0" */
    int target;                   /* LABEL */
    struct ptx_operand *elem;     /* VEC; ADDR of tensor form: [a, {x,y}] keeps {x,y} here */
    int n_elem;
    const int *targets;           /* TARGETS: instruction indices */
    int n_targets;
} ptx_operand;

enum { PTX_MAX_PARTS = 16, PTX_MAX_OPERANDS = 12 };
typedef struct ptx_ast_insn {
    ws_str *part;                 /* opcode, then modifiers, without dots; "a::b" is one part */
    int n_parts;                  /* 1 .. PTX_MAX_PARTS */
    ws_str text;                  /* the whole instruction as written, without the semicolon */
    int guard;                    /* predicate register, -1 none */
    bool guard_neg;
    ptx_operand *operand;
    int n_operands;
    int ptx_line, ptx_column;
    int src_file, src_line; /* .loc in force, 0 none; of a function inlined from another file: the
                               place of the call in the kernel's own file */
} ptx_ast_insn;

/* What a pointer to the n-th function holds, from 0; nothing can be read there. */
#define PTX_FUNC_BASE (4ull << 56)
enum { PTX_FUNC_STEP = 16 };
typedef struct ptx_func {
    const char *name;
    bool is_entry, is_extern;     /* is_extern: declared here, without a body */
    ptx_var **param;              /* in order */
    int n_params;
    ptx_var **ret;                /* return parameters of .func (param or reg as var with space) */
    int n_rets;
    int *param_reg, *ret_reg;     /* for .func with .reg parameters: register index, else -1 */
    ptx_reg *reg;
    int n_regs;
    ptx_var **local;              /* .local and .param variables declared in the body */
    int n_locals;
    ptx_var **shared;             /* .shared variables declared in the body */
    int n_shared;
    ptx_ast_insn *insn;
    int n_insns;
    int max_ntid[3], req_ntid[3], min_ncta;
    int cluster[3], max_cluster_rank; /* .reqnctapercluster, .maxclusterrank; 0: absent */
    bool explicit_cluster, blocks_are_clusters;
    int ptx_line;
    uint64_t address;
} ptx_func;

typedef struct ptx_ast {
    ws_arena *arena;
    int version_major, version_minor, sm;  /* .version 9.0, .target sm_90 -> 90 */
    const char *target;                    /* "sm_90a" */
    const char *const *file;               /* .file table, by index; NULL holes */
    int n_files;
    ptx_var **var;                         /* module-scope variables */
    int n_vars;
    ptx_func **func;
    int n_funcs;
    const struct ptx_field *field;         /* NULL but in field mode, see field.h */
} ptx_ast;

/* Whole module; the error has "line L, column C: what" and the offending line with a caret. */
ws_status ptx_parse(ws_arena *a, const char *text, size_t n, ptx_ast **out,
                    ws_err *err) WS_MUST_CHECK;
bool ptx_func_calls_pointer(const ptx_func *f); /* has an indirect call */
ptx_func *ptx_ast_find(const ptx_ast *ast, const char *name); /* NULL: none */

#endif
