#!/usr/bin/env python3
"""Writes ldmatrix_*.ptx and stmatrix_bytes.ptx beside it: what each lane holds follows from the figures of the PTX ISA
(9.7.14.5.15, 9.7.14.5.16), element by element. Rows lie in shared memory in random order."""
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = '''.version 8.7
.target sm_120a
.address_size 64
.visible .entry k(.param .u64 p_in, .param .u64 p_out)
{
    .reg .b32 %l, %s, %t, %v, %w, %r<4>;
    .reg .b64 %in, %out, %at, %g;
    .shared .align 16 .b8 tile[512];
    mov.u32 %l, %tid.x;
    mul.wide.u32 %at, %l, 4;
    ld.param.u64 %in, [p_in];
    cvta.to.global.u64 %in, %in;
    add.s64 %in, %in, %at;
    ld.param.u64 %out, [p_out];
    cvta.to.global.u64 %out, %out;
    add.s64 %out, %out, %at;
'''


def save(name, what, words, wants, body):
    with open(os.path.join(HERE, name + '.ptx'), 'w') as f:
        f.write('// test: %s\n// buffer: in u32[%d] = {%s}\n' % (what, len(words), ' '.join(map(str, words))))
        f.write('// buffer: out u32[%d]\n// launch: k block 32 (in, out)\n' % len(wants))
        f.write('// want: out = {%s}\n' % ' '.join(map(str, wants)))
        f.write(HEAD + ''.join('    %s\n' % line for line in body) + '    ret;\n}\n')


def element(row, bits, column):
    """Bits column * bits and so on of a row of bytes."""
    return sum((row[b // 8] >> b % 8 & 1) << (b - column * bits) for b in range(column * bits, (column + 1) * bits))


def word(elements):
    return sum(e << 8 * k for k, e in enumerate(elements))


def loaded(shape, bits, num, rows, lane):
    """The registers of a lane, from the rows in the order of the lanes that name them."""
    g, t, out = lane // 4, lane % 4, []
    for m in range(num):
        if shape == 'm8n16':
            out.append(word(element(rows[8 * m + g], bits, 4 * t + j) for j in range(4)))
        else:
            for column in (g, g + 8):
                out.append(word(element(rows[16 * m + 4 * t + j], bits, column) for j in range(4)))
    return out


def loads(name, what, forms):
    rng = random.Random(name)
    words, wants, body = [], [], []
    for shape, num, trans, space, kind, bits in forms:
        rows = [[rng.getrandbits(8) for _ in range(16)] for _ in range(32)]
        order = rng.sample(range(32), 32)
        at = 4 * len(words)
        words += [16 * o for o in order]
        for k in range(4):
            words += [word(row[4 * k:4 * k + 4]) for row in rows]
        body += ['mov.u32 %s, tile;', 'ld.global.b32 %%t, [%%in + %d];' % at, 'add.u32 %s, %s, %t;']
        # padding is never written
        for k in range({8: 4, 6: 3, 4: 2}[bits]):
            body += ['ld.global.b32 %%v, [%%in + %d];' % (at + 128 * (k + 1)), 'st.shared.b32 [%%s + %d], %%v;' % (4 * k)]
        body.append('bar.sync 0;')
        n = num * (2 if shape == 'm16n16' else 1)
        address = '%s'
        if not space:
            body.append('cvt.u64.u32 %g, %s; cvta.shared.u64 %g, %g;')
            address = '%g'
        body.append('ldmatrix.sync.aligned.%s.x%d%s%s.%s {%s}, [%s];' %
                    (shape, num, trans, space, kind, ', '.join('%%r%d' % r for r in range(n)), address))
        lanes = [loaded(shape, bits, num, rows, lane) for lane in range(32)]
        for r in range(n):
            body.append('st.global.b32 [%%out + %d], %%r%d;' % (4 * len(wants), r))
            wants += [lane[r] for lane in lanes]
        body.append('bar.sync 0;')
    save(name, what, words, wants, body)


def stores():
    rng = random.Random('stmatrix')
    words, wants, body = [], [], []
    for num, space in ((1, '.shared'), (2, '.shared::cta'), (4, ''), (4, '.shared')):
        order = rng.sample(range(32), 32)
        matrices = [[[rng.getrandbits(8) for _ in range(8)] for _ in range(16)] for _ in range(num)]
        at = 4 * len(words)
        words += [16 * o for o in order]
        for m in matrices:
            words += [word([m[l // 4][2 * (l % 4)], m[l // 4][2 * (l % 4) + 1], m[l // 4 + 8][2 * (l % 4)],
                            m[l // 4 + 8][2 * (l % 4) + 1]]) for l in range(32)]
        body += ['mov.u32 %s, tile;', 'ld.global.b32 %%t, [%%in + %d];' % at, 'add.u32 %t, %s, %t;']
        body += ['ld.global.b32 %%r%d, [%%in + %d];' % (m, at + 128 * (m + 1)) for m in range(num)]
        body += ['mad.lo.u32 %w, %l, 4, %s; mov.u32 %v, 0;']
        body += ['st.shared.b32 [%%w + %d], %%v;' % (128 * k) for k in range(4)] + ['bar.sync 0;']
        address = '%t'
        if not space:
            body.append('cvt.u64.u32 %g, %t; cvta.shared.u64 %g, %g;')
            address = '%g'
        body += ['stmatrix.sync.aligned.m16n8.x%d.trans%s.b8 [%s], {%s};' %
                 (num, space, address, ', '.join('%%r%d' % m for m in range(num))), 'bar.sync 0;']
        memory = [0] * 512
        for m in range(num):
            for c in range(8):
                for r in range(16):
                    memory[16 * order[8 * m + c] + r] = matrices[m][r][c]
        for k in range(4):
            body += ['ld.shared.b32 %%v, [%%w + %d];' % (128 * k),
                     'st.global.b32 [%%out + %d], %%v;' % (4 * len(wants) + 128 * k)]
        body.append('bar.sync 0;')
        wants += [word(memory[4 * q:4 * q + 4]) for q in range(128)]
    save('stmatrix_bytes', 'stmatrix of 16 x 8 bytes, column by column', words, wants, body)


loads('ldmatrix_bytes', 'ldmatrix of 16 x 16 bytes, transposed',
      [('m16n16', n, '.trans', s, 'b8', 8) for n in (1, 2) for s in ('.shared', '.shared::cta', '')])
loads('ldmatrix_small', 'ldmatrix of elements of 6 and 4 bits, of which the padding is no part',
      [('m8n16', n, '', '.shared', 'b8x16.' + k, b) for n in (1, 2, 4) for k, b in (('b6x16_p32', 6), ('b4x16_p64', 4))] +
      [('m16n16', n, '.trans', '.shared', 'b8x16.' + k, b) for n in (1, 2)
       for k, b in (('b6x16_p32', 6), ('b4x16_p64', 4))] +
      [('m8n16', 2, '', '', 'b8x16.b6x16_p32', 6), ('m8n16', 1, '', '.shared::cta', 'b8x16.b4x16_p64', 4),
       ('m16n16', 1, '.trans', '', 'b8x16.b4x16_p64', 4), ('m16n16', 2, '.trans', '.shared::cta', 'b8x16.b6x16_p32', 6)])
stores()
