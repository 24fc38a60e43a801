/* Broken specs: the catalogue's files with random members changed, and their text with random
 * bytes. Loading, shape inference, binding, emission and (small shapes) evaluation end well or with
 * one line that says where.
 *
 *     t_reference_fuzz [SEED [COUNT]]     prints the spec that broke a rule */
#include "base/file.h"
#include "base/json.h"
#include "base/philox.h"
#include "reference/emit.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 512, MAX_PARTS = 4096, MAX_WORK = 1 << 14 };

typedef struct fuzzer {
    uint64_t seed, at; /* draws so far */
    char *text[MAX_FILES];
    int n_files;
    cJSON *part[MAX_PARTS]; /* of the tree at hand */
    int n_parts;
    int64_t loaded, bound, evaluated, refused;
} fuzzer;

static uint64_t draw(fuzzer *f, uint64_t n)
{
    double u = ws_philox_uniform(f->seed, 77, f->at++);
    return (uint64_t)(u * (double)n) % n;
}

static void collect(fuzzer *f, cJSON *v)
{
    if (f->n_parts < MAX_PARTS)
        f->part[f->n_parts++] = v;
    cJSON *kid;
    cJSON_ArrayForEach(kid, v) collect(f, kid);
}

static cJSON *strange_value(fuzzer *f)
{
    static const double numbers[] = {0,
                                     1,
                                     -1,
                                     2,
                                     3,
                                     7,
                                     64,
                                     65,
                                     1e9,
                                     -1e9,
                                     0.5,
                                     1e300,
                                     -0.0,
                                     2147483648.0,
                                     9007199254740993.0,
                                     4611686018427387904.0,
                                     9223372036854775808.0,
                                     1e-320};
    static const char *const words[] = {"",
                                        "x",
                                        "N",
                                        "B",
                                        "N/0",
                                        "N%0",
                                        "1/(N-N)",
                                        "-inf",
                                        "nan",
                                        "i0",
                                        "9223372036854775807+1",
                                        "((((((((((((((((N))))))))))))))))",
                                        "N*N*N*N*N*N*N*N*N",
                                        "\xff\xfe",
                                        "a\nb",
                                        "f16",
                                        "e2m1",
                                        "i32",
                                        "bool",
                                        "f64",
                                        "relu",
                                        "matmul",
                                        "conv",
                                        "scan",
                                        "lstm",
                                        "topk",
                                        "quantize",
                                        "concat",
                                        "reshape",
                                        "gather",
                                        "x_t",
                                        "carry",
                                        "values",
                                        "select",
                                        "ids",
                                        "y",
                                        "-1",
                                        "min(N,",
                                        "N ? 1 : 0"};
    switch (draw(f, 5)) {
    case 0:
        return cJSON_CreateNumber(numbers[draw(f, sizeof numbers / sizeof *numbers)]);
    case 1:
        return cJSON_CreateString(words[draw(f, sizeof words / sizeof *words)]);
    case 2:
        return cJSON_CreateBool((int)draw(f, 2));
    case 3:
        return draw(f, 2) ? cJSON_CreateArray() : cJSON_CreateObject();
    default:
        return cJSON_CreateNull();
    }
}

/* Changes one place of the tree. */
static void change(fuzzer *f, cJSON *root)
{
    f->n_parts = 0;
    collect(f, root);
    cJSON *at = f->part[draw(f, (uint64_t)f->n_parts)];
    cJSON *other = cJSON_Duplicate(f->part[draw(f, (uint64_t)f->n_parts)], true);
    cJSON *value = draw(f, 3) ? strange_value(f) : cJSON_Duplicate(other, true);
    switch (draw(f, 4)) {
    case 0: /* a member that is not known, or one more item */
        if (cJSON_IsArray(at))
            cJSON_AddItemToArray(at, value), value = NULL;
        else if (cJSON_IsObject(at))
            cJSON_AddItemToObject(at, draw(f, 2) ? "dim" : "mode", value), value = NULL;
        break;
    case 1: /* one less */
        if (cJSON_IsArray(at) && cJSON_GetArraySize(at))
            cJSON_DeleteItemFromArray(at, (int)draw(f, (uint64_t)cJSON_GetArraySize(at)));
        else if (cJSON_IsObject(at) && at->child)
            cJSON_Delete(cJSON_DetachItemViaPointer(at, at->child));
        break;
    default: /* another value in place of a child */
        if (at->child) {
            cJSON *kid = at->child;
            for (uint64_t k = draw(f, (uint64_t)cJSON_GetArraySize(at)); k; k--)
                kid = kid->next;
            if (cJSON_IsObject(at))
                cJSON_ReplaceItemInObjectCaseSensitive(at, kid->string, value);
            else
                cJSON_ReplaceItemViaPointer(at, kid, value);
            value = NULL;
        }
    }
    cJSON_Delete(value);
    cJSON_Delete(other);
}

