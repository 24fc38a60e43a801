/* Packets that were tampered with: each is read, or refused in one line, and compared. */
#include "base/json.h"
#include "tests/fuzz.h"
#include "verifier/packet.h"

static const char whole[] =
    "{\"schema\":1,\"kind\":\"warpsmith packet\",\"tool\":\"0.1.0\",\"spec\":{\"name\":\"a/b\","
    "\"sha256\":\"00\",\"text\":\"{}\"},\"source\":{\"file\":\"k.cu\",\"sha256\":\"00\",\"text\":"
    "\"int x;\"},\"options\":{\"arch\":\"sm_90\",\"gpu\":\"h100\",\"mma_model\":\"target\",\"depth\""
    ":\"full\",\"field\":true,\"choices\":12,\"seed\":\"5\",\"wall_seconds\":25,\"tune\":{\"BLOCK\":"
    "128}},\"compiler\":{\"version\":\"NVRTC 13.0.88\",\"options\":[]},\"compiles\":[{\"macros\":"
    "\"DIM_N=4\"}],\"checks\":[{\"level\":2},[1,2.5,null]],\"coverage\":[],\"sha256\":\"00\"}";
static const char *const pieces[] = {"null", "[", "]", "{", "}", "\"", ",", "1e999", "-1", "true",
                                     "\"seed\":\"18446744073709551616\"", "0.5", "\\u0000", "\"\"",
                                     "\"sm_90; rm\"", "9007199254740993", ":"};

static void change(char *text, size_t *n, size_t size)
{
    size_t at = pick((uint32_t)*n), len = 1 + pick(12);
    if (pick(3) == 0) { /* a piece in the place of some bytes */
        const char *p = pieces[pick(WS_COUNT(pieces))];
        size_t add = strlen(p);
        len = len < *n - at ? len : *n - at;
        if (*n - len + add >= size)
            return;
        memmove(text + at + add, text + at + len, *n - at - len);
        memcpy(text + at, p, add);
        *n = *n - len + add;
    } else if (pick(2)) {
        text[at] = (char)(1 + pick(255));
    } else {
        len = len < *n - at ? len : *n - at;
        memmove(text + at, text + at + len, *n - at - len);
        *n -= len;
    }
}

static bool one(void)
{
    char text[2 * sizeof whole];
    size_t n = sizeof whole - 1;
    memcpy(text, whole, n);
    for (uint32_t k = 1 + pick(3); k > 0 && n > 1; k--)
        change(text, &n, sizeof text);
    fuzz_keep(text, n);
    ws_err err = {0};
    cJSON *p = NULL, *first = cJSON_Parse(whole);
    vfy_packet_request q;
    vfy_differences d;
    const char *name, *spec_text;
    bool read = !ws_json_parse(text, n, &p, &err) &&
                !vfy_packet_read(p, &q, &name, &spec_text, &err);
    if (!read && (err.status != WS_EINPUT || !err.msg[0]))
        abort();
    if (p) {
        vfy_packet_compare(first, p, &d);
        vfy_differences_release(&d);
    }
    cJSON_Delete(p);
    cJSON_Delete(first);
    return read;
}

static int differences_of(const char *a, const char *b, char *path, size_t size)
{
    cJSON *x = cJSON_Parse(a), *y = cJSON_Parse(b);
    vfy_differences d;
    vfy_packet_compare(x, y, &d);
    int n = d.n;
    snprintf(path, size, "%s", n ? d.item[0].path : "");
    vfy_differences_release(&d);
    cJSON_Delete(x);
    cJSON_Delete(y);
    return n;
}

int main(int argc, char **argv)
{
    char path[256];
    is_int(differences_of(whole, whole, path, sizeof path), 0, "a packet is like itself");
    is_int(differences_of("{\"a\":[1,{\"b\":2}]}", "{\"a\":[1,{\"b\":3}]}", path, sizeof path), 1,
           "a value in the depth");
    is_str(path, "a[1].b", "is named by its path");
    is_int(differences_of("{\"a\":[1]}", "{\"a\":[1,2],\"c\":0}", path, sizeof path), 2,
           "what one side lacks differs");
    is_int(differences_of("{\"circumstances\":1}", "{\"circumstances\":2}", path, sizeof path), 0,
           "circumstances do not count");
    is_int(differences_of("{\"compiler\":{\"version\":\"a\"},\"compiles\":1,\"x\":1}",
                          "{\"compiler\":{\"version\":\"b\"},\"compiles\":2,\"x\":2}", path,
                          sizeof path),
           1, "of another compiler PTX is not compared");
    is_str(path, "x", "and the rest is");
    return fuzz_main("packet", argc, argv, one);
}
