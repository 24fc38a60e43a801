/* Convolutions and transposed convolutions of random forms, values and bounds, against loops over
 * all pairs of a window and a tap written here; with every kind of tile that this CPU has. */
#include "reference/ops.h"
#include "reference/tile.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { AXES = 3, FORMS = 50 };

static uint64_t state = 1;

static int64_t random_of(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state >> 33) % (uint64_t)n);
}

static double noise(void)
{
    return (double)random_of(1 << 24) * 0x1p-23 - 1;
}

typedef struct form {
    bool transposed;
    int axes; /* spatial */
    int64_t items, groups, c_in, c_out;
    int64_t x[AXES], y[AXES], kernel[AXES], stride[AXES], padding[AXES], dilation[AXES];
    bool errors_x, errors_w, bias;
} form;

/* The extent of the result along axis a; at least 1, or 0 where the form is not possible. */
static int64_t extent(const form *f, int a, int64_t extra)
{
    int64_t reach = f->dilation[a] * (f->kernel[a] - 1) + 1, room;
    if (f->transposed)
        return (f->x[a] - 1) * f->stride[a] - 2 * f->padding[a] + reach + extra;
    room = f->x[a] + 2 * f->padding[a] - reach;
    return room < 0 ? 0 : room / f->stride[a] + 1;
}

/* Small extents most of the time, and now and then a long last axis, which is cut into blocks. */
static form random_form(void)
{
    form f = {.transposed = random_of(2),
              .axes = 1 + (int)random_of(3),
              .items = 1 + random_of(2),
              .groups = 1 + random_of(3),
              .c_in = 1 + random_of(6),
              .c_out = 1 + random_of(11),
              .errors_x = random_of(2),
              .errors_w = random_of(2),
              .bias = random_of(2)};
    if (random_of(4) == 0)
        f.c_in = 40; /* more terms than a panel holds */
    for (int a = AXES - f.axes; a < AXES; a++) {
        f.kernel[a] = 1 + random_of(4);
        f.stride[a] = 1 + random_of(4);
        f.padding[a] = random_of(3);
        f.dilation[a] = 1 + random_of(3);
        f.x[a] = 1 + random_of(a == AXES - 1 && random_of(3) == 0 ? 250 : 8);
    }
    for (int a = 0; a < AXES - f.axes; a++)
        f.kernel[a] = f.stride[a] = f.dilation[a] = f.x[a] = 1;
    for (int a = 0; a < AXES; a++)
        f.y[a] = extent(&f, a, random_of(f.stride[a]));
    return f;
}

static bool is_possible(const form *f)
{
    return f->y[0] > 0 && f->y[1] > 0 && f->y[2] > 0;
}

static ref_tensor tensor_of(const form *f, int64_t n, int64_t channels, const int64_t *spatial,
                            bool errors)
{
    ref_tensor t = {.shape = {.rank = 2 + f->axes, .dim = {n, channels}, .count = n * channels}};
    for (int a = 0; a < f->axes; a++) {
        t.shape.dim[2 + a] = spatial[AXES - f->axes + a];
        t.shape.count *= t.shape.dim[2 + a];
    }
    t.v = ws_malloc((size_t)t.shape.count * sizeof *t.v);
    t.e = errors ? ws_malloc((size_t)t.shape.count * sizeof *t.e) : NULL;
    for (int64_t i = 0; i < t.shape.count; i++) {
        t.v[i] = noise();
        if (errors)
            t.e[i] = random_of(50) ? fabs(noise()) : 0;
    }
    return t;
}

/* The value and the parts of the bound of each result: sum |w| |x|, sum |w| e_x + e_w |x|, and the
 * most terms that meet in one. */
typedef struct sums {
    double *v, *size, *carried;
    int64_t *terms, most;
} sums;

static int64_t at(const int64_t *extent, const int64_t *i)
{
    return (i[0] * extent[1] + i[1]) * extent[2] + i[2];
}

static void add_term(const form *f, const ref_tensor *x, const ref_tensor *w, int64_t xi,
                     int64_t wi, int64_t yi, sums *s)
{
    double a = x->v[xi], b = w->v[wi];
    s->v[yi] += a * b;
    s->size[yi] += fabs(a * b);
    s->carried[yi] +=
        fabs(b) * (f->errors_x ? x->e[xi] : 0) + fabs(a) * (f->errors_w ? w->e[wi] : 0);
    s->most = ++s->terms[yi] > s->most ? s->terms[yi] : s->most;
}

static void step(int64_t *i, const int64_t *extent)
{
    for (int a = AXES - 1; a >= 0; a--) {
        if (++i[a] < extent[a])
            return;
        i[a] = 0;
    }
}

