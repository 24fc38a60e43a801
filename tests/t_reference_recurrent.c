/* lstm, gru: layers, directions and layouts against plain loops, in double and in single
 * precision, where the bound must hold; what is refused. */
#include "tests/reference_fixture.h"

enum { B = 3, T = 6, I = 4, H = 5, MAX_ROWS = 4 * H };

typedef struct variant {
    int gates, layers, directions;
    bool batch_first;
    const char *output;
} variant;

static const variant variants[] = {
    {4, 1, 1, true, "y"},    {4, 2, 1, false, "y"}, {4, 2, 2, true, "y"},  {4, 3, 2, false, "h_n"},
    {4, 2, 1, true, "c_n"},  {3, 1, 1, true, "y"},  {3, 2, 1, false, "y"}, {3, 2, 2, true, "y"},
    {3, 3, 2, false, "h_n"}, {3, 1, 2, true, "h_n"}};

static void add_tensor(ws_buf *b, const char *name, const char *shape)
{
    ws_buf_printf(b,
                  "%s{\"name\":\"%s\",\"dtype\":\"f32\",\"shape\":%s,\"init\":{\"dist\":"
                  "\"normal\",\"std\":0.5}}",
                  b->p[b->n - 1] == '[' ? "" : ",", name, shape);
}

static void spec_of(const variant *v, ws_buf *b)
{
    char shape[64];
    bool lstm = v->gates == 4;
    int passes = v->layers * v->directions;
    ws_buf names = {0};
    ws_buf_printf(b, "{\"schema\":1,\"name\":\"r\",\"dims\":{\"B\":%d},\"check\":[{}],\"inputs\":[",
                  B);
    snprintf(shape, sizeof shape, v->batch_first ? "[\"B\",%d,%d]" : "[%d,\"B\",%d]", T, I);
    add_tensor(b, "x", shape);
    snprintf(shape, sizeof shape, "[%d,\"B\",%d]", passes, H);
    add_tensor(b, "h0", shape);
    if (lstm)
        add_tensor(b, "c0", shape);
    for (int k = 0; k < passes; k++)
        for (int i = 0; i < 4; i++) {
            char name[16];
            snprintf(name, sizeof name, "w%d_%d", k, i);
            int columns = i ? H : k < v->directions ? I : v->directions * H;
            snprintf(shape, sizeof shape, i < 2 ? "[%d,%d]" : "[%d]", v->gates * H, columns);
            add_tensor(b, name, shape);
            ws_buf_printf(&names, ",\"%s\"", name);
        }
    ws_buf_printf(b,
                  "],\"graph\":[{\"out\":\"y\",\"op\":\"%s\",\"in\":[\"x\",\"h0\"%s%s],"
                  "\"num_layers\":%d,\"bidirectional\":%s,\"batch_first\":%s,\"output\":\"%s\"}"
                  "],\"outputs\":[\"y\"]}",
                  lstm ? "lstm" : "gru", lstm ? ",\"c0\"" : "", ws_buf_z(&names), v->layers,
                  v->directions == 2 ? "true" : "false", v->batch_first ? "true" : "false",
                  v->output);
    ws_buf_release(&names);
}

