#include "agent/sweep/slurm.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* Seconds before its time limit at which an element is told, to store what is at hand. */
enum { NOTICE_SECONDS = 180, MAX_COMMAND = 1 << 20, SBATCH_SECONDS = 120 };

/* ---- the command line ---- */

/* Options that a shard gets from its script, and those of the submission; with their value, and the
 * letter. */
static const struct own {
    const char *name;
    char letter;
    bool value;
} own[] = {{"--archive", 'a', true},   {"--name", 0, true},          {"--shard", 0, true},
           {"--slurm", 0, true},       {"--slurm-arg", 0, true},     {"--slurm-dir", 0, true},
           {"--slurm-at-once", 0, true}, {"--dry-run", 0, false},    {"--continue", 0, false},
           {"--csv", 0, true},          {"--html", 0, true}};

/* How many words from here on are one of these options; 0: none is. */
static int own_words(const char *word)
{
    for (size_t i = 0; i < WS_COUNT(own); i++) {
        size_t n = strlen(own[i].name);
        if (strncmp(word, own[i].name, n) == 0 && word[n] == '=')
            return 1;
        if (strcmp(word, own[i].name) == 0)
            return 1 + own[i].value;
        if (own[i].letter && word[0] == '-' && word[1] == own[i].letter)
            return word[2] ? 1 : 2;
    }
    return 0;
}

const char **slurm_words(ws_err *err)
{
    ws_buf line = {0};
    if (ws_read_file("/proc/self/cmdline", MAX_COMMAND, &line, err))
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < line.n; i++)
        count += !line.p[i];
    const char **word = ws_calloc(1, (count + 1) * sizeof *word + line.n + 1);
    char *text = (char *)(word + count + 1);
    memcpy(text, line.p, line.n);
    size_t n = 0, at = 0;
    for (int skip = 2; at < line.n; at += strlen(text + at) + 1) { /* the program, "sweep" */
        skip = skip ? skip : own_words(text + at);
        if (skip)
            skip--;
        else
            word[n++] = text + at;
    }
    ws_buf_release(&line);
    return word;
}

/* ---- scripts ---- */

/* For a shell. */
static void put_word(ws_buf *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,@%+-";
    if (*word && strspn(word, plain) == strlen(word)) {
        ws_buf_adds(out, word);
        return;
    }
    ws_buf_addc(out, '\'');
    for (; *word; word++)
        *word == '\'' ? ws_buf_adds(out, "'\\''") : ws_buf_addc(out, *word);
    ws_buf_addc(out, '\'');
}

static void put_option(ws_buf *out, const char *name, const char *value)
{
    ws_buf_printf(out, " %s ", name);
    put_word(out, value);
}

/* Paths of the scripts are absolute: jobs begin somewhere else. */
typedef struct paths {
    char dir[PATH_MAX], cwd[PATH_MAX], archive[2 * PATH_MAX];
} paths;

static void put_directives(ws_buf *out, const slurm_options *o, const paths *p, const char *job,
                           const char *log)
{
    ws_buf_printf(out, "#!/bin/bash\n#SBATCH --job-name=%s\n#SBATCH --output=%s/log/%s\n", job,
                  p->dir, log);
    ws_buf_adds(out, "#SBATCH --open-mode=append\n#SBATCH --nodes=1\n#SBATCH --ntasks=1\n");
    for (size_t i = 0; i < o->args->n; i++)
        ws_buf_printf(out, "#SBATCH %s\n", o->args->item[i]);
}

static void put_start(ws_buf *out, const paths *p)
{
    ws_buf_adds(out, "cd ");
    put_word(out, p->cwd);
    ws_buf_adds(out, " || exit 3\n");
}

static void put_shard(ws_buf *out, const slurm_options *o, const paths *p)
{
    char archive[PATH_MAX + 64];
    put_directives(out, o, p, o->name, "%a.log");
    ws_buf_printf(out, "#SBATCH --array=1-%d", o->shards);
    if (o->at_once)
        ws_buf_printf(out, "%%%d", o->at_once);
    ws_buf_printf(out, "\n#SBATCH --requeue\n#SBATCH --signal=B:USR1@%d\n", NOTICE_SECONDS);
    put_start(out, p);
    snprintf(archive, sizeof archive, "%s/shard-", p->dir);
    ws_buf_adds(out, "again=\n"
                     "trap 'again=1; kill -TERM $sweep' USR1  # the time limit is near\n"
                     "trap 'kill -TERM $sweep' TERM\n");
    put_word(out, ws_proc_self());
    ws_buf_adds(out, " sweep");
    for (const char *const *w = o->word; *w; w++) {
        ws_buf_addc(out, ' ');
        put_word(out, *w);
    }
    put_option(out, "--name", o->name);
    put_option(out, "--archive", archive);
    ws_buf_printf(out,
                  "\"$SLURM_ARRAY_TASK_ID\".db --shard \"$SLURM_ARRAY_TASK_ID/%d\" --continue &\n",
                  o->shards);
    ws_buf_adds(out, "sweep=$!\n"
                     "wait $sweep\n"
                     "code=$?\n"
                     "while kill -0 $sweep 2>/dev/null; do  # a signal ends wait, not the sweep\n"
                     "    wait $sweep\n"
                     "    code=$?\n"
                     "done\n"
                     "if [ -n \"$again\" ] && [ $code = 130 ]; then\n"
                     "    scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"\n"
                     "fi\n"
                     "exit $code\n");
}

