/* Prime fields: primes, inverses, and the elements that floating-point numbers stand for. */
#include "base/field.h"
#include "tests/tap.h"

static bool is_prime(uint32_t n)
{
    for (uint32_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return true;
}

static void test_primes(void)
{
    int wrong = 0, different = 0;
    uint32_t last = 0;
    for (uint64_t r = 0; r < 500; r++) {
        uint32_t p = ws_field_prime(r * 0x9e3779b97f4a7c15u);
        wrong += p < 32768 || p >= 65536 || !is_prime(p);
        different += p != last;
        last = p;
    }
    ok(!wrong && different > 450, "500 numbers give primes of 16 bits, %d of them new", different);
}

static void test_arithmetic(uint32_t p)
{
    int wrong = 0;
    for (uint32_t a = 1; a < p; a += 7)
        wrong += (uint64_t)a * ws_field_inverse(p, a) % p != 1;
    ok(!wrong && ws_field_inverse(p, 0) == 0, "a times its inverse is 1 modulo %u", p);
    is_int(ws_field_power(p, 3, 10), 59049 % p, "3^10");
    is_int(ws_field_integer(p, -5), p - 5, "-5");
    is_int(ws_field_integer(p, INT64_MIN), (long long)((p - (1ull << 63) % p) % p), "-2^63");
}

/* n / d modulo p */
static uint32_t ratio(uint32_t p, int64_t n, uint32_t d)
{
    uint32_t e = 0;
    while ((uint64_t)e * d % p != ws_field_integer(p, n))
        e++;
    return e;
}

static const struct {
    const char *what;
    double v;
    int digits;
    int64_t above;
    uint32_t below;
} numbers[] = {
    {"1", 1, 24, 1, 1},
    {"-1", -1, 24, -1, 1},
    {"0.5", 0.5, 24, 1, 2},
    {"-0.375", -0.375, 24, -3, 8},
    {"a third in f32", (double)(1.0f / 3.0f), 24, 1, 3},
    {"a third in f64", 1.0 / 3.0, 53, 1, 3},
    {"a third in f16", 0.333251953125, 11, 1, 3},
    {"a third in bf16", 0.333984375, 8, 1, 3},
    {"0.1 in f32", (double)0.1f, 24, 1, 10},
    {"-0.7 in f32", (double)-0.7f, 24, -7, 10},
    {"22 / 7 in f32", (double)(22.0f / 7.0f), 24, 22, 7},
    {"1 / 4099 in f32", (double)(1.0f / 4099.0f), 24, 1, 4099},
    {"16777217 in f64", 16777217, 53, 16777217, 1},
    {"2^25 in f32", 33554432, 24, 33554432, 1},
    {"1e-3 in f64", 1e-3, 53, 1, 1000},
    {"0.1 in f32, widened to f64", (double)0.1f, 53, 1, 10},
};

static void test_numbers(uint32_t p)
{
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        is_int(ws_field_number(p, numbers[k].v, numbers[k].digits),
               ratio(p, numbers[k].above, numbers[k].below), numbers[k].what);
    is_int(ws_field_number(p, 0x1p-30, 24), ws_field_inverse(p, (1u << 30) % p), "2^-30");
    is_int(ws_field_number(p, 0, 24), 0, "0");
    is_int(ws_field_number(p, -0.0, 24), 0, "-0");
    is_int(ws_field_number(p, (double)INFINITY, 24), WS_FIELD_OUTSIDE, "infinity is none");
    is_int(ws_field_number(p, (double)NAN, 24), WS_FIELD_OUTSIDE, "NaN is none");
    is_int(ws_field_number(p, 1.0 / p, 53), WS_FIELD_OUTSIDE, "1 / p is none");
}

/* Numbers of a format are different fractions: the same element modulo several primes would be a
 * chance of 2^-60. */
static void test_neighbours(void)
{
    static const float around[] = {1, 1.0f / 3, 0.1f, 0.7071068f, 3e-5f, 1234.567f, 1e-20f, 6e9f};
    int same = 0, n = 0;
    for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
        float v = around[k];
        for (int i = 0; i < 200; i++, n++) {
            float next = nextafterf(v, (float)INFINITY);
            int alike = 0;
            for (uint64_t r = 0; r < 4; r++) {
                uint32_t p = ws_field_prime(r + 77);
                alike += ws_field_number(p, (double)v, 24) == ws_field_number(p, (double)next, 24);
            }
            same += alike == 4;
            v = next;
        }
    }
    ok(!same, "%d neighbours in f32 are different elements", n);
}

static void test_simple(void)
{
    ok(ws_field_is_simple((double)(1.0f / 3), 24) && ws_field_is_simple(0.5, 24) &&
           ws_field_is_simple((double)0.01f, 24) && ws_field_is_simple(1e9, 24),
       "1/3, 0.5, 0.01 and 1e9 are simple");
    ok(!ws_field_is_simple((double)1.0000001f, 24) && !ws_field_is_simple((double)0.044715f, 24) &&
           !ws_field_is_simple((double)NAN, 24),
       "1.0000001, 0.044715 and NaN are not");
}

int main(void)
{
    test_primes();
    test_arithmetic(65521);
    test_arithmetic(32771);
    test_numbers(65521);
    test_numbers(40961);
    test_neighbours();
    test_simple();
    return tap_done();
}
