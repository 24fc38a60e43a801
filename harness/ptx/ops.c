/* The forms, read from the rows of the x_*.c files, and how an instruction of the text is told to
 * be one. */
#include "harness/ptx/ops.h"

#include "harness/ptx/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ptx_op_row *const families[] = {
    ptx_ops_cvt8, ptx_ops_call, ptx_ops_pairs,
    ptx_ops_int,  ptx_ops_fp,    ptx_ops_half,     ptx_ops_cvt,  ptx_ops_mov,    ptx_ops_sreg,
    ptx_ops_mem,  ptx_ops_atom,  ptx_ops_warp,     ptx_ops_ctl,  ptx_ops_async,  ptx_ops_matrix,
    ptx_ops_mma,  ptx_ops_wmma,  ptx_ops_mbarrier, ptx_ops_bulk, ptx_ops_wgmma,  ptx_ops_cluster,
    ptx_ops_tensor, ptx_ops_tensormap, ptx_ops_st_async, ptx_ops_launch, ptx_ops_video,
};

/* What `.$name` stands for. Hints change no result (scopes, caches, priorities), or there are too
 * many of them to execute each (widths of wgmma). */
static const struct {
    const char *name, *words;
    bool is_hint;
} sets[] = {
    {"rnd", "rn rz rm rp", false},
    {"irnd", "rni rzi rmi rpi", false},
    {"icmp", "eq ne lt le gt ge", false},
    {"ucmp", "eq ne lt le gt ge lo ls hi hs", false},
    {"fcmp", "eq ne lt le gt ge equ neu ltu leu gtu geu num nan", false},
    {"bool", "and or xor", false},
    {"int", "u16 s16 u32 s32 u64 s64", false},
    {"wint", "u32 s32 u64 s64", false},
    {"ldst", "b8 u8 s8 b16 u16 s16 b32 u32 s32 f32 b64 u64 s64 f64 b128", false},
    {"space",
     "global shared shared::cta shared::cluster local const param param::entry param::func", false},
    {"stspace", "global shared shared::cta shared::cluster local param param::func", false},
    {"aspace", "global shared shared::cta shared::cluster local const param param::entry", false},
    {"gspace", "global shared shared::cta shared::cluster", false},
    {"f864", "e4m3 e5m2 e3m2 e2m3 e2m1", false},
    {"sp", "sp sp::ordered_metadata", false},
    {"wmma", "m16n16k16 m8n32k16 m32n8k16 m16n16k8 m8n8k32 m8n8k128 m8n8k4", false},
    {"m64k8",
     "m64n8k8 m64n16k8 m64n24k8 m64n32k8 m64n40k8 m64n48k8 m64n56k8 m64n64k8 m64n72k8 "
     "m64n80k8 m64n88k8 m64n96k8 m64n104k8 m64n112k8 m64n120k8 m64n128k8 m64n136k8 m64n144k8 "
     "m64n152k8 m64n160k8 m64n168k8 m64n176k8 m64n184k8 m64n192k8 m64n200k8 m64n208k8 "
     "m64n216k8 m64n224k8 m64n232k8 m64n240k8 m64n248k8 m64n256k8", true},
    {"m64k16",
     "m64n8k16 m64n16k16 m64n24k16 m64n32k16 m64n40k16 m64n48k16 m64n56k16 m64n64k16 "
     "m64n72k16 m64n80k16 m64n88k16 m64n96k16 m64n104k16 m64n112k16 m64n120k16 m64n128k16 "
     "m64n136k16 m64n144k16 m64n152k16 m64n160k16 m64n168k16 m64n176k16 m64n184k16 "
     "m64n192k16 m64n200k16 m64n208k16 m64n216k16 m64n224k16 m64n232k16 m64n240k16 "
     "m64n248k16 m64n256k16", true},
    {"m64k32",
     "m64n8k32 m64n16k32 m64n24k32 m64n32k32 m64n40k32 m64n48k32 m64n56k32 m64n64k32 "
     "m64n72k32 m64n80k32 m64n88k32 m64n96k32 m64n104k32 m64n112k32 m64n120k32 m64n128k32 "
     "m64n136k32 m64n144k32 m64n152k32 m64n160k32 m64n168k32 m64n176k32 m64n184k32 "
     "m64n192k32 m64n200k32 m64n208k32 m64n216k32 m64n224k32 m64n232k32 m64n240k32 "
     "m64n248k32 m64n256k32", true},
    {"m64k64",
     "m64n8k64 m64n16k64 m64n24k64 m64n32k64 m64n40k64 m64n48k64 m64n56k64 m64n64k64 "
     "m64n72k64 m64n80k64 m64n88k64 m64n96k64 m64n104k64 m64n112k64 m64n120k64 m64n128k64 "
     "m64n136k64 m64n144k64 m64n152k64 m64n160k64 m64n168k64 m64n176k64 m64n184k64 "
     "m64n192k64 m64n200k64 m64n208k64 m64n216k64 m64n224k64 m64n232k64 m64n240k64 "
     "m64n248k64 m64n256k64", true},
    {"m64k256",
     "m64n8k256 m64n16k256 m64n24k256 m64n32k256 m64n40k256 m64n48k256 m64n56k256 m64n64k256 "
     "m64n72k256 m64n80k256 m64n88k256 m64n96k256 m64n104k256 m64n112k256 m64n120k256 "
     "m64n128k256 m64n136k256 m64n144k256 m64n152k256 m64n160k256 m64n168k256 m64n176k256 "
     "m64n184k256 m64n192k256 m64n200k256 m64n208k256 m64n216k256 m64n224k256 m64n232k256 "
     "m64n240k256 m64n248k256 m64n256k256", true},
    {"sem", "relaxed acquire release acq_rel", false},
    {"vec", "v2 v4 v8", false},
    {"scope", "cta cluster gpu sys", true},
    {"cop", "ca cg cs lu cv", true},
    {"wop", "wb cg cs wt", true},
    {"policy", "L2::evict_last L2::evict_normal L2::evict_first L2::evict_unchanged", true},
    {"policy2", "L2::evict_first L2::evict_unchanged", true},
    {"dim", "1d 2d 3d 4d 5d", true},
    {"map_space", "global shared::cta", true},
    {"cta_group", "cta_group::1", true},
    {"evict", "L1::evict_normal L1::evict_unchanged L1::evict_first L1::evict_last L1::no_allocate",
     true},
    {"evict2", "L2::evict_normal L2::evict_first L2::evict_last", true},
    {"cache_hint", "L2::cache_hint", true},
    {"fetch", "L2::64B L2::128B L2::256B", true},
};

