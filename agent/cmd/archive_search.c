#include "agent/cmd/archive_search.h"

#include "agent/cli.h"
#include "agent/evidence/memory.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_gpu[] = "h100";

static double seconds_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

static const char *kind_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

/* ---- one kernel, one lesson ---- */

static void print_kernel(const db_kernel *k)
{
    const db_candidate *c = &k->candidate;
    ws_buf name = {0};
    ws_buf_add_foreign(&name, k->spec_name, "");
    printf("#%-6" PRId64 " %-28s %10.2f us %s on %s", c->id, ws_buf_z(&name), seconds_of(c) * 1e6,
           kind_of(c), c->gpu ? c->gpu : "?");
    ws_buf_release(&name);
    if (k->first_s > 0)
        printf(", %.2fx", k->first_s / seconds_of(c));
    printf(", run %s\n", k->run_name);
    if (c->note && *c->note) {
        fputs("        ", stdout);
        cli_put_foreign(c->note, 160);
        putchar('\n');
    }
    if (k->traits && *k->traits) {
        fputs("        uses ", stdout);
        cli_put_foreign(k->traits, 0);
        putchar('\n');
    }
}

static cJSON *kernel_json(const db_kernel *k, const db_keys *keys)
{
    const db_candidate *c = &k->candidate;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", (double)c->id);
    cJSON_AddStringToObject(o, "spec", k->spec_name);
    cJSON_AddStringToObject(o, "run", k->run_name);
    cJSON_AddNumberToObject(o, "level", c->level);
    ws_json_add_double(o, "seconds", seconds_of(c));
    cJSON_AddStringToObject(o, "kind", kind_of(c));
    cJSON_AddStringToObject(o, "gpu", c->gpu ? c->gpu : "");
    if (k->first_s > 0)
        ws_json_add_double(o, "speedup_over_generation_0", k->first_s / seconds_of(c));
    if (keys) {
        cJSON_AddStringToObject(o, "family", keys->family);
        cJSON_AddStringToObject(o, "dtype", keys->dtype);
        cJSON_AddStringToObject(o, "shape_class", keys->shape_class);
    }
    cJSON_AddStringToObject(o, "note", c->note ? c->note : "");
    cJSON_AddStringToObject(o, "uses", k->traits ? k->traits : "");
    cJSON_AddStringToObject(o, "source", c->source);
    return o;
}

static cJSON *lesson_json(const memory_lesson *m)
{
    const db_lesson *l = &m->lesson;
    cJSON *o = cJSON_CreateObject(), *ids = cJSON_Parse(l->evidence_json);
    cJSON_AddStringToObject(o, "kind", l->kind);
    cJSON_AddStringToObject(o, "text", l->text);
    if (l->timing) {
        ws_json_add_double(o, "effect", l->effect);
        cJSON_AddStringToObject(o, "timing", l->timing);
    }
    cJSON_AddNumberToObject(o, "support", l->support);
    cJSON_AddStringToObject(o, "gpu", l->gpu);
    cJSON_AddStringToObject(o, "spec", l->keys.spec_name);
    cJSON_AddStringToObject(o, "family", l->keys.family);
    cJSON_AddStringToObject(o, "dtype", l->keys.dtype);
    cJSON_AddStringToObject(o, "shape_class", l->keys.shape_class);
    cJSON_AddNumberToObject(o, "other_specs", m->other_specs);
    cJSON_AddItemToObject(o, "candidates", ids ? ids : cJSON_CreateArray());
    return o;
}

static void print_lessons(const memory_lesson *list, int n)
{
    ws_buf t = {0}, safe = {0};
    for (int i = 0; i < n; i++)
        memory_lesson_print(&list[i], &t);
    ws_buf_add_foreign(&safe, ws_buf_z(&t), "");
    if (safe.n)
        puts(ws_buf_z(&safe));
    ws_buf_release(&safe);
    ws_buf_release(&t);
}

static memory_lesson *rows_of(const db_lesson *list, int n, ws_arena *a)
{
    memory_lesson *rows = WS_ARENA_NEW(a, memory_lesson, n + 1);
    for (int i = 0; i < n; i++)
        rows[i] = (memory_lesson){list[i], 0};
    return rows;
}

