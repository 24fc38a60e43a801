#include "verifier/verdict.h"

#include "base/json.h"
#include "verifier/counters.h"
#include "verifier/field.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {"policy",    "compiles", "emulated", "algebraic",
                                          "device",    "timed",    "accepted"};

const char *vfy_level_name(vfy_level l)
{
    return l == VFY_NONE ? "none" : level_names[l];
}

static bool about_values(hx_reason r)
{
    return r == HX_WRONG_RESULT || r == HX_WRONG_ALGEBRA || r == HX_LOW_PRECISION ||
           r == HX_CONSTANT_OUTPUT || r == HX_NOT_WRITTEN || r == HX_INPUT_MODIFIED;
}

static bool about_compiler(hx_reason r)
{
    return r == HX_COMPILE_ERROR || r == HX_PTXAS_ERROR || r == HX_COMPILE_LIMIT;
}

static void print_place(const vfy_verdict *v, ws_buf *out)
{
    if (v->line)
        ws_buf_printf(out, "  at        %s:%d", v->file, v->line);
    if (v->line && v->column)
        ws_buf_printf(out, ":%d", v->column);
    if (v->line && v->kernel[0])
        ws_buf_printf(out, " in %s", v->kernel);
    if (v->line)
        ws_buf_addc(out, '\n');
    if (v->has_thread)
        ws_buf_printf(out, "  by        thread (%u,%u,%u) in block (%u,%u,%u)\n", v->thread[0],
                      v->thread[1], v->thread[2], v->block[0], v->block[1], v->block[2]);
    if (v->other_line)
        ws_buf_printf(out, "  against   %s:%d\n", v->file, v->other_line);
    if (v->shape[0] && v->inputs[0])
        ws_buf_printf(out, "  shape     %s, %s inputs, seed %" PRIu64 "\n", v->shape, v->inputs,
                      v->seed);
    else if (v->shape[0])
        ws_buf_printf(out, "  shape     %s\n", v->shape);
}

static void print_numbers(const vfy_verdict *v, ws_buf *out)
{
    if (!about_values(v->reason) || !v->tensor[0])
        return;
    ws_buf_printf(out, "  element   %s%s\n", v->tensor, v->element);
    if (v->reason != HX_NOT_WRITTEN)
        ws_buf_printf(out, "  got       %.9g\n  want      %.9g, tolerance %.3g\n", v->got, v->want,
                      v->tolerance);
    ws_buf_printf(out, "  wrong     %" PRId64 " of %" PRId64 " elements\n", v->wrong, v->checked);
    if (v->has_writer)
        ws_buf_printf(out,
                      "  writer    thread (%u,%u,%u) in block (%u,%u,%u) of %s, line %d\n",
                      v->writer.thread[0], v->writer.thread[1], v->writer.thread[2],
                      v->writer.block[0], v->writer.block[1], v->writer.block[2], v->writer.kernel,
                      v->writer.line);
    for (int i = 0; i < v->n_bad && v->wrong > 1; i++)
        ws_buf_printf(out, "  %s     %s%s is %.9g, want %.9g within %.3g\n",
                      i ? "     " : "first", v->tensor, v->bad[i].element, v->bad[i].got,
                      v->bad[i].want, v->bad[i].tolerance);
    for (const char *p = v->pattern; *p;) {
        int n = (int)strcspn(p, "\n");
        ws_buf_printf(out, "  pattern   %.*s\n", n, p);
        p += n + (p[n] != 0);
    }
}

static void print_time(const vfy_verdict *v, ws_buf *out)
{
    const tim_estimate *e = &v->model;
    const tim_gpu *gpu = tim_gpu_find(v->gpu);
    char calibration[64] = "uncalibrated";
    if (gpu)
        tim_calibration_text(gpu, calibration, sizeof calibration);
    ws_buf_printf(out, "  time      %.3f us modelled on %s, %s, bound by %s; ", e->seconds * 1e6,
                  v->gpu, calibration, e->bound);
    if (e->written_s <= e->seconds)
        ws_buf_printf(out, "floor of the graph as written %.3f us\n", e->written_s * 1e6);
    else
        ws_buf_printf(out,
                      "below the %.3f us of all operations of the graph as written, floor of its "
                      "bytes %.3f us\n",
                      e->written_s * 1e6, e->floor_s * 1e6);
}

