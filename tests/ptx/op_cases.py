#!/usr/bin/env python3
"""Writes op_*.ptx beside it: one instruction form after the other on a list of operands, one thread for each line of the
list. What is expected is computed here with exact fractions and rounded once, as the PTX ISA says."""
import itertools
import math
import os
import random
import struct
from fractions import Fraction as Q

# sign bit, exponent bits, mantissa bits, has infinity
FORMATS = {'f32': (8, 23, True), 'f16': (5, 10, True), 'bf16': (8, 7, True), 'e4m3': (4, 3, False),
           'e5m2': (5, 2, True), 'e2m1': (2, 1, None), 'e2m3': (2, 3, None), 'e3m2': (3, 2, None)}
NAN = {'f32': 0x7fffffff, 'f16': 0x7fff, 'bf16': 0x7fff, 'e4m3': 0x7f, 'e5m2': 0x7f}


def width(fmt):
    e, m, _ = FORMATS[fmt]
    return 1 + e + m


def value(fmt, bits):
    """A fraction, or a float that is an infinity or a NaN; zeros as (sign, 0)."""
    e, m, inf = FORMATS[fmt]
    sign, x, f = bits >> (e + m), bits >> m & ((1 << e) - 1), bits & ((1 << m) - 1)
    bias, top = (1 << (e - 1)) - 1, (1 << e) - 1
    if inf and x == top:
        return math.nan if f else math.copysign(math.inf, -1 if sign else 1)
    if inf is False and x == top and f == (1 << m) - 1:
        return math.nan
    v = Q((1 << m) + f if x else f) * Q(2)**(max(x, 1) - bias - m)
    return -v if sign else v


def is_negative(fmt, bits):
    return bits >> (width(fmt) - 1) & 1


def special(v):
    return isinstance(v, float)


def largest(fmt):
    e, m, inf = FORMATS[fmt]
    return {True: ((1 << e) - 1 << m) - 1, False: (1 << (e + m)) - 2, None: (1 << (e + m)) - 1}[inf]


def rounded(fmt, v, mode='rn', finite=False, zero_sign=0):
    """The code of a fraction v; zero_sign: of an exact zero."""
    e, m, inf = FORMATS[fmt]
    sign_bit = 1 << (e + m)
    if v == 0:
        return sign_bit if zero_sign else 0
    sign, a = (sign_bit if v < 0 else 0), abs(v)
    least = 2 - (1 << (e - 1))
    x = a.numerator.bit_length() - a.denominator.bit_length()
    x -= a < Q(2)**x
    x = max(x, least)
    units = a / Q(2)**(x - m)
    low = units.numerator // units.denominator
    rest = units - low
    up = {'rn': rest > Q(1, 2) or (rest == Q(1, 2) and low & 1), 'rz': False, 'rm': bool(sign) and rest > 0,
          'rp': not sign and rest > 0}[mode]
    code = low + up + ((x - least) << m)
    if code > largest(fmt):
        stays = finite or mode == 'rz' or (mode == 'rm' and not sign) or (mode == 'rp' and sign)
        code = largest(fmt) if stays or inf is None else largest(fmt) + 1
    return sign | code


def flush(fmt, bits):
    e, m, _ = FORMATS[fmt]
    return bits if bits >> m & ((1 << e) - 1) else bits & (1 << (e + m))


def convert(to, fmt, bits, mode='rn', finite=False, relu=False):
    v = value(fmt, bits)
    if special(v) and math.isnan(v):
        return NAN.get(to, largest(to))
    negative = is_negative(fmt, bits)
    if relu and negative:
        return 0
    sign = negative << (width(to) - 1)
    if special(v):
        return sign | (largest(to) if finite or FORMATS[to][2] is None else largest(to) + 1)
    return rounded(to, v, mode, finite, negative)


def total(fmt, terms, mode, ftz=False):
    """The rounded sum of values (fraction or special, sign of a zero), in fmt; the exact sum of zeros keeps a common
    sign."""
    numbers = [t for t, _ in terms]
    if any(special(t) and math.isnan(t) for t in numbers):
        return NAN[fmt]
    infinite = {t for t in numbers if special(t)}
    if infinite:
        if len(infinite) == 2:
            return NAN[fmt]
        return largest(fmt) + 1 | (1 << (width(fmt) - 1) if infinite.pop() < 0 else 0)
    signs = {bool(s) for _, s in terms}
    sign = signs.pop() if len(signs) == 1 else mode == 'rm'
    out = rounded(fmt, sum(numbers), mode, False, sign)
    return flush(fmt, out) if ftz else out


def product(fmt_a, a, fmt_b, b):
    x, y = value(fmt_a, a), value(fmt_b, b)
    sign = is_negative(fmt_a, a) ^ is_negative(fmt_b, b)
    if (special(x) and math.isnan(x)) or (special(y) and math.isnan(y)):
        return math.nan, sign
    if special(x) or special(y):
        return (math.nan if x == 0 or y == 0 else math.copysign(math.inf, -1 if sign else 1)), sign
    return x * y, sign


def term(fmt, bits):
    return value(fmt, bits), is_negative(fmt, bits)


def saturated(bits):
    v = value('f32', bits)
    if (special(v) and math.isnan(v)) or v <= 0:
        return 0
    return 0x3f800000 if v >= 1 else bits


def f32(x):
    return struct.unpack('<I', struct.pack('<f', x))[0]


# .semantics.scope; an order is absent, too
ORDERS = {'atom': ['.relaxed.gpu', '.acquire.cta', '.release.sys', '.acq_rel.cluster'],
          'red': ['.relaxed.cta', '.release.gpu', '.relaxed.sys', '.release.cluster']}
SPECIAL = [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
           0xff7fffff, f32(1), f32(-1), f32(0.5), f32(1.5), f32(-2.5), f32(65504), f32(65520), f32(-65536), f32(3e-5),
           f32(6e-8), f32(2.9e-8), f32(448), f32(464), f32(465), f32(57344), f32(61440), f32(61441)]


