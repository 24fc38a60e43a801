#include "agent/sweep/kernelbench.h"

#include "agent/sweep/flaw.h"
#include "agent/sweep/suite.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RESULTS = 256 << 20, MAX_SOURCE = 4 << 20 };

typedef struct import {
    const kb_import *o;
    ws_arena arena;
    int level;
    suite suite;      /* of that level */
    cJSON *results;
    db_archive *db;
    db_sweep sweep;
    db_problem *row;  /* as they are stored */
    int n;
} import;

/* ---- the folder ---- */

static const char *folder_name(const char *dir, ws_arena *a)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    const char *end = dir + n, *p = end;
    while (p > dir && p[-1] != '/')
        p--;
    return ws_arena_strndup(a, p, (size_t)(end - p));
}

/* The level that the names of the samples' files have; 0: there are none, -1: several. */
static int level_of_files(const char *dir)
{
    DIR *d = opendir(dir);
    int level = 0, l, p, s;
    for (struct dirent *e; d && (e = readdir(d));)
        if (sscanf(e->d_name, "level_%d_problem_%d_sample_%d", &l, &p, &s) == 3)
            level = !level || level == l ? l : -1;
    if (d)
        closedir(d);
    return level;
}

static ws_status find_level(import *m, ws_err *err)
{
    int found = level_of_files(m->o->dir);
    m->level = m->o->level ? m->o->level : found;
    if (m->level > 0)
        return WS_OK;
    ws_fail(err, WS_EUSAGE,
            found ? "'%s' has samples of several levels"
                  : "'%s' has no level_L_problem_P_sample_S files that tell its level",
            m->o->dir);
    return ws_hint(err, "give --level N");
}

static ws_status read_results(import *m, ws_err *err)
{
    ws_buf text = {.max = MAX_RESULTS};
    const char *path = ws_arena_printf(&m->arena, "%s/eval_results.json", m->o->dir);
    ws_status st = ws_read_file(path, MAX_RESULTS, &text, err);
    if (!st && ws_json_parse(ws_buf_z(&text), text.n, &m->results, err))
        st = ws_wrap(err, "'%s'", path);
    if (!st && !cJSON_IsObject(m->results))
        st = ws_fail(err, WS_EINPUT, "'%s': expected an object of problem numbers", path);
    ws_buf_release(&text);
    return st;
}

/* ---- problems ---- */

/* "kernelbench/level1/019_relu" is problem 19; 0: none. */
static int number_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return atoi(slash ? slash + 1 : name);
}

static ws_status open_suite(import *m, ws_err *err)
{
    const char *name = ws_arena_printf(&m->arena, "kernelbench/level%d", m->level);
    if (!suite_open(&name, 1, &m->suite, err))
        return WS_OK;
    ws_fail(err, WS_EINPUT, "there are no specs of KernelBench's level %d", m->level);
    return ws_hint(err, "levels 1 to 3 are known");
}

static ws_status check_numbers(const import *m, ws_err *err)
{
    const cJSON *x;
    cJSON_ArrayForEach(x, m->results)
    {
        bool known = false, number = x->string[strspn(x->string, "0123456789")] == '\0';
        for (int i = 0; i < m->suite.n && number; i++)
            known = known || number_of(m->suite.spec[i].name) == atoi(x->string);
        if (!known)
            return ws_fail(err, WS_EINPUT, "eval_results.json: level %d has no problem '%s'",
                           m->level, x->string);
    }
    return WS_OK;
}

static ws_status store_sweep(import *m, ws_err *err)
{
    const char *folder = folder_name(m->o->dir, &m->arena);
    const char *label = m->o->model ? m->o->model : folder;
    flaw_table *flaws = NULL;
    db_problem *p = WS_ARENA_NEW(&m->arena, db_problem, m->suite.n + 1);
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "seed", "0");
    cJSON_AddStringToObject(config, "imported", folder);
    snprintf(m->sweep.name, sizeof m->sweep.name, "%s", m->o->name ? m->o->name : folder);
    m->sweep.suite = ws_arena_printf(&m->arena, "kernelbench/level%d", m->level);
    m->sweep.config_json = ws_json_text(config, &m->arena);
    m->sweep.shard = m->sweep.shards = 1;
    m->sweep.problems = m->suite.n;
    cJSON_Delete(config);
    ws_status st = flaw_open(&flaws, err);
    for (int i = 0; i < m->suite.n && !st; i++) {
        const suite_spec *s = &m->suite.spec[i];
        p[i] = (db_problem){.position = i + 1,
                            .spec = s->given,
                            .spec_name = s->name,
                            .spec_sha256 = s->sha256,
                            .model = label,
                            .strategy = "kernelbench"};
        (void)flaw_known(flaws, s->sha256, FLAW_LOOSE, &m->arena, &p[i].flaw);
    }
    flaw_close(flaws);
    if (!st)
        st = db_sweep_begin(m->db, &m->sweep, p, m->suite.n, &m->sweep.id, err);
    if (!st)
        st = db_problem_list(m->db, m->sweep.id, &m->arena, &m->row, &m->n, err);
    return st;
}

