/* Runs a case on the engine, and judges what came of it: see case.h. */
#include "harness/ptx/case.h"
#include "harness/ptx/sanitizer.h"

#include "base/dtype.h"

#include <stdlib.h>
#include <string.h>

/* ---- running ---- */

static bool set_buffers(const ptx_case *c, ptx_memory *mem, ptx_case_outcome *o)
{
    bool good = true;
    for (int b = 0; b < c->n_buffers; b++) {
        const ptx_case_buffer *x = &c->buffer[b];
        o->ptr[b] = ptx_memory_alloc(mem, x->bytes, x->name);
        good &= o->ptr[b] && (!x->init || ptx_memory_write(mem, o->ptr[b], x->init, x->bytes));
    }
    return good;
}

/* One argument to where the parameter begins. */
static ws_status put_argument(const ptx_case *c, const ptx_case_arg *a, const uint64_t *ptr,
                              ptx_case_encode encode, void *ud, uint8_t *out, ws_err *err)
{
    uint64_t address = a->buffer >= 0 ? ptr[a->buffer] + a->offset : 0;
    if (a->map >= 0) {
        ptx_tensor_map m = c->map[a->map].map;
        m.address += ptr[c->map[a->map].buffer];
        if (encode)
            return encode(ud, &m, out, err);
        memcpy(out, &m, sizeof m);
        return WS_OK;
    }
    memcpy(out, a->buffer >= 0 ? (const void *)&address : a->value, a->bytes);
    return WS_OK;
}

ws_status ptx_case_params(const ptx_case *c, const ptx_case_launch *l, const ptx_kernel_info *k,
                          const uint64_t *ptr, ptx_case_encode encode, void *ud,
                          uint8_t out[PTX_CASE_PARAM_BYTES], ws_err *err)
{
    if (!k)
        return ws_fail(err, WS_EINPUT, "no kernel '%s'", l->kernel);
    if (k->n_params != l->n_args)
        return ws_fail(err, WS_EINPUT, "%s has %d parameters, not %d", l->kernel, k->n_params,
                       l->n_args);
    if (k->param_bytes > PTX_CASE_PARAM_BYTES)
        return ws_fail(err, WS_ELIMIT, "%s has %u bytes of parameters", l->kernel, k->param_bytes);
    memset(out, 0, PTX_CASE_PARAM_BYTES);
    for (int p = 0; p < k->n_params; p++) {
        const ptx_case_arg *a = &l->arg[p];
        if (k->param[p].size != a->bytes)
            return ws_fail(err, WS_EINPUT, "parameter %d of %s has %u bytes", p, l->kernel,
                           k->param[p].size);
        ws_status st = put_argument(c, a, ptr, encode, ud, out + k->param[p].offset, err);
        if (st)
            return st;
    }
    return WS_OK;
}

static ws_status run_launches(const ptx_case *c, ptx_module *m, ptx_memory *mem,
                              const ptx_options *options, ptx_case_outcome *o, ws_err *err)
{
    _Alignas(PTX_TM_ALIGN) uint8_t params[PTX_CASE_PARAM_BYTES];
    for (int n = 0; n < c->n_launches; n++) {
        const ptx_case_launch *l = &c->launch[n];
        ws_status st =
            ptx_case_params(c, l, ptx_module_find(m, l->kernel), o->ptr, NULL, NULL, params, err);
        if (st)
            return st;
        ptx_options opt = *options;
        opt.sample_blocks = l->sample;
        ptx_launch_args args = {.kernel = l->kernel,
                                .dynamic_shared_bytes = l->shared,
                                .params = params,
                                .cooperative = l->cooperative};
        memcpy(args.grid, l->grid, sizeof args.grid);
        memcpy(args.block, l->block, sizeof args.block);
        memcpy(args.cluster, l->cluster, sizeof args.cluster);
        if (!ptx_launch(m, mem, &args, &opt, &o->report))
            break;
        for (int b = 0; b < c->n_buffers; b++)
            if (c->buffer[b].free_after == n + 1 && !ptx_memory_release(mem, o->ptr[b]))
                return ws_fail(err, WS_EINPUT, "'%s' cannot be freed", c->buffer[b].name);
    }
    return WS_OK;
}

static void add_leak(void *ud, uint64_t ptr, size_t bytes, bool by_kernel)
{
    if (by_kernel)
        ptx_sanitizer_leak(ptr, bytes, ud);
}

/* The runs of bytes of buffers that had no values and that no kernel gave any. */
static void find_unused(const ptx_case *c, const ptx_memory *mem, ptx_case_outcome *o)
{
    for (int b = 0; b < c->n_buffers; b++) {
        const ptx_case_buffer *x = &c->buffer[b];
        uint8_t *written = ws_calloc(x->bytes + 1, 1);
        bool look = !x->init && ptx_memory_written(mem, o->ptr[b], x->bytes, written);
        for (size_t at = 0, end; look && at < x->bytes; at = end) {
            for (end = at; end < x->bytes && written[end] == written[at]; end++)
                ;
            if (!written[at])
                ptx_sanitizer_unused(o->ptr[b], x->bytes, at, end - at, &o->unused);
        }
        free(written);
    }
}

