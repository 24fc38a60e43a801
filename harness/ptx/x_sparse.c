/* Sparse A of mma.sp (PTX ISA 9.7.14.6): of every four elements of a row two are there, and four
 * bits of metadata name their columns: of pairs of elements with 4-bit types, of halves of an
 * element with tf32.
 *
 * A row takes 16, 32 or 64 bits of metadata. With elements of 16 or 32 bits, a word has 16 bits of
 * row g in its lower and of row g + 8 in its upper half, from lane 4 g + selector, or two lanes
 * from 4 g + 2 selector on. With narrower elements a word has one row: g or g + 8 in turn in lanes
 * from 4 g + 2 selector on. */
#include "harness/ptx/x_mma.h"

#include <string.h>

/* Chunk c of row r. */
static u32 indices(const ptx_warp *w, const mma_form *f, u32 r, u32 c)
{
    const u32 *meta = IN(u32, f->slot_meta) + 4 * (r % 8);
    u32 chunks = f->a == MMA_TF32 ? f->k / 2 : f->k / (f->bits_a == 4 ? 8 : 4), at;
    if (f->bits_a >= 16) {
        at = chunks == 4 ? f->selector : 2 * f->selector + c / 4;
        return meta[at] >> (16 * (r / 8) + 4 * (c % 4)) & 15;
    }
    at = (chunks == 8 ? 2 * f->selector : 2 * (c / 8)) + r / 8;
    return meta[at] >> (4 * (c % 8)) & 15;
}

u32 ptx_sparse_column(const ptx_warp *w, const mma_form *f, u32 r, u32 q)
{
    if (f->a == MMA_TF32)
        return 2 * q + (indices(w, f, r, q) >> 3 & 1);
    if (f->bits_a == 4)
        return q / 4 * 8 + 2 * (indices(w, f, r, q / 4) >> (q & 2) & 3) + (q & 1);
    return q / 2 * 4 + (indices(w, f, r, q / 2) >> 2 * (q & 1) & 3);
}

void ptx_sparse_floats(const ptx_warp *w, const mma_form *f, mma_tile *x)
{
    f32 packed[MMA_MAX_K / 2][MMA_M];
    u32 n = f->k / 2;
    memcpy(packed, x->a, n * sizeof packed[0]);
    memset(x->a, 0, f->k * sizeof x->a[0]);
    memset(x->used, 0, sizeof x->used);
    for (u32 q = 0; q < n; q++)
        for (u32 r = 0; r < MMA_M; r++) {
            u32 k = ptx_sparse_column(w, f, r, q);
            x->a[k][r] += packed[q][r]; /* what metadata names twice is undefined */
            x->used[k] |= (u16)(1u << r);
        }
}

void ptx_sparse_ints(const ptx_warp *w, const mma_form *f, s32 a[MMA_M][MMA_MAX_INT_K])
{
    for (u32 r = 0; r < MMA_M; r++) {
        s32 packed[MMA_MAX_INT_K / 2];
        memcpy(packed, a[r], sizeof packed);
        memset(a[r], 0, sizeof a[r]);
        for (u32 q = 0; q < f->k / 2; q++)
            a[r][ptx_sparse_column(w, f, r, q)] += packed[q];
    }
}
