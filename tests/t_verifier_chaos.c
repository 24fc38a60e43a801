/* Chaos over the CPU driver: candidates that are right, wrong, endless, astray, or take the worker
 * with them, in random order on several devices at once. Every verdict must be right, and nothing
 * may be left behind.
 *
 *     t_verifier_chaos [CANDIDATES [SEED]]      make chaos runs 500 */
#include "base/clock.h"
#include "base/philox.h"
#include "harness/device/pool.h"
#include "specs/spec.h"
#include "tests/device_fixture.h"
#include "tests/tap.h"
#include "verifier/compare.h"

#include <dirent.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { CANDIDATES = 60, DEVICES = 4, ROUND = 48, MOST_TOGETHER = 6, CHECK = 3, WARM_ROUNDS = 1 };
enum { MEMORY_KIB = 48 << 10 /* that the parent may grow by */ };

/* what it is, its kernel or the worker's operation, how often, the verdict, whether a worker is
 * lost */
static const struct kind {
    const char *name, *kernel, *op;
    int weight;
    hx_reason want;
    bool fault;
} kinds[] = {
    {"good", "good", NULL, 10, HX_PASS, false},
    {"wrong", "wrong", NULL, 4, HX_WRONG_RESULT, false},
    {"partial", "partial", NULL, 2, HX_NOT_WRITTEN, false},
    {"printf spam", "spam", NULL, 2, HX_PASS, false},
    {"endless", "hang", NULL, 2, HX_ENDLESS, true},
    {"into the red zone", "near", NULL, 3, HX_OUT_OF_BOUNDS, false},
    {"before the buffer", "below", NULL, 2, HX_OUT_OF_BOUNDS, true},
    {"far outside", "far", NULL, 2, HX_OUT_OF_BOUNDS, true},
    {"changes an input", "bump", NULL, 2, HX_INPUT_MODIFIED, false},
    {"misaligned", "odd", NULL, 1, HX_MISALIGNED, true},
    {"trap", "trap", NULL, 1, HX_TRAP, true},
    {"kills the worker", NULL, "crash", 2, HX_CRASH, true},
    {"aborts the worker", NULL, "abort", 1, HX_CRASH, true},
    {"ends the worker", NULL, "quit", 1, HX_CRASH, true},
    {"half an answer", NULL, "half", 1, HX_CRASH, true},
    {"garbage", NULL, "noise", 1, HX_CRASH, true},
    {"a flood", NULL, "flood", 1, HX_CRASH, true},
    {"a hanging worker", NULL, "hang", 1, HX_ENDLESS, true},
};

typedef struct candidate {
    const struct kind *kind;
    fixture_run run;
    float *out;
    uint8_t *written;
    ws_buf op;
} candidate;

typedef struct chaos {
    fixture f;
    vfy_case c;
    int n; /* elements */
    dev_pool *pool;
    double deadline;
    int right, wrong, faults, hangs;
    int count[WS_COUNT(kinds)];
} chaos;

static const struct kind *draw(uint64_t seed, uint64_t i)
{
    int all = 0;
    for (size_t k = 0; k < WS_COUNT(kinds); k++)
        all += kinds[k].weight;
    int at = (int)(ws_philox_u64(seed, 0, i) % (uint64_t)all);
    for (const struct kind *k = kinds;; k++)
        if ((at -= k->weight) < 0)
            return k;
}

static ws_status prepare(chaos *x, candidate *k, const struct kind *kind, dev_bulk_memory *bulk,
                         dev_request *q, ws_err *err)
{
    static const unsigned char poison[] = {0xA5, 0x5A};
    const size_t n = (size_t)x->n;
    *k = (candidate){.kind = kind, .out = ws_calloc(n, sizeof(float)),
                     .written = ws_calloc(n, sizeof(float))};
    *q = (dev_request){.deadline_seconds = x->deadline};
    if (kind->op) {
        ws_buf_printf(&k->op, "\"op\":\"%s\"", kind->op);
        q->members = ws_buf_z(&k->op);
        return WS_OK;
    }
    fixture_run_init(&k->run, &x->f, kind->kernel, x->c.in[0], x->c.in[1], k->out, k->written,
                     x->n);
    if (dev_run_encode(&k->run.r, poison, 2, bulk, &k->run.members, k->run.places, err))
        return err->status;
    q->members = ws_buf_z(&k->run.members);
    return WS_OK;
}