/* Text of a spec that is broken somewhere. */
static char *broken(fuzzer *f)
{
    const char *from = f->text[draw(f, (uint64_t)f->n_files)];
    char *text;
    if (draw(f, 4)) {
        cJSON *root = cJSON_Parse(from);
        for (uint64_t k = 1 + draw(f, 3); k; k--)
            change(f, root);
        text = cJSON_PrintUnformatted(root);
        cJSON_Delete(root);
        return text;
    }
    text = ws_strndup(from, strlen(from));
    for (uint64_t k = 1 + draw(f, 4); k && *text; k--)
        text[draw(f, strlen(text))] = (char)(1 + draw(f, 255));
    return text;
}

static bool is_small(const ref_bound *b)
{
    for (int v = 0; v < b->graph->n_values; v++)
        if (b->shape[v].count > MAX_WORK)
            return false;
    ref_cost cost;
    ref_cost_of(b, &cost);
    return cost.flops < 1e6;
}

static ws_status evaluate(fuzzer *f, const ref_bound *b, ws_arena *a, ws_err *err)
{
    const ref_graph *g = b->graph;
    int n = g->spec->n_inputs + g->spec->n_weights;
    ref_tensor *in = WS_ARENA_NEW(a, ref_tensor, n + 1);
    ref_tensor *out = WS_ARENA_NEW(a, ref_tensor, g->n_outputs + 1);
    ws_status st = WS_OK;
    for (int i = 0; i < n && !st; i++)
        st = ref_make_input(b, i, 1, &in[i], err);
    if (!st)
        st = ref_eval(b, in, draw(f, 2), out, err);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    for (int o = 0; o < g->n_outputs; o++)
        ref_tensor_release(&out[o]);
    f->evaluated += !st;
    return st;
}

static ws_status go_through(fuzzer *f, const char *text, ws_err *err)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_arena a = {0};
    ws_buf source = {0};
    ws_status st = spec_from_text(text, strlen(text), "fuzz.json", &s, err);
    f->loaded += !st;
    if (!st)
        st = ref_graph_new(s, &g, err);
    for (int c = -1; !st && c < s->n_checks; c++) {
        ref_bound *b;
        ws_env env = spec_env(s, c);
        st = ref_bind(g, &env, &a, &b, err);
        f->bound += !st;
        if (!st && c >= 0 && is_small(b))
            st = evaluate(f, b, &a, err);
    }
    if (!st)
        st = ref_emit(g, &source, err);
    ws_buf_release(&source);
    ws_arena_release(&a);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

/* NULL, or the rule that an error breaks. */
static const char *judge(ws_status st, const ws_err *err)
{
    if (st == WS_OK)
        return NULL;
    if (st != WS_EINPUT && st != WS_ELIMIT)
        return "another status";
    if (!*err->msg)
        return "no message";
    for (const char *p = err->msg; *p; p++)
        if ((unsigned char)*p < 32 && *p != '\n') /* a caret stands below an expression */
            return "a control character in the message";
    return strlen(err->msg) < 12 ? "a message without a place" : NULL;
}

static void keep_file(void *ud, const char *path)
{
    fuzzer *f = ud;
    ws_buf text = {.max = 1 << 16};
    ws_err err = {0};
    if (f->n_files < MAX_FILES && !ws_read_file(path, 1 << 16, &text, &err) && text.n < 12000)
        f->text[f->n_files++] = ws_strndup(text.p, text.n);
    ws_buf_release(&text);
}

int main(int argc, char **argv)
{
    static fuzzer f;
    ws_err err = {0};
    f.seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    int64_t count = argc > 2 ? strtoll(argv[2], NULL, 10) : 4000, wrong = 0;
    if (!ok(!spec_catalogue(keep_file, &f, &err) && f.n_files > 20, "the catalogue is read"))
        return tap_done();
    for (int64_t i = 0; i < count; i++) {
        char *text = broken(&f);
        ws_err e = {0};
        ws_status st = go_through(&f, text, &e);
        const char *rule = judge(st, &e);
        f.refused += st != WS_OK;
        if (rule && wrong++ < 5)
            printf("# %s: %s\n# %s\n", rule, e.msg, text);
        free(text);
    }
    ok(!wrong, "every error is one line with a place");
    printf("# %lld specs: %lld load, %lld refused, %lld shapes bound, %lld evaluated\n",
           (long long)count, (long long)f.loaded, (long long)f.refused, (long long)f.bound,
           (long long)f.evaluated);
    ok(f.refused > count / 4 && f.evaluated > 0, "some are refused, some are evaluated");
    for (int i = 0; i < f.n_files; i++)
        free(f.text[i]);
    return tap_done();
}