def near(fmt, rng, n):
    """f32 numbers at, halfway between, and close to numbers of fmt."""
    out = []
    for _ in range(n):
        code = rng.randrange(0, largest(fmt))
        x, y = value(fmt, code), value(fmt, code + 1)
        z = rng.choice([x, (x + y) / 2, (3 * x + y) / 4])
        b = rounded('f32', z) + rng.choice([0, 0, 1, -1])
        out.append(max(b, 0) | rng.choice([0, 0x80000000]))
    return out


class File:
    """in: `fields` words a thread; every form adds one word a thread to out."""
    def __init__(self, name, what, target, rows):
        self.name, self.what, self.target, self.rows = name, what, target, rows
        self.body, self.want = [], []

    def add(self, lines, want):
        """`lines` compute %o from %r0, %r1, ...; want(row) is the word."""
        self.body.append('{ .reg .b8 %y<2>; .reg .b16 %h<6>; .reg .f32 %f<6>; .reg .b64 %x<6>;')
        self.body += lines
        self.body.append('st.global.b32 [%%out + %d], %%o; }' % (4 * len(self.rows) * len(self.want)))
        self.want.append([want(*row) for row in self.rows])

    def add64(self, lines, want):
        """The same with %q of 64 bits."""
        self.body.append('{ .reg .b64 %x<6>;')
        self.body += lines
        at = 4 * len(self.rows) * len(self.want)
        self.body.append('mov.b64 {%%o, %%p}, %%q; st.global.b32 [%%out + %d], %%o; st.global.b32 [%%out + %d], %%p; }' %
                         (at, at + 4 * len(self.rows)))
        both = [want(*row) for row in self.rows]
        self.want += [[w & 0xffffffff for w in both], [w >> 32 for w in both]]

    def write(self):
        n, fields = len(self.rows), len(self.rows[0])
        words = [row[k] for k in range(fields) for row in self.rows]
        wants = [w for form in self.want for w in form]
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), self.name + '.ptx'), 'w') as f:
            f.write('// test: %s\n// buffer: in u32[%d] = {%s}\n' % (self.what, len(words), ' '.join(map(str, words))))
            f.write('// buffer: out u32[%d]\n// launch: k block %d (in, out)\n' % (len(wants), n))
            f.write('// want: out = {%s}\n' % ' '.join(map(str, wants)))
            f.write('.version 8.7\n.target %s\n.address_size 64\n' % self.target)
            f.write('.visible .entry k(.param .u64 p_in, .param .u64 p_out)\n{\n    .reg .b32 %l, %o, %p, %r<8>;\n')
            f.write('    .reg .b64 %in, %out, %at, %q;\n    mov.u32 %l, %tid.x;\n    mul.wide.u32 %at, %l, 4;\n')
            for p in ('in', 'out'):
                f.write('    ld.param.u64 %%%s, [p_%s];\n    cvta.to.global.u64 %%%s, %%%s;\n' % (p, p, p, p))
                f.write('    add.s64 %%%s, %%%s, %%at;\n' % (p, p))
            for k in range(fields):
                f.write('    ld.global.b32 %%r%d, [%%in + %d];\n' % (k, 4 * n * k))
            f.write(''.join('    %s\n' % line for line in self.body))
            f.write('    ret;\n}\n')


def pad(rows):
    return rows + [rows[0]] * (-len(rows) % 32)


def low(x):
    return x & 0xffff


def small_conversions():
    rng = random.Random('small')
    flat = SPECIAL + [v for fmt in ('e2m1', 'e2m3', 'e3m2') for v in near(fmt, rng, 24)]
    f = File('op_cvt_small', 'cvt to and from e2m1, e2m3 and e3m2', 'sm_100a',
             pad([(a, flat[-k - 1], rng.getrandbits(32)) for k, a in enumerate(flat)]))
    for fmt, shift in (('e2m1', 4), ('e2m3', 8), ('e3m2', 8)):
        reg, widen = ('%y0', 'mov.b16 %h0, {%y0, 0}; cvt.u32.u16 %o, %h0;') if shift == 4 else (
            '%h0', 'cvt.u32.u16 %o, %h0;')
        for relu in ('', '.relu'):
            f.add(['mov.b32 %f0, %r0; mov.b32 %f1, %r1;', 'cvt.rn.satfinite%s.%sx2.f32 %s, %%f0, %%f1;' % (relu, fmt, reg),
                   widen],
                  lambda a, b, c: convert(fmt, 'f32', a, 'rn', True, relu) << shift |
                  convert(fmt, 'f32', b, 'rn', True, relu))
            take = 'mov.b32 {%h0, %h1}, %r2; mov.b16 {%y0, %y1}, %h0;' if shift == 4 else 'mov.b32 {%h0, %h1}, %r2;'
            mask = (1 << width(fmt)) - 1
            f.add([take, 'cvt.rn%s.f16x2.%sx2 %%o, %s;' % (relu, fmt, reg)],
                  lambda a, b, c: convert('f16', fmt, c >> shift & mask, 'rn', False, relu) << 16 |
                  convert('f16', fmt, c & mask, 'rn', False, relu))
    for relu in ('', '.relu'):
        f.add(['cvt.rn.satfinite%s.e2m1x2.f16x2 %%y0, %%r2; mov.b16 %%h0, {%%y0, 0}; cvt.u32.u16 %%o, %%h0;' % relu],
              lambda a, b, c: convert('e2m1', 'f16', c >> 16, 'rn', True, relu) << 4 |
              convert('e2m1', 'f16', low(c), 'rn', True, relu))
    f.write()


def ue8m0(bits, mode, finite):
    v = value('f32', bits)
    if special(v):
        return 255 if math.isnan(v) or not finite else 254
    a = abs(v)
    code = 0
    while code < 254 and Q(2)**(code + 1 - 127) <= a:
        code += 1
    if mode == 'rp' and a > Q(2)**(code - 127):
        code += 1
    return min(code, 254) if finite else code


