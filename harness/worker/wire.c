#include "harness/worker/wire.h"

#include "base/buf.h"
#include "base/file.h"
#include "harness/ptx/ptx.h"
#include "harness/worker/tile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The memory: header, result, times, tensors, image, and last the description with the offsets. */
enum { ALIGNMENT = 64, MAX_META_BYTES = 64 << 20 };

typedef struct header {
    uint64_t magic, meta_at, meta_bytes, result_at, ms_at, launch_at, coverage_at, lines_at, image_at,
        image_bytes;
} header;
static const uint64_t MAGIC = 0x31656b616d737077ull;

enum { AT_IN, AT_OUT, AT_AFTER, AT_WRITTEN, AT_PROBES, AT_NOTE, AREAS };
enum { NOTE_UNCHANGED = 1, NOTE_WHOLE = 2 };

/* ---- layout ---- */

typedef struct layout {
    header h;
    size_t end;
    bool overflow;
} layout;

static size_t reserve(layout *l, size_t bytes)
{
    size_t at = l->end, end;
    if (!ws_size_add(at, bytes, &end) || !ws_size_add(end, ALIGNMENT - 1, &end)) {
        l->overflow = true;
        return 0;
    }
    l->end = end / ALIGNMENT * ALIGNMENT;
    return at;
}

/* The number of probes, that of all written elements, and then the probes. */
typedef struct probes {
    uint64_t n, written;
    run_probe probe[];
} probes;

static size_t in_bytes(const run_tensor *t)
{
    return t->tile.rank ? run_tile_bytes(&t->tile) : t->bytes;
}

static void lay_out(const run_request *r, layout *l, size_t *at)
{
    int runs = r->repeats > 1 ? r->repeats : 1;
    *l = (layout){.h.magic = MAGIC, .end = ALIGNMENT * 2};
    l->h.result_at = reserve(l, sizeof(wire_result));
    l->h.ms_at = reserve(l, (size_t)runs * sizeof(double));
    l->h.launch_at =
        reserve(l, (size_t)(r->counting ? r->plan->n_launches : 0) * sizeof(ptx_counters));
    l->h.coverage_at = r->engine.cover ? reserve(l, sizeof(ptx_coverage)) : 0;
    l->h.lines_at = r->engine.lines ? reserve(l, sizeof(ptx_lines)) : 0;
    for (int i = 0; i < r->n_tensors; i++) {
        const run_tensor *t = &r->tensor[i];
        at[i * AREAS + AT_IN] = t->in ? reserve(l, in_bytes(t)) : 0;
        at[i * AREAS + AT_OUT] = t->out ? reserve(l, t->bytes) : 0;
        at[i * AREAS + AT_AFTER] = t->after ? reserve(l, t->bytes) : 0;
        at[i * AREAS + AT_WRITTEN] = t->written ? reserve(l, t->bytes) : 0;
        at[i * AREAS + AT_PROBES] =
            t->probe ? reserve(l, sizeof(probes) + t->max_probes * sizeof *t->probe) : 0;
    }
    for (int i = 0; i < r->n_tensors; i++)
        at[i * AREAS + AT_NOTE] = reserve(l, 1);
    l->h.image_bytes = r->image_bytes;
    l->h.image_at = reserve(l, r->image_bytes);
}

/* ---- the description: values in the order in which they are read back ---- */

static void put(ws_buf *b, const void *p, size_t n)
{
    ws_buf_add(b, p, n);
}

#define PUT(b, lvalue) put((b), &(lvalue), sizeof(lvalue))

static void put_text(ws_buf *b, const char *z)
{
    uint64_t n = z ? strlen(z) + 1 : 0; /* 0: NULL */
    PUT(b, n);
    if (n)
        put(b, z, n);
}

static void put_launch(ws_buf *b, const plan_bound_launch *l)
{
    put_text(b, l->kernel);
    PUT(b, l->grid);
    PUT(b, l->block);
    PUT(b, l->shared);
    PUT(b, l->max_dynamic_shared);
    PUT(b, l->cluster);
    PUT(b, l->cooperative);
    PUT(b, l->line);
    PUT(b, l->n_args);
    put(b, l->arg, (size_t)l->n_args * sizeof *l->arg);
    PUT(b, l->n_maps);
    put(b, l->map, (size_t)l->n_maps * sizeof *l->map);
}

