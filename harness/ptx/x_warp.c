/* Lanes of a warp talk to each other: shuffles, votes, match, redux, bar.warp.sync. All but
 * activemask wait until every lane of the member mask that has not exited is there. */
#include "harness/ptx/alu.h"
#include "harness/ptx/fp.h"
#include "harness/ptx/lanes.h"
#include "harness/ptx/numbers.h"

#include <stdio.h>

#include <string.h>

/* ptx_insn.target: slot of the member mask. */
#define MEMBER_SLOT target

typedef void (*body_fn)(ptx_warp *w, const ptx_insn *i);

static bool check_member(ptx_warp *w, const ptx_insn *i, u32 lanes, u32 mask)
{
    u32 outside = lanes & ~mask;
    if (!outside)
        return true;
    ptx_fault_sync(w, i, __builtin_ctz(outside), HX_ILLEGAL, "Invalid arguments",
                     "illegal: lane %d executes %.*s with member mask 0x%08x, which "
                     "does not name it",
                     __builtin_ctz(outside), WS_STR_ARG(i->ast->text), mask);
    return false;
}

/* Runs `body` for each set of lanes that name the same members, as soon as these are there. */
static void converge(ptx_warp *w, const ptx_insn *i, ptx_wait kind, body_fn body)
{
    const u32 *member = IN(u32, i->MEMBER_SLOT);
    u32 pending = w->exec, partial = ~pending;
    EACH_LANE(l) partial |= ~member[l];
    if (!partial) { /* all lanes, all named */
        body(w, i);
        return;
    }
    while (pending) {
        u32 mask = member[__builtin_ctz(pending)], same = 0;
        EACH_SET(l, pending) same |= member[l] == mask ? 1u << l : 0;
        pending &= ~same;
        if (!check_member(w, i, same, mask))
            return;
        w->exec = same;
        if (mask & w->live & ~same)
            ptx_warp_wait(w, kind, mask);
        else
            body(w, i);
        if (w->event == PTX_EV_FAULT)
            return;
    }
}

/* ---- shuffles ---- */

enum { SHFL_UP, SHFL_DOWN, SHFL_BFLY, SHFL_IDX };

/* The source lane of lane l, and whether it is in range (PTX ISA, shfl.sync). */
static u32 source_lane(u8 mode, u32 l, u32 b, u32 c, bool *in_range)
{
    u32 bval = b & 31, cval = c & 31, segment = c >> 8 & 31;
    u32 most = (l & segment) | (cval & ~segment), least = l & segment, j = 0;
    switch (mode) {
    case SHFL_UP:
        j = l - bval;
        *in_range = (s32)j >= (s32)most;
        break;
    case SHFL_DOWN:
        j = l + bval;
        *in_range = j <= most;
        break;
    case SHFL_BFLY:
        j = l ^ bval;
        *in_range = j <= most;
        break;
    default:
        j = least | (bval & ~segment);
        *in_range = j <= most;
    }
    return *in_range ? j : l;
}

/* What a lane gets from one that takes no part: undefined, and often never used, as in the upper
 * half of a shrinking tree. Huge, so that a result that does depend on it is wrong; either sign, so
 * that neither a minimum nor a maximum hides it on every schedule. */
static u32 undefined_value(const ptx_warp *w, u32 lane)
{
    return 0x7f61c3d5u ^ (lane + (u32)w->worker->grid->options->schedule) << 31;
}

/* Remembers the first such value of all launches. */
static void note_undefined(ptx_warp *w, const ptx_insn *i, u32 lane, u32 from)
{
    ptx_grid *g = w->worker->grid;
    ptx_report *r = g->report;
    pthread_mutex_lock(&g->lock);
    if (!r->note[0]) {
        uint32_t tid[3];
        ptx_thread_of(w, (int)lane, tid);
        r->note_line = ptx_insn_place(g->ast, i->ast).line;
        snprintf(r->note, sizeof r->note,
                 "the shuffle at line %d gives thread (%u,%u,%u) an undefined value: lane %u %s",
                 r->note_line, tid[0], tid[1], tid[2], from,
                 w->live >> from & 1 ? "is not in its mask" : "has exited or never existed");
    }
    pthread_mutex_unlock(&g->lock);
}

