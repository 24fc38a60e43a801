#include "tests/mutate/results.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ws_status name_build(char out[17], ws_err *err)
{
    ws_buf exe = {.max = (size_t)1 << 30};
    char hex[WS_SHA256_HEX];
    if (ws_read_file(ws_proc_self(), (size_t)1 << 30, &exe, err))
        return err->status;
    ws_sha256_of(exe.p, exe.n, hex);
    snprintf(out, 17, "%.16s", hex);
    ws_buf_release(&exe);
    return WS_OK;
}

static int by_hash(const void *a, const void *b)
{
    return strcmp(((const result *)a)->hash, ((const result *)b)->hash);
}

/* build, hash, fate, reason, seconds, id, text, with tabs between. A line that was cut off by an
 * end is left out. */
static void read_line(results *out, char *line, bool any)
{
    char *field[7];
    result r = {0};
    for (int i = 0; i < 7; i++)
        if (!(field[i] = strsep(&line, "\t")))
            return;
    if (!any && strcmp(field[0], out->build) != 0)
        return;
    snprintf(r.hash, sizeof r.hash, "%s", field[1]);
    r.outcome.fate = MUT_FATES;
    for (int f = 0; f < MUT_FATES; f++)
        if (strcmp(field[2], mut_fate_name[f]) == 0)
            r.outcome.fate = (mut_fate)f;
    snprintf(r.outcome.reason, sizeof r.outcome.reason, "%s", field[3]);
    r.outcome.seconds = strtod(field[4], NULL);
    snprintf(r.outcome.text, sizeof r.outcome.text, "%s", field[6]);
    if (r.outcome.fate == MUT_FATES)
        return;
    WS_GROW(out->r, out->n, out->cap);
    out->r[out->n++] = r;
}

ws_status results_load(const char *path, bool any, results *out, ws_err *err)
{
    ws_buf text = {.max = (size_t)1 << 30};
    *out = (results){0};
    if (name_build(out->build, err))
        return err->status;
    if (!ws_file_exists(path))
        return WS_OK;
    if (ws_read_file(path, (size_t)1 << 30, &text, err))
        return err->status;
    ws_buf_addc(&text, '\n');
    char *at = text.p, *line;
    while (at && (line = strsep(&at, "\n")))
        read_line(out, line, any);
    qsort(out->r, (size_t)out->n, sizeof *out->r, by_hash);
    ws_buf_release(&text);
    return WS_OK;
}

void results_release(results *r)
{
    free(r->r);
    *r = (results){0};
}

const result *results_find(const results *r, const char *hash)
{
    result key = {0};
    snprintf(key.hash, sizeof key.hash, "%s", hash);
    return r->n ? bsearch(&key, r->r, (size_t)r->n, sizeof key, by_hash) : NULL;
}

ws_status results_add(const char *path, const char *build, const char *hash, const char *id,
                      const mut_outcome *o, ws_err *err)
{
    ws_buf line = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return ws_fail_errno(err, WS_EENV, "cannot open '%s'", path);
    ws_buf_printf(&line, "%s\t%s\t%s\t%s\t%.2f\t%s\t%s\n", build, hash, mut_fate_name[o->fate],
                  o->reason, o->seconds, id, o->text);
    ws_status st = ws_write_all(fd, line.p, line.n)
                       ? WS_OK
                       : ws_fail_errno(err, WS_EENV, "cannot write '%s'", path);
    close(fd);
    ws_buf_release(&line);
    return st;
}