void vfy_verdict_print(const vfy_verdict *v, ws_buf *out)
{
    ws_buf_printf(out, "%s: %s\n", hx_reason_name(v->reason), v->text);
    print_place(v, out);
    print_numbers(v, out);
    ws_buf_printf(out, "  level     %d (%s)\n", (int)v->level, vfy_level_name(v->level));
    if (v->survey[0])
        ws_buf_printf(out, "  shapes    %s\n", v->survey);
    if (v->runs)
        ws_buf_printf(out, "  checked   %d shapes, %d runs, worst error %.3g of the tolerance%s\n",
                      v->shapes_passed, v->runs, v->worst_ratio,
                      v->schedule_dependent ? "; the bits depend on the schedule" : "");
    if (v->schedule[0])
        ws_buf_printf(out, "  schedule  %s\n", v->schedule);
    if (v->warning[0])
        ws_buf_printf(out, "  warning   %s\n", v->warning);
    if (v->relations[0])
        ws_buf_printf(out, "  relations %s\n", v->relations);
    if (v->launches_needed[0])
        ws_buf_printf(out, "  launches  %s\n", v->launches_needed);
    if (v->benchmark_elements)
        ws_buf_printf(out, "  benchmark %" PRId64 " elements of sampled blocks are right there\n",
                      v->benchmark_elements);
    if (v->precision[0] && v->roundoff > 0)
        ws_buf_printf(out, "  precision %s: errors as if operands had %.1f bits\n", v->precision,
                      -log2(v->roundoff));
    else if (v->precision[0])
        ws_buf_printf(out, "  precision %s: every element is the nearest value\n", v->precision);
    if (v->shapes_refused)
        ws_buf_printf(out, "  refused   %d check shapes by the plan's require\n",
                      v->shapes_refused);
    if (v->field.tried && v->field.text[0])
        ws_buf_printf(out, "  field     %s\n", v->field.text);
    if (v->resources[0])
        ws_buf_printf(out, "  resources %s\n", v->resources);
    else if (v->has_model && !v->assembled)
        ws_buf_adds(out, "  resources not assembled: registers are not known\n");
    if (v->has_model)
        print_time(v, out);
    if (v->printed[0]) {
        ws_buf_adds(out, "  printf    ");
        ws_buf_add_foreign(out, v->printed, "          | ");
        ws_buf_addc(out, '\n');
    }
    if (v->log[0] && about_compiler(v->reason)) {
        ws_buf_add_foreign(out, v->log, "");
        ws_buf_addc(out, '\n');
    }
}

static void add_dim3(cJSON *o, const char *key, const uint32_t d[3])
{
    const double n[3] = {d[0], d[1], d[2]};
    cJSON_AddItemToObject(o, key, cJSON_CreateDoubleArray(n, 3));
}

static void json_place(cJSON *o, const vfy_verdict *v)
{
    cJSON *p = cJSON_AddObjectToObject(o, "place");
    cJSON_AddStringToObject(p, "file", v->file);
    cJSON_AddNumberToObject(p, "line", v->line);
    cJSON_AddNumberToObject(p, "column", v->column);
    cJSON_AddStringToObject(p, "kernel", v->kernel);
    if (v->has_thread) {
        add_dim3(p, "thread", v->thread);
        add_dim3(p, "block", v->block);
    }
    if (v->other_line)
        cJSON_AddNumberToObject(p, "other_line", v->other_line);
}

static void json_wrong(cJSON *c, const vfy_verdict *v)
{
    cJSON *list = cJSON_AddArrayToObject(c, "first_wrong");
    for (int i = 0; i < v->n_bad; i++) {
        cJSON *b = cJSON_CreateObject();
        cJSON_AddStringToObject(b, "element", v->bad[i].element);
        ws_json_add_double(b, "got", v->bad[i].got);
        ws_json_add_double(b, "want", v->bad[i].want);
        ws_json_add_double(b, "tolerance", v->bad[i].tolerance);
        cJSON_AddItemToArray(list, b);
    }
    if (!v->has_writer)
        return;
    cJSON *w = cJSON_AddObjectToObject(c, "writer");
    cJSON_AddStringToObject(w, "kernel", v->writer.kernel);
    cJSON_AddNumberToObject(w, "line", v->writer.line);
    add_dim3(w, "thread", v->writer.thread);
    add_dim3(w, "block", v->writer.block);
}

