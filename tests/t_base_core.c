/* Buffers, arenas, hashing, random numbers, conversions. */
#include "base/buf.h"
#include "base/dtype.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/philox.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "tests/tap.h"

#include <stdlib.h>

static void test_err(void)
{
    ws_err err = {0};
    ws_fail(&err, WS_EINPUT, "missing '%s'", "op");
    ws_wrap(&err, "graph[%d]", 2);
    is_str(err.msg, "graph[2]: missing 'op'", "ws_wrap puts context in front");
    is_int(ws_status_exit_code(err.status), 4, "bad input exits with 4");
    ws_fail(&err, WS_EINPUT, "no '%s'", "\033[31m\x7f\tx\n  ^");
    is_str(err.msg, "no '?[31m? x\n  ^'", "control characters do not reach the terminal");
}

static void test_buf(void)
{
    ws_buf b = {.max = 10};
    ws_buf_printf(&b, "%s-%d", "abc", 42);
    is_str(ws_buf_z(&b), "abc-42", "ws_buf_printf");
    ws_buf_adds(&b, "0123456789");
    ok(b.overflow && b.n == 10, "a buffer stops at its maximum and says so");
    ws_buf_release(&b);
    is_str(ws_buf_z(&b), "", "an empty buffer reads as the empty text");
    ws_buf said = {0};
    ws_buf_add_foreign(&said, "a\tb\x1b[2J\r\npass: all\xc2\x9bm\xc3\xa9\n", "| ");
    is_str(ws_buf_z(&said), "a\tb?[2J?\n| pass: all?m\xc3\xa9",
           "foreign text has its lines marked and steers no terminal");
    ws_buf_release(&said);
}

static bool is_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void test_tensors(void)
{
    const size_t n = 9 << 20;
    unsigned char *a = ws_alloc_tensor(n), *b = ws_alloc_tensor_unset(n);
    ok(a && b && a != b && is_zero(a, n), "a tensor comes zeroed");
    memset(a, 1, n);
    memset(b, 2, n);
    ws_free_tensor(a);
    unsigned char *larger = ws_alloc_tensor(2 * n), *again = ws_alloc_tensor(n);
    ok(larger && is_zero(larger, 2 * n) && larger != a,
       "a kept one does not serve larger requests");
    ok(again == a && is_zero(again, n), "and serves one of its size, zeroed");
    ok(b[0] == 2 && b[n - 1] == 2, "those in use are left alone");
    void *small = ws_alloc_tensor(100);
    ws_free_tensor(small);
    ws_free_tensor(NULL);
    ws_free_tensor(larger);
    ws_free_tensor(again);
    ws_free_tensor(b);
    void *many[20];
    for (int i = 0; i < 20; i++)
        many[i] = ws_alloc_tensor(n);
    for (int i = 0; i < 20; i++)
        ws_free_tensor(many[i]);
    ws_drop_tensors();
    again = ws_alloc_tensor(n);
    ok(again && is_zero(again, n), "more than are kept may be released");
    free(again);
}

/* FIPS 180-4 example and the empty message. */
static void test_sha256(void)
{
    char hex[WS_SHA256_HEX];
    ws_sha256_of("abc", 3, hex);
    is_str(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
           "SHA-256 of abc");
    ws_sha256_of("", 0, hex);
    is_str(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
           "SHA-256 of nothing");
    ws_sha256 s;
    char million[WS_SHA256_HEX], block[1000];
    memset(block, 'a', sizeof block);
    ws_sha256_init(&s);
    for (int i = 0; i < 1000; i++)
        ws_sha256_add(&s, block, sizeof block);
    ws_sha256_hex(&s, million);
    is_str(million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
           "SHA-256 of a million a");
}

/* Known answers of Random123's kat_vectors for philox4x32-10. */
static void test_philox(void)
{
    uint32_t w[4];
    ws_philox(0, 0, 0, w);
    ok(w[0] == 0x6627e8d5 && w[1] == 0xe169c58d && w[2] == 0xbc57ac4c && w[3] == 0x9b00dbd8,
       "Philox of zeros");
    ws_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, w);
    ok(w[0] == 0x408f276d && w[1] == 0x41c83b0e && w[2] == 0xa20bc7c6 && w[3] == 0x6d5451fd,
       "Philox of ones");
    double sum = 0, square = 0, many[75];
    static const uint64_t first[] = {0, 5, (1ull << 32) - 40, (1ull << 32) + 3, ~0ull - 80};
    int wrong = 0;
    for (size_t k = 0; k < sizeof first / sizeof *first; k++) {
        ws_philox_uniforms(~0ull / 3, ~0ull / 5, first[k], 75, many);
        for (uint64_t i = 0; i < 75; i++)
            wrong += many[i] != ws_philox_uniform(~0ull / 3, ~0ull / 5, first[k] + i);
    }
    ok(!wrong, "uniform numbers, several at a time: %d differ", wrong);
    for (size_t k = 0; k < sizeof first / sizeof *first; k++) {
        ws_philox_normals(~0ull / 3, ~0ull / 5, first[k], 75, many);
        for (uint64_t i = 0; i < 75; i++)
            wrong += many[i] != ws_philox_normal(~0ull / 3, ~0ull / 5, first[k] + i);
    }
    ok(!wrong, "normal numbers, several at a time: %d differ", wrong);
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        double v = ws_philox_normal(1, 2, (uint64_t)i);
        sum += v;
        square += v * v;
    }
    is_close(sum / N, 0, 0.03, "normal mean");
    is_close(square / N, 1, 0.05, "normal variance");
}

