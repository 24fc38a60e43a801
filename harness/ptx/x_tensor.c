/* cp.async.bulk.tensor, cp.reduce.async.bulk.tensor and their prefetch: boxes of tensors that a map
 * describes.
 *
 * A box is taken row by row. A row is what is contiguous in both memories: the elements of
 * dimension 0, of one pixel in im2col mode. Rows follow each other in shared memory in the order of
 * the higher dimensions; inside, units of 16 bytes change places as the swizzle says. Elements
 * outside the tensor are filled in when they are loaded and left alone when they are stored; the
 * mbarrier counts them. */
#include "harness/ptx/alu.h"
#include "harness/ptx/bulk.h"
#include "harness/ptx/cluster.h"
#include "harness/ptx/field_step.h"
#include "harness/ptx/fp.h"
#include "harness/ptx/x_mbarrier.h"
#include "harness/ptx/x_mem.h"
#include "harness/ptx/x_tensor.h"

#include <stdlib.h>
#include <string.h>

enum { UNIT = 16, MAX_ROW = 2048, GATHERED = 4 };
enum { TENSOR_LOAD, TENSOR_STORE, TENSOR_REDUCE, TENSOR_PREFETCH };
enum { MODE_TILE, MODE_IM2COL, MODE_ROWS }; /* ROWS: tile::gather4 and scatter4 */

typedef struct tensor_form {
    ptx_insn map, shared, bar; /* the addresses, as instructions of their own */
    u32 coord[PTX_TM_RANK], offset[PTX_TM_RANK - 2]; /* slots */
    u32 cta_mask;              /* slot; PTX_NO_SLOT: no multicast */
    int dims, n_coords, n_offsets;
    u8 mode;
    ptx_red red;
} tensor_form;

typedef struct transfer { /* one lane's */
    ptx_warp *w;
    const ptx_insn *i;
    const tensor_form *f;
    ptx_tensor_map m;
    u32 lane, at;     /* at: offset in shared memory */
    s64 coord[PTX_TM_RANK], offset[PTX_TM_RANK - 2];
    s64 pos[PTX_TM_RANK];  /* of the row that comes next */
    u32 step[PTX_TM_RANK]; /* how many of its dimension came before */
    u32 element, row_bytes, pitch, rows;
} transfer;

static bool fault(const transfer *t, hx_reason reason, const char *what)
{
    ptx_fault_simple(t->w, t->i, (int)t->lane, reason, "%s: %s", hx_reason_name(reason), what);
    return false;
}

/* ---- the map ---- */

static bool check_map(const transfer *t)
{
    const ptx_tensor_map *m = &t->m;
    if (m->rank != t->f->dims) {
        ptx_fault_simple(t->w, t->i, (int)t->lane, HX_ILLEGAL,
                         "illegal: a %dd copy with a tensor map of %d dimensions", t->f->dims,
                         m->rank);
        return false;
    }
    if ((t->f->mode == MODE_IM2COL) != (m->mode == PTX_TM_IM2COL))
        return fault(t, HX_ILLEGAL,
                     m->mode == PTX_TM_IM2COL ? "a tiled copy with a tensor map of im2col mode"
                                              : "an im2col copy with a tiled tensor map");
    if (t->f->mode == MODE_ROWS && m->box[1] != 1)
        return fault(t, HX_ILLEGAL, "gather4 and scatter4 need a box of one row");
    return true;
}

/* Of elements, as cp.reduce takes them. */
static ptx_type reduced_type(ptx_tm_type type, ptx_red op)
{
    static const ptx_type types[PTX_TM_TYPES] = {
        [PTX_TM_U8] = PTX_TYPE_NONE,      [PTX_TM_U16] = PTX_TYPE_NONE,
        [PTX_TM_U32] = PTX_u32,           [PTX_TM_S32] = PTX_s32,
        [PTX_TM_U64] = PTX_u64,           [PTX_TM_S64] = PTX_s64,
        [PTX_TM_F16] = PTX_f16,           [PTX_TM_F32] = PTX_f32,
        [PTX_TM_F32_FTZ] = PTX_f32,       [PTX_TM_F64] = PTX_TYPE_NONE,
        [PTX_TM_BF16] = PTX_bf16,         [PTX_TM_TF32] = PTX_f32,
        [PTX_TM_TF32_FTZ] = PTX_f32,      [PTX_TM_B4X16] = PTX_TYPE_NONE,
        [PTX_TM_B4X16_P64] = PTX_TYPE_NONE, [PTX_TM_B6X16_P32] = PTX_TYPE_NONE,
    };
    ptx_type t = types[type];
    bool bits = op == PTX_RED_AND || op == PTX_RED_OR || op == PTX_RED_XOR;
    if (bits && (t == PTX_u32 || t == PTX_s32))
        return PTX_b32;
    return bits && (t == PTX_u64 || t == PTX_s64) ? PTX_b64 : t;
}

