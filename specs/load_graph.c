/* Nodes of a spec file: operands, attributes, and the body of a scan. */
#include "specs/load.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

/* "-inf", "inf" and "nan" stand for the values that JSON lacks. */
static bool special_number(const char *text, double *out)
{
    static const struct {
        const char *text;
        double value;
    } table[] = {{"inf", (double)INFINITY}, {"-inf", -(double)INFINITY}, {"nan", (double)NAN}};
    for (size_t i = 0; i < WS_COUNT(table); i++)
        if (strcmp(text, table[i].text) == 0) {
            *out = table[i].value;
            return true;
        }
    return false;
}

bool spec_load_defined(const spec *s, const char *name)
{
    if (spec_find_tensor(s, name))
        return true;
    for (int i = 0; i < s->n_nodes; i++)
        if (strcmp(s->node[i].out, name) == 0)
            return true;
    return false;
}

/* The names that an operand may have: those of the spec, or, inside a body, those of the step. */
typedef struct scope {
    const spec_node *scan; /* whose body is read; NULL: the graph */
} scope;

static bool in_scope(const spec_loader *l, const scope *sc, const char *name)
{
    const spec_node *n = sc->scan;
    if (!n)
        return spec_load_defined(l->s, name);
    if (strcmp(name, "x_t") == 0 || strcmp(name, "carry") == 0)
        return true;
    for (int i = 2; i < n->n_in; i++)
        if (n->in[i].name && strcmp(n->in[i].name, name) == 0)
            return true;
    for (int i = 0; i < n->n_body; i++)
        if (strcmp(n->body[i].out, name) == 0)
            return true;
    return false;
}

static ws_status load_operand(spec_loader *l, const scope *sc, const cJSON *v, const char *where,
                              int i, spec_operand *out)
{
    if (cJSON_IsNumber(v)) {
        out->literal = v->valuedouble;
        return WS_OK;
    }
    if (!cJSON_IsString(v))
        return ws_fail(l->err, WS_EINPUT, "%s.in[%d]: expected a tensor's name or a number", where,
                       i);
    if (!in_scope(l, sc, v->valuestring)) {
        if (special_number(v->valuestring, &out->literal))
            return WS_OK;
        if (sc->scan)
            return ws_fail(l->err, WS_EINPUT,
                           "%s.in[%d]: the body has no '%s'; it has x_t, carry, the operands from "
                           "in[2] on and its earlier nodes",
                           where, i, v->valuestring);
        return ws_fail(l->err, WS_EINPUT, "%s.in[%d]: no tensor or earlier node is called '%s'",
                       where, i, v->valuestring);
    }
    out->name = v->valuestring;
    return WS_OK;
}

static ws_status load_attr(spec_loader *l, const cJSON *v, const char *where, spec_attr *out)
{
    const cJSON *item;
    out->name = v->string;
    if (cJSON_IsNumber(v)) {
        out->kind = SPEC_ATTR_NUMBER;
        out->number = v->valuedouble;
    } else if (cJSON_IsBool(v)) {
        out->kind = SPEC_ATTR_BOOL;
        out->boolean = cJSON_IsTrue(v);
    } else if (cJSON_IsString(v) && special_number(v->valuestring, &out->number)) {
        out->kind = SPEC_ATTR_NUMBER;
    } else if (cJSON_IsString(v)) {
        out->kind = SPEC_ATTR_STRING;
        out->string = v->valuestring;
    } else if (cJSON_IsArray(v)) {
        out->kind = SPEC_ATTR_LIST;
        out->item = WS_ARENA_NEW(&l->s->arena, spec_attr, cJSON_GetArraySize(v) + 1);
        cJSON_ArrayForEach(item, v)
        {
            if (cJSON_IsArray(item))
                return ws_fail(l->err, WS_EINPUT, "%s: a list in a list", where);
            if (load_attr(l, item, where, &out->item[out->n_items++]))
                return l->err->status;
        }
    } else {
        return ws_fail(l->err, WS_EINPUT, "%s.%s: expected a number, bool, string or list", where,
                       v->string ? v->string : "item");
    }
    return WS_OK;
}

static ws_status load_node_dtype(spec_loader *l, const cJSON *o, const char *where, spec_node *n)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, "dtype");
    n->dtype = WS_DTYPE_COUNT;
    if (!v)
        return WS_OK;
    if (!cJSON_IsString(v))
        return ws_fail(l->err, WS_EINPUT, "%s.dtype: expected a string", where);
    return spec_load_dtype(l, where, "dtype", v->valuestring, &n->dtype);
}