static void json_case(cJSON *o, const vfy_verdict *v)
{
    cJSON *c = cJSON_AddObjectToObject(o, "case");
    cJSON_AddStringToObject(c, "shape", v->shape);
    cJSON_AddStringToObject(c, "inputs", v->inputs);
    ws_json_add_seed(c, "seed", v->seed);
    if (v->tune[0])
        cJSON_AddStringToObject(c, "tunables", v->tune);
    if (!about_values(v->reason) || !v->tensor[0])
        return;
    cJSON_AddStringToObject(c, "tensor", v->tensor);
    cJSON_AddStringToObject(c, "element", v->element);
    if (v->reason != HX_NOT_WRITTEN) {
        ws_json_add_double(c, "got", v->got);
        ws_json_add_double(c, "want", v->want);
        ws_json_add_double(c, "tolerance", v->tolerance);
    }
    ws_json_add_int(c, "wrong_elements", v->wrong);
    ws_json_add_int(c, "checked_elements", v->checked);
    if (v->n_bad)
        json_wrong(c, v);
}

static void json_fault(cJSON *o, const ptx_fault *f)
{
    cJSON *j = cJSON_AddObjectToObject(o, "fault");
    cJSON_AddStringToObject(j, "text", f->text);
    cJSON_AddStringToObject(j, "instruction", f->insn);
    cJSON_AddStringToObject(j, "space", f->space);
    cJSON_AddStringToObject(j, "access", f->atomic ? "atomic" : f->write ? "write" : "read");
    cJSON_AddNumberToObject(j, "size_bytes", f->size);
    cJSON_AddStringToObject(j, "buffer", f->buffer);
    ws_json_add_int(j, "buffer_offset_bytes", f->buffer_offset);
    ws_json_add_int(j, "buffer_bytes", (int64_t)f->buffer_bytes);
    if (f->async)
        cJSON_AddBoolToObject(j, "async", true);
    if (f->other_line) {
        add_dim3(j, "other_thread", f->other_thread);
        add_dim3(j, "other_block", f->other_block);
    }
}

static void json_warning(cJSON *o, const vfy_verdict *v)
{
    cJSON *w = cJSON_AddObjectToObject(o, "warning");
    cJSON_AddStringToObject(w, "text", v->warning);
    cJSON_AddNumberToObject(w, "line", v->warning_line);
    cJSON_AddNumberToObject(w, "other_line", v->warning_other_line);
}

static void json_evidence(cJSON *o, const vfy_verdict *v)
{
    cJSON *e = cJSON_AddObjectToObject(o, "evidence");
    cJSON_AddNumberToObject(e, "shapes_passed", v->shapes_passed);
    cJSON_AddNumberToObject(e, "shapes_refused", v->shapes_refused);
    cJSON_AddNumberToObject(e, "runs", v->runs);
    cJSON_AddNumberToObject(e, "other_choices_passed", v->choices_passed);
    cJSON_AddNumberToObject(e, "other_choices_unusable", v->choices_unusable);
    ws_json_add_double(e, "worst_error_over_tolerance", v->worst_ratio);
    cJSON_AddBoolToObject(e, "schedule_dependent", v->schedule_dependent);
    cJSON_AddStringToObject(e, "depth", v->depth == VFY_FULL ? "full" : "quick");
    if (v->schedule[0])
        cJSON_AddStringToObject(e, "schedule", v->schedule);
    if (v->relations[0])
        cJSON_AddStringToObject(e, "relations", v->relations);
    if (v->launches_needed[0])
        cJSON_AddStringToObject(e, "launches", v->launches_needed);
    if (v->benchmark_elements)
        ws_json_add_int(e, "benchmark_elements", v->benchmark_elements);
    if (v->precision[0]) {
        cJSON_AddStringToObject(e, "precision", v->precision);
        ws_json_add_double(e, "effective_roundoff", v->roundoff);
    }
    cJSON_AddStringToObject(e, "source_sha256", v->source_sha256);
    cJSON_AddStringToObject(e, "ptx_sha256", v->ptx_sha256);
    cJSON_AddStringToObject(e, "compiler", v->compiler);
    cJSON_AddStringToObject(e, "arch", v->arch);
    ws_json_add_double(e, "compile_seconds", v->compile_seconds);
    ws_json_add_double(e, "run_seconds", v->run_seconds);
    ws_json_add_double(e, "total_seconds", v->total_seconds);
}