/* d[l] = a[from[l]]; d may be a. */
#if defined(__AVX512F__)
static void permute(u32 *d, const u32 *a, const u32 *from)
{
    const __m512i low = _mm512_load_si512(a), high = _mm512_load_si512(a + 16);
    _mm512_store_si512(d, _mm512_permutex2var_epi32(low, _mm512_load_si512(from), high));
    _mm512_store_si512(d + 16, _mm512_permutex2var_epi32(low, _mm512_load_si512(from + 16), high));
}
#elif defined(__AVX2__)
/* One of two rows of 8, as that bit of the index says; `bit` is what it takes to make it the
 * sign. */
static inline __m256i either(__m256i x, __m256i y, __m256i from, int bit)
{
    const __m256 which = _mm256_castsi256_ps(_mm256_slli_epi32(from, bit));
    return _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(y), which));
}
static void permute(u32 *d, const u32 *a, const u32 *from)
{
    __m256i row[4], out[4];
    for (int r = 0; r < 4; r++)
        row[r] = _mm256_load_si256((const void *)(a + 8 * r));
    for (int r = 0; r < 4; r++) {
        const __m256i f = _mm256_load_si256((const void *)(from + 8 * r));
        __m256i low = either(_mm256_permutevar8x32_epi32(row[0], f),
                             _mm256_permutevar8x32_epi32(row[1], f), f, 28);
        __m256i high = either(_mm256_permutevar8x32_epi32(row[2], f),
                              _mm256_permutevar8x32_epi32(row[3], f), f, 28);
        out[r] = either(low, high, f, 27);
    }
    for (int r = 0; r < 4; r++)
        _mm256_store_si256((void *)(d + 8 * r), out[r]);
}
#else
static void permute(u32 *d, const u32 *a, const u32 *from)
{
    u32 t[PTX_LANES];
    EACH_LANE(l) t[l] = a[from[l]];
    memcpy(d, t, sizeof t);
}
#endif

/* Where each lane takes its value from, and the lanes for which that is in range. */
typedef struct route {
    u32 from[PTX_LANES] __attribute__((aligned(64)));
    u32 in_range;
} route;

#define ROUTE(name, range_ok, where)                                                               \
    static void route_##name(const u32 *b, const u32 *c, route *r)                                 \
    {                                                                                              \
        u32 ok[PTX_LANES] __attribute__((aligned(64)));                                            \
        EACH_LANE(l)                                                                               \
        {                                                                                          \
            u32 bval = b[l] & 31, cval = c[l] & 31, segment = c[l] >> 8 & 31;                      \
            u32 least = (u32)l & segment, most = least | (cval & ~segment), j = (where);           \
            (void)bval, (void)least;                                                               \
            ok[l] = 0 - (u32)(range_ok);                                                           \
            r->from[l] = ((ok[l] & j) | (~ok[l] & (u32)l)) & 31;                                   \
        }                                                                                          \
        r->in_range = ptx_sign_bits(ok);                                                           \
    }
ROUTE(up, (s32)j >= (s32)most, (u32)l - bval)
ROUTE(down, j <= most, (u32)l + bval)
ROUTE(bfly, j <= most, (u32)l ^ bval)
ROUTE(idx, j <= most, least | (bval & ~segment))

static void find_route(u8 mode, const u32 *b, const u32 *c, route *r)
{
    static void (*const modes[])(const u32 *, const u32 *, route *) =
        {route_up, route_down, route_bfly, route_idx};
    modes[mode](b, c, r);
}

static void shuffle_all(ptx_warp *w, const ptx_insn *i, const route *r)
{
    if (i->d != PTX_NO_SLOT)
        permute(OUT(u32, i->d), IN(u32, i->a), r->from);
    w->pred[i->d2] = r->in_range;
}

static void shuffle(ptx_warp *w, const ptx_insn *i)
{
    if (w->exec == PTX_FULL) {
        route r;
        find_route(i->op, IN(u32, i->b), IN(u32, i->c), &r);
        shuffle_all(w, i, &r);
        return;
    }
    const u32 *a = IN(u32, i->a), *b = IN(u32, i->b), *c = IN(u32, i->c);
    u32 result[PTX_LANES], in_range = 0;
    EACH_SET(l, w->exec)
    {
        bool p = false;
        u32 j = source_lane(i->op, l, b[l], c[l], &p);
        result[l] = w->exec >> j & 1 ? a[j] : undefined_value(w, l);
        if (!(w->exec >> j & 1) && !w->worker->noted) {
            w->worker->noted = true;
            note_undefined(w, i, l, j);
        }
        in_range |= p ? 1u << l : 0;
    }
    if (i->d != PTX_NO_SLOT)
        EACH_SET(l, w->exec) OUT(u32, i->d)[l] = result[l];
    ptx_set_pred(w, i->d2, in_range);
}

