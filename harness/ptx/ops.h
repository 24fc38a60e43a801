/* The table of instruction forms: which PTX the engine executes, in the syntax lines of the ISA.
 *
 * Each x_*.c file has rows; a row is one form, the function that binds its handler, and what the
 * counters say of it. The lines are read once a process. They serve the decoder (lookup, check of
 * modifiers and operands), `ptx ops` (the page of what is supported, what the tests executed), and
 * the fuzzers (words and operands to combine).
 *
 *     add{.$rnd}{.ftz}{.sat}.f32 d, a, b
 *     mul.wide.(u16 s16 u32 s32) d:2, a, b
 *     cvt{.$irnd}{.sat}.$int.$int d:1>, a>
 *     bar.sync a:u32{, b:u32}
 *
 * The mnemonic: `.word`, `.(one of these)`, `.$set` of the table in ops.c; in braces, when it may
 * be absent, several together when they are all there or none. As with ptxas, the order of
 * modifiers is free: only types keep theirs, and state spaces, and what belongs to the name
 * (`mul.lo`, `cp.async.bulk`; see ops.c) comes first.
 *
 * Operands, after one blank, apart by ", ":
 *     d              register, result; `_` too
 *     a b c ...      any other letter: source register, immediate, or address of a variable; a
 * result that is read d|p            result and, after a bar, an optional predicate p q predicate,
 * result; p|q: the second is optional !p             predicate, source; negated or not [a] address;
 * [a, b] with a coordinate vector after it {d} {a}        a vector in braces where the mnemonic has
 * .v2 .v4 .v8, else the element {d*} {a*}      a vector in braces, of as many as the decoder wants,
 * or one element #a #a(0-4)     immediate integer; in that range %a             special register _
 * that h              cache policy: there when the mnemonic has .L2::cache_hint
 *     @l             label, target list, or function
 *     ?x             anything: the decoder looks; {?x} some vector
 *     d. a.          may be a part of a register: %r1.b0
 *     -a             register, negated or not
 *     ...            and any number of operands after it
 * A suffix gives the type: `:u32` that one, `:1` the first type of the mnemonic, `:2` twice as wide
 * as the last one, none the last one; then `>`: registers may be wider than the type. Operands in
 * "{, ...}" at the end are optional.
 *
 * Registers fit a type as in the ISA, 9.4.1: of its width, and .b, or of its kind (integer,
 * floating point); any kind where the type is .b. */
#ifndef HARNESS_PTX_OPS_H
#define HARNESS_PTX_OPS_H

#include "harness/ptx/ast.h"

enum { PTX_FORM_PARTS = 16, PTX_FORM_OPERANDS = 12, PTX_FORM_WORDS = 64, PTX_WHY = 160 };

struct ptx_op_row;
typedef enum ptx_spec_kind {
    PTX_SPEC_DST, PTX_SPEC_SRC, PTX_SPEC_PRED_DST, PTX_SPEC_PRED_SRC, PTX_SPEC_ADDRESS,
    PTX_SPEC_IMM, PTX_SPEC_LABEL, PTX_SPEC_SREG, PTX_SPEC_POLICY, PTX_SPEC_SINK, PTX_SPEC_ANY
} ptx_spec_kind;
typedef enum ptx_spec_type { PTX_SPEC_LAST, PTX_SPEC_FIRST, PTX_SPEC_DOUBLE,
                             PTX_SPEC_FIXED } ptx_spec_type;
typedef struct ptx_spec { /* one operand of a form */
    ptx_spec_kind kind;
    ptx_spec_type of;
    ptx_type type;        /* of PTX_SPEC_FIXED */
    bool wider;           /* registers may be wider */
    bool pair;            /* d|p, p|q */
    bool result; /* d, p, q and {d}, ?d, with the pair: registers that it writes, and does not
                  * read */
    bool vector, any_count;
    bool part, sign;      /* d. -a */
    bool coordinates;     /* [a, b] */
    bool ranged;
    int low, high;        /* of an immediate, when it is ranged */
} ptx_spec;

typedef struct ptx_form_part {
    int first_word, n_words; /* in ptx_form.word */
    bool optional;
    bool tied;               /* optional: there when the part before is */
    bool is_hint;            /* its words change nothing: the tests need not execute each */
} ptx_form_part;

typedef struct ptx_form {
    const struct ptx_op_row *row; /* of the engine */
    const char *text;             /* the syntax line */
    ws_str opcode;
    ptx_form_part part[PTX_FORM_PARTS];
    int n_parts;
    ws_str word[PTX_FORM_WORDS];
    ptx_type word_type[PTX_FORM_WORDS];
    int n_words;
    ptx_spec operand[PTX_FORM_OPERANDS];
    int n_operands, n_required;
    uint16_t results;             /* a bit an operand */
    bool open_ended;           /* "..." */
    bool takes_policy;
    int order;                 /* among the rows */
    uint64_t named;            /* words that belong to the name */
    uint64_t counted;          /* words that a test must execute */
    _Atomic uint64_t executed; /* words that were; bit 63: the form */
} ptx_form;
#define PTX_FORM_EXECUTED (1ull << 63)

/* A mnemonic that has the modifiers of a form. */
typedef struct ptx_match {
    ptx_form *form;
    uint64_t words;      /* of the form */
    ptx_type first, last; /* types in the mnemonic; PTX_TYPE_NONE: none */
    int vector;          /* .v2 .v4 .v8, else 0 */
    bool in_order;       /* its modifiers stand as in the form */
} ptx_match;

/* All forms, in the order of opcodes. */
ptx_form *ptx_forms(int *n);
/* Forms whose modifiers are those of the mnemonic, at most `cap`, in the order of the rows. 0:
 * none, and `why` tells in what the closest differs. */
int ptx_ops_match(const ptx_ast_insn *a, ptx_match *out, int cap, char why[PTX_WHY]);
/* The type of an operand of the form; PTX_TYPE_NONE: it has none that registers have. */
ptx_type ptx_spec_type_of(const ptx_spec *s, const ptx_match *m);
/* Whether the operands fit; else `why` says which does not. */
bool ptx_ops_operands(const ptx_match *m, const ptx_func *fn, const ptx_ast_insn *a,
                      char why[PTX_WHY]);
/* Notes that the form was executed, with these words. */
void ptx_ops_executed(const ptx_match *m);

#endif
