/* A thread of a random kernel, and how it comes and goes. */
typedef struct LANE {
    I a0, a1, a2, a3;
    U u0, u1, u2;
    Q q0, q1;
    F f0, f1, f2;
    D d0, d1;
    I arr[8];
    signed char c8[8];
    unsigned short h16[4];
} LANE;
DEV void lane_init(LANE *l, const I *in, int tid, int block)
{
    const I *x = in + (tid + N * block) % 61 * 8;
    l->a0 = x[0], l->a1 = x[1], l->a2 = tid, l->a3 = block;
    l->u0 = (U)x[2], l->u1 = (U)x[3], l->u2 = (U)tid * 2654435761u;
    l->q0 = (Q)x[4] * x[5], l->q1 = tid;
    l->f0 = (F)x[6] * 0.0009765625f, l->f1 = (F)tid, l->f2 = 1.5f;
    l->d0 = (D)x[7] / 3, l->d1 = 0.5;
    for (int k = 0; k < 8; k++) l->arr[k] = x[k] >> k, l->c8[k] = (signed char)(x[k] >> 3);
    for (int k = 0; k < 4; k++) l->h16[k] = (unsigned short)(x[k] * 3u);
}
DEV void lane_store(const LANE *l, U *out, int thread)
{
    U *o = out + thread * WORDS, h = 0;
    o[0] = (U)l->a0, o[1] = (U)l->a1, o[2] = (U)l->a2, o[3] = (U)l->a3, o[4] = l->u0, o[5] = l->u1,
    o[6] = l->u2;
    o[7] = (U)l->q0, o[8] = (U)(l->q0 >> 32), o[9] = (U)l->q1, o[10] = (U)(l->q1 >> 32);
    o[11] = (U)i_bits(l->f0), o[12] = (U)i_bits(l->f1), o[13] = (U)i_bits(l->f2);
    o[14] = (U)q_bits(l->d0), o[15] = (U)(q_bits(l->d0) >> 32), o[16] = (U)q_bits(l->d1),
    o[17] = (U)(q_bits(l->d1) >> 32);
    for (int k = 0; k < 8; k++) h = h * 31 + (U)l->arr[k];
    o[18] = h;
    for (int k = 0; k < 8; k++) h = h * 31 + (U)l->c8[k];
    for (int k = 0; k < 4; k++) h = h * 31 + l->h16[k];
    o[19] = h;
}