/* The route is known, and all lanes are members. */
static void x_shfl_route(ptx_warp *w, const ptx_insn *i)
{
    if (w->whole != PTX_FULL) {
        converge(w, i, PTX_WAIT_LANES, shuffle);
        return;
    }
    shuffle_all(w, i, i->aux);
    PTX_CHAIN(w, i);
}

/* The same with the moves around it, see fuse_shfl.c: imm has the slot of the value, and above it how many moves are
 * behind. */
static void x_shfl_moves(ptx_warp *w, const ptx_insn *i)
{
    if (w->whole != PTX_FULL) {
        converge(w, i, PTX_WAIT_LANES, shuffle);
        return;
    }
    const ptx_insn *last = i + (i->imm >> 32);
    const route *r = i->aux;
    permute(OUT(u32, last->d), IN(u32, (u32)i->imm), r->from);
    w->pred[i->d2] = r->in_range;
    w->insn = last + 1;
    PTX_CHAIN(w, last);
}

bool ptx_is_shfl_route(const ptx_insn *i)
{
    return i->run == x_shfl_route && i->d != PTX_NO_SLOT;
}

void ptx_shfl_with_moves(ptx_insn *i, uint32_t from, uint32_t moves)
{
    i->run = x_shfl_moves;
    i->imm = (int64_t)((u64)moves << 32 | from);
}

static void x_shfl(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, shuffle);
}

static bool src32(ptx_decoder *d, const ptx_operand *o, u32 *slot)
{
    return ptx_alu_src(d, o, PTX_b32, slot);
}

static bool dst32(ptx_decoder *d, const ptx_operand *o, u32 *slot)
{
    *slot = PTX_NO_SLOT;
    return o->kind == PTX_OPD_SINK || ptx_alu_dst(d, o, 4, slot);
}

static bool known_route(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    const ptx_numbers *known = ptx_decoder_numbers(d);
    u32 b, c, members, bs[PTX_LANES], cs[PTX_LANES];
    if (!ptx_numbers_find(known, a, &a->operand[2], &b) ||
        !ptx_numbers_find(known, a, &a->operand[3], &c) ||
        !ptx_numbers_find(known, a, &a->operand[4], &members) || members != PTX_FULL)
        return false;
    EACH_LANE(l) bs[l] = b;
    EACH_LANE(l) cs[l] = c;
    uintptr_t room = (uintptr_t)ws_arena_alloc(ptx_decoder_arena(d), sizeof(route) + 63);
    route *r = (route *)((room + 63) & ~(uintptr_t)63);
    find_route(i->op, bs, cs, r);
    i->aux = r;
    return true;
}

static bool decode_shfl(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const char *const modes[] = {"up", "down", "bfly", "idx"};
    for (uint8_t m = 0; m < 4; m++)
        i->op = ptx_has(a, modes[m]) ? m : i->op;
    i->d2 = ptx_alu_second(d, &a->operand[0]);
    i->run = known_route(d, a, i) ? x_shfl_route : x_shfl;
    return dst32(d, &a->operand[0], &i->d) && src32(d, &a->operand[1], &i->a) &&
           src32(d, &a->operand[2], &i->b) && src32(d, &a->operand[3], &i->c) &&
           src32(d, &a->operand[4], &i->MEMBER_SLOT);
}

/* ---- votes ---- */

enum { VOTE_ALL, VOTE_ANY, VOTE_UNI, VOTE_BALLOT };

static void vote(ptx_warp *w, const ptx_insn *i)
{
    u32 set = (w->pred[i->a] ^ (i->flags & PTX_IF_SIGNED ? PTX_FULL : 0)) & w->exec;
    if (i->op == VOTE_BALLOT) {
        if (i->d != PTX_NO_SLOT)
            EACH_SET(l, w->exec) OUT(u32, i->d)[l] = set;
        return;
    }
    bool all = set == w->exec, any = set != 0;
    ptx_set_pred(w, i->d,
                 (i->op == VOTE_ALL   ? all
                  : i->op == VOTE_ANY ? any
                                      : all || !any)
                     ? PTX_FULL
                     : 0);
}

