/* What every format of an export begins with: the candidate is fit for it, it has a name, its
 * tensors are listed, its plan is read. */
#include "results/export_parts.h"

#include "base/json.h"
#include "base/sha256.h"
#include "verifier/names.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

bool exp_is_keyword(const char *z)
{
    static const char *const words[] = {
        "alignas",      "alignof",  "and",       "and_eq",   "asm",       "auto",
        "bitand",       "bitor",    "bool",      "break",    "case",      "catch",
        "char",         "class",    "compl",     "const",    "constexpr", "const_cast",
        "continue",     "decltype", "default",   "delete",   "do",        "double",
        "dynamic_cast", "else",     "enum",      "explicit", "export",    "extern",
        "false",        "float",    "for",       "friend",   "goto",      "if",
        "inline",       "int",      "long",      "mutable",  "namespace", "new",
        "noexcept",     "not",      "not_eq",    "nullptr",  "operator",  "or",
        "or_eq",        "private",  "protected", "public",   "register",  "reinterpret_cast",
        "return",       "short",    "signed",    "sizeof",   "static",    "static_assert",
        "static_cast",  "struct",   "switch",    "template", "this",      "thread_local",
        "throw",        "true",     "try",       "typedef",  "typeid",    "typename",
        "union",        "unsigned", "using",     "virtual",  "void",      "volatile",
        "wchar_t",      "while",    "xor",       "xor_eq"};
    for (size_t i = 0; i < WS_COUNT(words); i++)
        if (strcmp(words[i], z) == 0)
            return true;
    return false;
}

void exp_identifier(char *z)
{
    char *to = z;
    for (const char *p = z; *p; p++) {
        char c = isalnum((unsigned char)*p) ? *p : '_';
        if (c != '_' || (to > z && to[-1] != '_')) /* C++ keeps names with two of them */
            *to++ = c;
    }
    *to = '\0';
}

/* The name given, or the last part of the spec's name with other characters as '_'. */
static ws_status choose_name(exp_job *j, ws_err *err)
{
    const char *z = j->in->name;
    if (!z) {
        const char *slash = strrchr(j->in->spec->name, '/');
        char *own = ws_arena_strdup(&j->arena, slash ? slash + 1 : j->in->spec->name);
        exp_identifier(own);
        z = isdigit((unsigned char)*own) || !*own || exp_is_keyword(own)
                ? ws_arena_printf(&j->arena, "op_%s", own)
                : own;
    }
    size_t n = strlen(z);
    bool good = n > 0 && n < sizeof j->name && !isdigit((unsigned char)*z) && !strstr(z, "__");
    for (const char *p = z; *p; p++)
        good &= isalnum((unsigned char)*p) || *p == '_';
    if (!good || exp_is_keyword(z) || (z[0] == '_' && isupper((unsigned char)z[1]))) {
        ws_fail(err, WS_EUSAGE, "'%s' is not a name that C++ leaves free", z);
        return ws_hint(err, "choose a C identifier with --name");
    }
    for (size_t i = 0; i <= n; i++) {
        j->name[i] = z[i];
        j->upper[i] = (char)toupper((unsigned char)z[i]);
    }
    return WS_OK;
}

/* ---- tensors and plan ---- */

static bool is_mutated(const spec *s, const char *name)
{
    for (int i = 0; i < s->n_mutates; i++)
        if (strcmp(s->mutates[i], name) == 0)
            return true;
    return false;
}

static int output_of(const spec *s, const char *name)
{
    for (int o = 0; o < s->n_outputs; o++)
        if (strcmp(s->output[o], name) == 0)
            return o;
    return -1;
}

/* Inputs, weights, then the outputs that are no inputs. */
static void list_tensors(exp_job *j)
{
    const spec *s = j->in->spec;
    int n_given = s->n_inputs + s->n_weights, max = n_given + s->n_outputs;
    j->tensor = WS_ARENA_NEW(&j->arena, exp_tensor, max);
    for (int i = 0; i < n_given; i++) {
        const spec_tensor *t = &s->tensor[i];
        const char *role = is_mutated(s, t->name) ? "inout" : t->is_weight ? "weight" : "in";
        j->tensor[j->n_tensors++] =
            (exp_tensor){t->name, role, t->dtype, t->rank, t->shape, output_of(s, t->name)};
    }
    for (int o = 0; o < s->n_outputs; o++) {
        const ref_value *v = &j->graph->value[j->graph->output[o]];
        if (!spec_find_tensor(s, s->output[o]))
            j->tensor[j->n_tensors++] =
                (exp_tensor){s->output[o], "out", v->dtype, v->rank, v->dim, o};
    }
    j->names = vfy_plan_names(j->graph); /* the same tensors */
}