/* One step in T, double or float: the same plain loops. */
#define STEP(R, EXP, TANH)                                                                         \
    static void step_##R(int gates, int n_in, const double *const *w, const R *x, R *h, R *c)      \
    {                                                                                              \
        R a[MAX_ROWS], b[MAX_ROWS], next[H];                                                       \
        for (int r = 0; r < gates * H; r++) {                                                      \
            a[r] = (R)w[2][r];                                                                     \
            b[r] = (R)w[3][r];                                                                     \
            for (int k = 0; k < n_in; k++)                                                         \
                a[r] += (R)w[0][r * n_in + k] * x[k];                                              \
            for (int k = 0; k < H; k++)                                                            \
                b[r] += (R)w[1][r * H + k] * h[k];                                                 \
        }                                                                                          \
        for (int k = 0; k < H; k++) {                                                              \
            R p = 1 / (1 + EXP(-(a[k] + b[k]))), q = 1 / (1 + EXP(-(a[H + k] + b[H + k])));        \
            if (gates == 4) {                                                                      \
                R o = 1 / (1 + EXP(-(a[3 * H + k] + b[3 * H + k])));                               \
                c[k] = q * c[k] + p * TANH(a[2 * H + k] + b[2 * H + k]);                           \
                next[k] = o * TANH(c[k]);                                                          \
            } else {                                                                               \
                next[k] = (1 - q) * TANH(a[2 * H + k] + p * b[2 * H + k]) + q * h[k];              \
            }                                                                                      \
        }                                                                                          \
        memcpy(h, next, sizeof next);                                                              \
    }                                                                                              \
    static void run_##R(const variant *v, const fixture *f, double *out)                           \
    {                                                                                              \
        R in[B][T][2 * H] = {0}, y[B][T][2 * H] = {0};                                             \
        int first = v->gates == 4 ? 3 : 2;                                                         \
        for (int b = 0; b < B; b++)                                                                \
            for (int t = 0; t < T; t++)                                                            \
                for (int k = 0; k < I; k++)                                                        \
                    in[b][t][k] = (R)f->in[0].v[(v->batch_first ? b * T + t : t * B + b) * I + k]; \
        for (int p = 0; p < v->layers * v->directions; p++) {                                      \
            int d = p % v->directions, n_in = p < v->directions ? I : v->directions * H;           \
            const double *w[4];                                                                    \
            for (int i = 0; i < 4; i++)                                                            \
                w[i] = f->in[first + 4 * p + i].v;                                                 \
            for (int b = 0; b < B; b++) {                                                          \
                R h[H], c[H] = {0};                                                                \
                for (int k = 0; k < H; k++) {                                                      \
                    h[k] = (R)f->in[1].v[(p * B + b) * H + k];                                     \
                    c[k] = v->gates == 4 ? (R)f->in[2].v[(p * B + b) * H + k] : 0;                 \
                }                                                                                  \
                for (int s = 0; s < T; s++) {                                                      \
                    int t = d ? T - 1 - s : s;                                                     \
                    step_##R(v->gates, n_in, w, in[b][t], h, c);                                   \
                    memcpy(&y[b][t][d * H], h, sizeof h);                                          \
                }                                                                                  \
                for (int k = 0; k < H && v->output[0] != 'y'; k++)                                 \
                    out[(p * B + b) * H + k] = (double)(v->output[0] == 'h' ? h[k] : c[k]);        \
            }                                                                                      \
            if (d == v->directions - 1)                                                            \
                memcpy(in, y, sizeof in);                                                          \
        }                                                                                          \
        int n = v->directions * H;                                                                 \
        for (int i = 0; i < B * T * n && v->output[0] == 'y'; i++) {                               \
            int row = i / n;                                                                       \
            out[i] = (double)(v->batch_first ? y[row / T][row % T] : y[row % B][row / B])[i % n];  \
        }                                                                                          \
    }
STEP(double, exp, tanh)
STEP(float, expf, tanhf)

static void test_variant(const variant *v)
{
    fixture f = {0};
    ws_buf text = {0};
    double want[B * T * 2 * H], single[B * T * 2 * H];
    spec_of(v, &text);
    ws_status st = spec_from_text(text.p, text.n, "r.json", &f.spec, &f.err);
    if (!st)
        st = fixture_bind(&f, 0);
    if (!st)
        st = fixture_eval(&f);
    const ref_tensor *y = &f.out[0];
    bool right = !st, bounded = !st, tight = false;
    if (!st) {
        run_double(v, &f, want);
        run_float(v, &f, single);
    }
    for (int64_t i = 0; !st && i < y->shape.count; i++) {
        right &= fabs(y->v[i] - want[i]) <= 1e-14;
        bounded &= fabs(y->v[i] - single[i]) <= y->e[i];
        tight |= y->e[i] < 1e-5;
    }
    ok(right, "%s, %d layers, %d directions, %s: the value %s", v->gates == 4 ? "lstm" : "gru",
       v->layers, v->directions, v->output, f.err.msg);
    ok(bounded && tight, "its bound holds for single precision and is below 1e-5");
    ws_buf_release(&text);
    fixture_close(&f);
}

/* ---- scan: h = tanh(w [x_t; h] + b), y = v h ---- */

enum { STEPS = 200 };