ws_status ptx_case_run(const ptx_case *c, const ptx_options *options, ptx_case_outcome *o,
                       ws_err *err)
{
    memset(o, 0, sizeof *o);
    o->report.ok = true;
    o->report.lines = options->lines ? ws_calloc(1, sizeof *o->report.lines) : NULL;
    ptx_memory *mem = ptx_memory_new();
    ptx_module *m = NULL;
    ws_status st = ptx_module_load(c->text.p, c->text.n, mem, &m, err);
    if (!st && !set_buffers(c, mem, o))
        st = ws_fail(err, WS_ELIMIT, "no memory for the buffers");
    if (!st)
        st = run_launches(c, m, mem, options, o, err);
    if (!st) {
        ptx_memory_leaks(mem, add_leak, &o->leaks);
        find_unused(c, mem, o);
    }
    for (int b = 0; !st && b < c->n_buffers; b++) {
        if (ptx_memory_was_released(mem, o->ptr[b]))
            continue;
        o->data[b] = ws_malloc(c->buffer[b].bytes + 1);
        if (!ptx_memory_read(mem, o->data[b], o->ptr[b], c->buffer[b].bytes))
            ws_bug("a buffer is gone");
    }
    o->printed[ptx_take_printf(mem, o->printed, sizeof o->printed - 1)] = 0;
    ptx_module_free(m);
    ptx_memory_free(mem);
    return st;
}

void ptx_case_outcome_release(ptx_case_outcome *o)
{
    for (int b = 0; b < PTX_CASE_BUFFERS; b++)
        free(o->data[b]);
    memset(o->data, 0, sizeof o->data);
    free(o->report.lines);
    o->report.lines = NULL;
    ws_buf_release(&o->leaks);
    ws_buf_release(&o->unused);
}

/* ---- judging ---- */

static bool is_nan(const char *type, const uint8_t *p)
{
    uint64_t v = 0, exp;
    memcpy(&v, p, ptx_case_type_bytes(type));
    if (type[0] != 'f' && type[0] != 'b')
        return false;
    exp = strcmp(type, "f64") == 0   ? 0x7ffull << 52
          : strcmp(type, "f32") == 0 ? 0xffull << 23
          : type[0] == 'b'           ? 0xffull << 7
                                     : 0x1full << 10;
    uint64_t mantissa = (exp & (~exp + 1)) - 1;
    return (v & exp) == exp && v & mantissa;
}

static void print_element(ws_buf *out, const char *type, const uint8_t *p)
{
    size_t n = ptx_case_type_bytes(type);
    uint64_t v = 0;
    double d = 0;
    float f;
    memcpy(&v, p, n);
    memcpy(&f, p, 4 < n ? 4 : n);
    if (n == 8)
        memcpy(&d, p, 8);
    else if (n == 4)
        d = (double)f;
    else if (n == 2)
        d = type[0] == 'b' ? ws_bf16_to_f64((uint16_t)v) : ws_f16_to_f64((uint16_t)v);
    if (type[0] == 'f' || type[0] == 'b')
        ws_buf_printf(out, "%.17g (0x%llx)", d, (unsigned long long)v);
    else
        ws_buf_printf(out, type[0] == 's' ? "%lld" : "%llu",
                      type[0] == 's' ? (long long)(v << (64 - 8 * n)) >> (64 - 8 * n)
                                     : (long long)v);
}

void ptx_case_judge_buffers(const ptx_case *c, const ptx_case_outcome *o, ws_buf *out)
{
    for (int b = 0; b < c->n_buffers; b++) {
        const ptx_case_buffer *x = &c->buffer[b];
        size_t n = ptx_case_type_bytes(x->type), bad = 0;
        for (size_t i = 0; x->want && o->data[b] && i < x->count; i++) {
            const uint8_t *got = o->data[b] + i * n, *want = x->want + i * n;
            if (memcmp(got, want, n) == 0 || (is_nan(x->type, got) && is_nan(x->type, want)))
                continue;
            if (bad++ < 4) {
                ws_buf_printf(out, "  %s[%zu] is ", x->name, i);
                print_element(out, x->type, got);
                ws_buf_adds(out, ", not ");
                print_element(out, x->type, want);
                ws_buf_adds(out, "\n");
            }
        }
        if (bad > 4)
            ws_buf_printf(out, "  %zu elements of %s are wrong\n", bad, x->name);
    }
}

static bool fits(const int64_t want[3], const uint32_t got[3])
{
    return want[0] < 0 || (want[0] == got[0] && want[1] == got[1] && want[2] == got[2]);
}

