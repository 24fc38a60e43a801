#!/usr/bin/env python3
"""Writes the wmma_*.ptx and mma_f64_*.ptx files beside it: one tile product each, D = A B + C, of matrices in memory. Integers and small
binary fractions, computed here from the matrices alone: how fragments lie in registers is the GPU's own affair."""
import os
import random
from fractions import Fraction

BITS = {'f16': 16, 'bf16': 16, 'tf32': 32, 'f32': 32, 'f64': 64, 's32': 32, 's8': 8, 'u8': 8, 's4': 4, 'u4': 4, 'b1': 1}
REG = {'f64': ('f64', 'fd'), 'f32': ('f32', 'f')}


def rounded(x, mode):
    """A fraction as a double, rounded to zero, down or up."""
    v = float(x)  # to nearest
    step = [v, next_to(v, -1), next_to(v, 1)]
    below = max(s for s in step if Fraction(s) <= x)
    above = min(s for s in step if Fraction(s) >= x)
    return {'rn': v, 'rm': below, 'rp': above, 'rz': below if x >= 0 else above}[mode]


def next_to(v, way):
    import math
    return math.nextafter(v, math.inf * way)


def elements(kind, n, rng):
    if kind == 'f64':
        return [rng.randrange(-999, 1000) / 3.0 for _ in range(n)]
    if kind[0] in 'fbt' and kind != 'b1':
        return [rng.randrange(-8, 9) for _ in range(n)]
    low = -(1 << (BITS[kind] - 1)) if kind[0] == 's' else 0
    high = low + (1 << BITS[kind]) - 1
    return [rng.randrange(low, high + 1) for _ in range(n)]


def memory(kind, values):
    """As a buffer's type and values; elements of less than a byte in words, the first one lowest."""
    if BITS[kind] >= 8:
        return {'tf32': 'f32'}.get(kind, kind), values
    per = 32 // BITS[kind]
    mask = (1 << BITS[kind]) - 1
    return 'u32', [sum((v & mask) << (BITS[kind] * j) for j, v in enumerate(values[k:k + per]))
                   for k in range(0, len(values), per)]


def by(matrix, rows, cols, layout):
    """A matrix given as rows, in memory by rows or by columns."""
    return matrix if layout == 'row' else [matrix[r * cols + c] for c in range(cols) for r in range(rows)]


def regs(kind, count):
    t, name = REG.get(kind, ('b32', 'r'))
    return t, name, count


def product(a, b, c, m, n, k, op, mode):
    out = []
    for i in range(m):
        for j in range(n):
            if mode:
                s = c[i * n + j]
                for x in range(k):
                    s = rounded(Fraction(a[i * k + x]) * Fraction(b[x * n + j]) + Fraction(s), mode)
            elif op:
                pairs = [(a[i * k + x], b[x * n + j]) for x in range(k)]
                s = c[i * n + j] + sum((p ^ q) if op == 'xor' else (p & q) for p, q in pairs)
            else:
                s = c[i * n + j] + sum(a[i * k + x] * b[x * n + j] for x in range(k))
            out.append(s)
    return out