static const char rnn_text[] =
    "{\"schema\":1,\"name\":\"r\",\"dims\":{\"T\":200},\"check\":[{}],\"inputs\":["
    "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"T\",3,4]},"
    "{\"name\":\"h0\",\"dtype\":\"f32\",\"shape\":[3,5]},"
    "{\"name\":\"w\",\"dtype\":\"f32\",\"shape\":[5,9],\"init\":{\"dist\":\"fan_in\",\"fan_in\":9}}"
    ","
    "{\"name\":\"b\",\"dtype\":\"f32\",\"shape\":[5]},{\"name\":\"v\",\"dtype\":\"f32\",\"shape\":["
    "2,5]}],"
    "\"graph\":[{\"out\":\"y\",\"op\":\"scan\",\"in\":[\"x\",\"h0\",\"w\",\"b\",\"v\"],\"dim\":0,"
    "\"body\":[{\"out\":\"c\",\"op\":\"concat\",\"in\":[\"x_t\",\"carry\"],\"dim\":1},"
    "{\"out\":\"p\",\"op\":\"linear\",\"in\":[\"c\",\"w\",\"b\"]},"
    "{\"out\":\"h\",\"op\":\"tanh\",\"in\":[\"p\"]},{\"out\":\"o\",\"op\":\"linear\",\"in\":[\"h\","
    "\"v\"]}],"
    "\"carry\":\"h\",\"emit\":\"o\"}],\"outputs\":[\"y\"]}";

#define RNN(R, TANH)                                                                               \
    static void rnn_##R(const fixture *f, double *out)                                             \
    {                                                                                              \
        for (int b = 0; b < B; b++) {                                                              \
            R h[H], next[H];                                                                       \
            for (int k = 0; k < H; k++)                                                            \
                h[k] = (R)f->in[1].v[b * H + k];                                                   \
            for (int t = 0; t < STEPS; t++) {                                                      \
                for (int k = 0; k < H; k++) {                                                      \
                    R s = (R)f->in[3].v[k];                                                        \
                    for (int i = 0; i < I; i++)                                                    \
                        s += (R)f->in[2].v[k * 9 + i] * (R)f->in[0].v[(t * B + b) * I + i];        \
                    for (int i = 0; i < H; i++)                                                    \
                        s += (R)f->in[2].v[k * 9 + I + i] * h[i];                                  \
                    next[k] = TANH(s);                                                             \
                }                                                                                  \
                memcpy(h, next, sizeof h);                                                         \
                for (int o = 0; o < 2; o++) {                                                      \
                    R y = 0;                                                                       \
                    for (int k = 0; k < H; k++)                                                    \
                        y += (R)f->in[4].v[o * H + k] * h[k];                                      \
                    out[(t * B + b) * 2 + o] = (double)y;                                          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
RNN(double, tanh)
RNN(float, tanhf)

static void test_scan(void)
{
    fixture f = {0};
    static double want[STEPS * B * 2], single[STEPS * B * 2];
    ws_status st = spec_from_text(rnn_text, strlen(rnn_text), "r.json", &f.spec, &f.err);
    if (!st)
        st = fixture_bind(&f, 0);
    if (!st)
        st = fixture_eval(&f);
    if (!ok(!st, "a scan is evaluated %s", f.err.msg))
        return;
    bool right = true, bounded = true, tight = true;
    rnn_double(&f, want);
    rnn_float(&f, single);
    for (int i = 0; i < STEPS * B * 2; i++) {
        right &= fabs(f.out[0].v[i] - want[i]) <= 1e-14;
        bounded &= fabs(f.out[0].v[i] - single[i]) <= f.out[0].e[i];
        tight &= f.out[0].e[i] < 1e-4;
    }
    ok(right, "scan: the value");
    ok(bounded, "its bound holds for single precision");
    ok(tight, "its bound does not grow over 200 steps");
    ref_cost cost;
    ref_cost_of(f.bound, &cost);
    is_close(cost.flops, 200.0 * (2 * 3 * 9 * 5 + 2 * 3 * 5 + 2 * 3 * 5 * 2), 0,
             "work: the body's products, sums and functions, a step");
    fixture_close(&f);
}

int main(void)
{
    test_scan();
    for (size_t i = 0; i < WS_COUNT(variants); i++)
        test_variant(&variants[i]);
    return tap_done();
}
