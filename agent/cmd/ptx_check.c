/* `warpsmith ptx check`: parses and decodes files, several at a time, and prints what came of it in
 * the order of the arguments. */
#include "agent/cli.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "harness/ptx/ptx.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_BYTES = 256 << 20, MAX_JOBS = 256 };

typedef struct options {
    cli_common common;
    int64_t jobs;
} options;

static const ws_opt option_table[] = {
    {.name = "jobs", .letter = 'j', .type = WS_OPT_INT, .offset = offsetof(options, jobs),
     .fallback = "0",
     .max = MAX_JOBS, .arg = "N", .help = "work on N files at a time; 0: one a core"},
    CLI_COMMON_OPTIONS};

typedef enum outcome { OK, UNSUPPORTED, BAD } outcome;
static const char *const outcome_names[] = {"ok", "unsupported", "bad"};

typedef struct lack { /* one instruction, where it stands first */
    const char *name, *why, *function, *excerpt;
    bool is_call;
    int line, column, times;
} lack;

typedef struct checked {
    const char *path;
    outcome outcome;
    const char *error; /* of BAD */
    int error_line, error_column; /* 0: of the file as a whole */
    int n_kernels, registers; /* registers: of the kernel that has most */
    int64_t insns;
    lack *lack;
    int n_lacks, cap_lacks;
    ws_arena arena;
    const char *text, *end; /* while it is being checked */
} checked;

typedef struct list {
    checked *file;
    int n, cap;
    atomic_int next;
} list;

/* ---- one file ---- */

static const char *place(const checked *f, int line, int column)
{
    const char *p = f->text;
    for (int l = 1; l < line && p; l++)
        if ((p = memchr(p, '\n', (size_t)(f->end - p))))
            p++;
    return p && f->end - p >= column ? p + column - 1 : f->end;
}

static void note_lack(void *ud, const ptx_lack *l)
{
    checked *f = ud;
    for (int i = 0; i < f->n_lacks; i++)
        if (f->lack[i].is_call == l->is_call && strcmp(f->lack[i].name, l->name) == 0) {
            f->lack[i].times++;
            return;
        }
    char excerpt[PTX_EXCERPT];
    ptx_excerpt(f->text, f->end, place(f, l->line, l->column), excerpt);
    WS_GROW(f->lack, f->n_lacks, f->cap_lacks);
    f->lack[f->n_lacks++] = (lack){
        .name = ws_arena_strdup(&f->arena, l->name),
        .why = ws_arena_strdup(&f->arena, l->why),
        .function = ws_arena_strdup(&f->arena, l->function),
        .excerpt = ws_arena_strdup(&f->arena, excerpt),
        .is_call = l->is_call,
        .line = l->line,
        .column = l->column,
        .times = 1,
    };
}

static void set_error(checked *f, const char *msg)
{
    int at = 0;
    if (sscanf(msg, "line %d, column %d: %n", &f->error_line, &f->error_column, &at) != 2 || !at)
        f->error_line = f->error_column = at = 0;
    f->error = ws_arena_strdup(&f->arena, msg + at);
    f->outcome = BAD;
}

static void check_file(checked *f)
{
    ws_buf text = {.max = MAX_BYTES};
    ws_err err = {0};
    ptx_module *m = NULL;
    if (ws_read_file(f->path, MAX_BYTES, &text, &err) ||
        ptx_module_load(ws_buf_z(&text), text.n, NULL, &m, &err)) {
        set_error(f, err.msg);
        ws_buf_release(&text);
        return;
    }
    f->text = ws_buf_z(&text);
    f->end = f->text + text.n;
    ptx_module_check(m, note_lack, f);
    f->n_kernels = ptx_module_kernels(m);
    for (int k = 0; k < f->n_kernels; k++) {
        const ptx_kernel_info *info = ptx_module_kernel(m, k);
        f->insns += info->insns;
        f->registers = info->registers > f->registers ? info->registers : f->registers;
    }
    f->outcome = f->n_lacks ? UNSUPPORTED : OK;
    ptx_module_free(m);
    ws_buf_release(&text);
}

static void *work(void *arg)
{
    list *l = arg;
    for (int i; (i = atomic_fetch_add(&l->next, 1)) < l->n;)
        check_file(&l->file[i]);
    return NULL;
}

static void check_all(list *l, int64_t jobs)
{
    int64_t n = jobs ? jobs : sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t thread[MAX_JOBS];
    int started = 0;
    n = n < l->n ? n : l->n;
    while (started + 1 < n && started < (int)WS_COUNT(thread) &&
           pthread_create(&thread[started], NULL, work, l) == 0)
        started++;
    work(l);
    for (int t = 0; t < started; t++)
        pthread_join(thread[t], NULL);
}

/* ---- which files ---- */

static void add_file(list *l, const char *path)
{
    WS_GROW(l->file, l->n, l->cap);
    l->file[l->n] = (checked){0};
    l->file[l->n].path = ws_arena_strdup(&l->file[l->n].arena, path);
    l->n++;
}

static int is_ptx(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && strcmp(e->d_name + n - 4, ".ptx") == 0;
}

