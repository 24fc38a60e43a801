/* The mutation test of the verifier: changes honest kernels in one place each and expects that
 * every change is rejected. `make mutate` runs it; docs/verify.md says what it showed. */
#include "tests/mutate/report.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/pool.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct options {
    const char *kernels, *out, *ledger;
    int64_t per_kernel, seed, lanes;
    bool list, quiet, keep;
} options;

static const ws_opt option_table[] = {{.name = "kernels",
                                       .type = WS_OPT_STRING,
                                       .offset = offsetof(options, kernels),
                                       .fallback = "*",
                                       .arg = "GLOBS",
                                       .help = "names of kernels, with blanks between"},
                                      {.name = "per-kernel",
                                       .type = WS_OPT_INT,
                                       .offset = offsetof(options, per_kernel),
                                       .fallback = "14",
                                       .arg = "N",
                                       .help = "mutants of each kernel, drawn by the seed; 0: all"},
                                      {.name = "seed",
                                       .type = WS_OPT_INT,
                                       .offset = offsetof(options, seed),
                                       .fallback = "1",
                                       .arg = "N",
                                       .help = "seed of the draw"},
                                      {.name = "lanes",
                                       .type = WS_OPT_INT,
                                       .offset = offsetof(options, lanes),
                                       .fallback = "0",
                                       .arg = "N",
                                       .help = "kernels at once; 0: one a core"},
                                      {.name = "out",
                                       .type = WS_OPT_STRING,
                                       .offset = offsetof(options, out),
                                       .fallback = "build/mutate",
                                       .arg = "DIR",
                                       .help = "where outcomes are kept"},
                                      {.name = "ledger",
                                       .type = WS_OPT_STRING,
                                       .offset = offsetof(options, ledger),
                                       .fallback = "tests/mutants.txt",
                                       .arg = "FILE",
                                       .help = "survivors with their arguments"},
                                      {.name = "keep",
                                       .type = WS_OPT_FLAG,
                                       .offset = offsetof(options, keep),
                                       .help = "outcomes of another build of warpsmith count, too"},
                                      {.name = "list",
                                       .type = WS_OPT_FLAG,
                                       .offset = offsetof(options, list),
                                       .help = "print the mutants, judge none"},
                                      {.name = "quiet",
                                       .type = WS_OPT_FLAG,
                                       .offset = offsetof(options, quiet),
                                       .help = "no line for each kernel"},
                                      {0}};

static const ws_command_doc doc = {.name = "mutate",
                                   .summary = "the mutation test of the verifier",
                                   .usage = "[options]",
                                   .options = option_table};

/* ---- kernels ---- */

static bool is_asked_for(const options *o, const char *name)
{
    char *globs = ws_strdup(o->kernels), *at = globs, *one;
    bool is = false;
    while ((one = strsep(&at, " ")))
        is |= *one && fnmatch(one, name, 0) == 0;
    free(globs);
    return is;
}

/* The first line of a kernel names its spec. */
static ws_status read_subject(const options *o, const char *path, const char *name, subject *out,
                              ws_err *err)
{
    char spec[256];
    *out = (subject){.name = ws_strdup(name)};
    if (ws_read_file(path, 1 << 20, &out->text, err))
        return err->status;
    if (sscanf(ws_buf_z(&out->text), "// spec: %255s", spec) != 1)
        return ws_fail(err, WS_EINPUT, "%s: the first line names no spec", path);
    out->spec = ws_strdup(spec);
    mut_list_make(out->name, out->text.p, out->text.n, &out->list);
    out->chosen =
        mut_list_sample(&out->list, (int)o->per_kernel, (unsigned)o->seed, &out->n_chosen);
    return WS_OK;
}