static const struct {
    const char *name;
    ptx_space space;
} spaces[] = {
    {"global", PTX_SPACE_GLOBAL},       {"shared", PTX_SPACE_SHARED},
    {"shared::cta", PTX_SPACE_SHARED},  {"shared::cluster", PTX_SPACE_SHARED},
    {"local", PTX_SPACE_LOCAL},         {"const", PTX_SPACE_CONST},
    {"param", PTX_SPACE_PARAM},         {"param::entry", PTX_SPACE_PARAM},
    {"param::func", PTX_SPACE_PARAM},
};

/* Words that ptxas takes for a part of the instruction's name: they come first, in the row's
 * order. */
static const struct {
    const char *opcode, *words;
} named[] = {
    {"bar", "cta sync arrive red warp"},
    {"barrier", "cta cluster arrive red wait"},
    {"brx", "idx"},
    {"clusterlaunchcontrol", "try_cancel query_cancel async"},
    {"cp", "async reduce bulk prefetch tensor mbarrier arrive commit_group wait_group wait_all"},
    {"createpolicy", "fractional range cvt"},
    {"cvt", "pack"},
    {"cvta", "to"},
    {"div", "full"},
    {"dp2a", "lo hi"},
    {"fence", "proxy"},
    {"mad", "lo hi wide"},
    {"mad24", "lo hi"},
    {"madc", "lo hi"},
    {"mbarrier",
     "init inval expect_tx complete_tx arrive arrive_drop test_wait try_wait parity pending_count"},
    {"membar", "proxy"},
    {"mul", "lo hi wide"},
    {"mul24", "lo hi"},
    {"red", "async"},
    {"setmaxnreg", "inc dec"},
    {"shf", "l r"},
    {"st", "async bulk"},
    {"tensormap", "replace cp_fenceproxy"},
    {"wgmma", "fence commit_group wait_group mma_async"},
    {"wmma", "load store mma a b c d"},
};