/* ---- rows ---- */

static bool count_rows(transfer *t)
{
    const ptx_tensor_map *m = &t->m;
    u64 rows = t->f->mode == MODE_IM2COL ? m->pixels : t->f->mode == MODE_ROWS ? GATHERED : 1;
    for (int d = 1; t->f->mode == MODE_TILE && d < m->rank; d++)
        rows *= ptx_tm_visited(m, d);
    t->element = ptx_tm_element_bytes(m);
    t->row_bytes = ptx_tm_row_bytes(m);
    t->pitch = ptx_tm_row_pitch(m);
    u64 bytes = rows * t->pitch, all = t->w->worker->grid->shared_bytes;
    memcpy(t->pos, t->coord, sizeof t->pos);
    if (t->i->op == TENSOR_PREFETCH || (t->at <= all && bytes <= all - t->at)) {
        t->rows = (u32)rows;
        return true;
    }
    ptx_fault_simple(t->w, t->i, (int)t->lane, HX_OUT_OF_BOUNDS,
                     "out of bounds: a box of %llu bytes at byte %u of shared memory (%llu bytes)",
                     (unsigned long long)bytes, t->at, (unsigned long long)all);
    return false;
}

/* Goes on to the next row of a tile. */
static void next_in_tile(transfer *t)
{
    for (int d = 1; d < t->m.rank; d++) {
        t->pos[d] += t->m.step[d];
        if (++t->step[d] < ptx_tm_visited(&t->m, d))
            return;
        t->step[d] = 0;
        t->pos[d] = t->coord[d];
    }
}

/* The base pixel moves through the pixel box, W first, and then to the next image. */
static void next_pixel(transfer *t)
{
    const ptx_tensor_map *m = &t->m;
    for (int d = 1; d < m->rank - 1; d++) {
        t->pos[d] += m->step[d];
        if (t->pos[d] <= (s64)m->last[d] + m->upper[d - 1])
            return;
        t->pos[d] = m->lower[d - 1];
    }
    t->pos[m->rank - 1]++;
}

typedef struct row { /* the part of a row that is inside the tensor */
    u64 addr;
    u32 first, bytes; /* bytes of the row before it, and of it; 0: none is inside */
} row;

static row take_row(transfer *t, u32 number)
{
    const ptx_tensor_map *m = &t->m;
    row r = {.addr = m->address};
    bool inside = true;
    for (int d = 1; d < m->rank; d++) {
        s64 c = t->pos[d];
        if (t->f->mode == MODE_IM2COL && d < m->rank - 1)
            c += t->offset[d - 1];
        if (t->f->mode == MODE_ROWS)
            c = t->coord[1 + number];
        inside &= c >= 0 && c <= m->last[d];
        r.addr += (u64)c * m->stride[d - 1];
    }
    s64 c = t->pos[0], n = t->row_bytes / t->element, end = (s64)m->last[0] + 1 - c;
    s64 first = c < 0 ? -c : 0;
    end = end < n ? end : n;
    if (inside && first < end) {
        r.first = (u32)first * t->element;
        r.bytes = (u32)(end - first) * t->element;
        r.addr += (u64)(c + first) * t->element;
    }
    if (t->f->mode == MODE_TILE)
        next_in_tile(t);
    else if (t->f->mode == MODE_IM2COL)
        next_pixel(t);
    return r;
}

/* Where in shared memory byte `at` of a row is; bytes up to the next multiple of 8 follow it. */
static u32 place(const transfer *t, u32 number, u32 at)
{
    return ptx_tm_swizzled(&t->m, t->at + number * t->pitch + at);
}

/* ---- global to shared ---- */