/* ---- samples ---- */

/* Milliseconds as seconds; -1 and what is no number: NaN. */
static double seconds_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) && v->valuedouble > 0 ? v->valuedouble * 1e-3 : (double)NAN;
}

static bool is_true(const cJSON *o, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static const char *hardware_of(const cJSON *o)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(o, "metadata");
    const char *gpu = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, "hardware"));
    return gpu && *gpu ? gpu : "unknown";
}

/* The file that was judged, when it is there. */
static char *source_of(const import *m, int problem, int sample)
{
    ws_buf path = {0}, text = {0};
    ws_err none = {0};
    ws_buf_printf(&path, "%s/level_%d_problem_%d_sample_%d_kernel.py", m->o->dir, m->level, problem,
                  sample);
    char *raw = ws_read_file(ws_buf_z(&path), MAX_SOURCE, &text, &none) ? NULL : ws_buf_take(&text);
    char *valid = raw ? ws_utf8_valid(raw) : NULL;
    free(raw);
    ws_buf_release(&path);
    ws_buf_release(&text);
    return valid;
}

/* Its number; of one that does not tell, its place. */
static int64_t sample_number(const cJSON *o, int place)
{
    int64_t number;
    return ws_json_whole(cJSON_GetObjectItemCaseSensitive(o, "sample_id"), &number) ? number
                                                                                    : place;
}

static ws_status add_sample(import *m, const db_problem *p, const cJSON *o, int place, ws_err *err)
{
    if (!cJSON_IsObject(o))
        return ws_fail(err, WS_EINPUT, "eval_results.json: problem %d: expected an object",
                       number_of(p->spec_name));
    int64_t number = sample_number(o, place);
    if (number < 0 || number > 1000000)
        return ws_fail(err, WS_EINPUT, "eval_results.json: problem %d has no sample %.0f",
                       number_of(p->spec_name), (double)number);
    char *source = source_of(m, number_of(p->spec_name), (int)number);
    db_sample s = {.problem = p->id,
                   .sample = (int)number,
                   .compiled = is_true(o, "compiled"),
                   .correct = is_true(o, "compiled") && is_true(o, "correctness"),
                   .seconds = seconds_of(o, "runtime"),
                   .gpu = hardware_of(o),
                   .source = source,
                   .detail_json = ws_json_text(o, &m->arena)};
    double reference = seconds_of(o, "ref_runtime");
    ws_status st = db_sample_put(m->db, &s, err);
    if (!st && isfinite(reference)) {
        db_baseline b = {p->id, "reference", "measured", s.gpu, reference};
        st = db_baseline_put(m->db, &b, err);
    }
    free(source);
    return st;
}

static ws_status add_list(import *m, const db_problem *p, const cJSON *list, ws_err *err)
{
    const int n = cJSON_GetArraySize(list);
    for (int i = 0; i < n; i++) {
        const cJSON *o = cJSON_GetArrayItem(list, i);
        for (int k = 0; k < i; k++)
            if (sample_number(o, i) == sample_number(cJSON_GetArrayItem(list, k), k))
                return ws_fail(err, WS_EINPUT,
                               "eval_results.json: problem %d has sample %.0f twice",
                               number_of(p->spec_name), (double)sample_number(o, i));
        if (add_sample(m, p, o, i, err))
            return err->status;
    }
    return WS_OK;
}

/* A problem has a list of samples; before sample numbers it had one record. */
static ws_status add_samples(import *m, ws_err *err)
{
    const cJSON *x;
    cJSON_ArrayForEach(x, m->results)
    {
        const db_problem *p = NULL;
        for (int i = 0; i < m->n; i++)
            if (number_of(m->row[i].spec_name) == atoi(x->string))
                p = &m->row[i];
        if (cJSON_IsArray(x) ? add_list(m, p, x, err) : add_sample(m, p, x, 0, err))
            return err->status;
    }
    return WS_OK;
}