/* The verdict, as the verifier has it: the worker's finding, or the comparison in this process. */
static hx_reason judge(chaos *x, candidate *k, const dev_batch *b, const dev_answer *a)
{
    vfy_comparison cmp;
    if (a->end != DEV_OK)
        return a->reason;
    if (k->kind->op)
        return HX_PASS;
    dev_run_collect(&k->run.r, b->bulk, k->run.places);
    if (memchr(k->written, 0, (size_t)x->n * sizeof(float)))
        return HX_NOT_WRITTEN;
    vfy_compare(&x->c, 0, k->out, &cmp);
    return cmp.wrong ? HX_WRONG_RESULT : HX_PASS;
}

static void count(chaos *x, const candidate *k, const dev_answer *a, hx_reason got)
{
    x->count[k->kind - kinds]++;
    x->faults += k->kind->fault;
    x->hangs += k->kind->want == HX_ENDLESS;
    if (got == k->kind->want && a->end != DEV_NOT_RUN) {
        x->right++;
        return;
    }
    x->wrong++;
    printf("# %s: %s (%s: %s), not %s\n", k->kind->name, hx_reason_name(got), dev_end_name(a->end),
           a->text, hx_reason_name(k->kind->want));
}

/* Candidates [from, to) in batches of random size, on all devices. */
static ws_status play(chaos *x, uint64_t seed, int from, int to, ws_err *err)
{
    const int n = to - from;
    candidate *k = ws_calloc((size_t)n, sizeof *k);
    dev_request *q = ws_calloc((size_t)n, sizeof *q);
    dev_batch *b = ws_calloc((size_t)n, sizeof *b);
    dev_bulk_memory *bulk = ws_calloc((size_t)n, sizeof *bulk);
    ws_arena *arena = ws_calloc((size_t)n, sizeof *arena);
    const size_t each = x->f.ptx.n + 1024 + 5 * ((size_t)x->n * sizeof(float) + 64);
    int batches = 0;
    for (int i = 0; i < n && !err->status; batches++) {
        int together = 1 + (int)(ws_philox_u64(seed, 1, (uint64_t)(from + i)) % MOST_TOGETHER);
        together = together < n - i ? together : n - i;
        b[batches] = (dev_batch){.request = &q[i], .n = together, .bulk = &bulk[batches],
                                 .arena = &arena[batches]};
        if (dev_bulk_new((size_t)together * each, &bulk[batches], err))
            break;
        for (int stop = i + together; i < stop && !err->status; i++)
            (void)!prepare(x, &k[i], draw(seed, (uint64_t)(from + i)), &bulk[batches], &q[i], err);
    }
    if (!err->status)
        dev_pool_run_all(x->pool, b, batches);
    for (int m = 0; m < batches; m++) {
        for (int i = 0; i < b[m].n && !err->status; i++) {
            candidate *c = &k[b[m].request - q + i];
            const dev_answer *a = &b[m].request[i].answer;
            count(x, c, a, judge(x, c, &b[m], a));
        }
        dev_bulk_release(&bulk[m]);
        ws_arena_release(&arena[m]);
    }
    for (int i = 0; i < n; i++) {
        free(k[i].out);
        free(k[i].written);
        ws_buf_release(&k[i].op);
        ws_buf_release(&k[i].run.members);
    }
    free(k), free(q), free(b), free(bulk), free(arena);
    return err->status;
}

