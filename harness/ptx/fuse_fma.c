/* Two loads from shared memory and the fma that takes what they load, as compilers write the inner loop
 * of a product of matrices: where nobody else reads the two values, whole warps leave them where they
 * are. */
#include "harness/ptx/fast.h"
#include "harness/ptx/fp.h"

#define EACH(x, y) _Pragma("GCC ivdep") EACH_LANE(l) d[l] = __builtin_fmaf(x, y, c[l])

static void x_ld_ld_fma(ptx_warp *w, const ptx_insn *i)
{
    const ptx_insn *j = i + 1, *fma = i + 2;
    const ptx_shape *s = &w->shape[i->shape], *t = &w->shape[j->shape];
    const u64 at = s->lo + (u64)i->imm, bt = t->lo + (u64)j->imm;
    if (w->whole != PTX_FULL || !ptx_is_easy(w, i) || !ptx_is_easy(w, j) || !ptx_passes_shared(s, at) ||
        !ptx_passes_shared(t, bt)) {
        ptx_load_word_of_shared(w, i);
        return;
    }
    const f32 *a = (const f32 *)(const void *)ptx_plus(w->shared, at);
    const f32 *b = (const f32 *)(const void *)ptx_plus(w->shared, bt);
    const f32 *c = IN(f32, fma->c);
    f32 *d = OUT(f32, fma->d);
    const f32 a0 = *a, b0 = *b;
    if (s->kind == PTX_SHAPE_UNIFORM && t->kind == PTX_SHAPE_UNIFORM)
        EACH(a0, b0);
    else if (s->kind == PTX_SHAPE_UNIFORM)
        EACH(a0, b[l]);
    else if (t->kind == PTX_SHAPE_UNIFORM)
        EACH(a[l], b0);
    else
        EACH(a[l], b[l]);
    fp_canon_all(d);
    w->insn = fma + 1;
    PTX_CHAIN(w, fma);
}

static bool is_lone_load(const ptx_insn *i, const uint32_t *reads)
{
    const ptx_operand *o = i->ast->operand;
    return ptx_is_word_of_shared(i) && o->kind == PTX_OPD_REG && o->reg >= 0 && reads[o->reg] == 1;
}

void ptx_fuse_fma(ptx_insn *i, const uint32_t *reads)
{
    const ptx_insn *j = i + 1, *fma = i + 2;
    if (j->leader || fma->leader || fma->guard || !is_lone_load(i, reads) || !is_lone_load(j, reads) ||
        !ptx_is_fma_f32(fma))
        return;
    int x = i->ast->operand[0].reg, y = j->ast->operand[0].reg;
    const ptx_operand *o = fma->ast->operand;
    bool takes = (o[1].reg == x && o[2].reg == y) || (o[1].reg == y && o[2].reg == x);
    if (takes && x != y && o[1].kind == PTX_OPD_REG && o[2].kind == PTX_OPD_REG)
        i->run = x_ld_ld_fma;
}
