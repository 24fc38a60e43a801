/* Templates: text with {{variables}} and {{#name}} ... {{/name}}, which is left out when the
 * variable is empty. */
#include "agent/strategy/prompt.h"

#include "agent/strategy/prompt_vars.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEMPLATE = 64 * 1024 };

typedef struct filling {
    const prompt_context *c;
    ws_buf *out;
    bool in_task;    /* inside {{task}} */
    bool changed;    /* something that differs between a run's prompts was written */
    bool only_fixed; /* nothing else may be */
    size_t prefix;   /* bytes of `out` that are the same in all prompts */
} filling;

static ws_status fill(filling *f, const char *name, ws_err *err);

static ws_status find_variable(const filling *f, ws_str name, const prompt_variable **out,
                               ws_err *err)
{
    for (int i = 0; i < prompt_n_variables; i++)
        if (ws_str_eqz(name, prompt_variables[i].name)) {
            if (f->only_fixed && !prompt_variables[i].fixed)
                return ws_fail(err, WS_EINPUT,
                               "'{{%.*s}}' differs from prompt to prompt; a system prompt is the "
                               "same for the whole run",
                               WS_STR_ARG(name));
            *out = &prompt_variables[i];
            return WS_OK;
        }
    return ws_fail(err, WS_EINPUT, "unknown variable '{{%.*s}}'", WS_STR_ARG(name));
}

static ws_status put_variable(filling *f, ws_str name, ws_err *err)
{
    const prompt_variable *v;
    if (ws_str_eqz(name, "task")) {
        if (f->in_task)
            return ws_fail(err, WS_EINPUT, "'{{task}}' inside the task template");
        f->in_task = true;
        ws_status st = fill(f, "task", err);
        f->in_task = false;
        return st;
    }
    if (find_variable(f, name, &v, err))
        return err->status;
    f->changed |= !v->fixed;
    v->put(f->c, f->out);
    return WS_OK;
}

/* At "{{#name}}", whose closing braces are at `end`: where to go on, which is behind "{{/name}}"
 * when the variable is empty. NULL: an error. */
static const char *section(filling *f, ws_str name, const char *end, ws_err *err)
{
    const prompt_variable *v;
    ws_buf text = {0}, closing = {0};
    if (find_variable(f, name, &v, err))
        return NULL;
    f->changed |= !v->fixed;
    v->put(f->c, &text);
    ws_buf_printf(&closing, "{{/%.*s}}", WS_STR_ARG(name));
    const char *close = strstr(end, ws_buf_z(&closing));
    const char *on = text.n ? end + 2 : close ? close + closing.n : NULL;
    ws_buf_release(&text);
    ws_buf_release(&closing);
    if (!close) {
        ws_fail(err, WS_EINPUT, "'{{#%.*s}}' without '{{/%.*s}}'", WS_STR_ARG(name),
                WS_STR_ARG(name));
        return NULL;
    }
    return on;
}

/* Writes what "{{...}}" at `p` stands for; the text after it, NULL: an error. */
static const char *put_braces(filling *f, const char *p, ws_err *err)
{
    const char *end = strstr(p, "}}");
    if (!end) {
        ws_fail(err, WS_EINPUT, "'{{' without '}}'");
        return NULL;
    }
    ws_str name = ws_str_trim((ws_str){p + 2, (size_t)(end - p - 2)});
    if (name.n && name.p[0] == '#')
        return section(f, (ws_str){name.p + 1, name.n - 1}, end, err);
    if (name.n && name.p[0] == '/')
        return end + 2;
    return put_variable(f, name, err) ? NULL : end + 2;
}

static ws_status fill_text(filling *f, const char *text, ws_err *err)
{
    int line = 1;
    for (const char *p = text; *p;) {
        if (p[0] != '{' || p[1] != '{') {
            line += *p == '\n';
            ws_buf_addc(f->out, *p++);
            f->changed |= !f->in_task; /* a template's own words are only its own */
        } else {
            const char *on = put_braces(f, p, err);
            if (!on)
                return ws_wrap(err, "line %d", line);
            for (; p < on; p++)
                line += *p == '\n';
        }
        if (!f->changed)
            f->prefix = f->out->n;
    }
    return WS_OK;
}

static ws_status fill(filling *f, const char *name, ws_err *err)
{
    ws_buf path = {0}, text = {0};
    const char *dir = f->c->dir;
    if (dir)
        ws_buf_printf(&path, "%s/%s.txt", dir, name);
    /* A user's directory may hold only the templates that differ. */
    if (!dir || !ws_file_exists(ws_buf_z(&path))) {
        ws_buf_reset(&path);
        ws_home_path(&path, "agent/prompts/");
        ws_buf_printf(&path, "%s.txt", name);
    }
    ws_status st = ws_read_file(ws_buf_z(&path), MAX_TEMPLATE, &text, err);
    if (!st && fill_text(f, ws_buf_z(&text), err))
        st = ws_wrap(err, "template '%s'", ws_buf_z(&path));
    ws_buf_release(&text);
    ws_buf_release(&path);
    return st;
}

ws_status prompt_make(const prompt_context *c, prompt_text *out, ws_err *err)
{
    ws_buf system = {0}, user = {0};
    filling s = {.c = c, .out = &system, .only_fixed = true}, u = {.c = c, .out = &user};
    if (c->dir && !ws_file_exists(c->dir))
        return ws_fail(err, WS_EINPUT, "there is no directory '%s' with templates", c->dir);
    if (fill(&s, "system", err) || fill(&u, c->step->purpose, err)) {
        ws_buf_release(&system);
        ws_buf_release(&user);
        return err->status;
    }
    ws_buf_adds(&system, ""); /* never NULL, also from empty templates */
    ws_buf_adds(&user, "");
    *out = (prompt_text){ws_buf_take(&system), ws_buf_take(&user), u.prefix};
    return WS_OK;
}

void prompt_release(prompt_text *p)
{
    free(p->system);
    free(p->user);
    *p = (prompt_text){0};
}
