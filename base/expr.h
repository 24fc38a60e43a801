/* Integer expressions over named values: shapes, attributes, grid sizes, scratch sizes.
 *
 *   expr  := or ('?' expr ':' expr)?            comparison and logic give 0 or 1
 *   or    := and ('||' and)*    and := cmp ('&&' cmp)*
 *   cmp   := sum (('<'|'<='|'>'|'>='|'=='|'!=') sum)?
 *   sum   := term (('+'|'-') term)*    term := unary (('*'|'/'|'%') unary)*
 *   unary := ('-'|'!') unary | number | name | '(' expr ')'
 *          | ceil_div(a,b) | min(a,b,...) | max(a,b,...) | align(a,b)
 *
 * 64-bit signed; '/' and '%' truncate as in C. Overflow, division by zero and unknown names are
 * errors that quote the text with a caret. align(a,b) is the least multiple of b that is >= a. A
 * single-letter or longer name is [A-Za-z_][A-Za-z0-9_]*. Nodes live in the caller's arena. */
#ifndef BASE_EXPR_H
#define BASE_EXPR_H

#include "base/buf.h"
#include "base/mem.h"

#include <cjson/cJSON.h>
#include <stdint.h>

typedef struct ws_expr ws_expr;

/* Named values, in order; later entries shadow earlier ones. `parent` is searched after. */
typedef struct ws_binding {
    const char *name;
    int64_t value;
} ws_binding;
typedef struct ws_env {
    const ws_binding *item;
    size_t n;
    const struct ws_env *parent;
} ws_env;
bool ws_env_find(const ws_env *env, const char *name, int64_t *out);

ws_status ws_expr_parse(ws_arena *a, const char *text, const ws_expr **out,
                        ws_err *err) WS_MUST_CHECK;
/* A JSON number or string; anything else is an error. */
ws_status ws_expr_from_json(ws_arena *a, const cJSON *v, const ws_expr **out,
                            ws_err *err) WS_MUST_CHECK;
const ws_expr *ws_expr_const(ws_arena *a, int64_t v);
const ws_expr *ws_expr_name(ws_arena *a, const char *name);
/* op is one of + - * / % == != < <= > >= and, for functions, 'm' min, 'M' max, 'c' ceil_div, 'a'
 * align. Constants fold, and move to the right; x+0, x*1, x/1 fold; so do sums of one term. */
typedef enum ws_expr_op {
    WS_X_ADD, WS_X_SUB, WS_X_MUL, WS_X_DIV, WS_X_MOD,
    WS_X_EQ, WS_X_NE, WS_X_LT, WS_X_LE, WS_X_GT, WS_X_GE, WS_X_AND, WS_X_OR,
    WS_X_MIN, WS_X_MAX, WS_X_CEIL_DIV, WS_X_ALIGN
} ws_expr_op;
const ws_expr *ws_expr_binary(ws_arena *a, ws_expr_op op, const ws_expr *l, const ws_expr *r);
const ws_expr *ws_expr_select(ws_arena *a, const ws_expr *c, const ws_expr *t, const ws_expr *f);

ws_status ws_expr_eval(const ws_expr *e, const ws_env *env, int64_t *out,
                       ws_err *err) WS_MUST_CHECK;
bool ws_expr_is_const(const ws_expr *e, int64_t *out);
/* Operators and leaves of the expression written out. Everything here takes time and, on the stack,
 * room in proportion: who builds expressions from others must refuse those that grow too large. */
int64_t ws_expr_size(const ws_expr *e);
bool ws_expr_same(const ws_expr *a, const ws_expr *b); /* structural */
/* Calls visit(name) once per occurrence of a name. */
void ws_expr_names(const ws_expr *e, void (*visit)(void *ud, const char *name), void *ud);
/* The expression as C/C++ text over long long, fully parenthesised; each name with `prefix` in
 * front. ceil_div, min, max and align are spelled with plain operators, so that no helper is
 * needed. */
void ws_expr_to_c(const ws_expr *e, const char *prefix, ws_buf *out);
/* The same, but a part that would be written several times (an operand of a function, of ?:) is
 * written as name(ud, part), so that the text of a deep expression stays short. */
void ws_expr_to_c_naming(const ws_expr *e, const char *prefix,
                         const char *(*name)(void *ud, const ws_expr *part), void *ud,
                         ws_buf *out);
/* How another language writes expressions: arithmetic is calls, since plain operators would overflow
 * without saying so; comparisons, logic and choices are the language's own. */
typedef struct ws_expr_style {
    const char *call;   /* before add, sub, mul, div, mod, min, max, ceil_div, align */
    const char *tail;   /* behind the two operands of a call: ", bad" */
    const char *name;   /* before a name */
    const char *number; /* behind a number: "LL" */
    bool python;        /* `x if c else y`, `and`, `or`; else C's */
} ws_expr_style;
void ws_expr_to_calls(const ws_expr *e, const ws_expr_style *style, ws_buf *out);
/* The expression in the language above. */
void ws_expr_print(const ws_expr *e, ws_buf *out);

#endif
