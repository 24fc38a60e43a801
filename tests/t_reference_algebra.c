/* Cheaper forms: each rule on a graph that has its pattern, where both forms must agree on numbers
 * that nothing is special about, and on a near twin that has not. */
#include "base/philox.h"
#include "reference/algebra.h"
#include "reference/ops.h"
#include "tests/tap.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tensors that graphs may read, and their shapes. */
static const char *const tensors[][2] = {
    {"x", "'B','N'"},    {"i", "'B',3,'H','H'"},
    {"c", "'N'"},        {"col", "'H'"},
    {"tall", "'N',4"},   {"wide", "4,'N'"},
    {"w", "'M','N'"},    {"b", "'M'"},
    {"back", "'N','M'"}, {"bn", "'N'"},
    {"s", ""},           {"k", "4,3,3,3"},
    {"kt", "3,4,3,3"},   {"kb", "4"},
    {"k1", "4,3,1,1"},   {"kg", "6,1,3,3"},
    {"thin", "2,'N'"},   {"few", "2,'M'"},
    {"g", "3"},          {"h", "3"},
    {"ch", "1,4,1,1"},   {"cg", "3,1,1"},
    {"two4", "2,4"},     {"m2", "2"},
    {"two", "2"},        {"grow", "'M',2"},
};

/* Nodes "y=op(a,b)attributes", ';' between them, ' for ". The last is the output. rule, node: what
 * must be found; NULL: nothing. */