def scales():
    rng = random.Random('scales')
    rows = [(a, rng.choice(SPECIAL), rng.getrandbits(32)) for a in SPECIAL]
    rows += [(rng.getrandbits(32), f32(2.0**rng.randrange(-126, 127)), rng.getrandbits(32)) for _ in range(36)]
    f = File('op_cvt_scales', 'cvt to and from ue8m0', 'sm_100a', pad(rows))
    for mode in ('rz', 'rp'):
        for finite in ('', '.satfinite'):
            f.add(['mov.b32 %f0, %r0; mov.b32 %f1, %r1;', 'cvt.%s%s.ue8m0x2.f32 %%h0, %%f0, %%f1;' % (mode, finite),
                   'cvt.u32.u16 %o, %h0;'],
                  lambda a, b, c: ue8m0(a, mode, finite) << 8 | ue8m0(b, mode, finite))
            f.add(['cvt.%s%s.ue8m0x2.bf16x2 %%h0, %%r2; cvt.u32.u16 %%o, %%h0;' % (mode, finite)],
                  lambda a, b, c: ue8m0(c & 0xffff0000, mode, finite) << 8 | ue8m0(low(c) << 16, mode, finite))

    def half(c):
        return NAN['bf16'] if c == 255 else rounded('bf16', Q(2)**(c - 127))
    f.add(['mov.b32 {%h0, %h1}, %r2; cvt.rn.bf16x2.ue8m0x2 %o, %h0;'],
          lambda a, b, c: half(c >> 8 & 255) << 16 | half(c & 255))
    f.write()


def stochastic(fmt, bits, random_bits, relu, finite):
    """Up when the random bits, as a fraction of the last place, and what is cut off reach one."""
    v = value('f32', bits)
    if special(v) and math.isnan(v):
        return NAN[fmt]
    negative = is_negative('f32', bits)
    if relu and negative:
        return 0
    sign = negative << 15
    top = largest(fmt) if finite else largest(fmt) + 1
    if special(v):
        return sign | top
    r = Q(random_bits, 1 << 16) if fmt == 'bf16' else Q(random_bits & 0x1fff, 1 << 13)
    a = abs(v)
    down = rounded(fmt, a, 'rz')
    rest = (a - value(fmt, down)) / (value(fmt, 1) if down < (1 << FORMATS[fmt][1]) else
                                     Q(2)**((down >> FORMATS[fmt][1]) - (1 << (FORMATS[fmt][0] - 1)) + 1 - FORMATS[fmt][1]))
    if a > value(fmt, largest(fmt)) and rest >= 1:
        return sign | top
    code = down + (rest + r >= 1)
    return sign | min(code, top)


def stochastic_rounding():
    rng = random.Random('rs')
    rows = [(a, rng.choice(SPECIAL), rng.getrandbits(32)) for a in SPECIAL]
    rows += [(f32(rng.uniform(-3, 3) * 2.0**rng.randrange(-12, 12)), f32(rng.uniform(-1, 1)), rng.getrandbits(32))
             for _ in range(68)]
    f = File('op_cvt_stochastic', 'cvt.rs to f16x2 and bf16x2', 'sm_100a', pad(rows))
    for fmt in ('f16', 'bf16'):
        for relu in ('', '.relu'):
            for finite in ('', '.satfinite'):
                f.add(['mov.b32 %f0, %r0; mov.b32 %f1, %r1;',
                       'cvt.rs%s%s.%sx2.f32 %%o, %%f0, %%f1, %%r2;' % (relu, finite, fmt)],
                      lambda a, b, c: stochastic(fmt, a, c >> 16, relu, finite) << 16 |
                      stochastic(fmt, b, low(c), relu, finite))
    f.write()


def stochastic_four(fmt, bits, fraction, relu):
    """As stochastic(), with saturation; `fraction` of the last place."""
    v = value('f32', bits)
    if special(v) and math.isnan(v):
        return NAN.get(fmt, largest(fmt))
    negative = is_negative('f32', bits)
    if relu and negative:
        return 0
    sign = negative << (width(fmt) - 1)
    if special(v) or abs(v) >= value(fmt, largest(fmt)):
        return sign | largest(fmt)
    down = rounded(fmt, abs(v), 'rz', True)
    step = value(fmt, down + 1) - value(fmt, down)
    return sign | (down + ((abs(v) - value(fmt, down)) / step + fraction >= 1))


def stochastic_fours():
    """Random bits for the four, the highest number first: measured on sm_100, with the ISA's split of the word."""
    rng = random.Random('rs4')
    rows = []
    for k in range(96):
        four = [rng.choice(SPECIAL) if rng.random() < 0.3 else
                near(rng.choice(['e4m3', 'e5m2', 'e2m3', 'e3m2', 'e2m1']), rng, 1)[0] if rng.random() < 0.5 else
                f32(rng.uniform(-4, 4) * 2.0**rng.randrange(-9, 6)) for _ in range(4)]
        rows.append(tuple(four) + (rng.choice([0, 0xffffffff, rng.getrandbits(32), rng.getrandbits(32)]),))
    f = File('op_cvt_stochastic_fours', 'cvt.rs of four numbers to 8, 6 and 4 bits', 'sm_100a', rows)

    def shares(word, by_bytes):
        byte = [word >> 8 * n & 255 for n in range(4)]
        high, low16 = (byte[3] << 8 | byte[1], byte[2] << 8 | byte[0]) if by_bytes else (word >> 16, word & 0xffff)
        back = lambda h: int('{:016b}'.format(h)[::-1], 2)
        return [Q(h, 1 << 16) for h in (back(high), high, back(low16), low16)]
    for fmt in ('e4m3', 'e5m2', 'e2m3', 'e3m2', 'e2m1'):
        stride = 4 if fmt == 'e2m1' else 8
        for relu in ('', '.relu'):
            lines = ['mov.b32 %%f%d, %%r%d;' % (n, n) for n in range(4)]
            lines.append('cvt.rs%s.satfinite.%sx4.f32 %s, {%%f0, %%f1, %%f2, %%f3}, %%r4;' %
                         (relu, fmt, '%h0' if stride == 4 else '%o'))
            if stride == 4:
                lines.append('cvt.u32.u16 %o, %h0;')

            def want(a, b, c, d, word):
                codes = [stochastic_four(fmt, x, r, relu) for x, r in zip((a, b, c, d), shares(word, stride == 4))]
                return sum(code << stride * (3 - n) for n, code in enumerate(codes))
            f.add(lines, want)
    f.write()