static void put_request(ws_buf *b, const run_request *r, const size_t *at)
{
    put_text(b, r->device);
    PUT(b, r->engine);
    PUT(b, r->poison);
    PUT(b, r->repeats);
    PUT(b, r->counting);
    PUT(b, r->examine_state);
    PUT(b, r->watch);
    PUT(b, r->wall_seconds);
    PUT(b, r->n_kernels);
    for (int i = 0; i < r->n_kernels; i++) {
        const comp_kernel *k = &r->kernel[i];
        put_text(b, k->name);
        PUT(b, k->n_params);
        /* The names in it are pointers, which nobody follows. */
        put(b, k->param, (size_t)k->n_params * sizeof *k->param);
    }
    PUT(b, r->plan->n_launches);
    for (int i = 0; i < r->plan->n_launches; i++)
        put_launch(b, &r->plan->launch[i]);
    PUT(b, r->plan->n_scratch);
    for (int i = 0; i < r->plan->n_scratch; i++) {
        put_text(b, r->scratch_name[i]);
        PUT(b, r->plan->scratch_bytes[i]);
    }
    PUT(b, r->n_tensors);
    for (int i = 0; i < r->n_tensors; i++) {
        put_text(b, r->tensor[i].name);
        PUT(b, r->tensor[i].role);
        PUT(b, r->tensor[i].bytes);
        PUT(b, r->tensor[i].tile);
        PUT(b, r->tensor[i].max_probes);
        PUT(b, r->tensor[i].probe_bytes);
        put(b, at + i * AREAS, AREAS * sizeof *at);
    }
}

typedef struct reader {
    const unsigned char *p, *end;
    ws_arena *arena;
    bool bad;
} reader;

static void get(reader *r, void *out, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        memset(out, 0, n);
        return;
    }
    memcpy(out, r->p, n);
    r->p += n;
}

#define GET(r, lvalue) get((r), &(lvalue), sizeof(lvalue))

static char *get_text(reader *r)
{
    uint64_t n;
    GET(r, n);
    if (!n || (size_t)(r->end - r->p) < n) {
        r->bad |= n != 0;
        return NULL;
    }
    char *z = ws_arena_alloc(r->arena, n);
    get(r, z, n);
    z[n - 1] = '\0';
    return z;
}

/* How many elements of `size` bytes follow, at least one byte each. */
static int get_count(reader *r, size_t size)
{
    int n;
    GET(r, n);
    if (n < 0 || (size_t)n > (size_t)(r->end - r->p) / size) {
        r->bad = true;
        return 0;
    }
    return n;
}

static void get_launch(reader *r, plan_bound_launch *l)
{
    l->kernel = get_text(r);
    GET(r, l->grid);
    GET(r, l->block);
    GET(r, l->shared);
    GET(r, l->max_dynamic_shared);
    GET(r, l->cluster);
    GET(r, l->cooperative);
    GET(r, l->line);
    l->n_args = get_count(r, sizeof *l->arg);
    l->arg = WS_ARENA_NEW(r->arena, plan_bound_arg, l->n_args + 1);
    get(r, l->arg, (size_t)l->n_args * sizeof *l->arg);
    l->n_maps = get_count(r, sizeof *l->map);
    l->map = WS_ARENA_NEW(r->arena, plan_bound_map, l->n_maps + 1);
    get(r, l->map, (size_t)l->n_maps * sizeof *l->map);
}

static void get_kernels(reader *r, run_request *out)
{
    out->n_kernels = get_count(r, 1);
    comp_kernel *kernel = WS_ARENA_NEW(r->arena, comp_kernel, out->n_kernels + 1);
    for (int i = 0; i < out->n_kernels; i++) {
        comp_kernel *k = &kernel[i];
        k->name = get_text(r);
        k->n_params = get_count(r, sizeof *k->param);
        k->param = WS_ARENA_NEW(r->arena, ptx_param, k->n_params + 1);
        get(r, k->param, (size_t)k->n_params * sizeof *k->param);
        for (int p = 0; p < k->n_params; p++)
            k->param[p].name = "";
    }
    out->kernel = kernel;
}

static void get_plan(reader *r, run_request *out)
{
    plan_bound *p = WS_ARENA_NEW(r->arena, plan_bound, 1);
    p->n_launches = get_count(r, 1);
    p->launch = WS_ARENA_NEW(r->arena, plan_bound_launch, p->n_launches + 1);
    for (int i = 0; i < p->n_launches; i++)
        get_launch(r, &p->launch[i]);
    p->n_scratch = get_count(r, sizeof *p->scratch_bytes);
    p->scratch_bytes = WS_ARENA_NEW(r->arena, int64_t, p->n_scratch + 1);
    const char **name = WS_ARENA_NEW(r->arena, const char *, p->n_scratch + 1);
    for (int i = 0; i < p->n_scratch; i++) {
        name[i] = get_text(r);
        GET(r, p->scratch_bytes[i]);
    }
    out->plan = p;
    out->scratch_name = name;
}