/* Types of tensor maps that change values on their way; elements of a field stay. The manual does
 * not say how .tf32 rounds; to nearest even here. */
static void convert(const transfer *t, u8 *bytes, u32 n)
{
    const ptx_tensor_map *m = &t->m;
    if (ptx_field_prime(t->w))
        return;
    bool flush = m->type == PTX_TM_F32_FTZ || m->type == PTX_TM_TF32_FTZ;
    bool narrow = m->type == PTX_TM_TF32 || m->type == PTX_TM_TF32_FTZ;
    for (u32 at = 0; (flush || narrow) && at < n; at += 4) {
        f32 x;
        memcpy(&x, bytes + at, 4);
        x = flush ? fp_flush(x) : x;
        u32 b = fp_bits(x);
        if (narrow && x == x)
            b = (b + 0xfff + (b >> 13 & 1)) & ~0x1fffu;
        memcpy(bytes + at, &b, 4);
    }
}

/* What stands for elements outside the tensor: zeros, or NaN without a sign, whose place over a
 * field has what is no element. */
static void fill(const transfer *t, u8 *bytes)
{
    bool nan = t->m.fill == PTX_TM_FILL_NAN;
    memset(bytes, nan ? 0xff : 0, t->row_bytes);
    nan &= !ptx_field_prime(t->w);
    for (u32 at = t->element - 1; nan && at < t->row_bytes; at += t->element)
        bytes[at] = 0x7f;
}

static bool watch_target(const transfer *t, ptx_block *b)
{
    ptx_pieces p = {.w = t->w, .i = t->i, .lane = t->lane, .space = PTX_SPACE_SHARED, .block = b,
                    .write = true};
    for (u32 r = 0; r < t->rows; r++)
        for (u32 at = 0; at < t->row_bytes; at += UNIT)
            if (!ptx_pieces_add(&p, place(t, r, at) & ~(UNIT - 1u), UNIT, UNIT, NULL))
                return false;
    return ptx_pieces_flush(&p);
}

/* All rows, in global memory; begins again with the first one. */
static bool watch_source(transfer *t)
{
    ptx_pieces p = {.w = t->w, .i = t->i, .lane = t->lane, .space = PTX_SPACE_GLOBAL};
    for (u32 n = 0; n < t->rows; n++) {
        row r = take_row(t, n);
        if (!ptx_pieces_add(&p, r.addr, r.bytes, t->element, NULL))
            return false;
    }
    memcpy(t->pos, t->coord, sizeof t->pos);
    memset(t->step, 0, sizeof t->step);
    return ptx_pieces_flush(&p);
}

/* The box as it will lie in shared memory; false: a fault was reported. */
static bool gather(transfer *t, ptx_delivery *d)
{
    u8 bytes[MAX_ROW];
    if (!watch_source(t))
        return false;
    for (u32 n = 0; n < t->rows; n++) {
        row r = take_row(t, n);
        if (r.bytes != t->row_bytes)
            fill(t, bytes);
        if (r.bytes)
            memcpy(bytes + r.first, (const void *)(uintptr_t)r.addr, r.bytes);
        convert(t, bytes + r.first, r.bytes);
        for (u32 at = 0; at < t->row_bytes; at += 8) {
            u32 to = place(t, n, at) - t->at;
            memcpy(d->data + to, bytes + at, 8);
            ptx_delivery_include(d, to, 8);
        }
    }
    return true;
}

/* To the blocks of the mask, at the offsets that target and mbarrier have in their own. */
static bool multicast(transfer *t, const ptx_delivery *d, u64 bar, u32 mask)
{
    if (!ptx_shared_target(t->w, &t->f->bar, t->lane, &bar))
        return false;
    EACH_SET(rank, mask)
    {
        ptx_block *b = ptx_cluster_block(t->w, t->i, t->lane, rank);
        ptx_mbarrier *m =
            b && watch_target(t, b) ? ptx_mbarrier_in(t->w, t->i, t->lane, b, bar, true) : NULL;
        if (!m)
            return false;
        ptx_mbarrier_deliver(t->w, m, ptx_delivery_clone(d));
    }
    return true;
}