static void json_resources(cJSON *o, const vfy_verdict *v)
{
    cJSON *r = cJSON_AddObjectToObject(o, "resources");
    cJSON_AddStringToObject(r, "text", v->resources);
    cJSON_AddBoolToObject(r, "assembled", v->assembled);
    cJSON_AddNumberToObject(r, "kernels", v->n_kernels);
    cJSON_AddNumberToObject(r, "registers", v->registers);
    cJSON_AddNumberToObject(r, "shared_bytes", v->shared_bytes);
    cJSON_AddNumberToObject(r, "spill_bytes", v->spill_bytes);
}

static void add_size3(cJSON *o, const char *key, const int64_t d[3])
{
    const double n[3] = {(double)d[0], (double)d[1], (double)d[2]};
    cJSON_AddItemToObject(o, key, cJSON_CreateDoubleArray(n, 3));
}

/* Warp instructions of the blocks that were run. */
static void json_blocks(cJSON *o, const tim_launch *l)
{
    const ptx_counters *c = &l->counters;
    cJSON *j = cJSON_AddObjectToObject(o, "block_instructions");
    ws_json_add_int(j, "blocks_run", (int64_t)c->blocks_run);
    ws_json_add_int(j, "min", (int64_t)c->min_block_warp_insns);
    ws_json_add_double(j, "mean", (double)c->warp_insns / (double)c->blocks);
    ws_json_add_int(j, "max", (int64_t)c->max_block_warp_insns);
}

/* What the cost model was told of each launch, and what it made of it. */
static void json_launches(cJSON *o, const vfy_verdict *v)
{
    cJSON *array = cJSON_AddArrayToObject(o, "launches");
    cJSON_AddNumberToObject(o, "plan_launches", v->plan_launches);
    for (int i = 0; i < v->n_launches; i++) {
        const vfy_launch *l = &v->launch[i];
        ws_buf counters = {0};
        cJSON *j = cJSON_CreateObject();
        cJSON_AddNumberToObject(j, "index", l->index);
        cJSON_AddStringToObject(j, "kernel", l->kernel);
        if (l->index) {
            add_size3(j, "grid", l->grid);
            add_size3(j, "block", l->block);
        }
        ws_json_add_int(j, "blocks", (int64_t)l->counted.blocks);
        cJSON_AddNumberToObject(j, "threads_per_block", l->counted.threads_per_block);
        cJSON_AddNumberToObject(j, "barriers", l->counted.barriers);
        cJSON_AddNumberToObject(j, "registers", l->counted.registers);
        cJSON_AddNumberToObject(j, "shared_bytes", l->counted.shared_bytes);
        cJSON_AddNumberToObject(j, "spill_bytes", l->spill_bytes);
        if (l->counted.local_bytes)
            cJSON_AddNumberToObject(j, "local_bytes", l->counted.local_bytes);
        static const struct {
            const char *key;
            size_t at;
        } known[] = {{"scale", offsetof(tim_launch, scale)},
                     {"small_bytes", offsetof(tim_launch, small_bytes)},
                     {"spill_requests", offsetof(tim_launch, spill_requests)},
                     {"chain_clocks", offsetof(tim_launch, chain_clocks)},
                     {"loads_together", offsetof(tim_launch, loads_together)},
                     {"machine_instructions", offsetof(tim_launch, machine_insns)},
                     {"machine_f64", offsetof(tim_launch, machine_f64)}};
        for (size_t k = 0; k < WS_COUNT(known); k++) {
            const double value = *(const double *)((const char *)&l->counted + known[k].at);
            if (value > 0)
                ws_json_add_double(j, known[k].key, value);
        }
        if (l->counted.uneven > 0)
            ws_json_add_double(j, "uneven", l->counted.uneven);
        if (l->index && l->counted.counters.blocks)
            json_blocks(j, &l->counted);
        ws_json_add_double(j, "seconds", l->time.seconds);
        vfy_counters_print(&l->counted.counters, false, &counters);
        cJSON_AddItemToObject(j, "counters", cJSON_CreateRaw(ws_buf_z(&counters)));
        ws_buf_release(&counters);
        cJSON_AddItemToArray(array, j);
    }
}