static const struct {
    const char *what, *graph, *rule, *node;
} rows[] = {
    {"x + x", "y=add(x,x)", "multiples", "y"},
    {"0.5 x - x", "d=div(x,2);y=sub(d,x)", "multiples", "y"},
    {"2 x + 3 c", "d=mul(x,2);e=mul(c,3);y=add(d,e)", NULL, NULL},
    {"two scales", "d=mul(x,3);y=div(d,2)", "scales and clamps", "y"},
    {"clamps around scales", "d=clamp(x)'min':0,'max':1;e=mul(d,-2);f=clamp(e)'min':-1;y=div(f,2)",
     "scales and clamps", "y"},
    {"a scale and a shift", "d=mul(x,3);y=add(d,2)", NULL, NULL},
    {"clamps around exp", "d=clamp(x)'min':-1,'max':1;e=exp(d);y=clamp(e)'min':0.5,'max':2", NULL,
     NULL},
    {"leaky relu after relu", "d=relu(x);y=leaky_relu(d)'slope':0.1", "range", "y"},
    {"leaky relu", "y=leaky_relu(x)'slope':0.1", NULL, NULL},
    {"hardtanh after gelu of tanh", "d=tanh(x);e=gelu(d);y=clamp(e)'min':-1,'max':1", "range", "y"},
    {"hardtanh after twice tanh", "d=tanh(x);e=add(d,d);f=gelu(e);y=clamp(f)'min':-1,'max':1",
     "multiples", "e"},
    {"relu after softmax", "d=softmax(x)'dim':1;y=relu(d)", "range", "y"},
    {"relu after mish", "d=mish(x);y=relu(d)", NULL, NULL},
    {"clamp to [0, 1] of what is at most 0", "d=minimum(x,0);y=clamp(d)'min':0,'max':1", "constant",
     "y"},
    {"clamp to [-1, 1] of it", "d=minimum(x,0);e=tanh(d);y=clamp(e)'min':-0.5,'max':1", NULL, NULL},
    {"x - x", "d=sin(x);e=sub(d,d);y=exp(e)", "constant", "e"},
    {"softmax of one", "d=reduce(x)'fn':'max','dims':[1],'keepdim':true;y=softmax(d)'dim':1",
     "constant", "y"},
    {"mean over one",
     "d=reduce(x)'fn':'max','dims':[1],'keepdim':true;y=reduce(d)'fn':'mean','dims':[1]",
     "one element", "y"},
    {"norm over one",
     "d=reduce(x)'fn':'max','dims':[1],'keepdim':true;y=reduce(d)'fn':'l2norm','dims':[1]", NULL,
     NULL},
    {"sum over features", "d=linear(x,w,b);e=div(d,2);f=sub(e,s);y=reduce(f)'fn':'sum','dims':[1]",
     "sum of a product", "y"},
    {"mean over features, bias by feature",
     "d=linear(x,w,b);e=sub(b,d);y=reduce(e)'fn':'mean','dims':[1],'keepdim':true",
     "sum of a product", "y"},
    {"sum over relu of features", "d=linear(x,w,b);e=relu(d);y=reduce(e)'fn':'sum','dims':[1]",
     NULL, NULL},
    {"max over features", "d=linear(x,w,b);y=reduce(d)'fn':'max','dims':[1]", NULL, NULL},
    {"features weighed each", "d=linear(x,w,b);e=mul(d,b);y=reduce(e)'fn':'sum','dims':[1]",
     "sum of a product", "y"},
    {"sum over rows", "d=matmul(x,back);y=reduce(d)'fn':'sum','dims':[0]", "sum of a product", "y"},
    {"mean over columns, transposed",
     "d=matmul(x,w)'trans_b':true;y=reduce(d)'fn':'mean','dims':[1]", "sum of a product", "y"},
    {"sum over all of a product", "d=matmul(x,back);e=mul(d,s);y=reduce(e)'fn':'sum','dims':[0,1]",
     "sum of a product", "y"},
    {"sum over all of a layer", "d=linear(x,w,b);y=reduce(d)'fn':'sum','dims':[0,1]",
     "sum of a product", "y"},
    {"mean over items of a layer", "d=linear(x,w,b);y=reduce(d)'fn':'mean','dims':[0]",
     "sum of a product", "y"},
    {"sum over items of a layer, and a shift",
     "d=linear(x,w,b);e=add(d,b);y=reduce(e)'fn':'sum','dims':[0],'keepdim':true",
     "sum of a product", "y"},
    {"sum over matrices", "d=matmul(i,i);y=reduce(d)'fn':'sum','dims':[1]", NULL, NULL},
    {"sum over rows of matrices", "d=matmul(i,i);y=reduce(d)'fn':'sum','dims':[2]",
     "sum of a product", "y"},
    {"global mean of a convolution",
     "d=conv(i,k,kb)'stride':[2,1],'padding':[1,2],'dilation':[1,2];y=reduce(d)'fn':'mean','dims':["
     "2,3]",
     "sum of a product", "y"},
    {"sum over rows of a convolution",
     "d=conv(i,k,kb)'stride':[2,3],'padding':[1,0];y=reduce(d)'fn':'sum','dims':[2],'keepdim':true",
     "sum of a product", "y"},
    {"global mean of a transposed convolution",
     "d=conv_transpose(i,kt,kb)'stride':[2,3],'padding':[1,2],'output_padding':[1,0],'dilation':[2,"
     "1];"
     "e=mul(d,0.5);y=reduce(e)'fn':'mean','dims':[2,3],'keepdim':true",
     "sum of a product", "y"},
    {"sum over columns of a transposed convolution",
     "d=conv_transpose(i,kt,kb)'stride':[2,1],'padding':[1,1];e=add(d,s);y=reduce(e)'fn':'sum','"
     "dims':[3]",
     "sum of a product", "y"},
    {"mean over channels", "d=conv(i,k);y=reduce(d)'fn':'mean','dims':[1]", NULL, NULL},
    {"mean of relu of a convolution", "d=conv(i,k);e=relu(d);y=reduce(e)'fn':'mean','dims':[2,3]",
     NULL, NULL},
    {"mean of a grouped convolution", "d=conv(i,kg)'groups':3;y=reduce(d)'fn':'mean','dims':[2,3]",
     NULL, NULL},
    {"pool of a convolution with steps",
     "d=conv(i,k,kb)'stride':[2,3],'padding':[1,2];e=mul(d,s);y=avg_pool(e)'kernel':[3,2],'stride':"
     "[2,3]",
     "pool of a convolution", "y"},
    {"pool of a convolution", "d=conv(i,k,kb)'padding':[1,0];y=avg_pool(d)'kernel':2,'stride':2",
     "pool of a convolution", "y"},
    {"pool of a convolution of one tap", "d=conv(i,k1,kb);y=avg_pool(d)'kernel':2,'stride':2",
     "pool of a convolution", "y"},
    {"pool of a transposed convolution",
     "d=conv_transpose(i,kt,kb)'stride':[2,2],'padding':[1,1];y=avg_pool(d)'kernel':[2,2],'stride':"
     "[2,4]",
     "pool of a convolution", "y"},
    {"pool of a transposed convolution with more room",
     "d=conv_transpose(i,kt)'stride':[2,2],'padding':[0,2],'output_padding':[1,1];"
     "y=avg_pool(d)'kernel':[3,2],'stride':2",
     "pool of a convolution", "y"},
    {"pool with padding", "d=conv(i,k);y=avg_pool(d)'kernel':2,'stride':2,'padding':1", NULL, NULL},
    {"pool that no step of a transposed convolution fits",
     "d=conv_transpose(i,kt)'stride':2;y=avg_pool(d)'kernel':3,'stride':3", NULL, NULL},
    {"max pool", "d=conv(i,k);y=max_pool(d)'kernel':2,'stride':2", NULL, NULL},
    {"pool of features",
     "d=linear(x,w,b);e=reshape(d)'shape':['B',1,'M'];y=avg_pool(e)'kernel':4,'stride':3,'padding':"
     "1",
     "pool of features", "y"},
    {"pool of features in two rows",
     "d=linear(x,w,b);e=reshape(d)'shape':['B',2,'M/2'];y=avg_pool(e)'kernel':4,'stride':4", NULL,
     NULL},
    {"a product of three", "d=matmul(tall,wide);y=matmul(d,back)", "order of products", "y"},
    {"from the other side", "d=matmul(back,w);y=matmul(d,tall)", "order of products", "y"},
    {"a product of three in order", "d=matmul(wide,back);y=matmul(tall,d)", NULL, NULL},
    {"layers with many features between", "d=linear(x,w,b);y=linear(d,few,two)", "layer on layer",
     "y"},
    {"layers with few features between", "d=linear(x,thin,two);y=linear(d,grow)", NULL, NULL},
    {"a bias before a batch norm", "d=conv(i,k,kb);y=batch_norm(d)", "shift before norm", "y"},
    {"a shift of channels before a batch norm", "d=sin(x);e=add(d,c);y=batch_norm(e)",
     "shift before norm", "y"},
    {"a shift of rows before a batch norm", "d=sin(i);e=add(d,col);y=batch_norm(e)", NULL, NULL},
    {"a bias before a layer norm", "d=linear(x,w,b);y=layer_norm(d)'normalized_dims':1", NULL,
     NULL},
    {"x + c - mean(x + c)",
     "d=add(x,s);e=reduce(d)'fn':'mean','dims':[1],'keepdim':true;y=sub(d,e)", "shift before mean",
     "y"},
    {"c by element", "d=add(x,c);e=reduce(d)'fn':'mean','dims':[1],'keepdim':true;y=sub(d,e)", NULL,
     NULL},
    {"the shift of a batch norm before x - mean(x)",
     "d=batch_norm(i,g,h);e=reduce(d)'fn':'mean','dims':[2,3],'keepdim':true;y=sub(d,e)",
     "shift before mean", "y"},
    {"over channels, too",
     "d=batch_norm(i,g,h);e=reduce(d)'fn':'mean','dims':[1,2],'keepdim':true;y=sub(d,e)", NULL,
     NULL},
    {"softmax(x + c)", "d=add(i,col);y=softmax(d)'dim':2", "shift before softmax", "y"},
    {"c along the axis", "d=add(i,col);y=softmax(d)'dim':3", NULL, NULL},
    {"a scale of a convolution", "d=conv(i,k,kb);y=mul(d,s)", "scale of a layer", "y"},
    {"a scale of channels of a convolution", "d=conv(i,k,kb);y=div(d,ch)", "scale of a layer", "y"},
    {"a scale of channels of a transposed convolution",
     "d=conv_transpose(i,kt,kb)'padding':1;y=mul(ch,d)", "scale of a layer", "y"},
    {"a scale of features", "d=linear(tall,two4,m2);y=mul(d,m2)", "scale of a layer", "y"},
    {"a scale of items",
     "d=linear(x,w,b);e=reduce(x)'fn':'max','dims':[1],'keepdim':true;"
     "y=mul(d,e)",
     NULL, NULL},
    {"a scale of a norm", "d=batch_norm(i,g,h);y=mul(d,cg)", "scale of a layer", "y"},
    {"a scale of a layer norm", "d=layer_norm(x,c,bn)'normalized_dims':1;y=mul(d,s)",
     "scale of a layer", "y"},
    {"a scale of features of a layer norm", "d=layer_norm(x,c,bn)'normalized_dims':1;y=mul(d,c)",
     NULL, NULL},
    {"a second bias", "d=conv(i,k,kb);y=add(ch,d)", "shift of a layer", "y"},
    {"a second bias of features", "d=linear(x,w,b);y=sub(d,b)", "shift of a layer", "y"},
    {"a second bias of a norm", "d=batch_norm(i,g,h);y=sub(d,cg)", "shift of a layer", "y"},
    {"a bias by column", "d=conv(i,k,kb)'padding':1;y=add(d,col)", NULL, NULL},
    {"c - (W x + b)", "d=linear(x,w,b);y=sub(b,d)", NULL, NULL},
    {"a scale by column", "d=conv(i,k,kb)'padding':1;y=mul(d,col)", NULL, NULL},
};