/* ---- baselines ---- */

/* The entry of the problem in {"level1": {"19_ReLU.py": {"mean": ms, "hardware": ...}}}. */
static const cJSON *find_entry(const cJSON *root, int level, int problem)
{
    char key[16];
    const cJSON *x;
    snprintf(key, sizeof key, "level%d", level);
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(root, key))
        if (atoi(x->string) == problem)
            return x;
    return NULL;
}

/* A file says which GPU it is of in every entry; an import that does not tell takes that. */
static ws_status add_baseline(import *m, const char *name, const cJSON *root, int *count,
                              ws_err *err)
{
    for (int i = 0; i < m->n; i++) {
        const cJSON *x = find_entry(root, m->level, number_of(m->row[i].spec_name));
        const char *gpu = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "hardware"));
        db_baseline b = {m->row[i].id, name, "measured", gpu && *gpu ? gpu : "unknown",
                         seconds_of(x, "mean")};
        if (!isfinite(b.seconds))
            continue;
        if (db_baseline_put(m->db, &b, err))
            return err->status;
        ++*count;
    }
    return WS_OK;
}

static ws_status read_baseline(import *m, const char *given, ws_err *err)
{
    const char *eq = strchr(given, '=');
    ws_buf text = {0};
    cJSON *root = NULL;
    int count = 0;
    if (!eq || eq == given || !eq[1])
        return ws_fail(err, WS_EUSAGE, "--baseline: '%s' is not of the form NAME=FILE", given);
    const char *name = ws_arena_strndup(&m->arena, given, (size_t)(eq - given));
    ws_status st = ws_read_file(eq + 1, MAX_RESULTS, &text, err);
    if (!st && (st = ws_json_parse(ws_buf_z(&text), text.n, &root, err)))
        ws_wrap(err, "'%s'", eq + 1);
    if (!st)
        st = add_baseline(m, name, root, &count, err);
    if (!st && !count)
        st = ws_fail(err, WS_EINPUT, "'%s' has no times of level %d", eq + 1, m->level);
    cJSON_Delete(root);
    ws_buf_release(&text);
    return st;
}

/* ---- */

static ws_status end_problems(import *m, ws_err *err)
{
    for (int i = 0; i < m->n; i++) {
        m->row[i].status = "done";
        if (db_problem_update(m->db, &m->row[i], err))
            return err->status;
    }
    return db_sweep_end(m->db, m->sweep.id, "done", NULL, err);
}

static ws_status check_new(import *m, ws_err *err)
{
    db_sweep old;
    ws_err none = {0};
    const char *name = m->o->name ? m->o->name : folder_name(m->o->dir, &m->arena);
    if (strlen(name) >= sizeof old.name)
        return ws_fail(err, WS_EUSAGE, "'%.80s' is too long for a name; give --name NAME", name);
    if (db_sweep_find(m->db, name, &m->arena, &old, &none) || strcmp(old.name, name) != 0)
        return WS_OK;
    ws_fail(err, WS_EUSAGE, "a sweep '%s' is in the archive already", name);
    return ws_hint(err, "--name NAME imports it under another name");
}

ws_status kb_read(const kb_import *o, const char *archive, char name[64], ws_err *err)
{
    import m = {.o = o};
    ws_status st = read_results(&m, err);
    if (!st)
        st = find_level(&m, err);
    if (!st)
        st = open_suite(&m, err);
    if (!st)
        st = check_numbers(&m, err);
    if (!st)
        st = db_open(archive, false, &m.db, err);
    if (!st)
        st = check_new(&m, err);
    if (!st)
        st = store_sweep(&m, err);
    if (!st)
        st = add_samples(&m, err);
    for (size_t i = 0; i < o->baseline.n && !st; i++)
        st = read_baseline(&m, o->baseline.item[i], err);
    if (!st)
        st = end_problems(&m, err);
    if (!st)
        snprintf(name, 64, "%s", m.sweep.name);
    ws_err late = {0};
    if (st && m.sweep.id && db_sweep_remove(m.db, m.sweep.id, &late)) /* all of it, or nothing */
        ws_log(WS_LOG_WARN, "sweep '%s' is not complete: %s", m.sweep.name, late.msg);
    db_close(m.db);
    cJSON_Delete(m.results);
    suite_release(&m.suite);
    ws_arena_release(&m.arena);
    return st ? ws_wrap(err, "'%s'", o->dir) : WS_OK;
}