/* Types of fragments and packed elements that registers do not have. */
static const char *const other_types[] = {"b1",     "u4",     "s4",     "e4m3",   "e5m2",    "e2m1",
                                          "e3m2",   "e2m3",   "ue8m0",  "e2m1x2", "e2m3x2",
                                          "e3m2x2",
                                          "ue8m0x2", "ue4m3", "e4m3x4", "e5m2x4", "f32x2",
                                          "u16x2", "s16x2",  "e2m1x4", "e3m2x4", "e2m3x4"};

static struct {
    ptx_form *form;
    int n, cap;
} table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- reading the rows ---- */

static bool take(const char **p, const char *what)
{
    size_t n = strlen(what);
    if (strncmp(*p, what, n) != 0)
        return false;
    *p += n;
    return true;
}

static ws_str take_word(const char **p)
{
    ws_str w = {*p, strcspn(*p, " .{}()[],|")};
    *p += w.n;
    return w;
}

static bool is_in(const char *words, ws_str w)
{
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        if (n == w.n && memcmp(p, w.p, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static void add_words(ptx_form *f, ptx_form_part *part, const char *words, size_t n)
{
    const char *end = words + n;
    while (words < end) {
        size_t len = strcspn(words, " )");
        len = words + len > end ? (size_t)(end - words) : len;
        if (f->n_words == PTX_FORM_WORDS - 1)
            ws_bug("too many words in '%s'", f->text);
        f->word[f->n_words] = (ws_str){words, len};
        f->word_type[f->n_words] = ptx_type_find(f->word[f->n_words]);
        if (!part->is_hint)
            f->counted |= 1ull << f->n_words;
        for (size_t k = 0; k < WS_COUNT(named); k++)
            if (ws_str_eqz(f->opcode, named[k].opcode) &&
                is_in(named[k].words, f->word[f->n_words]))
                f->named |= 1ull << f->n_words;
        f->n_words++;
        part->n_words++;
        words += len + (words + len < end);
    }
}

static void read_set(ptx_form *f, ptx_form_part *part, ws_str name)
{
    for (size_t s = 0; s < WS_COUNT(sets); s++)
        if (ws_str_eqz(name, sets[s].name)) {
            part->is_hint = sets[s].is_hint;
            add_words(f, part, sets[s].words, strlen(sets[s].words));
            return;
        }
    ws_bug("no set '%.*s' for '%s'", WS_STR_ARG(name), f->text);
}

static void read_part(ptx_form *f, const char **p, bool optional, bool tied)
{
    ptx_form_part *part = &f->part[f->n_parts++];
    *part = (ptx_form_part){.first_word = f->n_words, .optional = optional, .tied = tied};
    if (f->n_parts == PTX_FORM_PARTS)
        ws_bug("too many parts in '%s'", f->text);
    if (take(p, "$")) {
        read_set(f, part, take_word(p));
    } else if (take(p, "(")) {
        size_t n = strcspn(*p, ")");
        add_words(f, part, *p, n);
        *p += n + 1;
    } else {
        ws_str w = take_word(p);
        add_words(f, part, w.p, w.n);
    }
}

static void read_mnemonic(ptx_form *f, const char **p)
{
    f->opcode = take_word(p);
    for (;;) {
        bool optional = take(p, "{.");
        if (!optional && !take(p, "."))
            break;
        read_part(f, p, optional, false);
        while (optional && take(p, "."))
            read_part(f, p, true, true);
        if (optional && !take(p, "}"))
            ws_bug("a brace is open in '%s'", f->text);
    }
}

static void read_type(ptx_form *f, ptx_spec *s, const char **p)
{
    if (take(p, ":1")) {
        s->of = PTX_SPEC_FIRST;
    } else if (take(p, ":2")) {
        s->of = PTX_SPEC_DOUBLE;
    } else if (take(p, ":")) {
        ws_str name = {*p, strcspn(*p, " ,{}|>])*")};
        *p += name.n;
        s->of = PTX_SPEC_FIXED;
        s->type = ptx_type_find(name);
        if (s->type == PTX_TYPE_NONE)
            ws_bug("no type '%.*s' for '%s'", WS_STR_ARG(name), f->text);
    }
    s->wider = take(p, ">");
}

static ptx_spec_kind kind_of(char c)
{
    return c == 'd'               ? PTX_SPEC_DST
           : c == 'p' || c == 'q' ? PTX_SPEC_PRED_DST
           : c == 'h'             ? PTX_SPEC_POLICY
                                  : PTX_SPEC_SRC;
}

static void read_operand(ptx_form *f, const char **p)
{
    ptx_spec *s = &f->operand[f->n_operands++];
    *s = (ptx_spec){.kind = PTX_SPEC_ANY};
    if (f->n_operands == PTX_FORM_OPERANDS)
        ws_bug("too many operands in '%s'", f->text);
    bool address = take(p, "["), vector = take(p, "{");
    s->kind = address          ? PTX_SPEC_ADDRESS
              : take(p, "!")   ? PTX_SPEC_PRED_SRC
              : take(p, "#")   ? PTX_SPEC_IMM
              : take(p, "@")   ? PTX_SPEC_LABEL
              : take(p, "%")   ? PTX_SPEC_SREG
              : take(p, "_")   ? PTX_SPEC_SINK
              : take(p, "?")   ? PTX_SPEC_ANY
              : (s->sign = take(p, "-")) ? PTX_SPEC_SRC
                               : kind_of(**p);
    s->result = !address && (s->kind == PTX_SPEC_DST || s->kind == PTX_SPEC_PRED_DST ||
                             (s->kind == PTX_SPEC_ANY && **p == 'd'));
    f->results |= (uint16_t)(s->result << (f->n_operands - 1));
    *p += strspn(*p, "abcdefghijklmnopqrstuvwxyz0123456789");
    s->part = take(p, ".");
    s->ranged = s->kind == PTX_SPEC_IMM && sscanf(*p, "(%d-%d)", &s->low, &s->high) == 2;
    if (s->ranged)
        *p += strcspn(*p, ")") + 1;
    s->vector = vector;
    s->any_count = take(p, "*");
    if (vector && !take(p, "}"))
        ws_bug("a vector is open in '%s'", f->text);
    if (take(p, "|"))
        s->pair = (*p)++;
    if (address && take(p, ", "))
        s->coordinates = (*p)++;
    if (address && !take(p, "]"))
        ws_bug("an address is open in '%s'", f->text);
    read_type(f, s, p);
}

static void read_operands(ptx_form *f, const char *p)
{
    bool optional = false;
    if (!*p)
        return;
    if (*p != ' ')
        ws_bug("'%s' goes on with '%s'", f->text, p);
    for (p++; *p;) {
        f->open_ended = take(&p, "...");
        if (f->open_ended)
            break;
        read_operand(f, &p);
        f->takes_policy = f->operand[f->n_operands - 1].kind == PTX_SPEC_POLICY;
        f->n_required += !optional && !f->takes_policy;
        optional |= take(&p, "{, ");
        optional &= !take(&p, "}");
        take(&p, ", ");
    }
}

static int by_opcode(const void *a, const void *b)
{
    const ptx_form *x = a, *y = b;
    size_t n = x->opcode.n < y->opcode.n ? x->opcode.n : y->opcode.n;
    int order = memcmp(x->opcode.p, y->opcode.p, n);
    if (!order)
        order = (x->opcode.n > y->opcode.n) - (x->opcode.n < y->opcode.n);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static void read_rows(void)
{
    for (size_t k = 0; k < WS_COUNT(families); k++)
        for (const ptx_op_row *r = families[k]; r->form; r++) {
            WS_GROW(table.form, table.n, table.cap);
            ptx_form *f = &table.form[table.n];
            memset(f, 0, sizeof *f);
            f->row = r;
            f->text = r->form;
            f->order = table.n++;
            const char *p = r->form;
            read_mnemonic(f, &p);
            read_operands(f, p);
        }
    qsort(table.form, (size_t)table.n, sizeof *table.form, by_opcode);
}

ptx_form *ptx_forms(int *n)
{
    pthread_once(&once, read_rows);
    *n = table.n;
    return table.form;
}

/* ---- the mnemonic ---- */

static bool same(ws_str a, ws_str b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static bool is_type(const ptx_form *f, int word)
{
    if (f->word_type[word] != PTX_TYPE_NONE)
        return true;
    for (size_t t = 0; t < WS_COUNT(other_types); t++)
        if (ws_str_eqz(f->word[word], other_types[t]))
            return true;
    return false;
}

static int vector_of(ws_str w)
{
    return w.n == 2 && w.p[0] == 'v' && (w.p[1] == '2' || w.p[1] == '4' || w.p[1] == '8')
               ? w.p[1] - '0'
               : 0;
}

static bool is_space(ws_str w)
{
    for (size_t s = 0; s < WS_COUNT(spaces); s++)
        if (ws_str_eqz(w, spaces[s].name))
            return true;
    return false;
}

/* The part of the mnemonic, not `used` yet, that is a word of part `p`; types only after the last
 * type, spaces after the last space, words of the name only as the next part. -1: none. */
static int find_part(const ptx_form *f, const ptx_form_part *p, const ptx_ast_insn *a,
                     uint32_t used, const int after[2], int next, int *word)
{
    for (int k = 1; k < a->n_parts; k++)
        for (int w = p->first_word; !(used >> k & 1) && w < p->first_word + p->n_words; w++)
            if (same(a->part[k], f->word[w]) && (!is_type(f, w) || k > after[0]) &&
                (!is_space(f->word[w]) || k > after[1]) && (!(f->named >> w & 1) || k == next)) {
                *word = w;
                return k;
            }
    return -1;
}

typedef struct attempt {
    ptx_match match;
    int fitted;        /* parts of the mnemonic */
    ws_str stranger;   /* the first that did not fit; none: n is 0 */
    const ptx_form_part *missing; /* the first part that should be there */
} attempt;

static void note_word(ptx_match *m, const ptx_form *f, int word)
{
    ptx_type t = f->word_type[word];
    m->words |= 1ull << word;
    if (t != PTX_TYPE_NONE) {
        m->first = m->first == PTX_TYPE_NONE ? t : m->first;
        m->last = t;
    }
    m->vector += vector_of(f->word[word]);
}

static attempt try_form(ptx_form *f, const ptx_ast_insn *a)
{
    attempt t = {.match = {.form = f, .first = PTX_TYPE_NONE, .last = PTX_TYPE_NONE,
                           .in_order = true}};
    uint32_t used = 1;
    int after[2] = {0, 0}, word = 0;
    bool before = false;
    for (int p = 0; p < f->n_parts; p++) {
        const ptx_form_part *part = &f->part[p];
        int k =
            part->tied && !before ? -1 : find_part(f, part, a, used, after, t.fitted + 1, &word);
        if (k < 0) {
            if ((!part->optional || (part->tied && before)) && !t.missing)
                t.missing = part;
            before = false;
            continue;
        }
        before = true;
        t.match.in_order &= !(used >> k); /* nothing that stands later was used before */
        used |= 1u << k;
        after[0] = is_type(f, word) ? k : after[0];
        after[1] = is_space(f->word[word]) ? k : after[1];
        note_word(&t.match, f, word);
        t.fitted++;
    }
    for (int k = a->n_parts - 1; k > 0; k--)
        if (!(used >> k & 1))
            t.stranger = a->part[k];
    return t;
}

static void first_of(ws_str opcode, int *from, int *to)
{
    int n, lo = 0;
    const ptx_form *f = ptx_forms(&n);
    for (lo = 0; lo < n && !same(f[lo].opcode, opcode); lo++)
        ;
    for (*from = *to = lo; *to < n && same(f[*to].opcode, opcode); ++*to)
        ;
}

static void explain(const attempt *best, char why[PTX_WHY])
{
    const ptx_form *f = best->match.form;
    if (best->stranger.n)
        snprintf(why, PTX_WHY, "'.%.*s' does not fit: %s", WS_STR_ARG(best->stranger), f->text);
    else
        snprintf(why, PTX_WHY, "'.%.*s'%s is missing: %s",
                 WS_STR_ARG(f->word[best->missing->first_word]),
                 best->missing->n_words > 1 ? " or the like" : "", f->text);
}

/* Families that the engine refuses as such. */
static const struct {
    const char *opcode, *what;
} refused[] = {
    {"tex", "textures"},        {"tld4", "textures"},        {"txq", "textures"},
    {"suld", "surfaces"},
    {"sust", "surfaces"},       {"sured", "surfaces"},       {"suq", "surfaces"},
    {"istypep", "textures and surfaces"},
    {"tcgen05", "tensor memories"}, {"multimem", "multicast objects"},
};

static void explain_unknown(ws_str opcode, char why[PTX_WHY])
{
    snprintf(why, PTX_WHY, "no such instruction");
    for (size_t k = 0; k < WS_COUNT(refused); k++)
        if (ws_str_eqz(opcode, refused[k].opcode))
            snprintf(why, PTX_WHY, "%s are not supported", refused[k].what);
}

int ptx_ops_match(const ptx_ast_insn *a, ptx_match *out, int cap, char why[PTX_WHY])
{
    int from, to, n = 0, forms;
    ptx_form *f = ptx_forms(&forms);
    attempt best = {.fitted = -1};
    first_of(a->part[0], &from, &to);
    for (int k = from; k < to && n < cap; k++) {
        attempt t = try_form(&f[k], a);
        if (!t.missing && !t.stranger.n)
            out[n++] = t.match;
        else if (t.fitted > best.fitted)
            best = t;
    }
    if (!n && from == to)
        explain_unknown(a->part[0], why);
    else if (!n)
        explain(&best, why);
    return n;
}

/* ---- operands ---- */

typedef enum kind { KIND_BITS, KIND_INT, KIND_F16, KIND_BF16, KIND_FLOAT } kind;

static kind kind_of_type(ptx_type t)
{
    switch (t) {
    case PTX_b8: case PTX_b16: case PTX_b32: case PTX_b64: case PTX_b128:
        return KIND_BITS;
    case PTX_f16: case PTX_f16x2:
        return KIND_F16;
    case PTX_bf16: case PTX_bf16x2: case PTX_tf32: case PTX_e4m3x2: case PTX_e5m2x2:
        return KIND_BF16;
    case PTX_f32: case PTX_f64:
        return KIND_FLOAT;
    default:
        return KIND_INT;
    }
}

/* A register of type r where the instruction has type t. */
static bool register_fits(ptx_type r, ptx_type t, bool wider)
{
    uint32_t have = ptx_type_bytes(r), want = ptx_type_bytes(t);
    if (r == PTX_pred || (wider ? have < want : have != want))
        return false;
    kind kr = kind_of_type(r), kt = kind_of_type(t);
    if (kr == KIND_BITS || kt == KIND_BITS)
        return true;
    /* a wider register of another kind of floating point is not a wider one of this kind */
    return kr == kt && (kt == KIND_INT || have == want || kt == KIND_FLOAT);
}

static bool immediate_fits(const ptx_operand *o, ptx_type t)
{
    kind k = kind_of_type(t);
    if (!o->is_float)
        return k == KIND_INT || k == KIND_BITS;
    return k == KIND_FLOAT || (k == KIND_BITS && ptx_type_bytes(t) == o->float_bytes);
}

ptx_type ptx_spec_type_of(const ptx_spec *s, const ptx_match *m)
{
    static const ptx_type twice[][2] = {{PTX_u16, PTX_u32}, {PTX_s16, PTX_s32}, {PTX_u32, PTX_u64},
                                        {PTX_s32, PTX_s64}};
    if (s->of == PTX_SPEC_FIXED)
        return s->type;
    for (size_t k = 0; s->of == PTX_SPEC_DOUBLE && k < WS_COUNT(twice); k++)
        if (m->last == twice[k][0])
            return twice[k][1];
    return s->of == PTX_SPEC_FIRST ? m->first : m->last;
}

static const char *describe(const ptx_func *fn, const ptx_operand *o, char *buf, size_t n)
{
    static const char *const kinds[] = {
        [PTX_OPD_SREG] = "a special register", [PTX_OPD_ADDR] = "an address",
        [PTX_OPD_VAR] = "a variable",          [PTX_OPD_LABEL] = "a label",
        [PTX_OPD_FUNC] = "a function",         [PTX_OPD_VEC] = "a vector",
        [PTX_OPD_TARGETS] = "a target list",   [PTX_OPD_SINK] = "'_'"};
    if (o->kind == PTX_OPD_REG)
        snprintf(buf, n, "'%s' of .%s", fn->reg[o->reg].name, ptx_type_name(fn->reg[o->reg].type));
    else if (o->kind == PTX_OPD_IMM)
        snprintf(buf, n, "%s constant", o->is_float ? "a floating-point" : "an integer");
    else
        snprintf(buf, n, "%s", kinds[o->kind]);
    return buf;
}

static bool is_pred(const ptx_func *fn, const ptx_operand *o)
{
    return o->kind == PTX_OPD_REG && fn->reg[o->reg].type == PTX_pred;
}

/* Opcodes whose result may be dropped with `_`; elements of vectors may with all. */
static bool may_drop(ws_str opcode)
{
    static const char *const names[] = {"atom", "mbarrier", "elect", "match", "lop3"};
    for (size_t k = 0; k < WS_COUNT(names); k++)
        if (ws_str_eqz(opcode, names[k]))
            return true;
    return false;
}

static bool has_word(const ptx_match *m, const char *word)
{
    for (int w = 0; w < m->form->n_words; w++)
        if (m->words >> w & 1 && ws_str_eqz(m->form->word[w], word))
            return true;
    return false;
}

/* Opcodes that take the address of a variable as a number. */
static bool takes_variable(const ptx_match *m)
{
    static const char *const names[] = {"mov", "cvta", "mapa", "getctarank", "call"};
    for (size_t k = 0; k < WS_COUNT(names); k++)
        if (ws_str_eqz(m->form->opcode, names[k]))
            return !has_word(m, "to"); /* cvta.to takes a generic address, which no variable has */
    return false;
}

static bool element_fits(const ptx_spec *s, const ptx_match *m, const ptx_func *fn,
                         const ptx_operand *o, ptx_type t, bool in_vector)
{
    if (o->kind == PTX_OPD_REG)
        return (!o->neg_pred || s->sign) && (!o->text || s->part) &&
               register_fits(fn->reg[o->reg].type, t, s->wider);
    if (s->kind == PTX_SPEC_DST)
        return o->kind == PTX_OPD_SINK && (in_vector || may_drop(m->form->opcode));
    if (o->kind == PTX_OPD_IMM)
        return immediate_fits(o, t);
    /* addresses of variables and functions are numbers of 32 or 64 bits */
    return (o->kind == PTX_OPD_VAR || o->kind == PTX_OPD_FUNC) && ptx_type_bytes(t) >= 4 &&
           takes_variable(m);
}

static bool value_fits(const ptx_spec *s, const ptx_match *m, const ptx_func *fn,
                       const ptx_operand *o)
{
    ptx_type t = ptx_spec_type_of(s, m);
    if (o->reg2 >= 0 && !s->pair)
        return false;
    if (o->kind != PTX_OPD_VEC)
        return !(s->vector && !s->any_count && m->vector) && element_fits(s, m, fn, o, t, false);
    if (!s->vector || (!s->any_count && o->n_elem != (m->vector ? m->vector : 1)))
        return false;
    for (int e = 0; e < o->n_elem; e++)
        if (!element_fits(s, m, fn, &o->elem[e], t, true) && !(o->elem[e].kind == PTX_OPD_SINK))
            return false;
    return true;
}

static bool fits(const ptx_spec *s, const ptx_match *m, const ptx_func *fn, const ptx_operand *o)
{
    switch (s->kind) {
    case PTX_SPEC_PRED_DST:
        return (is_pred(fn, o) || o->kind == PTX_OPD_SINK) && !o->neg_pred &&
               (s->pair || o->reg2 < 0);
    case PTX_SPEC_PRED_SRC:
        return (is_pred(fn, o) && o->reg2 < 0) || (o->kind == PTX_OPD_IMM && !o->is_float);
    case PTX_SPEC_ADDRESS:
        return o->kind == PTX_OPD_ADDR && (o->n_elem > 0) == s->coordinates;
    case PTX_SPEC_IMM:
        return o->kind == PTX_OPD_IMM && !o->is_float &&
               (!s->ranged || (o->imm >= s->low && o->imm <= s->high));
    case PTX_SPEC_POLICY:
        return o->kind == PTX_OPD_REG ? register_fits(fn->reg[o->reg].type, PTX_u64, false)
                                      : o->kind == PTX_OPD_IMM && !o->is_float;
    case PTX_SPEC_LABEL:
        return o->kind == PTX_OPD_LABEL || o->kind == PTX_OPD_TARGETS || o->kind == PTX_OPD_FUNC;
    case PTX_SPEC_SREG:
        return o->kind == PTX_OPD_SREG;
    case PTX_SPEC_SINK:
        return o->kind == PTX_OPD_SINK && o->reg2 < 0;
    case PTX_SPEC_ANY:
        return !s->vector || o->kind == PTX_OPD_VEC;
    default:
        return value_fits(s, m, fn, o);
    }
}

/* ---- addresses ---- */

/* The n-th state space of the mnemonic, which is that of the n-th address; GENERIC: none. */
static ptx_space space_of(const ptx_ast_insn *a, int n)
{
    for (int k = 1; k < a->n_parts; k++)
        for (size_t s = 0; s < WS_COUNT(spaces); s++)
            if (ws_str_eqz(a->part[k], spaces[s].name) && n-- == 0)
                return spaces[s].space;
    return PTX_SPACE_GENERIC;
}

static bool is_own_param(const ptx_func *fn, const ptx_var *v)
{
    for (int k = 0; k < fn->n_params; k++)
        if (fn->param[k] == v)
            return true;
    return false;
}

/* What is wrong with an address of the given space (PTX ISA 6.4.1); NULL: nothing. */
static const char *address_fault(const ptx_func *fn, const ptx_ast_insn *a, const ptx_operand *o,
                                 ptx_space space)
{
    if (o->var && space == PTX_SPACE_GENERIC)
        return o->var->space == PTX_SPACE_PARAM ? "a parameter is read with .param" : NULL;
    if (o->var && o->var->space != space)
        return "the variable is of another state space";
    if (o->var && space == PTX_SPACE_PARAM && ws_str_eqz(a->part[0], "st") &&
        is_own_param(fn, o->var))
        return "a function cannot write its own parameters";
    if (o->reg >= 0) {
        ptx_type t = fn->reg[o->reg].type;
        kind k = kind_of_type(t);
        if (t == PTX_pred || (k != KIND_BITS && k != KIND_INT) || ptx_type_bytes(t) < 4)
            return "a register with an address has 32 or 64 bits, of no floating-point type";
        /* barriers have shared addresses, of 32 bits without .shared too */
        bool is_data = !ws_str_eqz(a->part[0], "cp") && !ws_str_eqz(a->part[0], "mbarrier");
        if (ptx_type_bytes(t) == 4 && is_data &&
            (space == PTX_SPACE_GENERIC || space == PTX_SPACE_GLOBAL))
            return "global and generic addresses have 64 bits";
    }
    if (o->reg < 0 && !o->var && space != PTX_SPACE_LOCAL)
        return "only .local addresses can be constants";
    return NULL;
}

/* The addresses of the instruction; `why` tells what is wrong. */
static bool addresses_fit(const ptx_func *fn, const ptx_ast_insn *a, char why[PTX_WHY])
{
    for (int k = 0, n = 0; k < a->n_operands; k++) {
        const ptx_operand *o = &a->operand[k];
        bool variable = o->kind == PTX_OPD_VAR &&
                        (ws_str_eqz(a->part[0], "cvta") || ws_str_eqz(a->part[0], "mapa"));
        if (o->kind != PTX_OPD_ADDR && !variable)
            continue;
        const char *fault = address_fault(fn, a, o, space_of(a, n++));
        if (fault && !(n > 1 && space_of(a, n - 1) == PTX_SPACE_GENERIC)) {
            snprintf(why, PTX_WHY, "operand %d: %s", k + 1, fault);
            return false;
        }
    }
    return true;
}

bool ptx_ops_operands(const ptx_match *m, const ptx_func *fn, const ptx_ast_insn *a,
                      char why[PTX_WHY])
{
    const ptx_form *f = m->form;
    bool policy = f->takes_policy && has_word(m, "L2::cache_hint");
    int n = a->n_operands - policy, most = f->n_operands - f->takes_policy;
    char what[64];
    if (n < f->n_required || (n > most && !f->open_ended)) {
        snprintf(why, PTX_WHY, "%d operands do not fit: %s", a->n_operands, f->text);
        return false;
    }
    for (int k = 0; k < a->n_operands && (k < most || policy); k++) {
        const ptx_spec *s = policy && k == n ? &f->operand[most] : &f->operand[k];
        if (fits(s, m, fn, &a->operand[k]))
            continue;
        snprintf(why, PTX_WHY, "operand %d, %s, does not fit: %s", k + 1,
                 describe(fn, &a->operand[k], what, sizeof what), f->text);
        return false;
    }
    return addresses_fit(fn, a, why);
}
