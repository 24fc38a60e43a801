/* Source positions. A position inside an inlined function names the place of the call
 * ("inlined_at"), which has its own .loc before it. What a reader wants is the innermost place in
 * the file of the kernel itself, not a line of a header that was inlined into it: this file follows
 * the calls and keeps that place. */
#include "harness/ptx/parse.h"

#include <stdlib.h>

/* A call position in one function, and where it is for a reader. */
struct ptx_place_entry {
    int func; /* number of the function + 1; 0: free */
    int file, line, column;
    int src_file, src_line;
};

static uint32_t hash_of(int func, int file, int line, int column)
{
    uint64_t h = (uint64_t)(uint32_t)line << 32 | (uint32_t)column;
    h = (h ^ (uint64_t)(uint32_t)file << 20 ^ (uint64_t)(uint32_t)func << 44) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static struct ptx_place_entry *find_place(const ptx_parser *p, int func, const int pos[3])
{
    if (!p->cap_places)
        return NULL;
    uint32_t i = hash_of(func, pos[0], pos[1], pos[2]) & (p->cap_places - 1);
    for (;; i = (i + 1) & (p->cap_places - 1)) {
        struct ptx_place_entry *e = &p->place[i];
        if (!e->func ||
            (e->func == func && e->file == pos[0] && e->line == pos[1] && e->column == pos[2]))
            return e;
    }
}

static void grow_places(ptx_parser *p)
{
    struct ptx_place_entry *old = p->place;
    uint32_t n = p->cap_places;
    p->cap_places = n ? 2 * n : 256;
    p->place = ws_calloc(p->cap_places, sizeof *p->place);
    for (uint32_t i = 0; i < n; i++)
        if (old[i].func)
            *find_place(p, old[i].func, (int[]){old[i].file, old[i].line, old[i].column}) = old[i];
    free(old);
}

static void keep_place(ptx_parser *p, int func, const int pos[3])
{
    if (2 * (p->n_places + 1) > p->cap_places)
        grow_places(p);
    struct ptx_place_entry *e = find_place(p, func, pos);
    p->n_places += !e->func;
    *e = (struct ptx_place_entry){func, pos[0], pos[1], pos[2], p->src_file, p->src_line};
}

static void parse_position(ptx_parser *p, int pos[3])
{
    pos[0] = (int)ptx_parse_number(p, "the file of a position", 0, PTX_MAX_FILES);
    pos[1] = (int)ptx_parse_number(p, "the line of a position", 0, INT32_MAX);
    pos[2] = (int)ptx_parse_number(p, "the column of a position", 0, INT32_MAX);
}

/* function_name label [+ n] */
static void skip_function_name(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_lex_next(l);
    if (l->tok.kind != PTX_TOK_IDENT)
        ptx_lex_fail_expected(l, "a label");
    ptx_lex_next(l);
    if (ptx_lex_accept(l, '+'))
        (void)ptx_parse_number(p, "an offset", 0, INT64_MAX);
}

/* .loc file line column [, function_name label [+ n]] [, inlined_at file line column] */
void ptx_parse_loc(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    int pos[3], call[3] = {0};
    bool inlined = false;
    parse_position(p, pos);
    while (ptx_lex_accept(l, ',')) {
        if (ptx_lex_is_ident(l, "function_name")) {
            skip_function_name(p);
        } else if (ptx_lex_is_ident(l, "inlined_at")) {
            ptx_lex_next(l);
            parse_position(p, call);
            inlined = true;
        } else {
            ptx_lex_fail_expected(l, "'function_name' or 'inlined_at'");
        }
    }
    p->src_file = pos[0];
    p->src_line = pos[1];
    if (!inlined)
        return;
    int func = p->funcs.n + 1;
    const struct ptx_place_entry *e = find_place(p, func, call);
    int file = e && e->func ? e->src_file : call[0];
    if (file != pos[0]) {
        p->src_file = file;
        p->src_line = e && e->func ? e->src_line : call[1];
    }
    keep_place(p, func, pos);
}