static bool load(transfer *t, u64 shared, u64 bar)
{
    const ptx_warp *w = t->w;
    ptx_delivery *d = ptx_delivery_new(t->at, t->rows * t->pitch, t->rows * t->row_bytes);
    bool good = gather(t, d);
    if (t->f->cta_mask != PTX_NO_SLOT) {
        good = good && multicast(t, d, bar, IN(u16, t->f->cta_mask)[t->lane]);
        free(d);
        return good;
    }
    ptx_mbarrier *m =
        good ? ptx_mbarrier_beside(t->w, t->i, t->lane, &t->f->shared, &shared, &t->f->bar, bar)
             : NULL;
    if (!m || !watch_target(t, m->block)) {
        free(d);
        return false;
    }
    if (m->block == w->block)
        ptx_delivery_sign(d, w, t->i, t->lane);
    ptx_mbarrier_deliver(t->w, m, d);
    return true;
}

/* ---- shared to global ---- */

/* The part of a row that is inside the tensor, out of shared memory. */
static bool read_row(const transfer *t, ptx_pieces *p, u32 number, const row *r, u8 *out)
{
    u32 end = r->first + r->bytes;
    for (u32 at = r->first, n; at < end; at += n, out += n) {
        n = 8 - at % 8 < end - at ? 8 - at % 8 : end - at;
        u32 from = place(t, number, at);
        memcpy(out, t->w->block->shared + from, n);
        if (!ptx_pieces_add(p, from, n, t->element, NULL))
            return false;
    }
    return true;
}

/* All rows into `data`, and where they go into `run`; false: a fault was reported. */
static bool scatter(transfer *t, ptx_bulk_run *run, u32 *n_runs, u8 *data)
{
    bool reduces = t->i->op == TENSOR_REDUCE;
    ptx_pieces in = {.w = t->w, .i = t->i, .lane = t->lane, .space = PTX_SPACE_SHARED};
    ptx_pieces out = {.w = t->w, .i = t->i, .lane = t->lane, .space = PTX_SPACE_GLOBAL,
                      .write = true,
                      .atomic = reduces};
    u32 used = 0;
    for (u32 n = 0; n < t->rows; n++) {
        row r = take_row(t, n);
        if (!r.bytes)
            continue;
        if (!read_row(t, &in, n, &r, data + used) ||
            !ptx_pieces_add(&out, r.addr, r.bytes, t->element, reduces ? NULL : data + used))
            return false;
        run[(*n_runs)++] = (ptx_bulk_run){r.addr, used, r.bytes};
        used += r.bytes;
    }
    return ptx_pieces_flush(&in) && ptx_pieces_flush(&out);
}

static bool store(transfer *t)
{
    ptx_type type = reduced_type((ptx_tm_type)t->m.type, t->f->red);
    if (t->i->op == TENSOR_REDUCE && !ptx_red_has(t->f->red, type))
        return fault(t, HX_ILLEGAL, "the tensor map's type does not have this reduction");
    if (t->i->op == TENSOR_REDUCE && t->f->red != PTX_RED_ADD && ptx_type_is_float(type) &&
        ptx_field_prime(t->w)) {
        ptx_field_leave(t->w, t->i, "has no meaning over the field");
        return false;
    }
    for (int d = 0; d < t->f->n_coords; d++)
        if (t->coord[d] < 0)
            return fault(t, HX_ILLEGAL, "a copy to global memory begins at a negative coordinate");
    ptx_bulk_run *run = ws_malloc((t->rows + 1) * sizeof *run);
    u8 *data = ws_malloc((size_t)t->rows * t->row_bytes + 1);
    u32 n = 0;
    if (!scatter(t, run, &n, data)) {
        free(run);
        free(data);
        return false;
    }
    if (t->i->op == TENSOR_STORE) {
        ptx_bulk_issue(t->w, t->i, t->lane, t->at, t->rows * t->pitch, run, n, data);
        return true;
    }
    for (u32 k = 0; k < n; k++)
        ptx_reduce(t->f->red, type, ptx_field_prime(t->w), (void *)(uintptr_t)run[k].to,
                   data + run[k].at, run[k].bytes);
    free(run);
    free(data);
    ptx_bulk_issue(t->w, t->i, t->lane, t->at, t->rows * t->pitch, NULL, 0, NULL);
    return true;
}

/* ---- the instruction ---- */