static void print_found(const memory_kernel *k, int kernels, const memory_lesson *l, int lessons,
                        bool json)
{
    if (json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "schema", 1);
        cJSON *array = cJSON_AddArrayToObject(o, "kernels");
        for (int i = 0; i < kernels; i++)
            cJSON_AddItemToArray(array, kernel_json(&k[i].kernel, k[i].keys));
        array = cJSON_AddArrayToObject(o, "lessons");
        for (int i = 0; i < lessons; i++)
            cJSON_AddItemToArray(array, lesson_json(&l[i]));
        cli_print_json(o);
        return;
    }
    for (int i = 0; i < kernels; i++)
        print_kernel(&k[i].kernel);
    if (lessons)
        puts(kernels ? "\nlessons" : "lessons");
    print_lessons(l, lessons);
    if (!kernels && !lessons)
        puts("nothing found");
}

/* ---- the subcommands ---- */

static ws_status search_text(db_archive *db, const char *text, const search_options *o, ws_arena *a,
                             ws_err *err)
{
    db_kernel *k = NULL;
    db_lesson *l = NULL;
    int kernels = 0, lessons = 0;
    if (db_kernel_search(db, text, o->limit, a, &k, &kernels, err) ||
        db_lesson_search(db, text, o->limit, a, &l, &lessons, err))
        return err->status;
    memory_kernel *rows = WS_ARENA_NEW(a, memory_kernel, kernels + 1);
    int n = 0;
    for (int i = 0; i < kernels; i++)
        if (!o->gpu || (k[i].candidate.gpu && strcmp(k[i].candidate.gpu, o->gpu) == 0))
            rows[n++] = (memory_kernel){k[i], NULL};
    print_found(rows, n, rows_of(l, lessons, a), lessons, o->json);
    return WS_OK;
}

static ws_status search_like(db_archive *db, const search_options *o, ws_arena *a, ws_err *err)
{
    spec *s = NULL;
    memory_kernel *k = NULL;
    memory_lesson *l = NULL;
    int kernels = 0, lessons = 0;
    const char *gpu = o->gpu ? o->gpu : default_gpu;
    ws_status st = spec_find(o->like, &s, err);
    if (!st)
        st = memory_kernel_list(db, s, gpu, 0, o->limit, a, &k, &kernels, err);
    if (!st)
        st = memory_lesson_list(db, s, gpu, 0, o->limit, a, &l, &lessons, err);
    if (!st)
        print_found(k, kernels, l, lessons, o->json);
    spec_free(s);
    return st;
}

ws_status archive_search(db_archive *db, const char **words, int n, const search_options *o,
                         ws_err *err)
{
    ws_arena a = {0};
    ws_buf text = {0};
    ws_status st;
    for (int i = 0; i < n; i++)
        ws_buf_printf(&text, "%s%s", i ? " " : "", words[i]);
    if (o->like && n)
        st = ws_fail(err, WS_EUSAGE, "archive search takes TEXT or --like SPEC, not both");
    else if (!o->like && ws_str_trim(ws_str_of(ws_buf_z(&text))).n == 0)
        st = ws_fail(err, WS_EUSAGE, "archive search needs TEXT, or --like SPEC");
    else
        st = o->like ? search_like(db, o, &a, err) : search_text(db, ws_buf_z(&text), o, &a, err);
    ws_buf_release(&text);
    ws_arena_release(&a);
    return st;
}

ws_status archive_lessons(db_archive *db, const char *spec_name, const search_options *o,
                          ws_err *err)
{
    ws_arena a = {0};
    spec *s = NULL;
    db_lesson *list = NULL;
    memory_lesson *rows = NULL;
    int n = 0;
    ws_status st = spec_name ? spec_find(spec_name, &s, err) : WS_OK;
    if (!st && s)
        st = memory_lesson_list(db, s, o->gpu ? o->gpu : default_gpu, 0, o->limit, &a, &rows, &n,
                                err);
    else if (!st && !(st = db_lesson_list(db, o->gpu, NULL, 0, o->limit, &a, &list, &n, err)))
        rows = rows_of(list, n, &a);
    if (!st && !n && !o->json)
        puts("no lessons");
    else if (!st && o->json)
        print_found(NULL, 0, rows, n, true);
    else if (!st)
        print_lessons(rows, n);
    spec_free(s);
    ws_arena_release(&a);
    return st;
}