/* Whether what compute-sanitizer would print has a line with every `says`. */
static bool says_all(const ptx_case *c, const ptx_fault *f, ws_buf *out)
{
    ws_buf text = {0};
    bool all = true;
    if (c->n_says)
        ptx_sanitizer_fault(f, &text);
    for (int k = 0; k < c->n_says; k++)
        if (!strstr(ws_buf_z(&text), c->says[k])) {
            ws_buf_printf(out, "  it does not say '%s'\n", c->says[k]);
            all = false;
        }
    if (!all)
        ws_buf_adds(out, ws_buf_z(&text));
    ws_buf_release(&text);
    return all;
}

/* Findings of a check that is off are not due. */
static const char *due_reason(const ptx_case *c, const ptx_options *o)
{
    bool off = (strstr(c->reason, "race") && !o->check_race) ||
               (strstr(c->reason, "uninit") && !o->check_init);
    return off ? "" : c->reason;
}

static bool place_fits(const ptx_case *c, const ptx_fault *f)
{
    return fits(c->thread, f->thread) && fits(c->block, f->block) &&
           fits(c->other_thread, f->other_thread) && fits(c->other_block, f->other_block) &&
           (!c->line || c->line == f->line) && (!c->ptx_line || c->ptx_line == f->ptx_line) &&
           (!c->other_line || c->other_line == f->other_line) &&
           (!c->space[0] || strcmp(c->space, f->space) == 0) && strstr(f->text, c->part);
}

void ptx_case_judge_fault(const ptx_case *c, const ptx_options *options, const ptx_report *r,
                          bool exact, ws_buf *out)
{
    const ptx_fault *f = &r->fault[0];
    bool found = r->n_faults > 0;
    const char *name = found ? hx_reason_name(f->reason) : "", *want = due_reason(c, options);
    bool good = strcmp(name, want) == 0 || (c->reason[0] && !want[0]);
    if (good && want[0] && exact)
        good = place_fits(c, f) && says_all(c, f, out);
    if (good)
        return;
    if (!found)
        ws_buf_printf(out, "  no finding, but %s is due\n", want);
    else
        ws_buf_printf(out,
                      "  %s, line %d (PTX %d), other line %d, space '%s', wanted %s line %d (PTX "
                      "%d) other %d\n"
                      "  %s\n",
                      name, f->line, f->ptx_line, f->other_line, f->space, want[0] ? want : "none",
                      c->line, c->ptx_line, c->other_line, f->text);
}

void ptx_case_judge_rest(const ptx_case *c, const ptx_case_outcome *o, ws_buf *out)
{
    if (!strstr(ws_buf_z(&o->leaks), c->leaks))
        ws_buf_printf(out, "  leaks are not '%s' but:\n%s", c->leaks, ws_buf_z(&o->leaks));
    if (!strstr(ws_buf_z(&o->unused), c->unused))
        ws_buf_printf(out, "  unused memory is not '%s' but:\n%s", c->unused, ws_buf_z(&o->unused));
}

void ptx_case_judge_printed(const ptx_case *c, const ptx_case_outcome *o, ws_buf *out)
{
    if (c->wants_printed && strcmp(o->printed, ws_buf_z(&c->printed)) != 0)
        ws_buf_printf(out, "  printed '%s'\n  wanted  '%s'\n", o->printed, ws_buf_z(&c->printed));
}

#define X(name, metric, says) {#name, offsetof(ptx_counters, name)},
static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#include "harness/ptx/counters.def"
};
#undef X

void ptx_case_judge_counters(const ptx_case *c, const ptx_counters *counted, ws_buf *out)
{
    for (int k = 0; k < c->n_counts; k++) {
        const uint64_t *v = NULL;
        for (size_t n = 0; n < WS_COUNT(counters); n++)
            if (strcmp(counters[n].name, c->count[k].name) == 0)
                v = (const uint64_t *)(const void *)((const char *)counted + counters[n].offset);
        if (!v)
            ws_buf_printf(out, "  there is no counter %s\n", c->count[k].name);
        else if (*v != c->count[k].value)
            ws_buf_printf(out, "  %s is %llu, not %llu\n", c->count[k].name, (unsigned long long)*v,
                          (unsigned long long)c->count[k].value);
    }
}

void ptx_case_judge_runs(const ptx_report *one, const ptx_report *two, ws_buf *out)
{
    for (size_t n = 0; n < WS_COUNT(counters) && !one->n_faults; n++) {
        const char *a = (const char *)&one->counters + counters[n].offset;
        const char *b = (const char *)&two->counters + counters[n].offset;
        if (memcmp(a, b, sizeof(uint64_t)) != 0)
            ws_buf_printf(out, "  %s differs from one thread's\n", counters[n].name);
    }
    const ptx_fault *f = &one->fault[0], *g = &two->fault[0];
    if (one->n_faults && two->n_faults &&
        (f->reason != g->reason || f->line != g->line ||
         memcmp(f->block, g->block, sizeof f->block) != 0))
        ws_buf_printf(out, "  found %s\n  one thread %s\n", g->text, f->text);
}