static bool start(transfer *t, u64 map, u64 shared)
{
    const ptx_warp *w = t->w;
    for (int d = 0; d < t->f->n_coords; d++)
        t->coord[d] = IN(s32, t->f->coord[d])[t->lane];
    for (int d = 0; d < t->f->n_offsets; d++)
        t->offset[d] = IN(u16, t->f->offset[d])[t->lane];
    if (!ptx_tensor_map_read(t->w, t->i, &t->f->map, t->lane, map, &t->m) || !check_map(t))
        return false;
    if (t->i->op != TENSOR_PREFETCH && !ptx_shared_target(t->w, &t->f->shared, t->lane, &shared))
        return false;
    t->at = (u32)shared;
    if (t->i->op != TENSOR_PREFETCH && shared % PTX_TM_SHARED_ALIGN) {
        ptx_fault_simple(
            t->w, t->i, (int)t->lane, HX_MISALIGNED,
            "misaligned: a tensor copy at byte %llu of shared memory, it must be a multiple of %d",
            (unsigned long long)shared, PTX_TM_SHARED_ALIGN);
        return false;
    }
    return count_rows(t);
}

static void x_tensor(ptx_warp *w, const ptx_insn *i)
{
    const tensor_form *f = i->aux;
    u64 map[PTX_LANES] __attribute__((aligned(64))), shared[PTX_LANES] __attribute__((aligned(64)));
    u64 bar[PTX_LANES] __attribute__((aligned(64))) = {0};
    ptx_mem_addresses(w, &f->map, map);
    memset(shared, 0, sizeof shared);
    if (i->op != TENSOR_PREFETCH)
        ptx_mem_addresses(w, &f->shared, shared);
    if (i->op == TENSOR_LOAD)
        ptx_mem_addresses(w, &f->bar, bar);
    w->worker->counters.bulk_copies += (u64)__builtin_popcount(w->exec);
    EACH_SET(l, w->exec)
    {
        transfer t = {.w = w, .i = i, .f = f, .lane = l};
        if (!start(&t, map[l], shared[l]) ||
            !(i->op == TENSOR_LOAD       ? load(&t, shared[l], bar[l])
              : i->op == TENSOR_PREFETCH ? watch_source(&t)
                                         : store(&t)))
            return;
    }
}

/* ---- decoding ---- */

static bool set_address(ptx_decoder *d, const ptx_ast_insn *a, const ptx_operand *o,
                        ptx_space space, ptx_insn *to)
{
    ptx_operand plain = *o;
    plain.elem = NULL;
    plain.n_elem = 0;
    to->ast = a;
    to->space = (uint8_t)space;
    return ptx_address(d, &plain, to);
}

static bool decode_vector(ptx_decoder *d, const ptx_operand *o, ptx_type t, u32 *slot, int n)
{
    int have = o->elem ? o->n_elem : 1;
    for (int k = 0; k < n && have == n; k++)
        if (!ptx_alu_src(d, o->elem ? &o->elem[k] : o, t, &slot[k]))
            return false;
    return have == n;
}

static int dims_of(const ptx_ast_insn *a)
{
    static const char *const names[PTX_TM_RANK] = {"1d", "2d", "3d", "4d", "5d"};
    for (int d = 0; d < PTX_TM_RANK; d++)
        if (ptx_has(a, names[d]))
            return d + 1;
    return 0;
}

static bool decode_mode(const ptx_ast_insn *a, tensor_form *f)
{
    f->dims = f->n_coords = dims_of(a);
    f->mode = ptx_has(a, "im2col") || ptx_has(a, "im2col_no_offs")             ? MODE_IM2COL
              : ptx_has(a, "tile::gather4") || ptx_has(a, "tile::scatter4") ? MODE_ROWS
                                                                              : MODE_TILE;
    if (f->mode == MODE_ROWS) {
        f->n_coords = 1 + GATHERED;
        return true;
    }
    if (ptx_has(a, "im2col"))
        f->n_offsets = f->dims - 2;
    return f->mode == MODE_TILE || f->dims >= 3;
}

