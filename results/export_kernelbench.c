/* class ModelNew: the signature of upstream's Model, its weights, and a call of the launcher. */
#include "results/export_kernelbench.h"

#include "base/file.h"
#include "results/export_python.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TABLE = 1 << 20, MAX_PARAMETERS = 64 };

/* A parameter of __init__ or forward. */
typedef struct parameter {
    const char *name, *value; /* value: a Python literal, NULL: a tensor */
} parameter;

typedef struct signature {
    parameter init[MAX_PARAMETERS], forward[MAX_PARAMETERS];
    int n_init, n_forward;
    char *order; /* names of weights, and "~randn:256x64", between commas; NULL: the spec's */
    const char *refusal; /* NULL: none */
} signature;

typedef struct module {
    exp_job *j;
    signature s;
    ws_buf init, forward; /* bodies */
} module;

/* ---- the table of signatures ---- */

/* "(a, b=(1, 2))" at p, which is cut up; returns what follows, or NULL. */
static char *read_parameters(char *p, parameter *out, int *n)
{
    int depth = 0;
    if (*p++ != '(')
        return NULL;
    for (char *start = p; *n < MAX_PARAMETERS; p++) {
        bool end = depth == 0 && (*p == ')' || *p == ',');
        if (!*p)
            return NULL;
        depth +=
            (*p == '(' || *p == '[' || *p == '{') - (!end && (*p == ')' || *p == ']' || *p == '}'));
        if (!end)
            continue;
        const bool last = *p == ')';
        *p = '\0';
        start += strspn(start, " ");
        char *equals = strchr(start, '=');
        if (equals)
            *equals = '\0';
        if (*start)
            out[(*n)++] = (parameter){start, equals ? equals + 1 : NULL};
        if (last)
            return p + 1;
        start = p + 1;
    }
    return NULL;
}

static ws_status read_signature(exp_job *j, const char *line, size_t n, signature *out, ws_err *err)
{
    char *p = ws_arena_strndup(&j->arena, line, n);
    p = read_parameters(p, out->init, &out->n_init);
    if (p && *p == ' ')
        p = read_parameters(p + 1, out->forward, &out->n_forward);
    if (!p)
        return ws_fail(err, WS_EENV, "specs/kernelbench/signatures.txt: '%s' cannot be read",
                       j->in->spec->source);
    if (p[0] == ' ' && p[1] == '[' && strchr(p, ']')) {
        out->order = p + 2;
        p = strchr(p, ']');
        *p++ = '\0';
    }
    if (strncmp(p, " ! ", 3) == 0)
        out->refusal = p + 3;
    return WS_OK;
}

static ws_status find_signature(exp_job *j, signature *out, ws_err *err)
{
    const char *source = j->in->spec->source;
    ws_buf path = {0}, table = {0};
    bool found = false;
    if (!source || strncmp(source, "level", 5) != 0)
        return ws_fail(err, WS_EINPUT,
                       "the spec is none of KernelBench's problems: it has no \"source\" there");
    ws_home_path(&path, "specs/kernelbench/signatures.txt");
    ws_status st = ws_read_file(ws_buf_z(&path), MAX_TABLE, &table, err);
    const size_t n = strlen(source);
    for (const char *p = ws_buf_z(&table), *next; !st && !found && *p; p = next) {
        const char *nl = strchr(p, '\n');
        next = nl ? nl + 1 : p + strlen(p);
        found = strncmp(p, source, n) == 0 && p[n] == ' ';
        if (found)
            st = read_signature(j, p + n + 1, (size_t)((nl ? nl : next) - p) - n - 1, out, err);
    }
    if (!st && !found)
        st = ws_fail(err, WS_EINPUT, "KernelBench has no problem '%s'", source);
    if (!st && out->refusal)
        st = ws_fail(err, WS_EINPUT, "'%s' has no ModelNew with the same results: %s", source,
                     out->refusal);
    ws_buf_release(&table);
    ws_buf_release(&path);
    return st;
}

/* ---- text ---- */

static void put_parameters(const parameter *p, int n, ws_buf *out)
{
    for (int i = 0; i < n; i++)
        ws_buf_printf(out, p[i].value ? ", %s=%s" : ", %s", p[i].name, p[i].value);
}

static void put_expected(const char *where, const parameter *p, int n, ws_buf *out)
{
    bool any = false;
    for (int i = 0; i < n; i++)
        any |= p[i].value != NULL;
    if (!any)
        return;
    ws_buf_printf(out, "        _expect(\"%s\", (\n", where);
    for (int i = 0; i < n; i++)
        if (p[i].value)
            ws_buf_printf(out, "            (\"%s\", %s, %s),\n", p[i].name, p[i].name, p[i].value);
    ws_buf_adds(out, "        ))\n");
}

