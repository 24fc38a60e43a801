/* Declarations: registers, variables with their initialisers, parameters (PTX ISA, chapter 5). */
#include "harness/ptx/parse.h"

#include <string.h>

#define MAX_VAR_BYTES ((uint64_t)1 << 36)

/* What one declaration statement says of all its names. */
typedef struct var_head {
    ptx_space space;
    ptx_type type;
    uint32_t align; /* 0: natural */
    uint32_t lanes; /* .v2, .v4 */
    bool is_ptr;
} var_head;

typedef struct var_shape {
    uint64_t dim[PTX_MAX_DIMS];
    int n;
    bool open; /* the first dimension is empty */
} var_shape;

bool ptx_space_find(const ptx_token *t, ptx_space *space)
{
    static const struct {
        const char *name;
        ptx_space space;
    } table[] = {{".global", PTX_SPACE_GLOBAL},
                 {".const", PTX_SPACE_CONST},
                 {".shared", PTX_SPACE_SHARED},
                 {".local", PTX_SPACE_LOCAL},
                 {".param", PTX_SPACE_PARAM}};
    for (size_t i = 0; t->kind == PTX_TOK_DOT && i < WS_COUNT(table); i++)
        if (ws_str_eqz(t->s, table[i].name)) {
            *space = table[i].space;
            return true;
        }
    return false;
}

static ptx_token take_name(ptx_parser *p)
{
    if (p->lex.tok.kind != PTX_TOK_IDENT)
        ptx_lex_fail_expected(&p->lex, "a name");
    return ptx_lex_take(&p->lex);
}

/* Types of instructions that registers and variables do not have (PTX ISA 5.2.3). */
static bool is_instruction_type(ptx_type t)
{
    return t == PTX_bf16 || t == PTX_bf16x2 || t == PTX_tf32 || t == PTX_e4m3x2 || t == PTX_e5m2x2;
}

static ptx_type parse_type(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    if (l->tok.kind != PTX_TOK_DOT)
        ptx_lex_fail_expected(l, "a type");
    ptx_token t = l->tok;
    ptx_type type = ptx_type_find((ws_str){t.s.p + 1, t.s.n - 1});
    if (type != PTX_TYPE_NONE) {
        if (is_instruction_type(type))
            ptx_lex_fail(l, &t, "%.*s is a type of instructions; declare .b%u", WS_STR_ARG(t.s),
                         8 * ptx_type_bytes(type));
        ptx_lex_next(l);
        return type;
    }
    if (ptx_lex_is_dot(l, "texref") || ptx_lex_is_dot(l, "samplerref") ||
        ptx_lex_is_dot(l, "surfref"))
        ptx_lex_fail(l, &t, "textures and surfaces are not supported (%.*s)", WS_STR_ARG(t.s));
    ptx_lex_fail_expected(l, "a type");
}

/* ---- registers ---- */

void ptx_parse_reg(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    if (!p->func)
        ptx_lex_fail(l, &l->tok,
                     "registers of the module are not supported; declare them in a function");
    if (ptx_lex_is_dot(l, "v2") || ptx_lex_is_dot(l, "v4"))
        ptx_lex_fail(l, &l->tok, "vector registers are not supported");
    ptx_type type = parse_type(p);
    do {
        ptx_token name = take_name(p);
        if (ptx_lex_accept(l, '<')) {
            int64_t count = ptx_parse_number(p, "the number of registers", 0, 1000000000);
            ptx_lex_expect(l, '>');
            ptx_symbol_declare_range(p, &name, type, (uint64_t)count);
        } else {
            ptx_symbol *s = ptx_symbol_declare(p, &name, PTX_SYM_REG);
            s->index = ptx_reg_add(p, s->name->z, type, &name);
        }
    } while (ptx_lex_accept(l, ','));
    ptx_lex_expect(l, ';');
}

/* ---- heads and shapes ---- */