static ws_status read_plan(exp_job *j, ws_err *err)
{
    const char *source = j->in->candidate->source;
    hx_diag d = {0};
    if (!plan_parse(&j->arena, source, strlen(source), &j->names, &j->plan, &d))
        return ws_fail(err, WS_EINPUT, "the candidate's plan cannot be read: line %d: %s", d.line,
                       d.text);
    return plan_choice_parse(j->plan, j->in->candidate->tune_json, j->tune, err);
}

/* Dims whose macro the source uses are fixed when it is compiled; a name that ## pastes together
 * may be any. */
static void find_baked(exp_job *j)
{
    const spec *s = j->in->spec;
    const bool pasted =
        strstr(j->in->candidate->source, "##") && exp_source_uses(&j->source, "DIM_");
    j->baked = WS_ARENA_NEW(&j->arena, bool, s->n_dims + 1);
    for (int i = 0; i < s->n_dims; i++)
        j->baked[i] = pasted || exp_source_uses(&j->source, ws_arena_printf(&j->arena, "DIM_%s",
                                                                            s->dim[i].name));
    for (int i = 0; i < s->n_dims; i++)
        j->any_baked |= j->baked[i];
}

static ws_status check_candidate(const exp_input *in, ws_err *err)
{
    const db_candidate *c = in->candidate;
    if (!c->source || !c->source[0])
        return ws_fail(err, WS_EINPUT, "the candidate has no source");
    if (c->reason && strcmp(c->reason, hx_reason_name(HX_PASS)) != 0)
        return ws_fail(err, WS_EINPUT,
                       "the candidate was rejected (%s); only what passed is exported", c->reason);
    if (c->level < VFY_EMULATED) {
        ws_fail(err, WS_EINPUT,
                "the candidate stands at level %d (%s); export needs level %d (%s) or higher",
                c->level, vfy_level_name((vfy_level)c->level), VFY_EMULATED,
                vfy_level_name(VFY_EMULATED));
        return ws_hint(err, "run 'warpsmith verify' on it first");
    }
    return WS_OK;
}

/* Eight digits that differ where anything differs that decides what the export computes. */
static void find_tag(exp_job *j)
{
    char sha[WS_SHA256_HEX];
    ws_buf all = {0};
    ws_buf_printf(&all, "%s %s", j->in->spec->sha256, j->source_sha256);
    for (int i = 0; i < j->plan->n_tune; i++)
        ws_buf_printf(&all, " %s=%" PRId64, j->plan->tune[i].name, j->tune[i]);
    for (int i = 0; i < j->in->n_archs; i++)
        ws_buf_printf(&all, " %s", j->in->arch[i]);
    for (int i = 0; i < j->in->n_shapes; i++) {
        ws_buf_addc(&all, ' ');
        spec_env_print(&j->in->shape[i], &all);
    }
    ws_sha256_of(ws_buf_z(&all), all.n, sha);
    snprintf(j->tag, sizeof j->tag, "%.8s", sha);
    ws_buf_release(&all);
}

ws_status exp_job_open(exp_job *j, const exp_input *in, ws_err *err)
{
    *j = (exp_job){.in = in};
    ws_status st = check_candidate(in, err);
    if (!st)
        st = choose_name(j, err);
    if (!st)
        st = ref_graph_new(in->spec, &j->graph, err);
    if (st)
        return st;
    list_tensors(j);
    if ((st = read_plan(j, err)))
        return st;
    exp_source_lift(&j->arena, in->candidate->source, strlen(in->candidate->source), &j->source);
    find_baked(j);
    ws_sha256_of(in->candidate->source, strlen(in->candidate->source), j->source_sha256);
    find_tag(j);
    return WS_OK;
}

int exp_given_count(const exp_job *j)
{
    return j->in->spec->n_inputs + j->in->spec->n_weights;
}

void exp_job_close(exp_job *j)
{
    ws_buf_release(&j->source.body);
    ref_graph_free(j->graph);
    ws_arena_release(&j->arena);
}
