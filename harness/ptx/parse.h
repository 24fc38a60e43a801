/* The parser's own state, shared by parse.c (module level), parse_target.c (its head), parse_func.c
 * (headers and bodies), parse_operand.c, parse_loc.c (source positions), parse_expr.c (constants),
 * parse_var.c (variables) and parse_sym.c (names). */
#ifndef HARNESS_PTX_PARSE_H
#define HARNESS_PTX_PARSE_H

#include "harness/ptx/ast.h"
#include "harness/ptx/lex.h"

enum {
    PTX_MAX_TEXT = 64 << 20,        /* bytes */
    PTX_MAX_DEPTH = 64,             /* nested { } in a body, and parentheses in a constant */
    PTX_MAX_INSNS = 4 << 20,        /* in a module */
    PTX_MAX_REGS = 4 << 20,         /* used in a module */
    PTX_MAX_VEC = 1024,             /* elements of a vector or an argument list */
    PTX_MAX_FILES = 1 << 16,        /* highest index of .file */
    PTX_MAX_DIMS = 8,               /* of an array */
    PTX_MAX_PARAM_BYTES = 32764,    /* of one parameter (PTX ISA 8.1) */
    PTX_MAX_INIT_BYTES = 64 << 20   /* of all initialised variables of a module */
};

/* ---- names ---- */

typedef enum ptx_symbol_kind {
    PTX_SYM_REG, PTX_SYM_VAR, PTX_SYM_FUNC, PTX_SYM_LABEL, PTX_SYM_TARGETS, PTX_SYM_PROTOTYPE
} ptx_symbol_kind;

typedef struct ptx_symbol ptx_symbol;
struct ptx_symbol {
    ptx_symbol_kind kind;
    int depth;                  /* of the scope that declares it */
    struct ptx_name *name;
    ptx_symbol *shadowed;       /* the same name further out */
    ptx_symbol *next_in_scope;
    bool is_range;              /* .reg .b32 %r<n>: names %r0 .. %r(n-1), made when first used */
    uint64_t count;             /* range: n */
    ptx_type type;              /* range: of the registers */
    int index;                  /* REG: register; LABEL: instruction */
    ptx_var *var;
    ptx_func *func;
    int *targets, n_targets;
};

/* An interned name. Ranges live apart: `.reg .b32 %r<4>` and `.reg .b32 %r` do not clash. */
typedef struct ptx_name {
    struct ptx_name *next;      /* in the hash bucket */
    uint32_t hash, n;
    const char *z;
    ptx_symbol *sym, *range;    /* innermost first */
} ptx_name;

typedef struct ptx_scope {
    ptx_symbol *symbols;
    int first_fixup;
    int outer_range_depth;      /* range_depth of the enclosing scope */
} ptx_scope;

/* A label (or function) that was named before it was seen: an operand, or an entry of a target
 * list. */
typedef struct ptx_fixup {
    ptx_name *name;
    ptx_operand *operand;
    int *slot;
    ptx_token tok;
} ptx_fixup;

typedef struct ptx_pending_symbol {
    ptx_reloc *reloc;
    ptx_name *name;
    ptx_token tok;
} ptx_pending_symbol;

/* A growing list of pointers that is copied to the arena when it is complete. */
typedef struct ptx_list {
    void **item;
    int n, cap;
} ptx_list;

typedef struct ptx_parser {
    ptx_lexer lex;
    ws_arena *arena;
    ptx_ast *ast;

    ptx_name **bucket;
    uint32_t n_buckets, n_names;
    ptx_scope scope[PTX_MAX_DEPTH + 3];
    int depth;                  /* 0 module, 1 parameters, 2.. body */
    int range_depth;            /* innermost scope with a register range, -1 none */

    ptx_list vars, funcs, files, locals, shared;
    ptx_func *func;             /* whose body is being parsed, or NULL */
    const ptx_func *head;       /* its parameters, which reach *func with its end */
    ptx_ast_insn *insn;
    int n_insns, cap_insns;
    ptx_reg *reg;
    int n_regs, cap_regs;
    bool selects; /* operands of a video instruction: parts of registers, negated ones */
    ptx_operand *elem;          /* stack of the vectors and lists being read */
    int n_elems, cap_elems;
    ptx_fixup *fixup;
    int n_fixups, cap_fixups;
    ptx_pending_symbol *pending;
    int n_pending, cap_pending;
    ptx_list aliases;           /* pairs of names */

    uint8_t *init;              /* the initialiser being read */
    size_t init_bytes, cap_init, total_init;
    int total_insns, total_regs;
    int src_file, src_line;     /* place in force, see parse_loc.c */
    struct ptx_place_entry *place; /* hash table of inlined positions */
    uint32_t n_places, cap_places;
} ptx_parser;