static void x_vote(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, vote);
}

/* The source may be negated: PTX_IF_SIGNED stands for that. */
static bool decode_vote(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const char *const modes[] = {"all", "any", "uni", "ballot"};
    bool neg = false;
    for (uint8_t m = 0; m < 4; m++)
        i->op = ptx_has(a, modes[m]) ? m : i->op;
    i->run = x_vote;
    if (!ptx_alu_pred_src(d, &a->operand[1], &i->a, &neg) ||
        !src32(d, &a->operand[2], &i->MEMBER_SLOT))
        return false;
    i->flags |= neg ? PTX_IF_SIGNED : 0;
    return i->op == VOTE_BALLOT ? dst32(d, &a->operand[0], &i->d)
                               : ptx_alu_pred_dst(d, &a->operand[0], &i->d);
}

/* ---- match ---- */

static u64 value_at(const ptx_warp *w, const ptx_insn *i, u32 lane)
{
    return i->esize == 8 ? IN(u64, i->a)[lane] : IN(u32, i->a)[lane];
}

static void match_any(ptx_warp *w, const ptx_insn *i)
{
    u32 result[PTX_LANES] = {0};
    EACH_SET(l, w->exec)
        for (u32 m = 0; m < PTX_LANES; m++)
            if (w->exec >> m & 1 && value_at(w, i, m) == value_at(w, i, l))
                result[l] |= 1u << m;
    if (i->d != PTX_NO_SLOT)
        EACH_SET(l, w->exec) OUT(u32, i->d)[l] = result[l];
}

static void match_all(ptx_warp *w, const ptx_insn *i)
{
    u64 first = value_at(w, i, (u32)__builtin_ctz(w->exec));
    bool all = true;
    EACH_SET(l, w->exec) all &= value_at(w, i, l) == first;
    if (i->d != PTX_NO_SLOT)
        EACH_SET(l, w->exec) OUT(u32, i->d)[l] = all ? w->exec : 0;
    ptx_set_pred(w, i->d2, all ? PTX_FULL : 0);
}

static void x_match_any(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, match_any);
}

static void x_match_all(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, match_all);
}

static bool decode_match(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    ptx_type t = i->match->last;
    i->esize = (uint8_t)ptx_type_bytes(t);
    i->d2 = ptx_alu_second(d, &a->operand[0]);
    i->run = ptx_has(a, "any") ? x_match_any : x_match_all;
    return dst32(d, &a->operand[0], &i->d) && ptx_alu_src(d, &a->operand[1], t, &i->a) &&
           src32(d, &a->operand[2], &i->MEMBER_SLOT);
}

/* ---- redux ---- */

enum { REDUX_ADD, REDUX_AND, REDUX_OR, REDUX_XOR, REDUX_MIN, REDUX_MAX };

static u32 combine(u8 op, bool is_signed, u32 a, u32 b)
{
    bool less = is_signed ? (s32)a < (s32)b : a < b;
    switch (op) {
    case REDUX_ADD:
        return a + b;
    case REDUX_AND:
        return a & b;
    case REDUX_OR:
        return a | b;
    case REDUX_XOR:
        return a ^ b;
    case REDUX_MIN:
        return less ? a : b;
    default:
        return less ? b : a;
    }
}

static void redux(ptx_warp *w, const ptx_insn *i)
{
    u32 first = (u32)__builtin_ctz(w->exec), total = IN(u32, i->a)[first];
    EACH_SET(l, w->exec & ~(1u << first))
    total = combine(i->op, i->flags & PTX_IF_SIGNED, total, IN(u32, i->a)[l]);
    if (i->d != PTX_NO_SLOT)
        EACH_SET(l, w->exec) OUT(u32, i->d)[l] = total;
}