static uint32_t parse_align(ptx_parser *p)
{
    ptx_token at = p->lex.tok;
    int64_t a = ptx_parse_number(p, "the alignment", 1, 1 << 16);
    if (a & (a - 1))
        ptx_lex_fail(&p->lex, &at, "the alignment must be a power of two, not %lld", (long long)a);
    return (uint32_t)a;
}

/* .attribute(.managed), .attribute(.unified(a, b)) (PTX ISA 5.4.8) */
static void skip_attribute(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    ptx_lex_expect(l, '(');
    if (!ptx_lex_is_dot(l, "managed") && !ptx_lex_is_dot(l, "unified"))
        ptx_lex_fail_expected(l, "'.managed' or '.unified'");
    for (int depth = 1; depth;) {
        if (l->tok.kind == PTX_TOK_END)
            ptx_lex_fail_expected(l, "')'");
        depth += ptx_lex_is(l, '(') - ptx_lex_is(l, ')');
        ptx_lex_next(l);
    }
}

/* Everything between the space and the name, in any order. */
static var_head parse_head(ptx_parser *p, ptx_space space)
{
    ptx_lexer *l = &p->lex;
    var_head h = {.space = space, .type = PTX_TYPE_NONE, .lanes = 1};
    while (l->tok.kind == PTX_TOK_DOT) {
        ptx_space pointee;
        if (ptx_lex_accept_dot(l, "align")) {
            uint32_t align = parse_align(p);
            if (!h.is_ptr) /* else of what it points at */
                h.align = align;
        } else if (ptx_lex_accept_dot(l, "v2")) {
            h.lanes = 2;
        } else if (ptx_lex_accept_dot(l, "v4")) {
            h.lanes = 4;
        } else if (ptx_lex_accept_dot(l, "attribute")) {
            skip_attribute(p);
        } else if (ptx_lex_accept_dot(l, "ptr")) {
            h.is_ptr = true;
        } else if (h.is_ptr && ptx_space_find(&l->tok, &pointee)) {
            ptx_lex_next(l);
        } else if (h.type != PTX_TYPE_NONE) {
            ptx_lex_fail_expected(l, "a name");
        } else {
            h.type = parse_type(p);
        }
    }
    if (h.type == PTX_TYPE_NONE)
        ptx_lex_fail_expected(l, "a type");
    if (h.type == PTX_pred)
        ptx_lex_fail(l, &l->tok, "a variable cannot have the type .pred");
    if (h.lanes > 1 && h.lanes * ptx_type_bytes(h.type) > 16)
        ptx_lex_fail(l, &l->tok, "a vector of %u .%s has more than 128 bits", h.lanes,
                     ptx_type_name(h.type));
    return h;
}

static var_shape parse_shape(ptx_parser *p)
{
    ptx_lexer *l = &p->lex;
    var_shape s = {0};
    for (; ptx_lex_is(l, '['); s.n++) {
        if (s.n == PTX_MAX_DIMS)
            ptx_lex_fail(l, &l->tok, "more than %d dimensions", PTX_MAX_DIMS);
        ptx_lex_next(l);
        if (!s.n && ptx_lex_accept(l, ']')) {
            s.open = true;
            continue;
        }
        ptx_token at = l->tok;
        int64_t n = ptx_parse_integer(p);
        if (n < 0)
            ptx_lex_fail(l, &at, "an array cannot have %lld elements", (long long)n);
        s.dim[s.n] = (uint64_t)n;
        ptx_lex_expect(l, ']');
    }
    return s;
}

/* Elements below dimension `from`. */
static uint64_t shape_count(ptx_parser *p, const ptx_token *at, const var_shape *s, int from)
{
    uint64_t n = 1;
    for (int i = from; i < s->n; i++)
        if (__builtin_mul_overflow(n, s->dim[i], &n) || n > MAX_VAR_BYTES)
            ptx_lex_fail(&p->lex, at, "'%.*s' has too many elements",
                         (int)(at->s.n < 200 ? at->s.n : 200), at->s.p);
    return n;
}

/* ---- initialisers ---- */