def write(name, shape, layouts, a_kind, b_kind, c_kind, d_kind, n_a, n_b, n_c, sat=False, op=None, mode=None, space='',
          by_d='row', big=False):
    rng = random.Random(name)
    m, n, k = shape
    a, b = elements(a_kind, m * k, rng), elements(b_kind, k * n, rng)
    c = elements('f64' if c_kind == 'f64' else 's8', m * n, rng)
    if big:  # the sum leaves the range of s32 or f16
        c = [(2**31 - 1 if v & 1 else -2**31) if c_kind == 's32' else (60000 if v & 1 else -60000) for v in c]
    d = product(a, b, c, m, n, k, op, mode)
    if sat and c_kind == 's32':
        d = [max(-2**31, min(2**31 - 1, v)) for v in d]
    tag = 'm%dn%dk%d' % shape
    la, lb = layouts
    types = {'f16': '.%s.%s' % (d_kind, c_kind)}.get(a_kind, '.%s.%s.%s.%s' % (d_kind, a_kind, b_kind, c_kind))
    mnemonic = 'wmma.mma%s.sync.aligned.%s.%s.%s%s%s%s' % ('.%s.popc' % op if op else '', la, lb, tag,
                                                         '.' + mode if mode else '', types,
                                                         '.satfinite' if sat else '')
    bufs = [('a', a_kind, by(a, m, k, la)), ('b', b_kind, by(b, k, n, lb)), ('c', c_kind, c)]
    text = ['// test: ' + mnemonic]
    for buf, kind, values in bufs:
        t, v = memory(kind, values)
        text.append('// buffer: %s %s[%d] = {%s}' % (buf, t, len(v), ' '.join(repr(x) for x in v)))
    text.append('// buffer: d %s[%d]' % (d_kind, m * n))
    text.append('// launch: k block 32 (a, b, c, d)')
    text.append('// want: d = {%s}' % ' '.join(repr(x) for x in by(d, m, n, by_d)))
    text.append('.version 9.0\n.target sm_90a\n.address_size 64\n')
    text.append('.visible .entry k(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d)\n{')
    pieces = {'a': regs(a_kind, n_a), 'b': regs(b_kind, n_b), 'c': regs(c_kind, n_c), 'd': regs(d_kind, n_c)}
    frag = {}
    for role, (t, prefix, count) in pieces.items():
        text.append('    .reg .%s %%%s_%s<%d>;' % (t, prefix, role, count))
        frag[role] = '{' + ', '.join('%%%s_%s%d' % (prefix, role, x) for x in range(count)) + '}'
    text.append('    .reg .b64 %q<8>;\n    .reg .b32 %r<4>;\n    .shared .align 32 .b8 sm[4096];')
    for x, role in enumerate('abcd'):
        text.append('    ld.param.u64 %%q%d, [%s];' % (x, role))
    where = {'a': '%q0', 'b': '%q1', 'c': '%q2', 'd': '%q3'}
    at = {'a': '.global', 'b': '', 'c': '.global', 'd': '.global'}
    if space:  # A by way of shared memory, D too
        words = m * k * BITS[a_kind] // 32
        text.append('    mov.u32 %r0, %tid.x;\nCOPY:\n    mad.wide.u32 %q5, %r0, 4, %q0;\n    ld.global.u32 %r1, [%q5];')
        text.append('    mov.u64 %q4, sm;\n    mad.wide.u32 %q6, %r0, 4, %q4;\n    st.shared.u32 [%q6], %r1;')
        text.append('    add.u32 %%r0, %%r0, 32;\n    .reg .pred %%p;\n    setp.lt.u32 %%p, %%r0, %d;\n    @%%p bra COPY;' % words)
        text.append('    bar.sync 0;')
        where['a'], at['a'] = '%q4', space
    lead = {'a': k if la == 'row' else m, 'b': n if lb == 'row' else k, 'c': n, 'd': n if by_d == 'row' else m}
    for role, kind, layout in (('a', a_kind, la), ('b', b_kind, lb), ('c', c_kind, 'row')):
        text.append('    wmma.load.%s.sync.aligned.%s.%s%s.%s %s, [%s], %d;' %
                    (role, layout, tag, at[role], kind, frag[role], where[role], lead[role]))
    text.append('    %s %s, %s, %s, %s;' % (mnemonic, frag['d'], frag['a'], frag['b'], frag['c']))
    if space:
        text.append('    bar.sync 0;')
        text.append('    wmma.store.d.sync.aligned.%s.%s%s.%s [%%q4], %s, %d;' % (by_d, tag, space, d_kind, frag['d'], lead['d']))
        words = m * n * BITS[d_kind] // 32
        text.append('    bar.sync 0;\n    mov.u32 %r0, %tid.x;\nBACK:\n    mad.wide.u32 %q6, %r0, 4, %q4;')
        text.append('    ld.shared.u32 %r1, [%q6];\n    mad.wide.u32 %q5, %r0, 4, %q3;\n    st.global.u32 [%q5], %r1;')
        text.append('    add.u32 %%r0, %%r0, 32;\n    setp.lt.u32 %%p, %%r0, %d;\n    @%%p bra BACK;' % words)
    else:
        text.append('    wmma.store.d.sync.aligned.%s.%s.global.%s [%%q3], %s, %d;' % (by_d, tag, d_kind, frag['d'], lead['d']))
    text.append('    ret;\n}')
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'wmma_%s.ptx' % name), 'w') as f:
        f.write('\n'.join(text) + '\n')