/* f32: NaN counts only with .NaN, or when there is nothing else. */
static void redux_f32(ptx_warp *w, const ptx_insn *i)
{
    bool any_nan = false, max = i->op == REDUX_MAX;
    f32 total = fp_of_bits(0x7fffffff);
    EACH_SET(l, w->exec) {
        f32 x = IN(f32, i->a)[l];
        x = i->mods & PTX_ABS ? __builtin_fabsf(x) : x;
        any_nan |= x != x;
        total = max ? fp_max(total, x) : fp_min(total, x);
    }
    total = any_nan && i->mods & PTX_NAN ? fp_of_bits(0x7fffffff) : fp_canon(total);
    if (i->d != PTX_NO_SLOT)
        EACH_SET(l, w->exec) OUT(f32, i->d)[l] = total;
}
static void x_redux_f32(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, redux_f32);
}
static void x_redux(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, redux);
}

static bool decode_redux(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    static const char *const ops[] = {"add", "and", "or", "xor", "min", "max"};
    ptx_type t = i->match->last;
    for (uint8_t o = 0; o < 6; o++)
        i->op = ptx_has(a, ops[o]) ? o : i->op;
    ptx_mods(a, i);
    i->mods |= ptx_has(a, "abs") ? PTX_ABS : 0;
    i->flags |= t == PTX_s32 ? PTX_IF_SIGNED : 0;
    i->run = t == PTX_f32 ? x_redux_f32 : x_redux;
    return dst32(d, &a->operand[0], &i->d) && src32(d, &a->operand[1], &i->a) &&
           src32(d, &a->operand[2], &i->MEMBER_SLOT);
}

/* ---- who is here ---- */

static void x_activemask(ptx_warp *w, const ptx_insn *i)
{
    EACH_SET(l, w->exec) OUT(u32, i->d)[l] = w->exec;
}

static bool decode_activemask(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_activemask;
    return ptx_alu_operands(d, a, i);
}

static void elect(ptx_warp *w, const ptx_insn *i)
{
    u32 leader = (u32)__builtin_ctz(w->exec);
    if (i->d != PTX_NO_SLOT)
        EACH_SET(l, w->exec) OUT(u32, i->d)[l] = leader;
    ptx_set_pred(w, i->d2, 1u << leader);
}

static void x_elect(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_LANES, elect);
}

static bool decode_elect(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_elect;
    i->d2 = ptx_alu_second(d, &a->operand[0]);
    return dst32(d, &a->operand[0], &i->d) && src32(d, &a->operand[1], &i->MEMBER_SLOT);
}

static void warp_sync(ptx_warp *w, const ptx_insn *i)
{
    (void)i;
    ptx_race_warp_sync(w);
}

static void x_warp_sync(ptx_warp *w, const ptx_insn *i)
{
    converge(w, i, PTX_WAIT_WARPSYNC, warp_sync);
}

/* bar.warp.sync; the barriers of a block are in x_ctl.c. */
static bool decode_warp_sync(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_warp_sync;
    return src32(d, &a->operand[0], &i->MEMBER_SLOT);
}

const ptx_op_row ptx_ops_warp[] = {
    {"shfl.sync.(up down bfly idx).b32 d|p, a, b, c, e", decode_shfl, 0, PTX_UNIT_SHUFFLE},
    {"vote.sync.(all any uni).pred p, !a, b:u32", decode_vote, 0, PTX_UNIT_SHUFFLE},
    {"vote.sync.ballot.b32 d, !a, b", decode_vote, 0, PTX_UNIT_SHUFFLE},
    {"match.any.sync.(b32 b64) d:b32, a, b:b32", decode_match, 0, PTX_UNIT_SHUFFLE},
    {"match.all.sync.(b32 b64) d|p:b32, a, b:b32", decode_match, 0, PTX_UNIT_SHUFFLE},
    {"redux.sync.(add min max).(u32 s32) d, a, b", decode_redux, 0, PTX_UNIT_SHUFFLE},
    {"redux.sync.(min max){.abs}{.NaN}.f32 d, a, b:b32", decode_redux, 0, PTX_UNIT_SHUFFLE},
    {"redux.sync.(and or xor).b32 d, a, b", decode_redux, 0, PTX_UNIT_SHUFFLE},
    {"activemask.b32 d", decode_activemask, 0, PTX_UNIT_SHUFFLE},
    {"elect.sync d|p:b32, a:b32", decode_elect, 0, PTX_UNIT_SHUFFLE},
    {"bar.warp.sync a:b32", decode_warp_sync, 0, PTX_UNIT_BARRIER},
    {0},
};