typedef struct init_state {
    ptx_var *var;
    const var_shape *shape;
    uint64_t stride[PTX_MAX_DIMS + 1]; /* elements below each level; the last is 1 */
    uint64_t at;                       /* next element */
    uint64_t used;                     /* elements up to the last that was written */
    uint32_t bytes;                    /* of an element */
} init_state;

static uint8_t *init_room(ptx_parser *p, const init_state *s, const ptx_token *at)
{
    uint64_t end = (s->at + 1) * s->bytes;
    if (end > PTX_MAX_INIT_BYTES - p->total_init)
        ptx_lex_fail(&p->lex, at, "the initialisers need more than %d MiB",
                     PTX_MAX_INIT_BYTES >> 20);
    if (end > p->cap_init) {
        size_t cap = p->cap_init ? p->cap_init : 256;
        while (cap < end)
            cap *= 2;
        p->init = ws_realloc(p->init, cap);
        p->cap_init = cap;
    }
    if (end > p->init_bytes) {
        memset(p->init + p->init_bytes, 0, end - p->init_bytes);
        p->init_bytes = end;
    }
    return p->init + s->at * s->bytes;
}

/* name, name + n, generic(name), generic(name) + n; the byte `shift` / 8 of it, or all 8. */
static void parse_symbol_value(ptx_parser *p, init_state *s, uint32_t shift, uint32_t bytes)
{
    ptx_lexer *l = &p->lex;
    ptx_token name = take_name(p);
    bool generic = ws_str_eqz(name.s, "generic") && ptx_lex_accept(l, '(');
    if (generic) {
        name = take_name(p);
        ptx_lex_expect(l, ')');
    }
    if (s->var->type != (bytes == 8 ? PTX_u64 : PTX_u8))
        ptx_lex_fail(l, &name, "%s needs elements of .u%u, not .%s",
                     bytes == 8 ? "an address" : "a byte of an address", 8 * bytes,
                     ptx_type_name(s->var->type));
    (void)init_room(p, s, &name);
    ptx_reloc *r = WS_ARENA_NEW(p->arena, ptx_reloc, 1);
    ptx_name *n = ptx_name_intern(p, name.s);
    r->next = s->var->relocs;
    r->offset = s->at * s->bytes;
    r->symbol = n->z;
    r->generic = generic;
    r->shift = (uint8_t)shift;
    r->bytes = (uint8_t)bytes;
    if (ptx_lex_accept(l, '+') || ptx_lex_is(l, '-'))
        r->addend = ptx_parse_integer(p);
    s->var->relocs = r;
    WS_GROW(p->pending, p->n_pending, p->cap_pending);
    p->pending[p->n_pending++] = (ptx_pending_symbol){.reloc = r, .name = n, .tok = name};
}

/* 0xFF00(name): one byte of an address, as in the initialiser of a struct (PTX ISA 5.4.4). */
static void parse_masked_address(ptx_parser *p, init_state *s, const ptx_token *at,
                                 ptx_constant mask)
{
    uint32_t shift = mask.bits ? (uint32_t)__builtin_ctzll(mask.bits) : 1;
    if (mask.is_float || shift % 8 || mask.bits >> shift != 0xff)
        ptx_lex_fail(&p->lex, at, "the mask of an address is one byte: 0xFF, 0xFF00, ...");
    ptx_lex_expect(&p->lex, '(');
    parse_symbol_value(p, s, shift, 1);
    ptx_lex_expect(&p->lex, ')');
}

static uint64_t convert_float(ptx_parser *p, const ptx_token *at, ptx_constant c, uint32_t bytes)
{
    if (c.float_bytes == bytes)
        return c.bits;
    double d;
    float f;
    uint32_t b;
    if (c.float_bytes == 8 && bytes == 4) {
        memcpy(&d, &c.bits, sizeof d);
        f = (float)d;
        memcpy(&b, &f, sizeof b);
        return b;
    }
    if (c.float_bytes != 4 || bytes != 8)
        ptx_lex_fail(&p->lex, at, "a floating-point constant in an element of %u bytes", bytes);
    b = (uint32_t)c.bits;
    memcpy(&f, &b, sizeof f);
    d = (double)f;
    memcpy(&c.bits, &d, sizeof d);
    return c.bits;
}