K16 = (16, 16, 16)
write('bf16_cols', K16, ('col', 'col'), 'bf16', 'bf16', 'f32', 'f32', 4, 4, 8, by_d='col')
write('bf16_rows', K16, ('row', 'row'), 'bf16', 'bf16', 'f32', 'f32', 4, 4, 8, space='.shared::cta')
write('tf32_cols', (16, 16, 8), ('col', 'col'), 'tf32', 'tf32', 'f32', 'f32', 4, 4, 8)
write('tf32_rows', (16, 16, 8), ('row', 'row'), 'tf32', 'tf32', 'f32', 'f32', 4, 4, 8)
for rnd, la, lb in (('rn', 'row', 'col'), ('rz', 'col', 'col'), ('rm', 'col', 'row'), ('rp', 'row', 'row')):
    write('f64_' + rnd, (8, 8, 4), (la, lb), 'f64', 'f64', 'f64', 'f64', 1, 1, 2, mode=rnd)
write('s8_sat', K16, ('row', 'col'), 's8', 's8', 's32', 's32', 2, 2, 8, sat=True, big=True)
write('u8_cols', K16, ('col', 'row'), 'u8', 'u8', 's32', 's32', 2, 2, 8, space='.shared')
write('s4_sat', (8, 8, 32), ('row', 'col'), 's4', 's4', 's32', 's32', 1, 1, 2, sat=True, big=True)
write('u4', (8, 8, 32), ('row', 'col'), 'u4', 'u4', 's32', 's32', 1, 1, 2, by_d='col')
write('b1_xor', (8, 8, 128), ('row', 'col'), 'b1', 'b1', 's32', 's32', 1, 1, 2, op='xor')
write('b1_and', (8, 8, 128), ('row', 'col'), 'b1', 'b1', 's32', 's32', 1, 1, 2, op='and', by_d='col')


def write_f64(rnd):
    """mma.sync.m8n8k4 of f64: lane l has A[l / 4][l % 4], B[l % 4][l / 4], and of C and D row l / 4, columns 2 (l % 4)
    and the next (ISA 9.7.14.5.3)."""
    rng = random.Random('mma' + rnd)
    a, b, c = elements('f64', 32, rng), elements('f64', 32, rng), elements('f64', 64, rng)
    d = product(a, b, c, 8, 8, 4, None, rnd)
    text = ['// test: mma.sync.aligned.m8n8k4.row.col.%s.f64' % rnd]
    for name, values in (('a', a), ('b', by(b, 4, 8, 'col')), ('c', c)):
        text.append('// buffer: %s f64[%d] = {%s}' % (name, len(values), ' '.join(repr(x) for x in values)))
    text.append('// buffer: d f64[64]\n// launch: k block 32 (a, b, c, d)')
    text.append('// want: d = {%s}' % ' '.join(repr(x) for x in d))
    text.append('''.version 9.0
.target sm_90a
.address_size 64

.visible .entry k(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d)
{
    .reg .b32 %%r<2>;
    .reg .b64 %%q<8>;
    .reg .f64 %%g<8>;
    mov.u32 %%r0, %%tid.x;
    ld.param.u64 %%q0, [a];
    ld.param.u64 %%q1, [b];
    ld.param.u64 %%q2, [c];
    ld.param.u64 %%q3, [d];
    mad.wide.u32 %%q0, %%r0, 8, %%q0;
    mad.wide.u32 %%q1, %%r0, 8, %%q1;
    mad.wide.u32 %%q2, %%r0, 16, %%q2;
    mad.wide.u32 %%q3, %%r0, 16, %%q3;
    ld.global.f64 %%g0, [%%q0];
    ld.global.f64 %%g1, [%%q1];
    ld.global.v2.f64 {%%g2, %%g3}, [%%q2];
    mma.sync.aligned.m8n8k4.row.col.%s.f64.f64.f64.f64 {%%g4, %%g5}, {%%g0}, {%%g1}, {%%g2, %%g3};
    st.global.v2.f64 [%%q3], {%%g4, %%g5};
    ret;
}''' % rnd)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'mma_f64_%s.ptx' % rnd), 'w') as f:
        f.write('\n'.join(text) + '\n')


for rnd in ('rn', 'rz', 'rm', 'rp'):
    write_f64(rnd)