static void put_shape(const int64_t *dim, int rank, ws_buf *out)
{
    ws_buf_addc(out, '(');
    for (int i = 0; i < rank; i++)
        ws_buf_printf(out, i ? ", %" PRId64 : "%" PRId64, dim[i]);
    ws_buf_adds(out, rank == 1 ? ",)" : ")");
}

/* A table that hangs on nothing but the coordinates. */
static void put_table(const spec_tensor *t, const ws_env *env, const int64_t *dim, ws_buf *out)
{
    const ws_expr_style style = {
        .call = "_", .tail = "", .name = "d_", .number = "", .python = true};
    ws_buf_adds(out, "torch.tensor([");
    ws_expr_to_calls(t->init.expr, &style, out);
    for (int i = 0; i < t->rank; i++)
        ws_buf_printf(out, " for d_i%d in range(%" PRId64 ")", i, dim[i]);
    for (size_t i = 0; i < env->n; i++) /* extents, bound once each */
        ws_buf_printf(out, " for d_%s in (%" PRId64 ",)", env->item[i].name, env->item[i].value);
    ws_buf_printf(out, "], dtype=torch.%s).reshape(",
                  t->dtype == WS_F32    ? "float32"
                  : t->dtype == WS_BOOL ? "bool"
                                        : "int64");
    put_shape(dim, t->rank, out);
    ws_buf_addc(out, ')');
}

static ws_status put_values(module *m, const spec_tensor *t, const ws_env *env, const int64_t *dim,
                            ws_buf *out, ws_err *err)
{
    int64_t fan = 1;
    if (t->init.fan_in && ws_expr_eval(t->init.fan_in, env, &fan, err))
        return err->status;
    const double share = 1 / sqrt((double)fan);
    switch (t->init.dist) {
    case SPEC_DIST_FAN_IN:
    case SPEC_DIST_UNIFORM: {
        const bool own = t->init.dist == SPEC_DIST_FAN_IN;
        ws_buf_adds(out, "_uniform(");
        put_shape(dim, t->rank, out);
        if (own)
            ws_buf_printf(out, ", -%.17g / math.sqrt(%" PRId64 "), %.17g / math.sqrt(%" PRId64 "))",
                          t->init.gain, fan, t->init.gain, fan);
        else
            ws_buf_printf(out, ", %.17g, %.17g)", t->init.lo, t->init.hi);
        return WS_OK;
    }
    case SPEC_DIST_NORMAL:
        ws_buf_adds(out, "_normal(");
        put_shape(dim, t->rank, out);
        ws_buf_printf(out, ", %.17g, %.17g)", t->init.mean, t->init.std * share);
        return WS_OK;
    case SPEC_DIST_CONST:
        ws_buf_adds(out, "torch.full(");
        put_shape(dim, t->rank, out);
        ws_buf_printf(out, ", %.17g, dtype=torch.float32)", t->init.value);
        return WS_OK;
    case SPEC_DIST_EXPR:
        put_table(t, env, dim, out);
        return WS_OK;
    default:
        return ws_fail(
            err, WS_EINPUT,
            "the weight '%s' of '%s' is computed by the spec's setup graph, which a module "
            "has not",
            t->name, m->j->in->spec->source);
    }
}

static ws_status put_weight(module *m, const spec_tensor *t, const ws_env *env, ws_err *err)
{
    int64_t dim[SPEC_MAX_RANK], count;
    const bool table = t->init.dist == SPEC_DIST_EXPR;
    if (spec_tensor_dims(t, env, dim, &count, err))
        return err->status;
    ws_buf_printf(&m->init, "        self.register_%s(\n            \"%s\", %s",
                  table ? "buffer" : "parameter", t->name, table ? "" : "nn.Parameter(");
    if (put_values(m, t, env, dim, &m->init, err))
        return err->status;
    ws_buf_adds(&m->init, table ? ")\n" : "))\n");
    return WS_OK;
}

/* "~randn:256x64": numbers that upstream draws and drops. */
static void put_dropped(const char *z, ws_buf *out)
{
    const char *colon = strchr(z, ':');
    ws_buf_printf(out,
                  strncmp(z, "~randn", 6) == 0 ? "        torch.randn((" : "        torch.rand((");
    for (const char *p = colon ? colon + 1 : ""; *p; p++)
        ws_buf_adds(out, *p == 'x' ? ", " : (const char[2]){*p, '\0'});
    ws_buf_adds(out, ",))  # upstream draws them, too\n");
}