static void parse_value(ptx_parser *p, init_state *s)
{
    ptx_lexer *l = &p->lex;
    if (l->tok.kind == PTX_TOK_IDENT && !ptx_lex_is_ident(l, "WARP_SZ")) {
        parse_symbol_value(p, s, 0, 8);
        return;
    }
    ptx_token at = l->tok;
    ptx_constant c = ptx_parse_constant(p);
    if (ptx_lex_is(l, '(')) {
        parse_masked_address(p, s, &at, c);
        return;
    }
    ptx_type t = s->var->type;
    bool is_float = t == PTX_f32 || t == PTX_f64, is_bits = ptx_type_name(t)[0] == 'b';
    if (t == PTX_f16 || t == PTX_f16x2)
        ptx_lex_fail(l, &at, "a variable of .%s cannot have an initialiser; declare .b%u",
                     ptx_type_name(t), 8 * ptx_type_bytes(t));
    if (c.is_float ? !is_float && !is_bits : is_float)
        ptx_lex_fail(l, &at, "%s constant for a variable of .%s",
                     c.is_float ? "a floating-point" : "an integer", ptx_type_name(t));
    uint64_t bits = c.is_float ? convert_float(p, &at, c, s->bytes) : c.bits;
    bool fills = s->bytes == 16 && !c.is_unsigned && !c.is_float && (int64_t)bits < 0;
    uint8_t *to = init_room(p, s, &at);
    if (s->bytes == 16)
        memset(to + 8, fills ? 0xff : 0, 8);
    memcpy(to, &bits, s->bytes < 8 ? s->bytes : 8);
}

/* { ... } of array level `level`; inner braces start at a multiple of their level's stride. */
static void parse_init_list(ptx_parser *p, init_state *s, int level)
{
    ptx_lexer *l = &p->lex;
    uint64_t first = s->at;
    bool unbounded = level == 0 && s->shape->open;
    uint64_t limit = unbounded ? UINT64_MAX : first + s->stride[level];
    ptx_lex_expect(l, '{');
    if (ptx_lex_accept(l, '}'))
        return;
    do {
        if (level && ptx_lex_is(l, '}'))
            break;
        if (s->at >= limit)
            ptx_lex_fail(l, &l->tok, "more values than elements in the initialiser");
        if (ptx_lex_is(l, '{')) {
            if (level + 1 >= PTX_MAX_DIMS || level + 1 >= s->shape->n)
                ptx_lex_fail(l, &l->tok, "the initialiser has more levels than the array");
            uint64_t start = s->at;
            parse_init_list(p, s, level + 1);
            s->at = start + s->stride[level + 1];
            if (s->at > MAX_VAR_BYTES)
                ptx_lex_fail(l, &l->tok, "the initialiser has too many elements");
        } else {
            parse_value(p, s);
            s->at++;
        }
        s->used = s->at > s->used ? s->at : s->used;
    } while (ptx_lex_accept(l, ','));
    ptx_lex_expect(l, '}');
}

