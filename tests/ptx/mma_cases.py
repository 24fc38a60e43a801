#!/usr/bin/env python3
"""Writes the mma_*.ptx files beside it: products of small integers, computed here element by element from the fragment
tables of the PTX ISA (9.7.14.5, 9.7.14.6). Every sum is exact, whatever the order and the precision."""
import math
import os
import random
import struct
from fractions import Fraction

SIZES = {'f16': 16, 'bf16': 16, 'tf32': 32, 'f32': 32, 's32': 32, 's8': 8, 'u8': 8, 's4': 4, 'u4': 4, 'e4m3': 8,
         'e5m2': 8, 'e3m2': 8, 'e2m3': 8, 'e2m1': 8}
SMALL = {'e4m3': (4, 3, 7), 'e5m2': (5, 2, 15), 'e3m2': (3, 2, 3), 'e2m3': (2, 3, 1), 'e2m1': (2, 1, 1)}


def small_values(kind):
    """All finite values of a small float, by code."""
    e, m, bias = SMALL[kind]
    out = {}
    for code in range(1 << (e + m)):
        x, f = code >> m, code & ((1 << m) - 1)
        if (kind == 'e4m3' and code == 0x7f) or (kind == 'e5m2' and x == 31):
            continue
        out[code] = (1 + f / 2**m) * 2.0**(x - bias) if x else f / 2**m * 2.0**(1 - bias)
    return out


def encode(kind, v):
    if kind in ('f32', 'tf32'):
        return struct.unpack('<I', struct.pack('<f', v))[0]
    if kind == 'bf16':
        return struct.unpack('<I', struct.pack('<f', v))[0] >> 16
    if kind == 'f16':
        return struct.unpack('<H', struct.pack('<e', v))[0]
    if kind in SMALL:
        e, m, _ = SMALL[kind]
        code = next(c for c, x in small_values(kind).items() if x == abs(v)) | (v < 0) << (e + m)
        return code << 2 if kind == 'e2m1' else code  # in the middle of its byte
    return int(v) & ((1 << SIZES[kind]) - 1)


def value(kind, rng, coarse=False):
    if kind in SMALL and coarse:
        return rng.choice([0.5, 1, 1.5, 2, -0.5, -1, -1.5, -2])
    if kind in SMALL:
        v = rng.choice([x for x in small_values(kind).values() if 0.5 <= x <= 6])
        return v if rng.random() < 0.5 else -v
    if kind[0] == 'u':
        return rng.randrange(0, 1 << SIZES[kind])
    if kind[0] == 's':
        return rng.randrange(-(1 << (SIZES[kind] - 1)), 1 << (SIZES[kind] - 1))
    return rng.randrange(-8, 9)


def place_a(bits, rows, lane, i):
    e = 32 // bits
    r = i // e
    return lane // 4 + 8 * (r % rows), 4 * e * (r // rows) + e * (lane % 4) + i % e