/* All pairs of a window and a tap of one item, group, and pair of channels. */
static void convolve(const form *f, const ref_tensor *x, const ref_tensor *w, int64_t n, int64_t g,
                     int64_t c, int64_t m, sums *s)
{
    const int64_t *windows = f->transposed ? f->x : f->y, *plane = f->transposed ? f->y : f->x;
    int64_t nx = f->x[0] * f->x[1] * f->x[2], ny = f->y[0] * f->y[1] * f->y[2];
    int64_t taps = f->kernel[0] * f->kernel[1] * f->kernel[2],
            xc = (n * f->groups + g) * f->c_in + c;
    int64_t yc = (n * f->groups + g) * f->c_out + m, wc = (g * f->c_out + m) * f->c_in + c;
    int64_t o[AXES] = {0}, count = windows[0] * windows[1] * windows[2];
    if (f->transposed)
        wc = (g * f->c_in + c) * f->c_out + m;
    for (int64_t i = 0; i < count; i++, step(o, windows)) {
        int64_t k[AXES] = {0};
        for (int64_t t = 0; t < taps; t++, step(k, f->kernel)) {
            int64_t p[AXES];
            bool inside = true;
            for (int a = 0; a < AXES; a++) {
                p[a] = o[a] * f->stride[a] - f->padding[a] + k[a] * f->dilation[a];
                inside = inside && p[a] >= 0 && p[a] < plane[a];
            }
            if (inside)
                add_term(f, x, w, xc * nx + at(f->x, f->transposed ? o : p), wc * taps + t,
                         yc * ny + at(f->y, f->transposed ? p : o), s);
        }
    }
}

static sums expected(const form *f, const ref_tensor *x, const ref_tensor *w, int64_t count)
{
    sums s = {ws_calloc((size_t)count, sizeof(double)), ws_calloc((size_t)count, sizeof(double)),
              ws_calloc((size_t)count, sizeof(double)), ws_calloc((size_t)count, sizeof(int64_t)),
              0};
    for (int64_t n = 0; n < f->items; n++)
        for (int64_t g = 0; g < f->groups; g++)
            for (int64_t c = 0; c < f->c_in; c++)
                for (int64_t m = 0; m < f->c_out; m++)
                    convolve(f, x, w, n, g, c, m, &s);
    return s;
}

/* The most terms that can meet: padding and the ends of x may leave fewer everywhere. */
static double terms_of(const form *f)
{
    double terms = (double)f->c_in;
    for (int a = 0; a < AXES; a++) {
        int64_t most = 0;
        for (int64_t r = 0; r < f->stride[a]; r++) {
            int64_t meet = 0;
            for (int64_t k = 0; k < f->kernel[a]; k++)
                meet += !f->transposed || k * f->dilation[a] % f->stride[a] == r;
            most = meet > most ? meet : most;
        }
        terms *= (double)most;
    }
    return terms;
}

static int64_t count_wrong(const form *f, const ref_tensor *bias, const ref_tensor *y,
                           const sums *s)
{
    const double u = 0x1p-24, factor = REF_SUM * sqrt(terms_of(f)) * u;
    int64_t wrong = s->most > (int64_t)terms_of(f), plane = f->y[0] * f->y[1] * f->y[2];
    for (int64_t i = 0; i < y->shape.count; i++) {
        int64_t channel = i / plane % (f->groups * f->c_out);
        double v = s->v[i] + (f->bias ? bias->v[channel] : 0);
        double e = factor * s->size[i] + s->carried[i];
        e += f->bias ? bias->e[channel] + u * fabs(v) : 0;
        wrong += !(fabs(y->v[i] - v) <= 1e-13 * (s->size[i] + 1));
        wrong += !(fabs(y->e[i] - e) <= 1e-12 * e);
    }
    return wrong;
}

static void set_attributes(const form *f, ws_arena *m, ref_attrs *at)
{
    *at = (ref_attrs){.groups = ws_expr_const(m, f->groups)};
    for (int a = AXES - f->axes, s = 0; a < AXES; a++, s++) {
        at->stride[s] = f->stride[a];
        at->padding[s] = f->padding[a];
        at->dilation[s] = f->dilation[a];
    }
}