/* After '='. Sets init and, for an open array, the number of elements. */
static void parse_init(ptx_parser *p, ptx_var *v, var_shape *shape, uint32_t elem_bytes,
                       const ptx_token *name)
{
    init_state s = {.var = v, .shape = shape, .bytes = elem_bytes};
    for (int i = 0; i <= shape->n; i++)
        s.stride[i] = i == 0 && shape->open ? 0 : shape_count(p, name, shape, i);
    p->init_bytes = 0;
    if (ptx_lex_is(&p->lex, '{')) {
        parse_init_list(p, &s, 0);
    } else {
        if (shape->n)
            ptx_lex_fail_expected(&p->lex, "'{'");
        parse_value(p, &s);
    }
    if (shape->open) {
        uint64_t row = s.stride[1] ? s.stride[1] : 1;
        shape->dim[0] = (s.used + row - 1) / row;
        shape->open = false;
    }
    uint64_t bytes = shape_count(p, name, shape, 0) * elem_bytes;
    if (bytes > PTX_MAX_INIT_BYTES - p->total_init)
        ptx_lex_fail(&p->lex, name, "the initialisers need more than %d MiB",
                     PTX_MAX_INIT_BYTES >> 20);
    uint8_t *init = ws_arena_alloc(p->arena, bytes);
    if (p->init_bytes)
        memcpy(init, p->init, p->init_bytes < bytes ? p->init_bytes : bytes);
    p->total_init += bytes;
    v->init = init;
}

/* ---- variables ---- */

/* Variables of the module may be declared with .extern first, and defined once. */
static ptx_var *declare_var(ptx_parser *p, const ptx_token *name, bool is_extern, ptx_list *list)
{
    if (p->depth > 0) {
        ptx_symbol *s = ptx_symbol_declare(p, name, PTX_SYM_VAR);
        s->var = WS_ARENA_NEW(p->arena, ptx_var, 1);
        s->var->name = s->name->z;
        ptx_list_add(list, s->var);
        return s->var;
    }
    bool made;
    ptx_symbol *s = ptx_symbol_module(p, name, PTX_SYM_VAR, &made);
    if (made) {
        s->var = WS_ARENA_NEW(p->arena, ptx_var, 1);
        s->var->name = s->name->z;
        s->var->is_extern = is_extern;
        ptx_list_add(list, s->var);
    } else if (s->kind != PTX_SYM_VAR || !(s->var->is_extern || is_extern)) {
        ptx_lex_fail(&p->lex, name, "'%.200s' is declared twice", s->name->z);
    } else if (is_extern && !s->var->is_extern) {
        return WS_ARENA_NEW(p->arena, ptx_var, 1); /* the definition stands */
    }
    return s->var;
}

static void parse_declarator(ptx_parser *p, const var_head *h, ptx_linking linking, ptx_list *list)
{
    ptx_lexer *l = &p->lex;
    bool is_extern = linking == PTX_LINK_EXTERN;
    ptx_token name = take_name(p);
    var_shape shape = parse_shape(p);
    ptx_var *v = declare_var(p, &name, is_extern, list);
    uint32_t elem = ptx_type_bytes(h->type) * h->lanes;
    if (v->align && (v->type != h->type || v->space != h->space))
        ptx_lex_fail(l, &name, "'%.200s' was declared with another type or state space", v->name);
    v->space = h->space;
    v->type = h->type;
    v->is_extern = is_extern;
    v->is_ptr = h->is_ptr;
    v->is_array = shape.n > 0;
    v->align = h->align ? h->align : elem;
    if (ptx_lex_is(l, '=')) {
        if (h->space != PTX_SPACE_GLOBAL && h->space != PTX_SPACE_CONST)
            ptx_lex_fail(l, &l->tok, "only .global and .const variables can have an initialiser");
        if (is_extern)
            ptx_lex_fail(l, &l->tok, "an .extern variable cannot have an initialiser");
        ptx_lex_next(l);
        if (h->lanes > 1) { /* each element of a vector type is one more level */
            if (shape.n == PTX_MAX_DIMS)
                ptx_lex_fail(l, &name, "more than %d dimensions", PTX_MAX_DIMS);
            shape.dim[shape.n++] = h->lanes;
            elem /= h->lanes;
        }
        parse_init(p, v, &shape, elem, &name);
    }
    if (shape.open && !is_extern)
        ptx_lex_fail(l, &name, "the size of '%.200s' is missing", v->name);
    if (!shape.open && !is_extern && !shape_count(p, &name, &shape, 0))
        ptx_lex_fail(l, &name, "'%.200s' has no elements", v->name);
    v->bytes = shape.open ? 0 : shape_count(p, &name, &shape, 0) * elem;
    if (v->bytes > MAX_VAR_BYTES)
        ptx_lex_fail(l, &name, "'%.200s' needs more than %llu GiB", v->name,
                     (unsigned long long)(MAX_VAR_BYTES >> 30));
}