/* ---- specs ---- */

static void put_operand(ws_buf *to, const char *s, size_t n)
{
    bool number = isdigit((unsigned char)s[0]) || s[0] == '-';
    ws_buf_printf(to, number ? "%.*s" : "\"%.*s\"", (int)n, s);
}

/* "d=add(x,2)'a':1" */
static void put_node(ws_buf *to, const char *s, size_t n)
{
    const char *end = s + n, *eq = memchr(s, '=', n), *open = memchr(s, '(', n);
    const char *close = memchr(s, ')', n);
    ws_buf_printf(to, "{\"out\":\"%.*s\",\"op\":\"%.*s\",\"in\":[", (int)(eq - s), s,
                  (int)(open - eq - 1), eq + 1);
    for (const char *p = open + 1; p < close;) {
        const char *comma = memchr(p, ',', (size_t)(close - p));
        const char *stop = comma ? comma : close;
        put_operand(to, p, (size_t)(stop - p));
        ws_buf_printf(to, "%s", comma ? "," : "");
        p = stop + 1;
    }
    ws_buf_printf(to, "]%s%.*s}", close + 1 < end ? "," : "", (int)(end - close - 1), close + 1);
}

static void put_spec(ws_buf *to, const char *graph)
{
    const char *last = strrchr(graph, ';') ? strrchr(graph, ';') + 1 : graph;
    ws_buf_printf(to,
                  "{'schema':1,'name':'t','dims':{'B':96,'N':80,'M':64,'H':36},"
                  "'check':[{'B':3,'N':5,'M':16,'H':11},{'B':2,'N':7,'M':8,'H':12}],'inputs':[");
    for (size_t k = 0; k < WS_COUNT(tensors); k++)
        ws_buf_printf(to, "%s{'name':'%s','dtype':'f32','shape':[%s],'init':{'dist':'normal'}}",
                      k ? "," : "", tensors[k][0], tensors[k][1]);
    ws_buf_printf(to, "],'graph':[");
    for (const char *p = graph; *p;) {
        size_t n = strcspn(p, ";");
        put_node(to, p, n);
        p += n + (p[n] == ';');
        ws_buf_printf(to, "%s", *p ? "," : "");
    }
    ws_buf_printf(to, "],'outputs':['%.*s']}", (int)strcspn(last, "="), last);
    for (size_t i = 0; i < to->n; i++)
        to->p[i] = to->p[i] == '\'' ? '"' : to->p[i];
}

