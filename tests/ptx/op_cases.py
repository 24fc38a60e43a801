#!/usr/bin/env python3
"""Writes op_*.ptx beside it: one instruction form after the other on a list of operands, one thread for each line of the
list. What is expected is computed here with exact fractions and rounded once, as the PTX ISA says."""
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


small_conversions()
scales()
stochastic_rounding()