def signed(v, bits):
    return v - (1 << bits) if v >> (bits - 1) & 1 else v


def video_part(word, part, kind):
    """Bits of a register as the selector says, extended as the type does."""
    bits = {'b': 8, 'h': 16}.get(part[:1], 32)
    v = word >> bits * int(part[1:] or 0) & ((1 << bits) - 1)
    return signed(v, bits) if kind == 's32' else v


def video_clamp(v, bits, kind):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind == 's32' else (0, (1 << bits) - 1)
    return min(max(v, low), high)


VIDEO = {
    'vadd': lambda a, b: a + b, 'vsub': lambda a, b: a - b, 'vabsdiff': lambda a, b: abs(a - b), 'vmin': min, 'vmax': max,
    'vavrg': lambda a, b: (a + b + 1) >> 1 if a + b >= 0 else (a + b) >> 1,
    'vshl.clamp': lambda a, b: a << min(b, 32), 'vshr.clamp': lambda a, b: a >> min(b, 32),
    'vshl.wrap': lambda a, b: a << (b & 31), 'vshr.wrap': lambda a, b: a >> (b & 31),
    'eq': lambda a, b: int(a == b), 'ne': lambda a, b: int(a != b), 'lt': lambda a, b: int(a < b),
    'le': lambda a, b: int(a <= b), 'gt': lambda a, b: int(a > b), 'ge': lambda a, b: int(a >= b)}


def video_one(op, types, sat, second, parts):
    """A scalar instruction on 32-bit words a, b, c (ISA 9.7.18.1)."""
    def want(a, b, c):
        d, x, y = parts
        bits = {'b': 8, 'h': 16}.get(d[:1], 32)
        t = VIDEO[op](video_part(a, x, types[1]), video_part(b, y, types[2]))
        if sat:
            t = video_clamp(t, bits, types[0])
        if d:
            at = bits * int(d[1:])
            mask = (1 << bits) - 1 << at
            return (t << at & mask) | (c & ~mask)
        t &= 0xffffffff
        if second == '.add':
            return (t + c) & 0xffffffff
        if second:
            number = (lambda v: signed(v, 32)) if types[0] == 's32' else (lambda v: v)
            return (min if second == '.min' else max)(t, c, key=number)
        return t
    return want


def video_several(n, op, types, sat, add, parts):
    """A SIMD instruction (ISA 9.7.18.2); parts: mask and the two selections, '' for what is so without."""
    bits = 32 // n

    def want(a, b, c):
        pick = [[int(x) for x in reversed(text[1:] or default)] for text, default in
                zip(parts[1:], ('10', '32') if n == 2 else ('3210', '7654'))]
        mask = [int(x) for x in parts[0][1:]] if parts[0] else range(n)
        both, d = b << 32 | a, c
        for i in range(n):
            x, y = (both >> bits * pick[k][i] & ((1 << bits) - 1) for k in range(2))
            t = VIDEO[op](signed(x, bits) if types[1] == 's32' else x, signed(y, bits) if types[2] == 's32' else y)
            if sat:
                t = video_clamp(t, bits, types[0])
            if i in mask and add:
                d += t
            elif i in mask:
                m = (1 << bits) - 1 << bits * i
                d = (t << bits * i & m) | (d & ~m)
        return d & 0xffffffff
    return want


def video_rows(rng, n):
    ends = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7f80ff01]
    return [tuple(rng.choice(ends) if rng.random() < 0.4 else rng.getrandbits(32) for _ in range(3)) for _ in range(n)]


def dot(part):
    return '.' + part if part else ''


def video_scalars():
    rng = random.Random('video')
    f = File('op_video', 'vadd, vsub, vabsdiff, vmin, vmax, vshl, vshr, vset: parts, saturation, second operation', 'sm_75',
             video_rows(rng, 32))
    where = ['', '', 'b0', 'b1', 'b2', 'b3', 'h0', 'h1']
    kinds = ('u32', 's32')
    for op in ('vadd', 'vsub', 'vabsdiff', 'vmin', 'vmax', 'vshl.clamp', 'vshl.wrap', 'vshr.clamp', 'vshr.wrap'):
        name, _, mode = op.partition('.')
        for form in ('', 'merge', '.add', '.min', '.max'):
            for sat, kind in (('', 'u32'), ('.sat', 's32'), (rng.choice(['', '.sat']), '')):
                types = [kind or rng.choice(kinds) for _ in range(3)]
                types[2] = 'u32' if mode else types[2]
                parts = (rng.choice(where) if form == 'merge' else '', rng.choice(where), rng.choice(where))
                second = '' if form == 'merge' else form
                f.add(['%s.%s%s%s%s %%o%s, %%r0%s, %%r1%s%s;' %
                       (name, '.'.join(types), sat, dot(mode), second, dot(parts[0]), dot(parts[1]), dot(parts[2]),
                        ', %r2' if form else '')], video_one(op, types, sat, second, parts))
    for cmp in ('eq', 'ne', 'lt', 'le', 'gt', 'ge'):
        for form, kind in itertools.product(('', 'merge', '.add', '.min', '.max'), kinds + ('',)):
            types = ('u32', kind or rng.choice(kinds), kind or rng.choice(kinds))
            parts = (rng.choice(where[2:]) if form == 'merge' else '', rng.choice(where), rng.choice(where))
            second = '' if form == 'merge' else form
            f.add(['vset.%s.%s%s %%o%s, %%r0%s, %%r1%s%s;' %
                   ('.'.join(types[1:]), cmp, second, dot(parts[0]), dot(parts[1]), dot(parts[2]), ', %r2' if form else '')],
                  video_one(cmp, types, '', second, parts))
    f.write()