static ws_status read_subjects(const options *o, subject **out, int *n, ws_err *err)
{
    glob_t g;
    int cap = 0;
    ws_status st = WS_OK;
    if (glob("tests/kernels/honest/*.cu", 0, NULL, &g))
        return ws_fail(err, WS_EENV,
                       "no kernels in tests/kernels/honest: run it in the root of the source tree");
    for (size_t i = 0; i < g.gl_pathc && !st; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s", strrchr(g.gl_pathv[i], '/') + 1);
        name[strlen(name) - 3] = 0;
        if (!is_asked_for(o, name))
            continue;
        WS_GROW(*out, *n, cap);
        st = read_subject(o, g.gl_pathv[i], name, &(*out)[(*n)++], err);
    }
    globfree(&g);
    return !st && !*n ? ws_fail(err, WS_EUSAGE, "no kernel is called '%s'", o->kernels) : st;
}

static void release_subjects(subject *s, int n)
{
    for (int i = 0; i < n; i++) {
        free(s[i].name);
        free(s[i].spec);
        free(s[i].chosen);
        mut_list_release(&s[i].list);
        ws_buf_release(&s[i].text);
    }
    free(s);
}

static void print_list(const subject *s, int n)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < s[k].n_chosen; i++) {
            const mutant *m = &s[k].list.m[s[k].chosen[i]];
            printf("%s:%d:%d:%s %.12s\n    - %s\n    + %s\n", s[k].name, m->line, m->column,
                   m->family, m->hash, m->was, m->now);
        }
}

/* ---- judging ---- */

typedef struct work {
    const options *o;
    const subject *s;
    int n;
    const results *known;
    const char *results_path;
    atomic_int *next; /* kernel; shared by the lanes */
} work;

static ws_status judge_text(const work *w, mut_judge *j, const subject *s, const mutant *m,
                            int *fates, ws_err *err)
{
    ws_buf text = {0};
    char hash[WS_SHA256_HEX], id[256];
    mut_outcome o = {0};
    if (m)
        mut_text(&s->list, m, &text);
    else
        ws_buf_add(&text, s->text.p, s->text.n);
    ws_sha256_of(text.p, text.n, hash);
    snprintf(id, sizeof id, "%s:%d:%d:%s", s->name, m ? m->line : 0, m ? m->column : 0,
             m ? m->family : "original");
    ws_status st = mut_judge_one(j, id, ws_buf_z(&text), text.n, &o, err);
    if (!st)
        st = results_add(w->results_path, w->known->build, hash, id, &o, err);
    if (!st)
        fates[o.fate]++;
    ws_buf_release(&text);
    return st ? ws_wrap(err, "%s", id) : WS_OK;
}

static ws_status judge_subject(const work *w, const subject *s, ws_err *err)
{
    const int64_t start = ws_now_ns();
    mut_judge *j = NULL;
    char original[WS_SHA256_HEX];
    int fates[MUT_FATES] = {0};
    ws_status st = WS_OK;
    ws_sha256_of(s->text.p, s->text.n, original);
    for (int i = -1; i < s->n_chosen && !st; i++) {
        const mutant *m = i < 0 ? NULL : &s->list.m[s->chosen[i]];
        if (results_find(w->known, m ? m->hash : original))
            continue;
        if (!j)
            st = mut_judge_open(s->spec, s->text.p, s->text.n, &j, err);
        if (!st)
            st = judge_text(w, j, s, m, fates, err);
    }
    if (j && !w->o->quiet) {
        fprintf(stderr, "%-36s %4d killed %3d stillborn %3d identical %3d survived  %.0f s\n",
                s->name, fates[MUT_KILLED], fates[MUT_STILLBORN], fates[MUT_IDENTICAL],
                fates[MUT_SURVIVED], ws_seconds_since(start));
    }
    mut_judge_close(j);
    return st;
}

/* A lane takes one kernel after the other. */
static int lane(const work *w)
{
    ws_err err = {0};
    for (int k; (k = atomic_fetch_add(w->next, 1)) < w->n;)
        if (judge_subject(w, &w->s[k], &err)) {
            fprintf(stderr, "mutate: %s\n", err.msg);
            return 1;
        }
    return 0;
}