static bool decode_tensor(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    tensor_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), tensor_form, 1);
    bool loads = i->op == TENSOR_LOAD, prefetches = i->op == TENSOR_PREFETCH;
    bool multicast = ptx_has(a, "multicast::cluster");
    int map = loads ? 1 : 0, next = loads ? 3 : prefetches ? 1 : 2;
    i->esize = UNIT;
    i->vec = 1;
    i->aux = f;
    i->run = x_tensor;
    f->cta_mask = PTX_NO_SLOT;
    f->red = ptx_red_find(a);
    const ptx_operand *o = a->operand;
    if (!decode_mode(a, f) || !set_address(d, a, &o[map], PTX_SPACE_GENERIC, &f->map) ||
        !decode_vector(d, &o[map], PTX_b32, f->coord, f->n_coords))
        return false;
    ptx_space space = ptx_has(a, "shared::cluster") ? PTX_SPACE_CLUSTER : PTX_SPACE_SHARED;
    if (!prefetches && !set_address(d, a, &o[loads ? 0 : 1], space, &f->shared))
        return false;
    if (loads && !set_address(d, a, &o[2], space, &f->bar))
        return false;
    if (f->n_offsets && !decode_vector(d, &o[next], PTX_b16, f->offset, f->n_offsets))
        return false;
    next += f->n_offsets > 0;
    return !multicast || ptx_alu_src(d, &o[next], PTX_b16, &f->cta_mask);
}

#define LOAD  "cp.async.bulk.tensor"
#define CTAS  ".(shared::cta shared::cluster).global"
#define DONE  ".mbarrier::complete_tx::bytes{.$cta_group}{.$cache_hint}"
#define MULTI ".shared::cluster.global"
#define DONES ".mbarrier::complete_tx::bytes.multicast::cluster{.$cta_group}{.$cache_hint}"
#define DIM   ".(1d 2d 3d 4d 5d)"
#define DIMS  ".$dim" /* of forms whose copies are those of others */
const ptx_op_row ptx_ops_tensor[] = {
    {LOAD DIM CTAS "{.tile}" DONE " [a], [b, c], [e], h", decode_tensor, TENSOR_LOAD, PTX_UNIT_MEM},
    {LOAD ".2d" CTAS ".tile::gather4" DONE " [a], [b, c], [e], h", decode_tensor, TENSOR_LOAD,
     PTX_UNIT_MEM},
    {LOAD ".(3d 4d 5d)" CTAS ".im2col" DONE " [a], [b, c], [e], {f*}:b16, h", decode_tensor,
     TENSOR_LOAD, PTX_UNIT_MEM},
    {LOAD DIMS MULTI "{.tile}" DONES " [a], [b, c], [e], f:b16, h", decode_tensor, TENSOR_LOAD,
     PTX_UNIT_MEM},
    {LOAD ".(3d 4d 5d)" MULTI ".im2col" DONES " [a], [b, c], [e], {f*}:b16, g:b16, h",
     decode_tensor, TENSOR_LOAD, PTX_UNIT_MEM},
    {LOAD DIM ".global.shared::cta{.(tile im2col_no_offs)}.bulk_group{.$cache_hint} [a, b], [c], h",
     decode_tensor, TENSOR_STORE, PTX_UNIT_MEM},
    {LOAD ".2d.global.shared::cta.tile::scatter4.bulk_group{.$cache_hint} [a, b], [c], h",
     decode_tensor, TENSOR_STORE, PTX_UNIT_MEM},
    {"cp.reduce.async.bulk.tensor" DIMS ".global.shared::cta.(add min max inc dec and or xor)"
     "{.(tile im2col_no_offs)}.bulk_group{.$cache_hint} [a, b], [c], h",
     decode_tensor, TENSOR_REDUCE, PTX_UNIT_MEM},
    {"cp.async.bulk.prefetch.tensor" DIMS ".L2.global{.tile}{.$cache_hint} [a, b], h",
     decode_tensor, TENSOR_PREFETCH, PTX_UNIT_MEM},
    {"cp.async.bulk.prefetch.tensor.2d.L2.global.tile::gather4{.$cache_hint} [a, b], h",
     decode_tensor, TENSOR_PREFETCH, PTX_UNIT_MEM},
    {"cp.async.bulk.prefetch.tensor.(3d 4d 5d).L2.global.im2col{.$cache_hint} [a, b], {c*}:b16, h",
     decode_tensor, TENSOR_PREFETCH, PTX_UNIT_MEM},
    {0},
};