def video_simd():
    rng = random.Random('video simd')
    kinds = ('u32', 's32')
    for n in (2, 4):
        f = File('op_video%d' % n, 'video instructions on %d elements: every choice of elements and masks' % n, 'sm_75',
                 video_rows(rng, 32))
        unit, masks = ('h', ['0', '1', '10']) if n == 2 else (
            'b', ['0', '1', '10', '2', '20', '21', '210', '3', '30', '31', '310', '32', '320', '321', '3210'])

        def parts():
            return ['' if rng.random() < 0.3 else unit + rng.choice(masks)] + [
                '' if rng.random() < 0.3 else unit + ''.join(rng.choice('0123' if n == 2 else '01234567') for _ in range(n))
                for _ in range(2)]
        for op in ('vadd', 'vsub', 'vavrg', 'vabsdiff', 'vmin', 'vmax'):
            for how in ('', '.sat', '.add'):
                for kind in kinds + ('',):
                    types, p = [kind or rng.choice(kinds) for _ in range(3)], parts()
                    f.add(['%s%d.%s%s %%o%s, %%r0%s, %%r1%s, %%r2;' %
                           ((op, n, '.'.join(types), how) + tuple(dot(x) for x in p))],
                          video_several(n, op, types, how == '.sat', how == '.add', p))
        for cmp in ('eq', 'ne', 'lt', 'le', 'gt', 'ge'):
            for how, kind in itertools.product(('', '.add'), kinds):
                types, p = ['u32', kind, kind if how else rng.choice(kinds)], parts()
                f.add(['vset%d.%s.%s%s %%o%s, %%r0%s, %%r1%s, %%r2;' %
                       ((n, '.'.join(types[1:]), cmp, how) + tuple(dot(x) for x in p))],
                      video_several(n, cmp, types, False, bool(how), p))
        f.write()


def video_multiply():
    rng = random.Random('vmad')
    f = File('op_vmad', 'vmad: signs, plus one, scale, saturation', 'sm_75', video_rows(rng, 64))
    where = ['', '', 'b0', 'b3', 'h0', 'h1']
    kinds = ('u32', 's32')
    for signs in (('', '', ''), ('-', '', ''), ('', '-', ''), ('-', '-', ''), ('', '', '-'), 'po'):
        for sat in ('', '.sat'):
            for scale in (0, 7, 15):
                types = [rng.choice(kinds) for _ in range(3)]
                x, y = rng.choice(where), rng.choice(where)
                po, (na, nb, nc) = ('.po', ('', '', '')) if signs == 'po' else ('', signs)

                def want(a, b, c):
                    final = 's32' if 's32' in types[1:] or na != nb or nc else 'u32'
                    product = video_part(a, x, types[1]) * video_part(b, y, types[2])
                    more = signed(c, 32) if final == 's32' else c
                    t = (-product if na != nb else product) + (-more if nc else more) + bool(po) >> scale
                    return (video_clamp(t, 32, final) if sat else t) & 0xffffffff
                f.add(['vmad.%s%s%s%s %%o, %s%%r0%s, %s%%r1%s, %s%%r2;' %
                       ('.'.join(types), po, sat, '.shr%d' % scale if scale else '', na, dot(x), nb, dot(y), nc)], want)
    f.write()


def pair_arithmetic():
    rng = random.Random('pairs')

    def number():
        return rng.choice(SPECIAL) if rng.random() < 0.3 else rng.randrange(0x3f000000, 0x40800000) | rng.choice(
            [0, 0x80000000]) if rng.random() < 0.7 else rng.getrandbits(32)
    f = File('op_f32x2', 'add, sub, mul and fma of f32x2 in every rounding', 'sm_100a',
             [tuple(number() for _ in range(6)) for _ in range(64)])
    take = ['mov.b64 %x0, {%r0, %r1}; mov.b64 %x1, {%r2, %r3}; mov.b64 %x2, {%r4, %r5};']

    def both(one):
        return lambda a, b, c, d, e, f: one(b, d, f) << 32 | one(a, c, e)
    for mode in ('rn', 'rz', 'rm', 'rp'):
        for ftz in ('', '.ftz'):
            def z(x):
                return flush('f32', x) if ftz else x
            f.add64(take + ['add.%s%s.f32x2 %%q, %%x0, %%x1;' % (mode, ftz)],
                    both(lambda a, b, c: total('f32', [term('f32', z(a)), term('f32', z(b))], mode, ftz)))
            f.add64(take + ['sub.%s%s.f32x2 %%q, %%x0, %%x1;' % (mode, ftz)],
                    both(lambda a, b, c: total('f32', [term('f32', z(a)), term('f32', z(b) ^ 0x80000000)], mode, ftz)))
            f.add64(take + ['mul.%s%s.f32x2 %%q, %%x0, %%x1;' % (mode, ftz)],
                    both(lambda a, b, c: total('f32', [product('f32', z(a), 'f32', z(b))], mode, ftz)))
            f.add64(take + ['fma.%s%s.f32x2 %%q, %%x0, %%x1, %%x2;' % (mode, ftz)],
                    both(lambda a, b, c: total('f32', [product('f32', z(a), 'f32', z(b)), term('f32', z(c))], mode, ftz)))
    f.write()


