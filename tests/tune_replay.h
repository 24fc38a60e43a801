/* Recorded tables of whole tune spaces, which a search can be run against in no time. */
#ifndef TESTS_TUNE_REPLAY_H
#define TESTS_TUNE_REPLAY_H

#include "agent/tune/table.h"
#include "base/file.h"
#include "base/json.h"
#include "specs/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tune_case {
    char name[64];
    spec *spec;
    ws_env dims;
    ws_arena arena;
    plan *plan;
    tune_table table;
} tune_case;

__attribute__((unused)) static void tune_case_close(tune_case *c)
{
    tune_table_release(&c->table);
    ws_arena_release(&c->arena);
    spec_free(c->spec);
}

static bool tune_case_plan(tune_case *c, const ws_buf *source, ws_err *err)
{
    const spec *s = c->spec;
    int n_in = s->n_inputs + s->n_weights;
    const char **tensor = WS_ARENA_NEW(&c->arena, const char *, n_in + s->n_outputs);
    const char **dim = WS_ARENA_NEW(&c->arena, const char *, s->n_dims + 1);
    hx_diag d;
    for (int i = 0; i < n_in; i++)
        tensor[i] = s->tensor[i].name;
    for (int i = 0; i < s->n_outputs; i++)
        tensor[n_in + i] = s->output[i];
    for (int i = 0; i < s->n_dims; i++)
        dim[i] = s->dim[i].name;
    plan_names names = {tensor, n_in + s->n_outputs, dim, s->n_dims, NULL};
    if (!plan_parse(&c->arena, ws_buf_z(source), source->n, &names, &c->plan, &d)) {
        ws_fail(err, WS_EINPUT, "%s: %s", c->name, d.text);
        return false;
    }
    return true;
}

/* <dir>/<name>.cu and <tables>/<name>.json */
__attribute__((unused)) static bool
tune_case_open(tune_case *c, const char *dir, const char *tables, const char *name, ws_err *err)
{
    char path[400];
    ws_buf text = {0}, source = {0};
    cJSON *root = NULL;
    *c = (tune_case){0};
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s.json", tables, name);
    bool good = !ws_read_file(path, 16 << 20, &text, err) &&
                !ws_json_parse(ws_buf_z(&text), text.n, &root, err);
    snprintf(path, sizeof path, "%s/%s.cu", dir, name);
    const cJSON *spec_name = cJSON_GetObjectItem(root, "spec");
    good = good && cJSON_IsString(spec_name) && !ws_read_file(path, 1 << 20, &source, err) &&
           !spec_find(spec_name->valuestring, &c->spec, err);
    if (good) {
        c->dims = spec_env(c->spec, -1);
        good = tune_case_plan(c, &source, err) &&
               !tune_table_read(cJSON_GetObjectItem(root, "table"), c->plan, &c->table, err);
    }
    cJSON_Delete(root);
    ws_buf_release(&text);
    ws_buf_release(&source);
    return good;
}

/* Evaluations until a point within `tie` of the best of the table was told; 0: not with max_points
 * of them. -1: the search asked for a point that is not in the table, or for one twice. */
__attribute__((unused)) static int tune_case_needed(const tune_case *c, const tune_options *o,
                                                    double tie)
{
    const double enough = c->table.result[tune_table_best(&c->table)].seconds * (1 + tie);
    bool *asked = calloc((size_t)c->table.n, sizeof *asked);
    tune_search *s = tune_search_new(c->plan, &c->dims, o, NULL);
    const int64_t *rows;
    int n, done = 0, found = 0;
    while (!found && (n = tune_search_ask(s, &rows)) > 0)
        for (int i = 0; i < n && !found; i++) {
            const int64_t *row = rows + (size_t)i * (size_t)c->plan->n_tune;
            int at = tune_table_find(&c->table, row);
            done++;
            if (at < 0 || asked[at] || done > o->max_points) {
                found = -1;
                break;
            }
            asked[at] = true;
            tune_search_tell(s, row, &c->table.result[at]);
            if (!found && c->table.result[at].right && c->table.result[at].seconds <= enough)
                found = done;
        }
    tune_search_free(s);
    free(asked);
    return found;
}

#endif