/* Two seconds, or fifty times what a good candidate takes here and now. */
static bool find_deadline(chaos *x)
{
    ws_err err = {0};
    dev_bulk_memory bulk = {0};
    ws_arena a = {0};
    candidate k = {0};
    dev_request q = {0};
    dev_batch b = {.request = &q, .n = 1, .bulk = &bulk, .arena = &a};
    bool good = false;
    x->deadline = 120;
    if (!dev_bulk_new(1 << 20, &bulk, &err) && !prepare(x, &k, &kinds[0], &bulk, &q, &err)) {
        dev_pool_run(x->pool, 0, &b);
        good = judge(x, &k, &b, &q.answer) == HX_PASS;
        x->deadline = fmax(2, 50 * q.answer.seconds);
        printf("# a good candidate takes %.3f s, the deadline is %.1f s; %s%s\n", q.answer.seconds,
               x->deadline, q.answer.text, err.msg);
    }
    free(k.out);
    free(k.written);
    ws_buf_release(&k.run.members);
    dev_bulk_release(&bulk);
    ws_arena_release(&a);
    return good;
}

/* ---- what is left behind ---- */

/* Entries of a directory whose names contain `part`. */
static int entries(const char *dir, const char *part)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.' && strstr(e->d_name, part);
    if (d)
        closedir(d);
    return n;
}

static long memory_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) >> 10);
}

static bool has_children(void)
{
    return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}

static void run(chaos *x, int n, uint64_t seed)
{
    char tmp[] = "/tmp/warpsmith-chaos-XXXXXX";
    ws_err err = {0};
    const int64_t start = ws_now_ns();
    long before = 0;
    ok(mkdtemp(tmp) && !setenv("TMPDIR", tmp, 1), "a temporary directory of its own");
    const int fds = entries("/proc/self/fd", ""), shared = entries("/dev/shm", "warpsmith");
    for (int i = 0; i < n && !err.status; i += ROUND) {
        (void)!play(x, seed, i, i + ROUND < n ? i + ROUND : n, &err);
        if (i / ROUND < WARM_ROUNDS)
            before = memory_kib();
    }
    const double seconds = ws_seconds_since(start);
    int lost = 0, aside = 0;
    for (int i = 0; i < dev_pool_count(x->pool); i++) {
        lost += dev_pool_device(x->pool, i)->faults;
        aside += dev_pool_device(x->pool, i)->aside;
    }
    is_str(err.msg, "", "no failure of the world");
    is_int(x->right, n, "every verdict is right");
    is_int(lost, x->faults, "as many workers were lost as candidates were meant to take along");
    is_int(aside, 0, "no device was set aside");
    ok(!has_children(), "no process is left");
    is_int(entries("/proc/self/fd", ""), fds, "no descriptor is left");
    is_int(entries(tmp, ""), 0, "no file is left in TMPDIR");
    ok(entries("/dev/shm", "warpsmith") <= shared, "no file is left in /dev/shm");
    ok(memory_kib() - before < MEMORY_KIB, "the parent grew by %ld KiB", memory_kib() - before);
    ok(seconds < 120 + n + x->deadline * x->hangs, "%d candidates in %.1f s", n, seconds);
    rmdir(tmp);
}

int main(int argc, char **argv)
{
    if (fixture_is_worker(argc, argv))
        return dev_worker_main(fixture_ops);
    const int n = argc > 1 ? atoi(argv[1]) : CANDIDATES;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    static chaos x;
    spec *sp = NULL;
    ref_graph *g = NULL;
    ws_err err = {0};
    fixture_be_worker(DEVICES);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what a worker leaves behind would come here */
    if (!ok(fixture_init(&x.f) && !spec_find("basics/vector_add", &sp, &err) &&
                !ref_graph_new(sp, &g, &err) &&
                !vfy_case_init(&x.c, g, CHECK, VFY_INPUTS_RANDOM, seed, &err) &&
                !dev_pool_open(&(dev_pool_options){0}, &x.pool, &err),
            "a case and a pool: %s", err.msg))
        return tap_done();
    x.n = (int)x.c.want[0].shape.count;
    is_int(dev_pool_count(x.pool), DEVICES, "devices");
    if (ok(find_deadline(&x), "a good candidate passes"))
        run(&x, n, seed);
    for (size_t k = 0; k < WS_COUNT(kinds); k++)
        printf("# %3d %s\n", x.count[k], kinds[k].name);
    dev_pool_close(x.pool);
    vfy_case_release(&x.c);
    ref_graph_free(g);
    spec_free(sp);
    fixture_release(&x.f);
    return tap_done();
}