def mixed_precision():
    rng = random.Random('mixed')
    halves = [0, 0x8000, 1, 0x3ff, 0x400, 0x3c00, 0xbc00, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x7f80, 0xff80]

    def half():
        return rng.choice(halves) if rng.random() < 0.3 else rng.randrange(0x3000, 0x4600) | rng.choice([0, 0x8000])
    rows = [(half() << 16 | half(), rng.choice(SPECIAL) if rng.random() < 0.4 else f32(rng.uniform(-4, 4)))
            for _ in range(96)]
    f = File('op_f32_mixed', 'add, sub and fma of f32 with f16 and bf16', 'sm_100a', rows)
    for fmt in ('f16', 'bf16'):
        for mode in ('rn', 'rz', 'rm', 'rp'):
            for sat in ('', '.sat'):
                def end(x):
                    return saturated(x) if sat else x
                take = 'mov.b32 {%h0, %h1}, %r0; mov.b32 %f0, %r1;'
                f.add([take, 'add.%s%s.f32.%s %%f1, %%h0, %%f0; mov.b32 %%o, %%f1;' % (mode, sat, fmt)],
                      lambda a, b: end(total('f32', [term(fmt, low(a)), term('f32', b)], mode)))
                f.add([take, 'sub.%s%s.f32.%s %%f1, %%h0, %%f0; mov.b32 %%o, %%f1;' % (mode, sat, fmt)],
                      lambda a, b: end(total('f32', [term(fmt, low(a)), term('f32', b ^ 0x80000000)], mode)))
                f.add([take, 'fma.%s%s.f32.%s %%f1, %%h0, %%h1, %%f0; mov.b32 %%o, %%f1;' % (mode, sat, fmt)],
                      lambda a, b: end(total('f32', [product(fmt, low(a), fmt, a >> 16), term('f32', b)], mode)))
    f.write()


def find_nth():
    def fns(mask, base, n):
        order = range(base, 32) if n >= 0 else range(min(base, 40), -1, -1)
        if base > 31:
            return 0xffffffff
        bits = [p for p in order if mask >> p & 1]
        if n == 0:
            return base if mask >> base & 1 else 0xffffffff
        return bits[abs(n) - 1] if abs(n) <= len(bits) else 0xffffffff
    rng = random.Random('fns')
    rows = []
    for _ in range(96):
        n = rng.randrange(-6, 7)
        rows.append((rng.getrandbits(32) & rng.getrandbits(32), rng.randrange(0, 34), n & 0xffffffff))
    f = File('op_fns', 'fns: the n-th set bit', 'sm_75', rows)
    f.add(['fns.b32 %o, %r0, %r1, %r2;'], lambda m, b, n: fns(m, b, n - (1 << 32) if n >> 31 else n))
    f.write()


