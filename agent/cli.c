#include "agent/cli.h"

#include "base/file.h"
#include "harness/timing/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

volatile sig_atomic_t cli_interrupted;
char cli_resume_hint[400];

const cli_command *const cli_commands[] = {
    &cmd_optimize,    &cmd_sweep,       &cmd_verify,      &cmd_recheck,     &cmd_compile,
    &cmd_emit,        &cmd_cost,        &cmd_tune,        &cmd_bench,       &cmd_profile,
    &cmd_calibrate,   &cmd_reference,   &cmd_prompt,      &cmd_submit,      &cmd_spec,
    &cmd_archive,     &cmd_report,      &cmd_export,      &cmd_replay,      &cmd_compare,
    &cmd_doctor,      &cmd_prices,      &cmd_dataset,     &cmd_serve,       &cmd_mcp,
    &cmd_ptx_check,   &cmd_ptx_ops,     &cmd_ptx_run,     &cmd_run,
    &cmd_worker,      NULL};

ws_status cli_check_gpu(const char *name, ws_err *err)
{
    if (tim_gpu_find(name))
        return WS_OK;
    ws_buf names = {0};
    int n;
    const tim_gpu *g = tim_gpu_list(&n);
    for (int i = 0; i < n; i++)
        ws_buf_printf(&names, "%s%s", i ? ", " : "", g[i].name);
    ws_fail(err, WS_EUSAGE, "--gpu '%s': the cost model does not know it", name);
    ws_hint(err, "it knows %s", ws_buf_z(&names));
    ws_buf_release(&names);
    return err->status;
}

static ws_status set_dim(const spec *s, ws_binding *dim, const char *text, ws_err *err)
{
    const char *eq = strchr(text, '=');
    int d = 0;
    while (eq && d < s->n_dims &&
           (strlen(dim[d].name) != (size_t)(eq - text) ||
            strncmp(dim[d].name, text, (size_t)(eq - text))))
        d++;
    if (!eq || d == s->n_dims || !ws_parse_count(eq + 1, &dim[d].value))
        return ws_fail(err, WS_EUSAGE, "--dim '%s': expected NAME=N with a dim of '%s'", text,
                       s->name);
    return WS_OK;
}

ws_status cli_spec_env(const spec *s, int check, const ws_opt_list *dims, ws_arena *a, ws_env *out,
                       ws_err *err)
{
    ws_binding *dim = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
    if (check >= s->n_checks)
        return ws_fail(err, WS_EUSAGE, "--check %d: '%s' has %d check shapes", check, s->name,
                       s->n_checks);
    ws_env base = spec_env(s, check);
    for (int d = 0; d < s->n_dims; d++) {
        dim[d].name = s->dim[d].name;
        if (!ws_env_find(&base, dim[d].name, &dim[d].value))
            ws_bug("dim '%s' has no value", dim[d].name);
    }
    for (size_t i = 0; i < dims->n; i++)
        if (set_dim(s, dim, dims->item[i], err))
            return err->status;
    *out = (ws_env){dim, (size_t)s->n_dims, NULL};
    return WS_OK;
}

ptx_mma_model cli_mma_model(const char *name)
{
    return name[0] == 'h'   ? PTX_MMA_HOPPER
           : name[0] == 'a' ? PTX_MMA_AMPERE
           : name[0] == 'e' ? PTX_MMA_EXACT
                            : PTX_MMA_BY_TARGET;
}

ws_status cli_write_text(const char *path, bool json, const char *key, const ws_buf *text,
                         ws_err *err)
{
    bool to_file = strcmp(path, "-") != 0;
    if (to_file || !json) {
        if (ws_write_file(path, text->p, text->n, err))
            return err->status;
        if (!json)
            return WS_OK;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    if (to_file)
        cJSON_AddStringToObject(o, "file", path);
    else
        cJSON_AddStringToObject(o, key, ws_buf_z(text));
    cli_print_json(o);
    return WS_OK;
}

void cli_print_json(cJSON *v)
{
    char *text = cJSON_Print(v);
    if (!text)
        ws_bug("out of memory printing JSON");
    char *clean = ws_utf8_valid(text);
    puts(clean);
    free(clean);
    free(text);
    cJSON_Delete(v);
}

void cli_put_foreign(const char *z, int width)
{
    ws_buf line = {0};
    ws_buf_add_foreign(&line, z ? z : "", " ");
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == '\n' || line.p[i] == '\t')
            line.p[i] = ' ';
    size_t n = line.n;
    if (width > 3 && n > (size_t)width)
        for (n = (size_t)width - 3; n && ((unsigned char)line.p[n] & 0xc0) == 0x80;)
            n--;
    printf("%.*s%s", (int)n, ws_buf_z(&line), n < line.n ? "..." : "");
    ws_buf_release(&line);
}

int cli_columns(void)
{
    struct winsize w;
    return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) ? w.ws_col : 0;
}
