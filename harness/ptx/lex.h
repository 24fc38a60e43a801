/* The tokens of PTX text (PTX ISA, chapter 4), shared by the parser and the stripper.
 *
 * A lexer is one token ahead: `tok` is the current token, ptx_lex_next() moves on. Errors leave
 * through longjmp, so that the grammar reads like the grammar: the owner calls setjmp(lex.on_error)
 * once, before the first token, and keeps what must be released outside the frame. */
#ifndef HARNESS_PTX_LEX_H
#define HARNESS_PTX_LEX_H

#include "base/buf.h"
#include "harness/ptx/ptx.h"

#include <setjmp.h>
#include <stdint.h>

typedef enum ptx_token_kind {
    PTX_TOK_END,
    PTX_TOK_IDENT,  /* names and opcodes: ld  %r1  $L__BB0_1  _ */
    PTX_TOK_DOT,    /* .b32  .shared::cta  .L2::128B, with the dot */
    PTX_TOK_INT,    /* value, is_unsigned */
    PTX_TOK_FLOAT,  /* value = bits of float_bytes bytes */
    PTX_TOK_STRING, /* s is the text between the quotes, escapes as written */
    PTX_TOK_PUNCT   /* punct */
} ptx_token_kind;

/* Two-character operators; the others are their character. */
#define PTX_PUNCT2(a, b) ((a) | (b) << 8)

typedef struct ptx_token {
    ptx_token_kind kind;
    ws_str s; /* in the text */
    int line, column;
    int punct;
    uint64_t value;
    bool is_unsigned;
    uint8_t float_bytes; /* 4: 0f..., 8: 0d... and decimal */
} ptx_token;

typedef struct ptx_lexer {
    const char *text, *end; /* end[0] is NUL */
    const char *p, *line_start;
    int line;
    ptx_token tok;
    ws_err *err;
    jmp_buf on_error;
} ptx_lexer;

/* `text` must be followed by a NUL byte. Reads no token yet, so that setjmp can come between. */
void ptx_lex_init(ptx_lexer *l, const char *text, size_t n, ws_err *err);
void ptx_lex_next(ptx_lexer *l);

bool ptx_lex_is(const ptx_lexer *l, int punct);
bool ptx_lex_is_dot(const ptx_lexer *l, const char *name); /* name without the dot */
bool ptx_lex_is_ident(const ptx_lexer *l, const char *name);
bool ptx_lex_accept(ptx_lexer *l, int punct); /* moves on when it is there */
void ptx_lex_expect(ptx_lexer *l, int punct); /* fails when it is not */
bool ptx_lex_accept_dot(ptx_lexer *l, const char *name);
ptx_token ptx_lex_take(ptx_lexer *l); /* the current token; moves on */

/* WS_EINPUT "line L, column C: what", the line and a caret. Does not return. */
_Noreturn void ptx_lex_fail(ptx_lexer *l, const ptx_token *at, const char *fmt, ...)
    WS_PRINTF(3, 4);
/* "expected <what>, found '<token>'" at the current token. */
_Noreturn void ptx_lex_fail_expected(ptx_lexer *l, const char *what);

#endif