void ptx_parse_vars(ptx_parser *p, ptx_space space, ptx_linking linking)
{
    ptx_list *list = !p->func                    ? &p->vars
                     : space == PTX_SPACE_SHARED ? &p->shared
                     : space == PTX_SPACE_LOCAL || space == PTX_SPACE_PARAM ? &p->locals
                                                                            : &p->vars;
    ptx_lexer *l = &p->lex;
    if (!p->func && (space == PTX_SPACE_LOCAL || space == PTX_SPACE_PARAM))
        ptx_lex_fail(l, &l->tok, "a %s variable outside a function is not supported",
                     space == PTX_SPACE_LOCAL ? ".local" : ".param");
    if (p->func && linking != PTX_LINK_NONE &&
        !(linking == PTX_LINK_EXTERN && space == PTX_SPACE_SHARED))
        ptx_lex_fail(l, &l->tok, "a linking directive in the body of a function");
    if (linking == PTX_LINK_COMMON && space != PTX_SPACE_GLOBAL)
        ptx_lex_fail(l, &l->tok, "only .global variables can be .common");
    if (ptx_lex_is(l, '['))
        ptx_lex_fail(l, &l->tok, "numbered constant banks are not supported");
    var_head h = parse_head(p, space);
    do
        parse_declarator(p, &h, linking, list);
    while (ptx_lex_accept(l, ','));
    ptx_lex_expect(l, ';');
}

/* ---- parameters ---- */

ptx_var *ptx_parse_param(ptx_parser *p, bool is_entry, int *reg)
{
    ptx_lexer *l = &p->lex;
    *reg = -1;
    bool is_reg = !is_entry && ptx_lex_accept_dot(l, "reg");
    if (!is_reg && !ptx_lex_accept_dot(l, "param"))
        ptx_lex_fail_expected(l, is_entry ? "'.param'" : "'.param' or '.reg'");
    ptx_var *v = WS_ARENA_NEW(p->arena, ptx_var, 1);
    v->space = PTX_SPACE_PARAM; /* where the value of a .reg comes, too: see parse_func.c */
    var_head h = {.lanes = 1};
    if (is_reg)
        h.type = parse_type(p);
    else
        h = parse_head(p, PTX_SPACE_PARAM);
    ptx_token name = take_name(p);
    v->name = ptx_name_intern(p, name.s)->z;
    bool named = !ws_str_eqz(name.s, "_");
    var_shape shape = is_reg ? (var_shape){0} : parse_shape(p);
    uint32_t elem = ptx_type_bytes(h.type) * h.lanes;
    v->type = h.type;
    v->is_ptr = h.is_ptr;
    v->is_array = shape.n > 0;
    v->align = h.align ? h.align : elem;
    if (shape.open && is_entry)
        ptx_lex_fail(l, &name, "the size of the parameter '%.200s' is missing", v->name);
    v->bytes = shape.open ? 0 : shape_count(p, &name, &shape, 0) * elem;
    if (v->bytes > PTX_MAX_PARAM_BYTES)
        ptx_lex_fail(l, &name, "the parameter '%.200s' needs more than %d bytes", v->name,
                     PTX_MAX_PARAM_BYTES);
    if (is_reg && h.type == PTX_pred)
        ptx_lex_fail(l, &name, "a predicate as parameter ('%.200s') is not supported", v->name);
    if (is_reg)
        *reg = ptx_reg_add(p, v->name, h.type, &name);
    if (named) {
        ptx_symbol *s = ptx_symbol_declare(p, &name, is_reg ? PTX_SYM_REG : PTX_SYM_VAR);
        s->var = v;
        s->index = *reg;
    }
    return v;
}