static void json_pattern(cJSON *o, const char *lines)
{
    cJSON *array = cJSON_AddArrayToObject(o, "pattern");
    while (*lines) {
        ws_buf line = {0};
        size_t n = strcspn(lines, "\n");
        ws_buf_add(&line, lines, n);
        cJSON_AddItemToArray(array, cJSON_CreateString(ws_buf_z(&line)));
        ws_buf_release(&line);
        lines += n + (lines[n] != 0);
    }
}

static void json_model(cJSON *o, const vfy_verdict *v)
{
    cJSON *m = cJSON_AddObjectToObject(o, "modelled");
    cJSON_AddStringToObject(m, "gpu", v->gpu);
    cJSON_AddStringToObject(m, "kind", "modelled");
    const tim_gpu *gpu = tim_gpu_find(v->gpu);
    const bool calibrated = gpu && tim_constants_of(gpu).calibrated;
    cJSON_AddBoolToObject(m, "calibrated", calibrated);
    if (calibrated)
        ws_json_add_double(m, "calibration_error", tim_constants_of(gpu).error);
    cJSON_AddBoolToObject(m, "at_least", !v->assembled);
    cJSON_AddStringToObject(m, "from", v->model_sampled ? "sampled blocks" : "check shape");
    ws_json_add_double(m, "seconds", v->model.seconds);
    ws_json_add_double(m, "floor_seconds", v->model.floor_s);
    ws_json_add_double(m, "as_written_seconds", v->model.written_s);
    cJSON_AddStringToObject(m, "bound", v->model.bound);
    ws_json_add_double(m, "occupancy", v->model.occupancy);
    ws_json_add_double(m, "compute_seconds", v->model.compute_s);
    ws_json_add_double(m, "memory_seconds", v->model.memory_s);
    ws_json_add_double(m, "l2_seconds", v->model.l2_s);
    ws_json_add_double(m, "shared_seconds", v->model.shared_s);
    ws_json_add_double(m, "latency_seconds", v->model.latency_s);
    ws_json_add_double(m, "atomic_seconds", v->model.atomic_s);
    ws_json_add_double(m, "launch_seconds", v->model.launch_s);
}

cJSON *vfy_verdict_json(const vfy_verdict *v)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddBoolToObject(o, "accepted", v->reason == HX_PASS);
    cJSON_AddStringToObject(o, "reason", hx_reason_name(v->reason));
    cJSON_AddNumberToObject(o, "level", v->level);
    cJSON_AddStringToObject(o, "level_name", vfy_level_name(v->level));
    cJSON_AddStringToObject(o, "text", v->text);
    if (v->line || v->has_thread)
        json_place(o, v);
    if (v->shape[0])
        json_case(o, v);
    if (v->pattern[0])
        json_pattern(o, v->pattern);
    if (v->survey[0])
        cJSON_AddStringToObject(o, "survey", v->survey);
    if (v->has_fault)
        json_fault(o, &v->fault);
    if (v->warning[0])
        json_warning(o, v);
    json_evidence(o, v);
    if (v->field.tried)
        cJSON_AddItemToObject(o, "field", vfy_field_json(&v->field));
    if (v->n_kernels)
        json_resources(o, v);
    if (v->has_model) {
        json_model(o, v);
        json_launches(o, v);
    }
    if (v->log[0])
        cJSON_AddStringToObject(o, "log", v->log);
    if (v->printed[0])
        cJSON_AddStringToObject(o, "printf", v->printed);
    return o;
}