static void put_merge(ws_buf *out, const slurm_options *o, const paths *p)
{
    char job[80];
    snprintf(job, sizeof job, "%s-merge", o->name);
    put_directives(out, o, p, job, "merge.log");
    put_start(out, p);
    put_word(out, ws_proc_self());
    ws_buf_adds(out, " archive merge ");
    put_word(out, p->archive);
    ws_buf_addc(out, ' ');
    put_word(out, p->dir);
    ws_buf_adds(out, "/shard-*.db || exit\n");
    put_word(out, ws_proc_self());
    ws_buf_adds(out, " sweep");
    put_option(out, "--show", o->name);
    put_option(out, "--archive", p->archive);
    ws_buf_addc(out, '\n');
}

/* ---- submitting ---- */

/* Runs sbatch; the job's number into `job`. */
static ws_status sbatch(const char *dependency, const char *script, char job[32], ws_err *err)
{
    char after[64];
    ws_proc p;
    ws_proc_result end;
    ws_buf said = {0};
    snprintf(after, sizeof after, "--dependency=afterany:%.30s", dependency ? dependency : "");
    const char *argv[] = {"/usr/bin/env", "sbatch", "--parsable", dependency ? after : script,
                          dependency ? script : NULL, NULL};
    ws_proc_options o = {.argv = argv, .env = (const char *const *)environ, .keep_output = true};
    if (ws_proc_spawn(&o, &p, err))
        return err->status;
    if (ws_proc_wait(&p, ws_now_ns() + SBATCH_SECONDS * INT64_C(1000000000), &said, &end, err)) {
        ws_buf_release(&said);
        return err->status;
    }
    const char *text = ws_buf_z(&said);
    size_t n = strspn(text, "0123456789");
    ws_status st = WS_OK;
    if (end.how == WS_PROC_EXITED && end.code == 127) {
        ws_fail(err, WS_EENV, "there is no sbatch here");
        st = ws_hint(err, "--dry-run prints the scripts, for a machine that has one");
    } else if (end.how != WS_PROC_EXITED || end.code || !n || n > 30) {
        st = ws_fail(err, WS_EREMOTE, "sbatch refused '%s': %.*s", script,
                     (int)strcspn(text, "\n"), *text ? text : "no answer");
    } else {
        snprintf(job, 32, "%.*s", (int)n, text);
    }
    ws_buf_release(&said);
    return st;
}

static ws_status write_script(const char *path, const ws_buf *text, ws_err *err)
{
    if (ws_write_file(path, text->p, text->n, err))
        return err->status;
    return chmod(path, 0755) ? ws_fail_errno(err, WS_EENV, "cannot make '%s' executable", path)
                             : WS_OK;
}

static ws_status submit(const slurm_options *o, const paths *p, const ws_buf *shard,
                        const ws_buf *merge, ws_err *err)
{
    char path[PATH_MAX + 16], after[PATH_MAX + 16], log[PATH_MAX + 16], job[32], last[32];
    snprintf(path, sizeof path, "%s/shard.sh", p->dir);
    snprintf(after, sizeof after, "%s/merge.sh", p->dir);
    snprintf(log, sizeof log, "%s/log", p->dir);
    if (o->dry_run) {
        printf("# %s\n%s\n# %s\n%s\n", path, ws_buf_z(shard), after, ws_buf_z(merge));
        printf("# sbatch --parsable %s\n# sbatch --parsable --dependency=afterany:JOB %s\n", path,
               after);
        return WS_OK;
    }
    if (ws_make_dirs(log, err) || write_script(path, shard, err) ||
        write_script(after, merge, err) || sbatch(NULL, path, job, err) ||
        sbatch(job, after, last, err))
        return err->status;
    printf("sweep %s: array job %s of %d shards, then job %s merges into %s\n", o->name, job,
           o->shards, last, p->archive);
    printf("logs and archives: %s\n", p->dir);
    return WS_OK;
}

static ws_status find_paths(const slurm_options *o, paths *p, ws_err *err)
{
    char dir[PATH_MAX];
    if (!getcwd(p->cwd, sizeof p->cwd))
        return ws_fail_errno(err, WS_EENV, "cannot tell the working directory");
    if (o->dir)
        snprintf(dir, sizeof dir, "%s", o->dir);
    else
        snprintf(dir, sizeof dir, "%s.slurm", o->name);
    int n = *dir == '/' ? snprintf(p->dir, sizeof p->dir, "%s", dir)
                        : snprintf(p->dir, sizeof p->dir, "%s/%s", p->cwd, dir);
    snprintf(p->archive, sizeof p->archive, *o->archive == '/' ? "%.0s%s" : "%s/%s", p->cwd,
             o->archive);
    if (n >= PATH_MAX || strpbrk(p->dir, "\n\"'\\% "))
        return ws_fail(err, WS_EUSAGE,
                       "'%.200s' cannot stand in an #SBATCH line; --slurm-dir names another folder",
                       p->dir);
    return WS_OK;
}

ws_status slurm_submit(const slurm_options *o, ws_err *err)
{
    paths p;
    ws_buf shard = {0}, merge = {0};
    for (size_t i = 0; i < o->args->n; i++)
        if (strncmp(o->args->item[i], "--", 2) != 0 || strchr(o->args->item[i], '\n'))
            return ws_fail(err, WS_EUSAGE, "--slurm-arg: '%.100s' is no option of sbatch such as "
                           "--partition=gpu", o->args->item[i]);
    if (find_paths(o, &p, err))
        return err->status;
    put_shard(&shard, o, &p);
    put_merge(&merge, o, &p);
    ws_status st = submit(o, &p, &shard, &merge, err);
    ws_buf_release(&shard);
    ws_buf_release(&merge);
    return st;
}