static void get_tensors(reader *r, run_request *out, unsigned char *map, size_t **offsets)
{
    out->n_tensors = get_count(r, 1);
    out->tensor = WS_ARENA_NEW(r->arena, run_tensor, out->n_tensors + 1);
    *offsets = WS_ARENA_NEW(r->arena, size_t, (size_t)out->n_tensors * AREAS + 1);
    for (int i = 0; i < out->n_tensors; i++) {
        run_tensor *t = &out->tensor[i];
        size_t at[AREAS];
        t->name = get_text(r);
        GET(r, t->role);
        GET(r, t->bytes);
        GET(r, t->tile);
        GET(r, t->max_probes);
        GET(r, t->probe_bytes);
        GET(r, at);
        memcpy(*offsets + i * AREAS, at, sizeof at);
        t->in = at[AT_IN] ? map + at[AT_IN] : NULL;
        t->out = at[AT_OUT] ? map + at[AT_OUT] : NULL;
        t->after = at[AT_AFTER] ? map + at[AT_AFTER] : NULL;
        t->written = at[AT_WRITTEN] ? map + at[AT_WRITTEN] : NULL;
        t->probe = at[AT_PROBES] ? ((probes *)(void *)(map + at[AT_PROBES]))->probe : NULL;
    }
}

static void get_request(reader *r, run_request *out, unsigned char *map, size_t **offsets)
{
    out->device = get_text(r);
    GET(r, out->engine);
    GET(r, out->poison);
    GET(r, out->repeats);
    GET(r, out->counting);
    GET(r, out->examine_state);
    GET(r, out->watch);
    GET(r, out->wall_seconds);
    get_kernels(r, out);
    get_plan(r, out);
    get_tensors(r, out, map, offsets);
}

/* ---- both ends ---- */