def warp_minimum():
    rng = random.Random('redux')
    rows = [(rng.choice(SPECIAL), f32(rng.uniform(-9, 9)), 0x7fc00000 if k < 32 else rng.choice(SPECIAL[:5]))
            for k in range(64)]
    f = File('op_redux_f32', 'redux.sync of f32: NaN, zeros of both signs, .abs', 'sm_100a', rows)

    def key(b):
        v = value('f32', b)
        return (float(v) if not special(v) else v, -is_negative('f32', b))
    for op in ('min', 'max'):
        for absolute in ('', '.abs'):
            for nan in ('', '.NaN'):
                for k in range(3):
                    warps = []
                    for first in (0, 32):
                        bits = [row[k] & (0x7fffffff if absolute else 0xffffffff) for row in rows[first:first + 32]]
                        numbers = [b for b in bits if value('f32', b) == value('f32', b)]
                        lost = len(numbers) < len(bits) if nan else not numbers
                        warps.append(0x7fffffff if lost else (min if op == 'min' else max)(numbers, key=key))
                    index = iter(range(64))
                    f.add(['mov.b32 %%f0, %%r%d; redux.sync.%s%s%s.f32 %%f1, %%f0, -1; mov.b32 %%o, %%f1;' %
                           (k, op, absolute, nan)], lambda a, b, c: warps[next(index) // 32])
    f.write()


def least(fmt, a, b, op):
    x, y = value(fmt, a), value(fmt, b)
    if x != x or y != y:
        return NAN[fmt] if x != x and y != y else b if x != x else a

    def key(bits, v):
        return (float(v), -is_negative(fmt, bits))
    return (min if op == 'min' else max)((a, b), key=lambda bits: key(bits, value(fmt, bits)))


def atomics():
    """One thread; each form has memory of its own. Elements of f16x2 are two of f16."""
    rng = random.Random('atomics')
    memory, body, new, old = [], [], [], []

    def put(words, after, lines, results):
        lines = [line.replace('@', '[%%m + %d]' % (4 * len(memory))) for line in lines]
        body.extend(['{ .reg .b16 %h<8>; .reg .b32 %r<4>; .reg .f32 %f<4>; .reg .b64 %x<2>; .reg .b128 %w<3>;'] + lines)
        body.extend('st.global.b32 [%%o + %d], %s;' % (4 * (len(old) + k), r) for k, (r, _) in enumerate(results))
        body.append('}')
        memory.extend(words)
        new.extend(after)
        old.extend(w for _, w in results)

    def halves(fmt):
        table = {'f16': [0x3c00, 0xc000, 0, 0x8000, 0x7e00, 0x0001, 0x7bff, 0x7c00],
                 'bf16': [0x3f80, 0xc000, 0, 0x8000, 0x7fc0, 0x0001, 0x7f7f, 0x7f80]}[fmt]
        return rng.choice(table)

    def apply(fmt, op, a, b):
        return total(fmt, [term(fmt, a), term(fmt, b)], 'rn') if op == 'add' else least(fmt, a, b, op)

    orders = {at: itertools.cycle([''] + ORDERS[at]) for at in ORDERS}
    for at in ('atom', 'red'):
        for fmt in ('f16', 'bf16'):
            for op in ('add', 'min', 'max'):
                for n in (2, 4, 8):
                    for packed in ((False, True) if n < 8 else (False,)):
                        m = 2 * n if packed else n
                        a, b = [halves(fmt) for _ in range(m)], [halves(fmt) for _ in range(m)]
                        words = [a[k] | a[k + 1] << 16 for k in range(0, m, 2)]
                        sums = [apply(fmt, op, x, y) for x, y in zip(a, b)]
                        after = [sums[k] | sums[k + 1] << 16 for k in range(0, m, 2)]
                        if packed:
                            regs = ['%%r%d' % k for k in range(n)]
                            load = ['mov.b32 %s, %d;' % (r, b[2 * k] | b[2 * k + 1] << 16) for k, r in enumerate(regs)]
                            seen = [(r, w) for r, w in zip(regs, words)] if at == 'atom' else []
                        else:
                            regs = ['%%h%d' % k for k in range(n)]
                            load = ['mov.b16 %s, %d;' % (r, b[k]) for k, r in enumerate(regs)]
                            seen = []
                        vec = '{' + ', '.join(regs) + '}'
                        out = vec + ', ' if at == 'atom' else ''
                        memory.extend([0] * (-len(memory) % 4))
                        new.extend([0] * (len(memory) - len(new)))
                        put(words, after, load + ['%s%s.global.%s.noftz.v%d.%s%s %s@, %s;' %
                                                  (at, next(orders[at]), op, n, fmt, 'x2' if packed else '', out, vec)],
                            seen)
        for n, order in itertools.product((2, 4), [''] + ORDERS[at]):
            a, b = [f32(rng.choice([1, 2.5, 2**-127, -0.0])) for _ in range(n)], [f32(rng.choice([3, 2**-128])) for _ in range(n)]
            memory.extend([0] * (-len(memory) % 4))
            new.extend([0] * (len(memory) - len(new)))
            regs = ['%%f%d' % k for k in range(n)]
            vec = '{' + ', '.join(regs) + '}'
            after = [total('f32', [term('f32', flush('f32', x)), term('f32', flush('f32', y))], 'rn', True)
                     for x, y in zip(a, b)]
            put(a, after, ['mov.b32 %s, %d;' % (r, y) for r, y in zip(regs, b)] +
                ['%s%s.global.add.v%d.f32 %s@, %s;' % (at, order, n, vec + ', ' if at == 'atom' else '', vec)], [])
    wide = [rng.getrandbits(32) for _ in range(4)]
    other = [rng.getrandbits(32) for _ in range(4)]

    def quad(reg, words):
        return ['mov.b64 %%x0, 0x%08x%08x; mov.b64 %%x1, 0x%08x%08x; mov.b128 %s, {%%x0, %%x1};' %
                (words[1], words[0], words[3], words[2], reg)]
    back = ['mov.b128 {%x0, %x1}, %w0; mov.b64 {%r0, %r1}, %x0; mov.b64 {%r2, %r3}, %x1;']
    seen = [('%%r%d' % k, wide[k]) for k in range(4)]
    memory.extend([0] * (-len(memory) % 4))
    new.extend([0] * (len(memory) - len(new)))
    put(wide, other, quad('%w1', other) + ['atom.global.exch.b128 %w0, @, %w1;'] + back, seen)
    put(wide, other, quad('%w1', wide) + quad('%w2', other) + ['atom.global.cas.b128 %w0, @, %w1, %w2;'] + back, seen)
    put(wide, wide, quad('%w1', other) + quad('%w2', other) + ['atom.global.cas.b128 %w0, @, %w1, %w2;'] + back, seen)
    put([f32(2**-127)], [f32(1)], ['mov.f32 %f0, 1.0; atom.global.add.f32 %f1, @, %f0; mov.b32 %r0, %f1;'],
        [('%r0', f32(2**-127))])
    put([f32(2**-127)], [0], ['mov.b32 %f0, 5; red.global.add.f32 @, %f0;'], [])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'op_atom_vectors.ptx'), 'w') as f:
        f.write('// test: atomics on vectors and on 128 bits; f32 sums in global memory flush subnormal numbers\n')
        f.write('// buffer: m u32[%d] = {%s}\n// buffer: o u32[%d]\n' % (len(memory), ' '.join(map(str, memory)), len(old)))
        f.write('// launch: k (m, o)\n// want: m = {%s}\n// want: o = {%s}\n' %
                (' '.join(map(str, new)), ' '.join(map(str, old))))
        f.write('.version 8.7\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 p_m, .param .u64 p_o)\n')
        f.write('{\n    .reg .b64 %m, %o;\n    ld.param.u64 %m, [p_m];\n    ld.param.u64 %o, [p_o];\n')
        f.write('    cvta.to.global.u64 %m, %m;\n    cvta.to.global.u64 %o, %o;\n')
        f.write(''.join('    %s\n' % line for line in body) + '    ret;\n}\n')


