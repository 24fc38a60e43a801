/* The head of a module: .version, .target, .address_size (PTX ISA 11.1). */
#include "harness/ptx/parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_MAJOR = 9 };

/* Architectures, and the first version of PTX that has them. Those below 10 are given up since
 * PTX 9.0's compiler. */
static const struct {
    const char *name;
    int version; /* major * 10 + minor */
} targets[] = {
    {"10", 10},   {"11", 10},   {"12", 10},   {"13", 10},   {"20", 20},   {"21", 20},   {"30", 30},
    {"32", 40},
    {"35", 31},   {"37", 41},   {"50", 40},   {"52", 41},   {"53", 42},   {"60", 50},   {"61", 50},
    {"62", 50},
    {"70", 60},   {"72", 61},   {"75", 63},   {"80", 70},   {"86", 71},   {"87", 74},   {"88", 74},
    {"89", 78},
    {"90", 78},   {"90a", 80},  {"100", 86},  {"100a", 86}, {"100f", 88}, {"101", 86},
    {"101a", 86}, {"101f", 88},
    {"103", 88},  {"103a", 88}, {"103f", 88}, {"110", 90},  {"110a", 90}, {"110f", 90}, {"120", 87},
    {"120a", 87},
    {"120f", 88}, {"121", 88},  {"121a", 88}, {"121f", 88},
};

/* What else may stand in .target. */
static const char *const options[] = {"texmode_unified", "texmode_independent", "debug",
                                      "map_f64_to_f32"};

/* .version 9.0: the token is a decimal floating-point constant, of which the text counts. */
void ptx_parse_version(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    if (!ptx_lex_accept_dot(l, "version"))
        ptx_lex_fail_expected(l, "'.version'");
    if (l->tok.kind != PTX_TOK_FLOAT || !isdigit((unsigned char)*l->tok.s.p))
        ptx_lex_fail_expected(l, "a version number");
    char *end;
    p->ast->version_major = (int)strtol(l->tok.s.p, &end, 10);
    if (*end != '.' || !isdigit((unsigned char)end[1]))
        ptx_lex_fail_expected(l, "a version number");
    p->ast->version_minor = (int)strtol(end + 1, NULL, 10);
    if (p->ast->version_major < 1 || p->ast->version_major > LAST_MAJOR)
        ptx_lex_fail(l, &l->tok, "PTX version %.*s is none of 1.0 to %d.x", WS_STR_ARG(l->tok.s),
                     LAST_MAJOR);
    ptx_lex_next(l);
}

static void set_target(ptx_parser *p, const ptx_token *t)
{
    const ptx_ast *ast = p->ast;
    int version = ast->version_major * 10 + (ast->version_minor < 9 ? ast->version_minor : 9);
    size_t i = 0;
    while (i < WS_COUNT(targets) && !ws_str_eqz((ws_str){t->s.p + 3, t->s.n - 3}, targets[i].name))
        i++;
    if (i == WS_COUNT(targets))
        ptx_lex_fail(&p->lex, t, "unknown architecture '%.*s'", (int)(t->s.n < 60 ? t->s.n : 60),
                     t->s.p);
    if (p->ast->target)
        ptx_lex_fail(&p->lex, t, "a second architecture after '%s'", p->ast->target);
    if (version < targets[i].version)
        ptx_lex_fail(&p->lex, t, "'sm_%s' needs PTX version %d.%d, the module has %d.%d",
                     targets[i].name, targets[i].version / 10, targets[i].version % 10,
                     ast->version_major, ast->version_minor);
    p->ast->target = ws_arena_strndup(p->arena, t->s.p, t->s.n);
    p->ast->sm = (int)strtol(p->ast->target + 3, NULL, 10);
}

void ptx_parse_target(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    if (!ptx_lex_accept_dot(l, "target"))
        ptx_lex_fail_expected(l, "'.target'");
    do {
        if (l->tok.kind != PTX_TOK_IDENT)
            ptx_lex_fail_expected(l, "a target");
        ptx_token t = ptx_lex_take(l);
        size_t i = 0;
        while (i < WS_COUNT(options) && !ws_str_eqz(t.s, options[i]))
            i++;
        if (t.s.n > 3 && memcmp(t.s.p, "sm_", 3) == 0)
            set_target(p, &t);
        else if (i == WS_COUNT(options))
            ptx_lex_fail(l, &t, "unknown target '%.*s'", (int)(t.s.n < 60 ? t.s.n : 60), t.s.p);
    } while (ptx_lex_accept(l, ','));
    if (!p->ast->target)
        ptx_lex_fail(l, &l->tok, "no architecture (sm_...) in .target");
}

void ptx_parse_address_size(ptx_parser *p)
{
    ptx_token at = p->lex.tok;
    if (ptx_parse_number(p, "the address size", 32, 64) != 64)
        ptx_lex_fail(&p->lex, &at, "only .address_size 64 is supported");
}