/* The eight magnitudes, what lies half-way between them, and the packing. */
static void test_e2m1(void)
{
    static const double magnitude[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    static const struct {
        double v, nearest;
    } rows[] = {{0.25, 0}, {0.75, 1}, {1.25, 1}, {1.75, 2}, {2.5, 2}, {3.5, 4}, {5, 4}, {5.01, 6},
                {7, 6}, {INFINITY, 6}, {-INFINITY, -6}, {NAN, 6}, {-0.3, -0.5}};
    bool good = true;
    for (int b = 0; b < 16; b++) {
        double v = b & 8 ? -magnitude[b & 7] : magnitude[b & 7];
        good &= ws_e2m1_to_f64((uint8_t)b) == v && ws_e2m1_from_f64(v) == b;
    }
    ok(good, "e2m1: each of the 16 codes and back");
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        is_close(ws_dtype_round(WS_E2M1, rows[i].v), rows[i].nearest, 0,
                 "e2m1 nearest, ties to even");
    const double v[3] = {0.5, -6, 3};
    double back[3];
    unsigned char raw[3] = {0, 0, 0xaa};
    ws_dtype_store(WS_E2M1, raw, v, 3);
    ok(raw[0] == 0xf1 && raw[1] == 0x05 && raw[2] == 0xaa && ws_dtype_size(WS_E2M1, 3) == 2,
       "e2m1: two elements a byte, the even one low");
    ws_dtype_load(WS_E2M1, back, raw, 3);
    ok(memcmp(v, back, sizeof v) == 0, "e2m1: unpacked");
}

static void test_small_floats(void)
{
    bool exact = true;
    for (unsigned h = 0; h < 0x10000; h++) {
        double v = ws_f16_to_f64((uint16_t)h), b = ws_bf16_to_f64((uint16_t)h);
        exact &= isnan(v) || ws_f16_from_f64(v) == h;
        exact &= isnan(b) || ws_bf16_from_f64(b) == h;
    }
    ok(exact, "every f16 and bf16 survives the way through double");
    is_int(ws_f16_from_f64(65519.99), 0x7bff, "just under half a unit past the largest f16");
    is_int(ws_f16_from_f64(65520), 0x7c00, "f16 overflow is infinity");
    is_int(ws_f16_from_f64(0x1p-25), 0, "a tie to even at the smallest subnormal");
    is_int(ws_f16_from_f64(0x1.8p-25), 1, "above the tie");
    is_int(ws_f16_from_f64(2049), 0x6800, "a tie to even");
    is_int(ws_e4m3_from_f64(1000), 0x7e, "e4m3 saturates at 448");
    is_close(ws_e4m3_to_f64(0x7e), 448, 0, "largest e4m3");
    ok(isnan(ws_e4m3_to_f64(0x7f)), "e4m3 NaN");
    is_close(ws_e5m2_to_f64(0x7b), 57344, 0, "largest e5m2");
    is_close(ws_dtype_round(WS_TF32, 1 + 0x1p-11), 1, 0, "tf32 ties to even");
    test_e2m1();
    is_close(ws_dtype_round(WS_I8, 200), 127, 0, "i8 saturates");
}

static void test_json(void)
{
    ws_err err = {0};
    cJSON *j = NULL;
    ok(ws_json_parse("{\"a\": [1,\n 2,, 3]}", 18, &j, &err) == WS_EINPUT, "bad JSON is refused");
    has_str(err.msg, "line 2", "with its line");
    ok(ws_json_parse("{\"a\":1,\"a\":2}", 13, &j, &err) == WS_EINPUT, "duplicate keys are refused");
    ok(ws_json_parse("{} x", 4, &j, &err) == WS_EINPUT, "trailing text is refused");
    const char *const list[] = {"dtype", "shape", "init", NULL};
    is_str(ws_nearest("shpae", list), "shape", "nearest word");
    ok(ws_nearest("zzzzzz", list) == NULL, "nothing near");
}

static void add_index(void *ud, size_t i, int worker)
{
    (void)worker;
    __atomic_fetch_add((size_t *)ud, i, __ATOMIC_RELAXED);
}

int main(void)
{
    test_err();
    test_buf();
    test_tensors();
    test_sha256();
    test_philox();
    test_small_floats();
    test_json();
    size_t sum = 0;
    ws_parallel_for(1000, 4, add_index, &sum);
    is_int((long long)sum, 499500, "ws_parallel_for visits each index once");
    return tap_done();
}
