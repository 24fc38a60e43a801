#include "base/field.h"

#include <math.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

static bool is_prime(uint32_t n)
{
    for (uint32_t d = 3; d * d <= n; d += 2)
        if (n % d == 0)
            return false;
    return n % 2 != 0;
}

/* By trial, so that each is as likely as any other. */
uint32_t ws_field_prime(uint64_t random)
{
    for (;;) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t n = (uint32_t)(random >> 40) % WS_FIELD_LEAST + WS_FIELD_LEAST;
        if (is_prime(n))
            return n;
    }
}

uint32_t ws_field_power(uint32_t p, uint32_t a, uint64_t n)
{
    uint64_t r = 1, b = a % p;
    for (; n; n >>= 1) {
        r = n & 1 ? r * b % p : r;
        b = b * b % p;
    }
    return (uint32_t)r;
}

uint32_t ws_field_inverse(uint32_t p, uint32_t a)
{
    return ws_field_power(p, a, p - 2);
}

uint32_t ws_field_integer(uint32_t p, int64_t n)
{
    int64_t r = n % (int64_t)p;
    return (uint32_t)(r < 0 ? r + p : r);
}

/* ---- numbers ---- */

typedef struct fraction {
    u128 above, below;
} fraction;

/* The simplest fraction strictly between lo and hi (hi.below 0: no upper end): the first whole
 * number if there is one, else what both have before the point and the simplest fraction of what
 * is behind, upside down. */
static fraction simplest(fraction lo, fraction hi)
{
    u128 whole = lo.above / lo.below, rest = lo.above - whole * lo.below;
    if (!hi.below || (whole + 1) * hi.below < hi.above)
        return (fraction){whole + 1, 1};
    fraction behind = simplest((fraction){hi.below, hi.above - whole * hi.below},
                               (fraction){lo.below, rest});
    return (fraction){whole * behind.above + behind.below, behind.above};
}

/* v as odd * 2^exponent; v is finite and not 0. */
static uint64_t odd_part(double v, int *exponent)
{
    uint64_t m = (uint64_t)ldexp(frexp(fabs(v), exponent), 53);
    int zeros = __builtin_ctzll(m);
    *exponent += zeros - 53;
    return m >> zeros;
}

static bool is_meant_as_is(uint64_t odd, int exponent, int digits)
{
    return exponent >= 0 || odd < 1ull << digits / 2;
}

/* Of |v|. false: it is beyond the range in which fractions are looked for. */
static bool find_fraction(uint64_t odd, int exponent, int digits, fraction *out)
{
    const int most_bits = 120; /* of the ends of the interval */
    int length = 64 - __builtin_clzll(odd), shift = digits - length + 1;
    if (shift < 1 || shift - exponent > most_bits)
        return false;
    /* half a unit in the last place on either side; below a power of two it would be less, but then
     * few digits are needed */
    u128 middle = (u128)odd << shift, below = (u128)1 << (shift - exponent);
    *out = simplest((fraction){middle - 1, below}, (fraction){middle + 1, below});
    return true;
}

static uint32_t ratio(uint32_t p, u128 above, u128 below)
{
    uint32_t b = (uint32_t)(below % p);
    if (!b)
        return WS_FIELD_OUTSIDE;
    return (uint32_t)((uint64_t)(above % p) * ws_field_inverse(p, b) % p);
}

uint32_t ws_field_number(uint32_t p, double v, int digits)
{
    fraction f = {0, 1};
    int exponent;
    uint32_t e;
    if (!isfinite(v))
        return WS_FIELD_OUTSIDE;
    if (v == 0)
        return 0;
    digits = digits > 24 && (double)(float)v == v ? 24 : digits;
    uint64_t odd = odd_part(v, &exponent);
    if (!is_meant_as_is(odd, exponent, digits) && find_fraction(odd, exponent, digits, &f)) {
        e = ratio(p, f.above, f.below);
    } else {
        uint32_t two = exponent < 0 ? (p + 1) / 2 : 2;
        e = (uint32_t)(odd % p * ws_field_power(p, two, (uint64_t)abs(exponent)) % p);
    }
    return e == WS_FIELD_OUTSIDE || v > 0 || e == 0 ? e : p - e;
}

bool ws_field_is_simple(double v, int digits)
{
    fraction f;
    int exponent;
    if (!isfinite(v))
        return false;
    if (v == 0)
        return true;
    uint64_t odd = odd_part(v, &exponent);
    if (is_meant_as_is(odd, exponent, digits))
        return true;
    return find_fraction(odd, exponent, digits, &f) &&
           f.above * f.below < (u128)1 << (digits / 2 - 1);
}