static bool run_form(const form *f)
{
    ws_arena m = {0};
    ws_err err = {0};
    ws_env env = {0};
    ref_attrs attrs;
    int64_t first = f->groups * (f->transposed ? f->c_in : f->c_out);
    ref_tensor x = tensor_of(f, f->items, f->groups * f->c_in, f->x, f->errors_x);
    ref_tensor w = tensor_of(f, first, f->transposed ? f->c_out : f->c_in, f->kernel, f->errors_w);
    ref_tensor y = tensor_of(f, f->items, f->groups * f->c_out, f->y, true);
    ref_tensor b = tensor_of(f, f->groups * f->c_out, 1, (int64_t[]){1, 1, 1}, true);
    b.shape.rank = 1;
    set_attributes(f, &m, &attrs);
    ref_call c = {.at = &attrs,
                  .env = &env,
                  .in = {&x, &w, &b},
                  .n_in = f->bias ? 3 : 2,
                  .out = &y,
                  .u = 0x1p-24,
                  .ua = 0x1p-24,
                  .err = &err};
    bool good = !ref_ops_conv[f->transposed].eval(&c);
    sums s = expected(f, &x, &w, y.shape.count);
    good = good && count_wrong(f, &b, &y, &s) == 0;
    free(s.v), free(s.size), free(s.carried), free(s.terms);
    ref_tensor_release(&x), ref_tensor_release(&w), ref_tensor_release(&y), ref_tensor_release(&b);
    ws_arena_release(&m);
    return good;
}

static void print_axes(const char *name, const int64_t *v)
{
    printf(" %s %d %d %d", name, (int)v[0], (int)v[1], (int)v[2]);
}

static void test_forms(const char *kind)
{
    int run = 0, wrong = 0;
    while (run < FORMS) {
        form f = random_form();
        if (!is_possible(&f))
            continue;
        run++;
        if (run_form(&f))
            continue;
        wrong++;
        printf("# wrong: transposed %d, items %d, groups %d, channels %d %d,", f.transposed,
               (int)f.items, (int)f.groups, (int)f.c_in, (int)f.c_out);
        print_axes("x", f.x);
        print_axes("y", f.y);
        print_axes("kernel", f.kernel);
        print_axes("stride", f.stride);
        print_axes("padding", f.padding);
        print_axes("dilation", f.dilation);
        printf("\n");
    }
    ok(wrong == 0, "%d forms in %s tiles: %d wrong", run, kind, wrong);
}

/* What is infinite stays so in the bound, and zeros around x meet it without a NaN. */
static void test_unbounded(void)
{
    form f = {.axes = 1,
              .items = 1,
              .groups = 1,
              .c_in = 1,
              .c_out = 1,
              .x = {1, 1, 3},
              .y = {1, 1, 3},
              .kernel = {1, 1, 3},
              .stride = {1, 1, 1},
              .padding = {0, 0, 1},
              .dilation = {1, 1, 1}};
    double xv[] = {1, 2, 3}, xe[] = {0, 0, (double)INFINITY}, wv[] = {0, 1, 1}, yv[3], ye[3];
    ws_arena m = {0};
    ws_err err = {0};
    ws_env env = {0};
    ref_attrs attrs;
    ref_shape s = {.rank = 3, .dim = {1, 1, 3}, .count = 3};
    ref_tensor x = {.shape = s, .v = xv, .e = xe}, w = {.shape = s, .v = wv},
               y = {.shape = s, .v = yv, .e = ye};
    set_attributes(&f, &m, &attrs);
    ref_call c = {.at = &attrs, .env = &env, .in = {&x, &w}, .n_in = 2, .out = &y, .err = &err};
    ok(!ref_ops_conv[0].eval(&c) && yv[0] == 3 && yv[1] == 5 && yv[2] == 3 && ye[0] == 0 &&
           isinf(ye[1]) && isinf(ye[2]),
       "an unbounded error reaches the sums that it is in and no others");
    ws_arena_release(&m);
}

/* rows x lanes of a tile, against loops. */
static void test_tile(int kind)
{
    enum { R = REF_TILE_ROWS, L = REF_TILE_LANES, K = 37 };
    static double x[K * L], w[K * R], tile[R * L], before[R * L];
    int wrong = 0;
    for (int rows = 1; rows <= R; rows++)
        for (int lanes = 1; lanes <= L; lanes++) {
            for (int i = 0; i < K * L; i++)
                x[i] = noise();
            for (int i = 0; i < K * R; i++)
                w[i] = noise();
            for (int i = 0; i < R * L; i++)
                tile[i] = before[i] = noise();
            ref_tile_kind(kind)(K, rows, lanes, x, w, tile);
            for (int i = 0; i < rows * L; i++) {
                double want = before[i];
                for (int k = 0; k < K; k++)
                    want += w[k * R + i / L] * x[k * L + i % L];
                wrong += i % L < lanes && !(fabs(tile[i] - want) <= 1e-13 * K);
            }
        }
    ok(wrong == 0, "%s tiles of all sizes", ref_tile_name(kind));
}

int main(void)
{
    for (int kind = 0; ref_tile_kind(kind); kind++) {
        ref_tile_use(kind);
        test_tile(kind);
        test_forms(ref_tile_name(kind));
        test_unbounded();
    }
    return tap_done();
}
