/* Graphs over the tensors of reference_cases.h whose output is y, with the number of kernels that
 * fusing leaves. */
#ifndef TESTS_REFERENCE_FUSED_H
#define TESTS_REFERENCE_FUSED_H

typedef struct fused_case {
    const char *what, *nodes;
    int launches;
} fused_case;

#define NODE(out, op, in) "{\"out\":\"" out "\",\"op\":\"" op "\",\"in\":[" in "]}"
#define NODE_AT(out, op, in, attrs) "{\"out\":\"" out "\",\"op\":\"" op "\",\"in\":[" in "]," attrs "}"

static const fused_case fused_cases[] = {
    {"a chain without a producer, with broadcast operands and literals",
     NODE("a1", "add", "\"s\",\"w\"") "," NODE("a2", "mul", "\"a1\",0.5") "," NODE("a3", "tanh", "\"a2\"") ","
     NODE("y", "sub", "\"a3\",\"w\""), 1},
    {"a value that the chain reads twice",
     NODE("h", "linear", "\"s\",\"w\",\"v\"") "," NODE("g", "sigmoid", "\"h\"") "," NODE("y", "mul", "\"h\",\"g\""), 1},
    {"a value that another kernel reads is stored",
     NODE("h", "matmul", "\"x\",\"w\"") "," NODE("r", "relu", "\"h\"") ","
     NODE_AT("q", "softmax", "\"r\"", "\"dim\":1") "," NODE("y", "add", "\"r\",\"q\""), 2},
    {"elementwise ops in front of a softmax and behind it",
     NODE("a", "mul", "\"z\",\"v\"") "," NODE("b", "add", "\"a\",\"p\"") ","
     NODE_AT("q", "softmax", "\"b\"", "\"dim\":1") "," NODE("y", "mul", "\"q\",\"x\""), 1},
    {"a chain behind a contraction stays there",
     NODE("h", "matmul", "\"x\",\"w\"") "," NODE("r", "gelu", "\"h\"") "," NODE("y", "layer_norm", "\"r\""), 2},
    {"two contractions are two kernels",
     NODE("a", "matmul", "\"x\",\"w\"") "," NODE("b", "matmul", "\"z\",\"w\"") "," NODE("y", "add", "\"a\",\"b\""), 2},
    {"a norm written out: one reduction with its ops around it",
     NODE("q", "square", "\"x\"") "," NODE_AT("a", "reduce", "\"q\"", "\"fn\":\"mean\",\"dims\":[1],\"keepdim\":true") ","
     NODE("e", "add", "\"a\",0.25") "," NODE("r", "rsqrt", "\"e\"") "," NODE("y", "mul", "\"x\",\"r\""), 2},
    {"a cast rounds: its result is stored",
     NODE("a", "add", "\"z\",0.1") "," NODE_AT("c", "cast", "\"a\"", "\"dtype\":\"bf16\"") ","
     NODE_AT("y", "mul", "\"c\",3", "\"dtype\":\"f64\""), 2},
    {"truth values in a chain",
     NODE("g", "gt", "\"z\",0.25") "," NODE("n", "logical_not", "\"g\"") "," NODE("y", "where", "\"n\",\"z\",\"v\""), 1},
    {"whole numbers are cut off at the end of a chain",
     NODE("a", "mul", "\"z\",2.75") "," NODE_AT("y", "sub", "\"a\",\"p\"", "\"dtype\":\"i32\""), 1},
    {"a reduction over scattered axes with ops on both sides",
     NODE("a", "exp", "\"w\"") "," NODE("b", "mul", "\"s\",0.125") "," NODE("c", "sub", "\"b\",\"a\"") ","
     NODE_AT("d", "reduce", "\"c\"", "\"fn\":\"logsumexp\",\"dims\":[0,2]") "," NODE("y", "mul", "\"d\",\"v\""), 2},
    {"convolution, bias and activation",
     NODE_AT("a", "conv", "\"img\",\"ker\",\"bias\"", "\"padding\":1,\"stride\":2") ","
     NODE("b", "hardswish", "\"a\"") "," NODE_AT("y", "clamp", "\"b\"", "\"max\":3"), 1},
    {"transposed convolution", NODE_AT("a", "conv_transpose", "\"s\",\"up3\"", "\"stride\":2") "," NODE("y", "mish", "\"a\""),
     1},
    {"pooling", NODE_AT("a", "avg_pool", "\"img\"", "\"kernel\":2") "," NODE("y", "sub", "\"a\",0.5"), 1},
    {"group norm", NODE_AT("a", "group_norm", "\"four\"", "\"num_groups\":2") "," NODE("y", "leaky_relu", "\"a\""), 1},
    {"a reshape is another view of the same memory",
     NODE_AT("h", "matmul", "\"s\",\"w\"", "\"trans_b\":true") "," NODE_AT("f", "reshape", "\"h\"", "\"shape\":[\"B\",\"N*N\"]") ","
     NODE_AT("g", "softmax", "\"f\"", "\"dim\":1") "," NODE_AT("i", "flatten", "\"g\"", "\"start_dim\":0") "," NODE("y", "exp", "\"i\""), 3},
    {"a reshape of an input, and one that is the output",
     NODE_AT("f", "reshape", "\"s\"", "\"shape\":[\"B*N\",\"C\"]") "," NODE("r", "relu", "\"f\"") ","
     NODE_AT("y", "reshape", "\"r\"", "\"shape\":[\"B\",-1]"), 2},
    {"einsum", NODE_AT("a", "einsum", "\"s\",\"w\"", "\"equation\":\"bnc,nc->bn\"") "," NODE("y", "add", "\"a\",\"z\""), 1},
};

#endif