static ws_status judge_all(const work *w, ws_err *err)
{
    int lanes = w->o->lanes > 0 ? (int)w->o->lanes : ws_cpu_count(), failed = 0, status;
    fflush(NULL);
    for (int i = 0; i < lanes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return ws_fail_errno(err, WS_EENV, "cannot fork a lane");
        if (pid == 0)
            _exit(lane(w));
    }
    while (wait(&status) > 0)
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return failed ? ws_fail(err, WS_EENV, "%d of %d lanes ended early", failed, lanes) : WS_OK;
}

static int print_result(const options *o, const report *r)
{
    const int alive = r->fate[MUT_KILLED] + r->fate[MUT_SURVIVED];
    const bool good = !r->missing && !r->stale && !r->unjudged && !r->rejected_originals;
    printf("\n%d mutants: %d killed, %d stillborn, %d identical, %d survived, %d of them with an "
           "argument\n",
           r->mutants, r->fate[MUT_KILLED], r->fate[MUT_STILLBORN], r->fate[MUT_IDENTICAL],
           r->fate[MUT_SURVIVED], r->argued);
    printf("mutation score: %.2f %% of the %d that are programs of their own; without the "
           "equivalent ones %.2f %%\n",
           100.0 * r->fate[MUT_KILLED] / (alive ? alive : 1), alive,
           100.0 * r->fate[MUT_KILLED] / (alive > r->argued ? alive - r->argued : 1));
    if (!good)
        printf("%d survivors without an argument, %d arguments that do not hold, %d not judged, %d "
               "kernels rejected; "
               "see %s/survivors.txt\n",
               r->missing, r->stale, r->unjudged, r->rejected_originals, o->out);
    return good ? 0 : 1;
}

static ws_status run(const options *o, const subject *s, int n, int *code, ws_err *err)
{
    ws_buf path = {0}, survivors = {0};
    results known = {0}, all = {0};
    ledger l = {0};
    report r;
    atomic_int *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED)
        return ws_fail_errno(err, WS_EENV, "no memory to share");
    ws_buf_printf(&path, "%s/results.tsv", o->out);
    ws_buf_printf(&survivors, "%s/survivors.txt", o->out);
    ws_status st = ws_make_dirs(o->out, err);
    if (!st)
        st = ledger_load(o->ledger, &l, err);
    if (!st)
        st = results_load(ws_buf_z(&path), o->keep, &known, err);
    const work w = {.o = o, .s = s, .n = n, .known = &known, .results_path = path.p, .next = next};
    if (!st)
        st = judge_all(&w, err);
    if (!st)
        st = results_load(ws_buf_z(&path), o->keep, &all, err);
    if (!st)
        st = report_make(s, n, &all, &l, ws_buf_z(&survivors), &r, err);
    if (!st)
        *code = print_result(o, &r);
    munmap(next, sizeof *next);
    results_release(&known);
    results_release(&all);
    ledger_release(&l);
    ws_buf_release(&path);
    ws_buf_release(&survivors);
    return st;
}

int main(int argc, char **argv)
{
    options o = {0};
    ws_err err = {0};
    const char **args = ws_calloc((size_t)argc + 1, sizeof *args);
    subject *s = NULL;
    int n = 0, n_args = 0, code = 0;
    char *here = realpath(".", NULL), *exe = realpath("warpsmith", NULL);
    const ws_opt_result parsed = ws_opt_parse(&doc, argc, argv, &o, args, &n_args, &err);
    if (parsed == WS_OPT_HELP_SHOWN)
        return 0;
    if (here)
        setenv("WARPSMITH_HOME", here, 0);
    if (exe)
        setenv("WARPSMITH_EXE", exe, 0);
    if (parsed == WS_OPT_RUN && !read_subjects(&o, &s, &n, &err)) {
        if (o.list)
            print_list(s, n);
        else
            (void)!run(&o, s, n, &code, &err);
    }
    if (err.status) {
        fprintf(stderr, "mutate: %s\n", err.msg);
        code = ws_status_exit_code(err.status);
    }
    release_subjects(s, n);
    free(args);
    free(here);
    free(exe);
    return code;
}