/* In upstream's order, then what it does not name. */
static ws_status put_weights(module *m, const ws_env *env, ws_err *err)
{
    const spec *s = m->j->in->spec;
    bool *done = WS_ARENA_NEW(&m->j->arena, bool, s->n_inputs + s->n_weights + 1);
    for (char *p = m->s.order, *word; (word = strsep(&p, ","));) {
        word += strspn(word, " ");
        if (*word == '~')
            put_dropped(word, &m->init);
        for (int i = s->n_inputs; i < s->n_inputs + s->n_weights; i++)
            if (!done[i] && strcmp(s->tensor[i].name, word) == 0) {
                done[i] = true;
                if (put_weight(m, &s->tensor[i], env, err))
                    return err->status;
            }
    }
    for (int i = s->n_inputs; i < s->n_inputs + s->n_weights; i++)
        if (!done[i] && put_weight(m, &s->tensor[i], env, err))
            return err->status;
    return WS_OK;
}

static ws_status put_init(module *m, ws_err *err)
{
    ws_env env = spec_env(m->j->in->spec, -1);
    put_expected("__init__", m->s.init, m->s.n_init, &m->init);
    if (put_weights(m, &env, err))
        return err->status;
    if (m->init.n)
        m->init.n--; /* the template has the newline */
    else
        ws_buf_adds(&m->init, "        # it has no weights");
    return WS_OK;
}

/* The tensors that forward() is given are the spec's inputs, in their order. */
static ws_status put_forward(module *m, ws_err *err)
{
    const spec *s = m->j->in->spec;
    int n = 0;
    put_expected("forward", m->s.forward, m->s.n_forward, &m->forward);
    ws_buf_printf(&m->forward, "        return %s(", exp_py_name(m->j, m->j->name));
    for (int i = 0; i < m->s.n_forward; i++)
        if (!m->s.forward[i].value)
            ws_buf_printf(&m->forward, "%s%s", n++ ? ", " : "", m->s.forward[i].name);
    for (int i = s->n_inputs; i < s->n_inputs + s->n_weights; i++)
        ws_buf_printf(&m->forward, "%sself.%s", n++ ? ", " : "", s->tensor[i].name);
    ws_buf_addc(&m->forward, ')');
    if (n != s->n_inputs + s->n_weights)
        return ws_fail(err, WS_EINPUT, "forward() of '%s' takes %d tensors, the spec has %d inputs",
                       s->source, n - s->n_weights, s->n_inputs);
    return WS_OK;
}

static void put(const exp_filler *f, const char *name, ws_buf *out)
{
    module *m = f->ud;
    if (strcmp(name, "problem") == 0)
        ws_buf_adds(out, m->j->in->spec->source);
    else if (strcmp(name, "init_parameters") == 0)
        put_parameters(m->s.init, m->s.n_init, out);
    else if (strcmp(name, "forward_parameters") == 0)
        put_parameters(m->s.forward, m->s.n_forward, out);
    else if (strcmp(name, "init_body") == 0)
        ws_buf_add(out, m->init.p, m->init.n);
    else if (strcmp(name, "forward_body") == 0)
        ws_buf_add(out, m->forward.p, m->forward.n);
    else
        ws_bug("a template asks for '%s'", name);
}

ws_status exp_write_kernelbench(exp_job *j, ws_buf *out, ws_err *err)
{
    module *m = ws_calloc(1, sizeof *m);
    m->j = j;
    ws_status st = find_signature(j, &m->s, err);
    if (!st)
        st = put_init(m, err);
    if (!st)
        st = put_forward(m, err);
    if (!st)
        st = exp_compile(j, err);
    if (!st)
        st = exp_py_head(j, ws_arena_printf(&j->arena, "%s_kernelbench.py", j->name),
                         "It is a KernelBench solution:\n# class ModelNew takes the place of the "
                         "reference's Model.\n",
                         out, err);
    if (!st)
        st = exp_py_launcher(j, out, err);
    if (!st)
        st = exp_fill(&(exp_filler){.j = j, .ud = m, .put = put}, "kernelbench.py", out, err);
    ws_buf_release(&m->init);
    ws_buf_release(&m->forward);
    free(m);
    return st;
}

ws_status exp_kernelbench(const exp_input *in, ws_buf *out, ws_err *err)
{
    return exp_text(exp_format_named("kernelbench"), in, out, err);
}
