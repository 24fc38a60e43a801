/* The CUDA source inside replies of every usual and unusual form. */
#include "agent/llm/extract.h"

#include "base/mem.h"
#include "tests/tap.h"

#include <stdlib.h>

#define KERNEL "extern \"C\" __global__ void k(float *y)\n{\n    y[0] = 1;\n}\n"
#define PLAN   "/* @plan\n{}\n*/\n"

static const struct {
    const char *name, *reply;
    llm_extract_status status;
    const char *code; /* NULL: nothing is taken */
} replies[] = {
    {"one block", "Here:\n```cuda\n" KERNEL "```\nDone.", LLM_EXTRACT_OK, KERNEL},
    {"a block named c++", "```c++\n" KERNEL "```", LLM_EXTRACT_OK, KERNEL},
    {"a block named CUDA", "```CUDA\n" KERNEL "```", LLM_EXTRACT_OK, KERNEL},
    {"a block with words after the language", "```cuda title=\"k.cu\"\n" KERNEL "```",
     LLM_EXTRACT_OK, KERNEL},
    {"a block without language", "```\n" KERNEL "```\n", LLM_EXTRACT_OK, KERNEL},
    {"tildes", "~~~cuda\n" KERNEL "~~~\n", LLM_EXTRACT_OK, KERNEL},
    {"four ticks with three inside", "````cuda\n// ```\n" KERNEL "// ```\n````\n", LLM_EXTRACT_OK,
     "// ```\n" KERNEL "// ```\n"},
    {"CRLF", "```cuda\r\n__global__ void k()\r\n{\r\n}\r\n```\r\n", LLM_EXTRACT_OK,
     "__global__ void k()\n{\n}\n"},
    {"a plan before the code",
     "```text\n1. tile\n2. run __global__ kernels\n```\n```cuda\n" KERNEL "```\n", LLM_EXTRACT_OK,
     KERNEL},
    {"a shell example after the code", "```cuda\n" KERNEL "```\nUse it:\n```bash\nnvcc k.cu\n```\n",
     LLM_EXTRACT_OK, KERNEL},
    {"a usage example after the code",
     "```cuda\n" PLAN KERNEL "```\n```cpp\nint main() { k<<<1, 1>>>(y); }\n```\n", LLM_EXTRACT_OK,
     PLAN KERNEL},
    {"a draft before the answer",
     "```cuda\n__global__ void draft() {}\n```\nBetter:\n```cuda\n" KERNEL "```\n", LLM_EXTRACT_OK,
     KERNEL},
    {"the one with the plan wins",
     "```cuda\n" PLAN KERNEL "```\nnot:\n```cuda\n__global__ void old() {}\n```\n", LLM_EXTRACT_OK,
     PLAN KERNEL},
    {"the language in running text", "Only ```nvcc``` please.\n```cuda\n" KERNEL "```\n",
     LLM_EXTRACT_OK, KERNEL},
    {"a draft while thinking",
     "<think>\n```cuda\n__global__ void draft() {}\n```\n</think>\n```cuda\n" KERNEL "```\n",
     LLM_EXTRACT_OK, KERNEL},
    {"thinking that never ends", "<think>\n```cuda\n" KERNEL "```\nbut wait", LLM_EXTRACT_NONE,
     NULL},
    {"inside a list",
     "1. Use this:\n\n   ```cuda\n   __global__ void k()\n   {\n       x();\n   }\n   ```\n",
     LLM_EXTRACT_OK, "__global__ void k()\n{\n    x();\n}\n"},
    {"inside a quotation", "> ```cuda\n> __global__ void k()\n> {\n> }\n> ```\n", LLM_EXTRACT_OK,
     "__global__ void k()\n{\n}\n"},
    {"inside a markdown block", "```markdown\nText\n```cuda\n" KERNEL "```\n```\n", LLM_EXTRACT_OK,
     KERNEL},
    {"cut in the middle", "```cuda\n__global__ void k(float *y)\n{\n    y[0] =",
     LLM_EXTRACT_TRUNCATED, "__global__ void k(float *y)\n{\n    y[0] =\n"},
    {"a closed draft before a cut answer",
     "```python\nimport torch\n```\n```cuda\n__global__ void k()\n{\n", LLM_EXTRACT_TRUNCATED,
     "__global__ void k()\n{\n"},
    {"no fence, but code", "Sure.\n#include <math.h>\n" KERNEL, LLM_EXTRACT_BARE,
     "#include <math.h>\n" KERNEL},
    {"only code", KERNEL, LLM_EXTRACT_BARE, KERNEL},
    {"a JSON object", "{\"thought\": \"x\", \"code\": \"__global__ void k() {}\\n\"}",
     LLM_EXTRACT_OK, "__global__ void k() {}\n"},
    {"words only", "I cannot write __global__ kernels today.", LLM_EXTRACT_NONE, NULL},
    {"python only", "```python\nimport torch\nprint(1)\n```\n", LLM_EXTRACT_NONE, NULL},
    {"nothing", "", LLM_EXTRACT_NONE, NULL},
    {"an empty block", "```cuda\n```\n", LLM_EXTRACT_OK, ""},
    {"bytes that are not UTF-8", "\xff\xfe bad\n```cuda\n// \xc3\x28\n" KERNEL "```\n",
     LLM_EXTRACT_OK, "// \xc3\x28\n" KERNEL},
};

static void test_replies(void)
{
    for (size_t i = 0; i < WS_COUNT(replies); i++) {
        ws_buf code = {0};
        llm_extract_status st = llm_extract_cuda(replies[i].reply, strlen(replies[i].reply), &code);
        if (!ok(st == replies[i].status, "%s", replies[i].name))
            printf("# got %s\n", llm_extract_status_name(st));
        if (replies[i].code)
            is_str(ws_buf_z(&code), replies[i].code, "its code");
        ws_buf_release(&code);
    }
}

/* Megabytes of openings, ends and ticks stay linear. */
static void test_large(void)
{
    static const char *const pieces[] = {"```cuda\n", "```", "<think>",     "</think>\n", "- ",
                                         "> ",        "   ", "{\"code\": ", "\n"};
    for (size_t i = 0; i < WS_COUNT(pieces); i++) {
        ws_buf reply = {0}, code = {0};
        while (reply.n < 1 << 20)
            ws_buf_adds(&reply, pieces[i]);
        ws_buf_adds(&reply, "\n```cuda\n" PLAN KERNEL "```\n");
        llm_extract_status st = llm_extract_cuda(reply.p, reply.n, &code);
        ok(st == LLM_EXTRACT_OK || st == LLM_EXTRACT_NONE || st == LLM_EXTRACT_TRUNCATED,
           "a megabyte of piece %zu", i);
        ws_buf_release(&reply);
        ws_buf_release(&code);
    }
}

int main(void)
{
    test_replies();
    test_large();
    return tap_done();
}