static ws_status load_operands(spec_loader *l, const scope *sc, const cJSON *o, const char *where,
                               spec_node *n)
{
    const cJSON *in = cJSON_GetObjectItemCaseSensitive(o, "in"), *v;
    if (in && !cJSON_IsArray(in))
        return ws_fail(l->err, WS_EINPUT, "%s.in: expected an array", where);
    if (cJSON_GetArraySize(in) > SPEC_MAX_OPERANDS)
        return ws_fail(l->err, WS_EINPUT, "%s: more than %d operands", where, SPEC_MAX_OPERANDS);
    cJSON_ArrayForEach(v, in)
    {
        if (load_operand(l, sc, v, where, n->n_in, &n->in[n->n_in]))
            return l->err->status;
        n->n_in++;
    }
    return WS_OK;
}

static bool is_one_of(const char *word, const char *const list[])
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* All members that are no part of every node. */
static ws_status load_attrs(spec_loader *l, const cJSON *o, const char *where, bool is_scan,
                            spec_node *n)
{
    static const char *const common[] = {"out", "op", "in", "dtype", NULL};
    static const char *const of_scan[] = {"body", "carry", "emit", NULL};
    const cJSON *v;
    n->attr = WS_ARENA_NEW(&l->s->arena, spec_attr, cJSON_GetArraySize(o) + 1);
    cJSON_ArrayForEach(v, o)
    {
        if (is_one_of(v->string, common) || (is_scan && is_one_of(v->string, of_scan)))
            continue;
        if (load_attr(l, v, where, &n->attr[n->n_attrs++]))
            return l->err->status;
    }
    return WS_OK;
}

static ws_status load_node(spec_loader *l, const scope *sc, const cJSON *o, const char *where,
                           spec_node *n);

static ws_status body_name(spec_loader *l, const cJSON *o, const char *where, const char *key,
                           const spec_node *n, const char **out)
{
    if (ws_json_string(o, where, key, out, l->err))
        return l->err->status;
    for (int i = 0; i < n->n_body; i++)
        if (strcmp(n->body[i].out, *out) == 0)
            return WS_OK;
    return ws_fail(l->err, WS_EINPUT, "%s.%s: no node of the body is called '%s'", where, key,
                   *out);
}

/* The nodes of one step of a scan. Their names must be new, so that no name has two meanings. */
static ws_status load_body(spec_loader *l, const cJSON *o, const char *where, spec_node *n)
{
    const cJSON *body, *v;
    const scope sc = {n};
    if (n->n_in < 2 || !n->in[0].name || !n->in[1].name)
        return ws_fail(l->err, WS_EINPUT, "%s.in: a scan reads a sequence and a first carry",
                       where);
    if (ws_json_array(o, where, "body", &body, l->err))
        return l->err->status;
    n->body = WS_ARENA_NEW(&l->s->arena, spec_node, cJSON_GetArraySize(body) + 1);
    cJSON_ArrayForEach(v, body)
    {
        const char *at = ws_arena_printf(&l->s->arena, "%s.body[%d]", where, n->n_body);
        spec_node *b = &n->body[n->n_body];
        b->index = n->n_body;
        if (load_node(l, &sc, v, at, b))
            return l->err->status;
        if (strcmp(b->op, "scan") == 0)
            return spec_load_fail(l, at, "a scan in a scan");
        n->n_body++;
    }
    return body_name(l, o, where, "carry", n, &n->carry)
               ? l->err->status
               : body_name(l, o, where, "emit", n, &n->emit);
}

static ws_status load_node(spec_loader *l, const scope *sc, const cJSON *o, const char *where,
                           spec_node *n)
{
    if (!cJSON_IsObject(o))
        return spec_load_fail(l, where, "expected an object");
    if (ws_json_string(o, where, "out", &n->out, l->err) ||
        ws_json_string(o, where, "op", &n->op, l->err) || load_node_dtype(l, o, where, n))
        return l->err->status;
    bool is_scan = strcmp(n->op, "scan") == 0;
    if (!spec_load_identifier(n->out))
        return spec_load_fail(l, where, "'out' is letters, digits and _");
    if (spec_load_defined(l->s, n->out) || (sc->scan && in_scope(l, sc, n->out)))
        return ws_fail(l->err, WS_EINPUT, "%s: '%s' exists already", where, n->out);
    if (load_operands(l, sc, o, where, n) || load_attrs(l, o, where, is_scan, n))
        return l->err->status;
    return is_scan && !sc->scan ? load_body(l, o, where, n) : WS_OK;
}

ws_status spec_load_graph(spec_loader *l, const cJSON *graph, const char *where)
{
    spec *s = l->s;
    const cJSON *o;
    const scope sc = {NULL};
    s->node = WS_ARENA_NEW(&s->arena, spec_node, cJSON_GetArraySize(graph) + 1);
    cJSON_ArrayForEach(o, graph)
    {
        spec_node *n = &s->node[s->n_nodes];
        n->index = s->n_nodes;
        if (load_node(l, &sc, o, spec_load_place(l, where, s->n_nodes), n))
            return l->err->status;
        s->n_nodes++;
    }
    return s->n_nodes ? WS_OK : spec_load_fail(l, where, "no node");
}