def atomic_forms():
    """Every operation in every space and with every kind of ordering: one thread, one word of memory."""
    rng = random.Random('atomic forms')
    spaces = [('', '%gen'), ('.global', '%g'), ('.shared', '%s'), ('.shared::cta', '%s'), ('.shared::cluster', '%s')]
    orders = {at: [''] + ORDERS[at] for at in ORDERS}
    body, wants = [], []

    def signed(v, bits):
        return v - (1 << bits) if v >> (bits - 1) else v

    def result(op, t, bits, a, b, c):
        mask = (1 << bits) - 1
        if t in ('f32', 'f64'):
            fmt = {'f32': '<f', 'f64': '<d'}[t]
            x, y = (struct.unpack(fmt, struct.pack('<Q', v)[:bits // 8])[0] for v in (a, b))
            return int.from_bytes(struct.pack(fmt, x + y), 'little')
        if t in ('f16', 'bf16', 'f16x2', 'bf16x2'):
            one = t[:-2] if t.endswith('x2') else t
            parts = [total(one, [term(one, a >> k & 0xffff), term(one, b >> k & 0xffff)], 'rn') << k
                     for k in range(0, bits, 16)]
            return sum(parts)
        x, y = (signed(a, bits), signed(b, bits)) if t[0] == 's' else (a, b)
        return {'add': x + y, 'and': a & b, 'or': a | b, 'xor': a ^ b, 'exch': b, 'cas': c if a == b else a,
                'min': min(x, y), 'max': max(x, y), 'inc': 0 if a >= b else a + 1,
                'dec': b if a == 0 or a > b else a - 1}[op] & mask

    def operand(t, bits):
        if t in ('f32', 'f64'):
            v = rng.randrange(-64, 64) / 4
            return int.from_bytes(struct.pack({'f32': '<f', 'f64': '<d'}[t], v), 'little')
        if t[-1] == '6' or t.endswith('x2'):
            one = {'f': 'f16', 'b': 'bf16'}[t[0]] if t != 'b16' else None
            if one:
                return sum(rounded(one, Q(rng.randrange(1, 64), 4)) << k for k in range(0, bits, 16))
        return rng.getrandbits(bits)

    def form(at, k, op, t, bits, extra=''):
        space, base = spaces[k % 5]
        order = orders[at][(k + k // 5) % 5]
        reg = {16: '%h', 32: '%r', 64: '%x'}[bits]
        a, b, c = operand(t, bits), operand(t, bits), operand(t, bits)
        if op == 'cas' and k % 2:
            b = a
        store = space.replace('::cluster', '')
        body.append('{ .reg .b16 %h<5>; .reg .b32 %r<5>; .reg .b64 %x<5>;')
        for n, v in enumerate((a, b, c)):
            body.append('mov.b%d %s%d, 0x%x;' % (bits, reg, n, v))
        body.append('st%s.b%d [%s], %s0;' % (store, bits, base, reg))
        body.append('%s%s%s.%s%s.%s %s[%s], %s1%s;' % (at, order, space, op, extra, t, reg + '3, ' if at == 'atom' else '',
                                                     base, reg, ', %s2' % reg if op == 'cas' else ''))
        body.append('ld%s.b%d %s4, [%s];' % (store, bits, reg, base))
        for r, v in [(4, result(op, t, bits, a, b, c))] + ([(3, a)] if at == 'atom' else []):
            at_byte = 8 * len(wants)
            body.append('cvt.u64.u%d %%x0, %s%d;' % (bits, reg, r) if bits < 64 else 'mov.b64 %%x0, %%x%d;' % r)
            body.append('st.global.b64 [%%o + %d], %%x0;' % at_byte)
            wants.append(v)
        body.append('}')
    for at in ('atom', 'red'):
        for k in range(25):
            for op in ('and', 'or', 'xor'):
                form(at, k, op, ('b32', 'b64')[k & 1], (32, 64)[k & 1])
            t, bits = (('u32', 32), ('s32', 32), ('u64', 64), ('f32', 32), ('f64', 64))[k // 5]
            form(at, k, 'add', t, bits)
            t, bits = (('f16', 16), ('f16x2', 32), ('bf16', 16), ('bf16x2', 32), ('f16', 16))[k // 5]
            form(at, k, 'add', t, bits, '.noftz')
            form(at, k, ('inc', 'dec')[k & 1], 'u32', 32)
            t, bits = (('u32', 32), ('s32', 32), ('u64', 64), ('s64', 64), ('u32', 32))[k // 5]
            form(at, k, ('min', 'max')[k & 1], t, bits)
            if at == 'atom':
                form(at, k, 'exch', ('b32', 'b64')[k & 1], (32, 64)[k & 1])
                t, bits = (('b16', 16), ('b32', 32), ('b64', 64), ('b32', 32), ('b16', 16))[k // 5]
                form(at, k, 'cas', t, bits)
    for k in range(25):  # 128 bits: swapped with what is there, so that the old value is the new one
        space, base = spaces[k % 5]
        order = orders['atom'][(k + k // 5) % 5]
        words = [rng.getrandbits(64) for _ in range(4)]
        op, tail = ('exch', '%w1') if k & 1 else ('cas', '%w0, %w1')
        body.append('{ .reg .b64 %x<4>; .reg .b128 %w<3>;')
        body.extend('mov.b64 %%x%d, 0x%x;' % (n, v) for n, v in enumerate(words))
        body.append('mov.b128 %w0, {%x0, %x1}; mov.b128 %w1, {%x2, %x3};')
        store = space.replace('::cluster', '')
        body.append('st%s.v2.b64 [%s], {%%x0, %%x1};' % (store, base))
        body.append('atom%s%s.%s.b128 %%w2, [%s], %s;' % (order, space, op, base, tail))
        body.append('mov.b128 {%%x2, %%x3}, %%w2; ld%s.v2.b64 {%%x0, %%x1}, [%s];' % (store, base))
        for r, v in ((0, words[2]), (1, words[3]), (2, words[0]), (3, words[1])):
            body.append('st.global.b64 [%%o + %d], %%x%d;' % (8 * len(wants), r))
            wants.append(v)
        body.append('}')
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'op_atom_forms.ptx'), 'w') as f:
        f.write('// test: atomics in every space and with every ordering\n// buffer: m u64[2]\n')
        f.write('// buffer: o u64[%d]\n// launch: k (m, o)\n' % len(wants))
        f.write('// want: o = {%s}\n' % ' '.join(map(str, wants)))
        f.write('.version 8.7\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 p_m, .param .u64 p_o)\n')
        f.write('{\n    .reg .b64 %gen, %g, %o;\n    .reg .b32 %s;\n    .shared .align 16 .b8 cell[16];\n')
        f.write('    ld.param.u64 %gen, [p_m];\n    ld.param.u64 %o, [p_o];\n    cvta.to.global.u64 %g, %gen;\n')
        f.write('    cvta.to.global.u64 %o, %o;\n    mov.u32 %s, cell;\n')
        f.write(''.join('    %s\n' % line for line in body) + '    ret;\n}\n')


small_conversions()
scales()
stochastic_rounding()
stochastic_fours()
video_scalars()
video_simd()
video_multiply()
pair_arithmetic()
mixed_precision()
find_nth()
warp_minimum()
atomics()
atomic_forms()