/* The linking directive in front of a declaration. */
typedef enum ptx_linking { PTX_LINK_NONE, PTX_LINK_EXTERN, PTX_LINK_VISIBLE, PTX_LINK_WEAK,
                           PTX_LINK_COMMON } ptx_linking;

/* parse_target.c */
void ptx_parse_version(ptx_parser *p);
void ptx_parse_target(ptx_parser *p);
void ptx_parse_address_size(ptx_parser *p); /* after .address_size */

/* parse_sym.c */
ptx_name *ptx_name_intern(ptx_parser *p, ws_str s);
void ptx_scope_enter(ptx_parser *p, const ptx_token *at);
/* Resolves what the scope can; the rest moves to the enclosing scope, and is an error at depth
 * 1. */
void ptx_scope_leave(ptx_parser *p);
ptx_symbol *ptx_symbol_declare(ptx_parser *p, const ptx_token *name, ptx_symbol_kind kind);
/* The module's symbol of that name, made when there is none; its kind may differ from `kind`. */
ptx_symbol *ptx_symbol_module(ptx_parser *p, const ptx_token *name, ptx_symbol_kind kind,
                              bool *made);
void ptx_symbol_declare_range(ptx_parser *p, const ptx_token *name, ptx_type type, uint64_t count);
/* The innermost meaning of a name; NULL: none so far. A register of a range is made here. */
ptx_symbol *ptx_symbol_find(ptx_parser *p, ws_str s);
/* The range that `s` would be a register of if its number were smaller, for messages; else NULL. */
const ptx_symbol *ptx_symbol_find_range(ptx_parser *p, ws_str s);
int ptx_reg_add(ptx_parser *p, const char *name, ptx_type type, const ptx_token *at);
void ptx_fixup_add(ptx_parser *p, const ptx_token *name, ptx_operand *operand, int *slot);
void ptx_list_add(ptx_list *l, void *item);
void *ptx_list_finish(ptx_parser *p, ptx_list *l,
                      int *n); /* to the arena; the list is empty after */

/* parse_expr.c: constant expressions (PTX ISA 4.5), with the operators and signedness of C on 64
 * bits. */
typedef struct ptx_constant {
    uint64_t bits;
    bool is_unsigned, is_float;
    uint8_t float_bytes;
} ptx_constant;
ptx_constant ptx_parse_constant(ptx_parser *p);
int64_t ptx_parse_integer(ptx_parser *p); /* a constant that must not be floating point */
/* A plain integer token between min and max; `what` names it in the message. */
int64_t ptx_parse_number(ptx_parser *p, const char *what, int64_t min, int64_t max);

/* parse_var.c */
/* .reg declarations, after ".reg" */
void ptx_parse_reg(ptx_parser *p);
/* Variables of one statement, after the space directive; to the module or to the function. */
void ptx_parse_vars(ptx_parser *p, ptx_space space, ptx_linking linking);
/* One parameter, from ".param" or ".reg" (no .reg for a kernel); *reg is its register or -1. */
ptx_var *ptx_parse_param(ptx_parser *p, bool is_entry, int *reg);
bool ptx_space_find(const ptx_token *t,
                    ptx_space *space); /* .global .const .shared .local .param */

/* parse_operand.c */
int ptx_parse_guard(ptx_parser *p); /* the predicate register of a guard, after @ and ! */
/* Operands up to ';', to insn->operand. */
void ptx_parse_operands(ptx_parser *p, ptx_ast_insn *insn);

/* parse_loc.c */
void ptx_parse_loc(ptx_parser *p); /* after .loc */

/* parse_func.c */
void ptx_parse_func(ptx_parser *p, bool is_entry, ptx_linking linking); /* after .entry or .func */
void ptx_parse_file(ptx_parser *p);
void ptx_parse_section(ptx_parser *p);
void ptx_parse_pragma(ptx_parser *p);
ptx_linking ptx_accept_linking(ptx_parser *p); /* .visible .extern .weak .common */

#endif