def place_b(bits, lane, i):
    e = 32 // bits
    return 4 * e * (i // e) + e * (lane % 4) + i % e, lane // 4


def place_c(bits, lane, i):
    return lane // 4 + 8 * (i // 2), 2 * (lane % 4) + i % 2


def registers(bits, n, get):
    """The registers of each lane: n words of 32 bits, element i of a lane from get(lane, i)."""
    e = 32 // bits
    return [[sum(get(lane, r * e + i) << (bits * i) for i in range(e)) for lane in range(32)] for r in range(n)]


def sparse_row(kind, k, rng):
    """Columns of the elements that are there, in order, and the row's metadata."""
    columns, meta, shift = [], 0, 0
    if kind == 'tf32':
        for c in range(k // 2):
            second = rng.random() < 0.5
            columns.append(2 * c + second)
            meta |= (0b1110 if second else 0b0100) << (4 * c)
        return columns, meta
    width = 2 if SIZES[kind] == 4 else 1
    for c in range(k // (4 * width)):
        i, j = sorted(rng.sample(range(4), 2))
        for unit in (i, j):
            columns += [4 * width * c + width * unit + q for q in range(width)]
        meta |= (i | j << 2) << shift
        shift += 4
    return columns, meta


def metadata(kind, k, selector, meta, rng):
    """The word of each lane: lanes that are not asked have anything."""
    words = [rng.getrandbits(32) for _ in range(32)]
    bits = 2 * k if kind == 'tf32' else k // 2 if SIZES[kind] == 4 else k
    for g in range(8):
        if SIZES[kind] >= 16:
            for part in range(bits // 16):
                lane = 4 * g + (selector if bits == 16 else 2 * selector + part)
                words[lane] = (meta[g] >> (16 * part) & 0xffff) | (meta[g + 8] >> (16 * part) & 0xffff) << 16
        else:
            for part in range(bits // 32):
                for half in range(2):
                    lane = 4 * g + (2 * selector if bits == 32 else 2 * part) + half
                    words[lane] = meta[g + 8 * half] >> (32 * part) & 0xffffffff
    return words


class File:
    registers = ''

    def __init__(self, name, what, target):
        self.name, self.what, self.target = name, what, target
        self.words, self.wants, self.body = [], [], []
        self.rng = random.Random(name)

    def load(self, prefix, regs):
        for r, lanes in enumerate(regs):
            self.body.append('ld.global.b32 %%%s%d, [%%in + %d];' % (prefix, r, 128 * (len(self.words) // 32)))
            self.words += lanes

    def add(self, m, k, d, a, b, c, sparse='', selector=0, mods='', wrap=False):
        rng = self.rng
        bits = SIZES[a]
        coarse = c == 'f16'  # sums of parts are rounded to f16, too
        A = [[0] * k for _ in range(m)]
        B = [[value(b, rng, coarse) for _ in range(8)] for _ in range(k)]
        C = [[rng.randrange(-60, 60) for _ in range(8)] for _ in range(m)]
        packed, meta = [], []
        for r in range(m):
            columns, word = sparse_row(a, k, rng) if sparse else (range(k), 0)
            row = [value(a, rng, coarse) for _ in columns]
            for q, v in zip(columns, row):
                A[r][q] = v
            packed.append(row)
            meta.append(word)
        rows, half = m // 8, k // 2 if sparse else k

        def get_a(lane, i):
            r, q = place_a(bits, rows, lane, i)
            return encode(a, packed[r][q])

        def get_b(lane, i):
            q, col = place_b(bits, lane, i)
            return encode(b, B[q][col])

        def get_c(kind, M):
            def get(lane, i):
                r, col = place_c(SIZES[kind], lane, i)
                return encode(kind, M[r][col])
            return get
        D = [[C[r][j] + sum(A[r][q] * B[q][j] for q in range(k)) for j in range(8)] for r in range(m)]
        n = [m * half * bits // 1024, 8 * k * bits // 1024, m * 8 * SIZES[c] // 1024, m * 8 * SIZES[d] // 1024]
        self.load('a', registers(bits, n[0], get_a))
        self.load('b', registers(bits, n[1], get_b))
        self.load('c', registers(SIZES[c], n[2], get_c(c, C)))
        tail = ''
        if sparse:
            self.load('e', [metadata(a, k, selector, meta, rng)])
            tail = ', %%e0, %d' % selector
        lists = ['{' + ', '.join('%%%s%d' % (p, r) for r in range(x)) + '}' for p, x in zip('abc', n)]
        out = '{' + ', '.join('%%d%d' % r for r in range(n[3])) + '}'
        self.body.append('mma%s.sync.aligned.m%dn8k%d.row.col%s.%s.%s.%s.%s %s, %s%s;' %
                         (sparse, m, k, mods, d, a, b, c, out, ', '.join(lists), tail))
        for r, lanes in enumerate(registers(SIZES[d], n[3], get_c(d, D))):
            self.body.append('st.global.b32 [%%out + %d], %%d%d;' % (128 * (len(self.wants) // 32), r))
            self.wants += lanes

    def write(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, self.name + '.ptx'), 'w') as f:
            f.write('// test: %s\n' % self.what)
            f.write('// buffer: in u32[%d] = {%s}\n' % (len(self.words), ' '.join(map(str, self.words))))
            f.write('// buffer: out u32[%d]\n' % len(self.wants))
            f.write('// launch: k block 32 (in, out)\n')
            f.write('// want: out = {%s}\n' % ' '.join(map(str, self.wants)))
            f.write('.version 8.7\n.target %s\n.address_size 64\n' % self.target)
            f.write('.visible .entry k(.param .u64 p_in, .param .u64 p_out)\n{\n    .reg .b32 %l;\n')
            f.write('    .reg .b32 %a<8>, %b<8>, %c<8>, %d<8>, %e<1>;\n' + self.registers + '    .reg .b64 %in, %out, %at;\n')
            f.write('    mov.u32 %l, %tid.x;\n    mul.wide.u32 %at, %l, 4;\n')
            for p in ('in', 'out'):
                f.write('    ld.param.u64 %%%s, [p_%s];\n    cvta.to.global.u64 %%%s, %%%s;\n' % (p, p, p, p))
                f.write('    add.s64 %%%s, %%%s, %%at;\n' % (p, p))
            f.write(''.join('    %s\n' % line for line in self.body))
            f.write('    ret;\n}\n')


def sparse_files():
    v = '.sp'
    f = File('mma_sparse_halves', 'mma.sp of f16 and bf16, each selector', 'sm_80')
    for selector in range(4):
        f.add(16, 16, 'f32', 'f16', 'f16', 'f32', v, selector)
    for selector in range(2):
        f.add(16, 32, 'f32', 'bf16', 'bf16', 'f32', v, selector)
    f.add(16, 16, 'f16', 'f16', 'f16', 'f16', v, 1)
    f.add(16, 32, 'f16', 'f16', 'f16', 'f16', v, 1)
    f.write()
    f = File('mma_sparse_tf32', 'mma.sp of tf32: one of two elements, each selector', 'sm_80')
    for selector in range(4):
        f.add(16, 8, 'f32', 'tf32', 'tf32', 'f32', v, selector)
    for selector in range(2):
        f.add(16, 16, 'f32', 'tf32', 'tf32', 'f32', v, selector)
    f.write()
    f = File('mma_sparse_integers', 'mma.sp of 8-bit integers, and of pairs of 4-bit ones', 'sm_80')
    for n, (x, y) in enumerate((('s', 's'), ('u', 's'), ('s', 'u'), ('u', 'u'))):
        for k, bits in ((32, 8), (64, 8), (64, 4), (128, 4)):
            f.add(16, k, 's32', '%s%d' % (x, bits), '%s%d' % (y, bits), 's32', v,
                  n % 2 if k * bits == 256 else 0, '.satfinite' if n % 2 else '')
    f.write()
    f = File('mma_sparse_fp8', 'mma.sp of e4m3 and e5m2', 'sm_89')
    for a, b in (('e4m3', 'e4m3'), ('e4m3', 'e5m2'), ('e5m2', 'e4m3'), ('e5m2', 'e5m2')):
        f.add(16, 64, 'f32', a, b, 'f32', v)
    f.write()
    v = '.sp::ordered_metadata'
    f = File('mma_sparse_ordered', 'mma.sp::ordered_metadata of each type', 'sm_89')
    for k in (16, 32):
        f.add(16, k, 'f32', 'f16', 'f16', 'f32', v, 1)
        f.add(16, k, 'f32', 'bf16', 'bf16', 'f32', v, 0)
        f.add(16, k // 2, 'f32', 'tf32', 'tf32', 'f32', v, 1)
        f.add(16, 2 * k, 's32', 's8', 'u8', 's32', v, 0)
        f.add(16, 4 * k, 's32', 'u4', 's4', 's32', v, 0)
    f.add(16, 32, 'f16', 'f16', 'f16', 'f16', v, 1)
    f.add(16, 64, 'f32', 'e4m3', 'e5m2', 'f32', v)
    f.write()


def dense_files():
    f = File('mma_fp8', 'mma of e4m3 and e5m2, both shapes, sums in f32 and f16', 'sm_89')
    for a in ('e4m3', 'e5m2'):
        for b in ('e4m3', 'e5m2'):
            for k in (16, 32):
                f.add(16, k, 'f32', a, b, 'f32')
                f.add(16, k, 'f16', a, b, 'f16')
    f.write()
    f = File('mma_integers', 'mma of 8-bit and 4-bit integers, signed with unsigned', 'sm_80')
    for n, (x, y) in enumerate((('s', 's'), ('u', 's'), ('s', 'u'), ('u', 'u'))):
        for m, k, bits in ((8, 16, 8), (16, 16, 8), (16, 32, 8), (8, 32, 4), (16, 32, 4), (16, 64, 4)):
            f.add(m, k, 's32', '%s%d' % (x, bits), '%s%d' % (y, bits), 's32', mods='.satfinite' if n & 1 else '')
    f.write()
    f = File('mma_f8f6f4', 'mma of 4-, 6- and 8-bit floats in bytes', 'sm_120a')
    for a, b in zip(SMALL, list(SMALL)[1:] + ['e4m3']):
        f.add(16, 32, 'f32', a, a, 'f32', mods='.kind::f8f6f4')
        f.add(16, 32, 'f32', a, b, 'f32', mods='.kind::f8f6f4')
    f.add(16, 32, 'f16', 'e3m2', 'e2m1', 'f16', mods='.kind::f8f6f4')
    for a, b in zip(SMALL, list(SMALL)[1:] + ['e4m3']):
        f.add(16, 64, 'f32', a, b, 'f32', '.sp::ordered_metadata', mods='.kind::f8f6f4')
    f.add(16, 64, 'f16', 'e4m3', 'e5m2', 'f16', '.sp::ordered_metadata')
    f.add(16, 64, 'f16', 'e2m1', 'e2m1', 'f16', '.sp::ordered_metadata', mods='.kind::f8f6f4')
    f.write()


def exponent(kind, v):
    """Of a number of that type, as the sums see it: that of zero is -126."""
    e, _, bias = SMALL.get(kind, (8, 23, 127))
    return -126 if v == 0 else max(math.frexp(v)[1] - 1, 1 - bias)


def cut_f32(v):
    """A fraction to f32, to zero."""
    if v == 0:
        return 0
    a = abs(v)
    x = a.numerator.bit_length() - a.denominator.bit_length()
    x -= a < Fraction(2)**x
    x = max(x, -126)
    units = int(a / Fraction(2)**(x - 23))
    return (0x80000000 if v < 0 else 0) | (0x7f800000 if x > 127 else units + (x + 126 << 23))


def aligned_sum(terms, bits):
    """Terms (fraction, exponent), all cut to so many bits below the largest exponent."""
    unit = Fraction(2)**(max(e for _, e in terms) - bits)
    return sum(int(v / unit) for v, _ in terms) * unit


class Scaled(File):
    """mma with .block_scale; sums as microsoft/MMA-Sim found them (simulator/nv_ptx.py, mma_block_scale)."""
    registers = '    .reg .b32 %s<1>, %t<2>;\n    .reg .b16 %h<4>;\n'

    def code(self, kind, wide):
        rng = self.rng
        if kind == 'ue4m3':
            return rng.choice([0, 1, 7, 8, 0x38, 0x7e, rng.randrange(0x20, 0x50)]) if wide else rng.randrange(0x28, 0x48)
        return rng.choice([0, 127, rng.randrange(100, 150), rng.randrange(0, 255)]) if wide else rng.randrange(120, 134)

    def scale(self, kind, code):
        """(significand, exponent); None: NaN"""
        if kind == 'ue8m0':
            return None if code == 255 else (Fraction(1), code - 127)
        x, m = code >> 3 & 15, code & 7
        if code & 0x7f == 0x7f:
            return None
        return (1 + Fraction(m, 8), x - 7) if x else (Fraction(m, 8), -6 if m else -126)

    def sum(self, kinds, a, b, used, sa, sb, c):
        k, n = len(a), len(sa)
        if None in sa + sb:
            return 0x7fffffff
        if kinds[2] == 8:
            s = sa[0][1] + sb[0][1]
            terms = [(Fraction(x) * Fraction(y) * Fraction(2)**s, exponent(kinds[0], x) + exponent(kinds[1], y) + s)
                     for x, y, u in zip(a, b, used) if u]
        else:
            terms = []
            for q in range(4):
                p, r = sa[q * n // 4], sb[q * n // 4]
                dot = sum(Fraction(a[i]) * Fraction(b[i]) for i in range(q * k // 4, (q + 1) * k // 4))
                terms.append((dot * p[0] * r[0] * Fraction(2)**(p[1] + r[1]), p[1] + r[1]))
        return cut_f32(aligned_sum(terms + [(Fraction(c), exponent('f32', c))], 25 if kinds[2] == 8 else 35))

    def add_scaled(self, k, kind, a, b, stype, n, vec='', sparse='', ids=(0, 0, 0, 0), in_registers=False, wide=True,
                   nan=False):
        rng = self.rng
        bits = 8 if kind == 'mxf8f6f4' else 4
        A, used = [[0.0] * k for _ in range(16)], [[not sparse] * k for _ in range(16)]
        B = [[value(b, rng) for _ in range(8)] for _ in range(k)]
        C = [[rng.choice([0.0, rng.uniform(-9, 9), rng.uniform(-9, 9) * 2.0**rng.randrange(-20, 40)]) for _ in range(8)]
             for _ in range(16)]
        C = [[struct.unpack('<f', struct.pack('<f', v))[0] for v in row] for row in C]
        packed, meta = [], []
        for r in range(16):
            columns, word = sparse_row('s4' if bits == 4 else a, k, rng) if sparse else (range(k), 0)
            row = [value(a, rng) for _ in columns]
            for q, v in zip(columns, row):
                A[r][q], used[r][q] = v, True
            packed.append(row)
            meta.append(word)

        def code_of(t, v):
            e, m, _ = SMALL[t]
            c = next(c for c, x in small_values(t).items() if x == abs(v)) | (v < 0) << (e + m)
            return c << 2 if t == 'e2m1' and bits == 8 else c

        def get_a(lane, i):
            r, q = place_a(bits, 2, lane, i)
            return code_of(a, packed[r][q])

        def get_b(lane, i):
            q, col = place_b(bits, lane, i)
            return code_of(b, B[q][col])

        def get_c(lane, i):
            r, col = place_c(32, lane, i)
            return encode('f32', C[r][col])
        codes = [[[self.code(stype, wide) for _ in range(n)] for _ in range(m)] for m in (16, 8)]
        if nan:
            codes[0][3][0], codes[1][5][n - 1] = 255, 255
        words = [[rng.getrandbits(32) for _ in range(32)] for _ in range(2)]
        for side, rows in enumerate(codes):
            for r, row in enumerate(rows):
                lane = 4 * (r % 8) + (2 * ids[1] + r // 8 if side == 0 else ids[3])
                for c, v in enumerate(row):
                    shift = 8 * (ids[2 * side] + c)
                    words[side][lane] = words[side][lane] & ~(255 << shift) | v << shift
        half = k // 2 if sparse else k
        regs = [16 * half * bits // 1024, 8 * k * bits // 1024]
        self.load('a', registers(bits, regs[0], get_a))
        self.load('b', registers(bits, regs[1], get_b))
        self.load('c', registers(32, 4, get_c))
        tail = ''
        if sparse:
            self.load('e', [metadata('s4' if bits == 4 else a, k, 0, meta, rng)])
            tail = ', %e0, 0'
        for side in range(2):
            self.load('s', [words[side]])
            self.body.append('mov.b32 %%t%d, %%s0;' % side)
        names = ['%d' % x for x in ids]
        if in_registers:
            self.body += ['mov.u16 %%h%d, %d;' % (x, y) for x, y in enumerate(ids)]
            names = ['%%h%d' % x for x in range(4)]
        lists = ['{' + ', '.join('%%%s%d' % (p, r) for r in range(x)) + '}' for p, x in zip('dabc', [4] + regs + [4])]
        self.body.append('mma%s.sync.aligned.m16n8k%d.row.col.kind::%s.block_scale%s.f32.%s.%s.f32.%s %s%s, '
                         '%%t0, {%s, %s}, %%t1, {%s, %s};' %
                         ((sparse, k, kind, vec, a, b, stype, ', '.join(lists), tail) + tuple(names)))
        S = [[[self.scale(stype, v) for v in row] for row in rows] for rows in codes]
        D = [[self.sum((a, b, bits), A[r], [B[q][j] for q in range(k)], used[r], S[0][r], S[1][j], C[r][j])
              for j in range(8)] for r in range(16)]

        def get_d(lane, i):
            r, col = place_c(32, lane, i)
            return D[r][col]
        for r, lanes in enumerate(registers(32, 4, get_d)):
            self.body.append('st.global.b32 [%%out + %d], %%d%d;' % (128 * (len(self.wants) // 32), r))
            self.wants += lanes


def scaled_files():
    v = '.sp::ordered_metadata'
    f = Scaled('mma_scaled_bytes', 'mma with scales of floats of 4, 6 and 8 bits in bytes', 'sm_120a')
    for t, (a, b) in enumerate(zip(SMALL, list(SMALL)[1:] + ['e4m3'])):
        f.add_scaled(32, 'mxf8f6f4', a, b, 'ue8m0', 1, '.scale_vec::1X' if t & 1 else '', '',
                     (t % 4, t % 2, (t + 1) % 4, (t + 2) % 4), t % 3 == 2, wide=t > 1, nan=t == 3)
        f.add_scaled(64, 'mxf8f6f4', a, b, 'ue8m0', 1, '' if t & 1 else '.scale_vec::1X', v,
                     (3 - t % 4, t % 2, t % 4, t % 4), wide=t < 3)
    f.write()
    f = Scaled('mma_scaled_fours', 'mma with scales of floats of 4 bits', 'sm_120a')
    for kind, vec, stype, n in (('mxf4', '', 'ue8m0', 2), ('mxf4', '.scale_vec::2X', 'ue8m0', 2),
                                ('mxf4nvf4', '.scale_vec::2X', 'ue8m0', 2), ('mxf4nvf4', '.scale_vec::4X', 'ue4m3', 4)):
        for t, (k, sp) in enumerate(((64, ''), (64, ''), (128, v))):
            f.add_scaled(k, kind, 'e2m1', 'e2m1', stype, n, vec, sp, (0 if n == 4 else 2 * (t % 2), t % 2,
                         0 if n == 4 else 2 * (t // 2), 3 - t), t == 1, wide=t > 0, nan=t == 1)
    f.write()


sparse_files()
dense_files()
scaled_files()