static ws_status add_argument(list *l, const char *path, ws_err *err)
{
    struct stat st;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        add_file(l, path);
        return WS_OK;
    }
    struct dirent **entry;
    int n = scandir(path, &entry, is_ptx, alphasort);
    if (n < 0)
        return ws_fail_errno(err, WS_EINPUT, "cannot read the folder '%s'", path);
    if (!n)
        ws_fail(err, WS_EINPUT, "no *.ptx in the folder '%s'", path);
    for (int i = 0; i < n; i++) {
        ws_buf full = {0};
        ws_buf_printf(&full, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/",
                      entry[i]->d_name);
        add_file(l, ws_buf_z(&full));
        ws_buf_release(&full);
        free(entry[i]);
    }
    free(entry);
    return err->status;
}

/* ---- the result ---- */

static void print_text(const checked *f)
{
    const char *path = strcmp(f->path, "-") == 0 ? "standard input" : f->path;
    if (f->outcome == OK)
        printf("%s: ok, %d kernels, %lld instructions, %d registers\n", path, f->n_kernels,
               (long long)f->insns, f->registers);
    if (f->outcome == BAD && f->error_line)
        printf("%s:%d:%d: %s\n", path, f->error_line, f->error_column, f->error);
    else if (f->outcome == BAD)
        printf("%s: %s\n", path, f->error);
    for (int i = 0; i < f->n_lacks; i++) {
        const lack *l = &f->lack[i];
        printf("%s:%d:%d: unsupported %s'%s' in %s", path, l->line, l->column,
               l->is_call ? "call of " : "", l->name, l->function);
        if (l->times > 1)
            printf(", %d times", l->times);
        printf(": %s\n%s\n", l->why, l->excerpt);
    }
}

static cJSON *to_json(const checked *f)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "file", f->path);
    cJSON_AddStringToObject(o, "outcome", outcome_names[f->outcome]);
    if (f->outcome == BAD) {
        cJSON_AddStringToObject(o, "error", f->error);
        cJSON_AddNumberToObject(o, "line", f->error_line);
        cJSON_AddNumberToObject(o, "column", f->error_column);
        return o;
    }
    cJSON_AddNumberToObject(o, "kernels", f->n_kernels);
    ws_json_add_int(o, "instructions", f->insns);
    cJSON_AddNumberToObject(o, "registers", f->registers);
    cJSON *a = cJSON_AddArrayToObject(o, "unsupported");
    for (int i = 0; i < f->n_lacks; i++) {
        const lack *l = &f->lack[i];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, l->is_call ? "call" : "instruction", l->name);
        cJSON_AddStringToObject(one, "why", l->why);
        cJSON_AddStringToObject(one, "function", l->function);
        cJSON_AddNumberToObject(one, "line", l->line);
        cJSON_AddNumberToObject(one, "column", l->column);
        cJSON_AddNumberToObject(one, "times", l->times);
        cJSON_AddItemToArray(a, one);
    }
    return o;
}

static void print_result(const list *l, const cli_common *common, const int count[3])
{
    cJSON *files = common->json ? cJSON_CreateArray() : NULL;
    for (int i = 0; i < l->n; i++) {
        if (files)
            cJSON_AddItemToArray(files, to_json(&l->file[i]));
        else if (l->file[i].outcome != OK || !common->quiet)
            print_text(&l->file[i]);
    }
    if (!files) {
        printf("%d files, %d ok, %d unsupported, %d bad\n", l->n, count[OK], count[UNSUPPORTED],
               count[BAD]);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddItemToObject(o, "files", files);
    for (size_t k = 0; k < WS_COUNT(outcome_names); k++)
        cJSON_AddNumberToObject(o, outcome_names[k], count[k]);
    cli_print_json(o);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    list l = {0};
    ws_status st = WS_OK;
    int count[3] = {0};
    for (int i = 0; i < nargs && !st; i++)
        st = add_argument(&l, args[i], err);
    if (!st) {
        check_all(&l, o->jobs);
        for (int i = 0; i < l.n; i++)
            count[l.file[i].outcome]++;
        print_result(&l, &o->common, count);
        *exit_code = count[OK] != l.n;
    }
    for (int i = 0; i < l.n; i++) {
        free(l.file[i].lack);
        ws_arena_release(&l.file[i].arena);
    }
    free(l.file);
    return st;
}

const cli_command cmd_ptx_check = {
    .doc = {.name = "ptx check",
            .summary = "tell which PTX files the CPU engine executes, and what it lacks",
            .usage = "FILE.ptx... [options]",
            .details = "Parses and decodes every kernel and function: one line for a file that is "
                       "ok, else what is "
                       "wrong, or each different instruction that the engine lacks, with its "
                       "place. A folder stands "
                       "for its *.ptx, - for standard input. The exit code is 1 when a file is not "
                       "ok.",
            .examples =
            "nvcc -ptx -arch=compute_90a gemm.cu -o gemm.ptx && warpsmith ptx check gemm.ptx\n"
                        "warpsmith ptx check kernels/ --json",
            .options = option_table,
            .min_args = 1,
            .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