/* ---- both forms ---- */

static ws_status evaluate(const spec *s, int check, uint64_t seed, ref_tensor *out, ws_err *err)
{
    ref_tensor in[64] = {0};
    ws_arena a = {0};
    ref_graph *g = NULL;
    ref_bound *b;
    ws_env env = spec_env(s, check);
    int n = s->n_inputs + s->n_weights;
    ws_status st = ref_graph_new(s, &g, err);
    if (!st)
        st = ref_bind(g, &env, &a, &b, err);
    for (int i = 0; i < n && !st; i++)
        st = ref_make_input(b, i, seed, &in[i], err);
    if (!st)
        st = ref_eval(b, in, false, out, err);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    ref_graph_free(g);
    ws_arena_release(&a);
    return st;
}

static bool same_results(const spec *s, const spec *with, int check, ws_err *err)
{
    ref_tensor a = {0}, b = {0};
    double square = 0;
    if (evaluate(s, check, 3, &a, err) || evaluate(with, check, 3, &b, err))
        return false;
    bool same = a.shape.rank == b.shape.rank && a.shape.count == b.shape.count;
    for (int64_t i = 0; i < a.shape.count; i++)
        square += a.v[i] * a.v[i] / (double)a.shape.count;
    for (int64_t i = 0; i < a.shape.count && same; i++)
        same = fabs(a.v[i] - b.v[i]) <= 1e-11 * (fabs(a.v[i]) + sqrt(square));
    ref_tensor_release(&a);
    ref_tensor_release(&b);
    return same;
}

static void examine(size_t k)
{
    ws_buf text = {0};
    ws_err err = {0};
    spec *s = NULL;
    ref_rewriting w = {0};
    put_spec(&text, rows[k].graph);
    ws_status st = spec_from_text(text.p, text.n, "t.json", &s, &err);
    if (!st)
        st = ref_rewrite(s, &w, &err);
    bool found = !rows[k].rule && !w.n, same = true, less = true;
    for (int i = 0; i < w.n; i++) {
        found |= rows[k].rule && strcmp(w.step[i].rule, rows[k].rule) == 0 &&
                 strcmp(w.step[i].node, rows[k].node) == 0;
        less &= w.step[i].after <= w.step[i].before;
    }
    for (int c = 0; c < 2 && w.n; c++)
        same &= same_results(s, w.s, c, &err);
    if (!ok(!st && found && same && less, "%s: %s, the same numbers %d %s", rows[k].what,
            rows[k].rule ? rows[k].rule : "nothing", same, err.msg))
        for (int i = 0; i < w.n; i++)
            printf("# %s at %s: %g, %g\n", w.step[i].rule, w.step[i].node, w.step[i].before,
                   w.step[i].after);
    ref_rewriting_release(&w);
    spec_free(s);
    ws_buf_release(&text);
}

int main(void)
{
    for (size_t k = 0; k < WS_COUNT(rows); k++)
        examine(k);
    return tap_done();
}