static ws_status make_memory(wire *w, size_t bytes, ws_err *err)
{
    w->bytes = bytes;
    w->fd = memfd_create("warpsmith-run", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (w->fd < 0 || ftruncate(w->fd, (off_t)bytes))
        return ws_fail_errno(err, WS_EENV, "cannot make %zu bytes of shared memory", bytes);
    /* A child that shrank it would kill us with SIGBUS. */
    if (fcntl(w->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return ws_fail_errno(err, WS_EENV, "cannot seal shared memory");
    w->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
    if (w->map == MAP_FAILED) {
        w->map = NULL;
        return ws_fail_errno(err, WS_ELIMIT, "cannot map %zu bytes of shared memory", bytes);
    }
    return WS_OK;
}

/* Writing to the file takes the pages of a large tensor at once; through the map each one is a
 * fault. */
static ws_status put_area(const wire *w, size_t at, const void *from, size_t n, ws_err *err)
{
    enum { LARGE = 16 << 10 };
    if (n < LARGE)
        memcpy(w->map + at, from, n);
    else if (lseek(w->fd, (off_t)at, SEEK_SET) < 0 || !ws_write_all(w->fd, from, n))
        return ws_fail_errno(err, WS_ELIMIT, "cannot fill %zu bytes of shared memory", n);
    return WS_OK;
}

static ws_status put_inputs(const wire *w, const run_request *r, ws_err *err)
{
    for (int i = 0; i < r->n_tensors && !err->status; i++)
        if (r->tensor[i].in)
            (void)!put_area(w, w->at[i * AREAS + AT_IN], r->tensor[i].in, in_bytes(&r->tensor[i]),
                            err);
    return err->status;
}

static ptx_coverage *coverage_in(const wire *w, const header *h)
{
    return h->coverage_at ? (ptx_coverage *)(void *)(w->map + h->coverage_at) : NULL;
}

static ptx_lines *lines_in(const wire *w, const header *h)
{
    return h->lines_at ? (ptx_lines *)(void *)(w->map + h->lines_at) : NULL;
}

ws_status wire_new(const run_request *r, wire *out, ws_err *err)
{
    wire w = {.fd = -1};
    layout l;
    ws_buf meta = {.max = MAX_META_BYTES};
    w.at = WS_ARENA_NEW(&w.arena, size_t, (size_t)r->n_tensors * AREAS + 1);
    lay_out(r, &l, w.at);
    put_request(&meta, r, w.at);
    l.h.meta_bytes = meta.n;
    l.h.meta_at = reserve(&l, meta.n);
    if (l.overflow || meta.overflow)
        ws_fail(err, WS_ELIMIT, "the tensors of one run are larger than the address space");
    else
        (void)!make_memory(&w, l.end, err);
    if (!err->status && !put_inputs(&w, r, err)) {
        memcpy(w.map, &l.h, sizeof l.h);
        memcpy(w.map + l.h.meta_at, meta.p, meta.n);
        memcpy(w.map + l.h.image_at, r->image, r->image_bytes);
        w.result = (wire_result *)(void *)(w.map + l.h.result_at);
        w.ms = (double *)(void *)(w.map + l.h.ms_at);
        w.launch = (ptx_counters *)(void *)(w.map + l.h.launch_at);
        w.coverage = coverage_in(&w, &l.h);
        w.lines = lines_in(&w, &l.h);
    }
    ws_buf_release(&meta);
    if (err->status) {
        wire_release(&w);
        return err->status;
    }
    *out = w;
    return WS_OK;
}

void wire_put_notes(wire *w)
{
    for (int i = 0; i < w->request.n_tensors; i++) {
        const run_tensor *t = &w->request.tensor[i];
        w->map[w->at[i * AREAS + AT_NOTE]] =
            (unsigned char)((t->unchanged ? NOTE_UNCHANGED : 0) | (t->whole ? NOTE_WHOLE : 0));
    }
}

void wire_put_probes(run_tensor *t)
{
    probes *p = (probes *)(void *)((unsigned char *)t->probe - offsetof(probes, probe));
    p->n = t->n_probes;
    p->written = t->n_written;
}

static void take_probes(run_tensor *t, const unsigned char *at)
{
    uint64_t n;
    memcpy(&n, at, sizeof n);
    memcpy(&t->n_written, at + offsetof(probes, written), sizeof t->n_written);
    t->n_probes = n <= t->max_probes ? (size_t)n : 0;
    memcpy(t->probe, at + offsetof(probes, probe), t->n_probes * sizeof *t->probe);
}

void wire_collect(const wire *w, const run_request *r)
{
    for (int i = 0; i < r->n_tensors; i++) {
        run_tensor *t = &r->tensor[i];
        const size_t *at = w->at + i * AREAS;
        if (t->out)
            memcpy(t->out, w->map + at[AT_OUT], t->bytes);
        const unsigned char note = w->map[at[AT_NOTE]];
        t->unchanged = t->after && note & NOTE_UNCHANGED;
        t->whole = t->written && note & NOTE_WHOLE;
        if (t->after && !t->unchanged)
            memcpy(t->after, w->map + at[AT_AFTER], t->bytes);
        if (t->written && !t->whole)
            memcpy(t->written, w->map + at[AT_WRITTEN], t->bytes);
        if (t->probe)
            take_probes(t, w->map + at[AT_PROBES]);
    }
}

ws_status wire_open(int fd, wire *out, ws_err *err)
{
    struct stat st;
    header h;
    wire w = {.fd = -1};
    if (fstat(fd, &st) || st.st_size < (off_t)sizeof h)
        return ws_fail(err, WS_EINPUT, "the run request has no header");
    w.bytes = (size_t)st.st_size;
    w.map = mmap(NULL, w.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (w.map == MAP_FAILED)
        return ws_fail_errno(err, WS_ELIMIT, "cannot map %zu bytes of shared memory", w.bytes);
    memcpy(&h, w.map, sizeof h);
    if (h.magic != MAGIC || h.meta_at > w.bytes || h.meta_bytes > w.bytes - h.meta_at) {
        munmap(w.map, w.bytes);
        return ws_fail(err, WS_EINPUT, "the run request is of another version of this program");
    }
    w.result = (wire_result *)(void *)(w.map + h.result_at);
    w.ms = (double *)(void *)(w.map + h.ms_at);
    w.launch = (ptx_counters *)(void *)(w.map + h.launch_at);
    w.coverage = coverage_in(&w, &h);
    w.lines = lines_in(&w, &h);
    reader in = {w.map + h.meta_at, w.map + h.meta_at + h.meta_bytes, &w.arena, false};
    w.request.image = w.map + h.image_at;
    w.request.image_bytes = h.image_bytes;
    get_request(&in, &w.request, w.map, &w.at);
    if (in.bad) {
        wire_release(&w);
        return ws_fail(err, WS_EINPUT, "the run request is cut short");
    }
    *out = w;
    return WS_OK;
}

void wire_release(wire *w)
{
    if (w->map)
        munmap(w->map, w->bytes);
    if (w->fd >= 0)
        close(w->fd);
    ws_arena_release(&w->arena);
    *w = (wire){.fd = -1};
}
