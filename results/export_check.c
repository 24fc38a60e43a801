#include "results/export_check.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE = 512 << 20 };

typedef struct check {
    const char *path;
    const char *text;   /* of the file, or of the source in it */
    const char *folder; /* of a manifest, NULL: the parts are literals in `text` */
    const cJSON *evidence;
    cJSON *parts;
    bool holds;
} check;

static const char *text_of(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return z ? z : "";
}

/* ---- the evidence ---- */

/* The JSON between the markers, without what makes its lines a comment. */
static ws_status read_evidence(const char *text, cJSON **out, ws_err *err)
{
    static const char begin[] = "warpsmith-evidence:begin", end[] = "warpsmith-evidence:end";
    const char *p = strstr(text, begin), *stop = p ? strstr(p, end) : NULL;
    ws_buf json = {.max = MAX_FILE};
    if (!stop)
        return ws_fail(err, WS_EINPUT, "no evidence is in it: it is no export");
    for (p = strchr(p, '\n'); p && p < stop;) {
        p += 1 + strspn(p + 1, " ");
        if (*p == '*' || *p == '#')
            p++;
        const char *nl = strchr(p, '\n');
        if (nl && nl < stop)
            ws_buf_add(&json, p, (size_t)(nl + 1 - p));
        p = nl;
    }
    ws_status st = ws_json_parse(ws_buf_z(&json), json.n, out, err);
    ws_buf_release(&json);
    return st ? ws_wrap(err, "the evidence") : WS_OK;
}

/* ---- what is in the file ---- */

/* One literal at the quote p; returns what follows it, NULL: it does not end. */
static const char *read_literal(const char *p, ws_buf *out)
{
    for (p++; *p && *p != '"' && *p != '\n'; p++) {
        if (*p != '\\') {
            ws_buf_addc(out, *p);
            continue;
        }
        p++;
        if (*p >= '0' && *p <= '7') {
            int v = 0;
            for (int i = 0; i < 3 && *p >= '0' && *p <= '7'; i++)
                v = 8 * v + (*p++ - '0');
            ws_buf_addc(out, (char)v);
            p--;
        } else if (*p) {
            ws_buf_addc(out, *p == 'n' ? '\n' : *p == 't' ? '\t' : *p);
        }
    }
    return *p == '"' ? p + 1 : NULL;
}

/* The literals on the lines behind the one with the marker, put together. */
static bool read_literals(const char *text, const char *marker, ws_buf *out)
{
    const size_t n = strlen(marker);
    const char *p = strstr(text, marker);
    while (p && p[n] >= '0' && p[n] <= '9') /* "warpsmith-image 1" is not image 12 */
        p = strstr(p + n, marker);
    for (p = p ? strchr(p, '\n') : NULL; p;) {
        p += 1 + strspn(p + 1, " ");
        p += *p == 'b' || *p == '(';
        if (*p != '"')
            return true;
        if (!(p = read_literal(p, out)))
            return false;
        p = strchr(p, '\n');
    }
    return false;
}

static bool read_file_of(const check *c, const char *name, ws_buf *out)
{
    ws_buf path = {0};
    ws_err ignored = {0};
    ws_buf_printf(&path, "%s/%s", c->folder, name);
    /* A name that leads out of the folder is none. */
    bool good =
        *name && !strchr(name, '/') && !ws_read_file(ws_buf_z(&path), MAX_FILE, out, &ignored);
    ws_buf_release(&path);
    return good;
}

/* ---- parts ---- */

static void compare(check *c, const char *what, const char *want, const ws_buf *data, bool found)
{
    char got[WS_SHA256_HEX] = "";
    cJSON *part = cJSON_CreateObject();
    if (found)
        ws_sha256_of(data->n ? data->p : "", data->n, got);
    const bool holds = found && *want && strcmp(got, want) == 0;
    cJSON_AddStringToObject(part, "what", what);
    cJSON_AddBoolToObject(part, "holds", holds);
    cJSON_AddStringToObject(part, "want", want);
    cJSON_AddStringToObject(part, "got", found ? got : "missing");
    cJSON_AddItemToArray(c->parts, part);
    c->holds &= holds;
}

static void check_image(check *c, const cJSON *image, int i)
{
    char marker[32], what[256];
    ws_buf data = {.max = MAX_FILE};
    const char *of = text_of(image, "for");
    snprintf(marker, sizeof marker, "warpsmith-image %d", i);
    snprintf(what, sizeof what, "%s for %s%s%.120s", text_of(image, "form"), text_of(image, "arch"),
             *of ? ", " : "", of);
    const bool found = c->folder ? read_file_of(c, text_of(image, "file"), &data)
                                 : read_literals(c->text, marker, &data);
    compare(c, what, text_of(image, "sha256"), &data, found);
    ws_buf_release(&data);
}

/* Of a CUDA header: what stands between its markers. */
static void check_kernels(check *c)
{
    static const char begin[] = "// warpsmith-kernels:begin\n",
                      end[] = "\n// warpsmith-kernels:end";
    const char *p = strstr(c->text, begin), *stop = p ? strstr(p, end) : NULL;
    ws_buf data = {.max = MAX_FILE};
    if (stop)
        ws_buf_add(&data, p + sizeof begin - 1, (size_t)(stop - p) - (sizeof begin - 1));
    compare(c, "kernels", text_of(c->evidence, "kernels_sha256"), &data, stop != NULL);
    ws_buf_release(&data);
}

static void check_parts(check *c)
{
    const cJSON *image;
    int i = 0;
    if (*text_of(c->evidence, "kernels_sha256") && !c->folder) {
        check_kernels(c);
        return;
    }
    ws_buf data = {.max = MAX_FILE};
    const bool found = c->folder ? read_file_of(c, text_of(c->evidence, "source"), &data)
                                 : read_literals(c->text, "warpsmith-source", &data);
    compare(c, "source", text_of(c->evidence, "source_sha256"), &data, found);
    cJSON_ArrayForEach(image, cJSON_GetObjectItemCaseSensitive(c->evidence, "images"))
        check_image(c, image, i++);
    ws_buf_release(&data);
}

static void make_report(check *c, cJSON *evidence, cJSON **out)
{
    c->evidence = evidence;
    c->holds = true;
    c->parts = cJSON_CreateArray();
    check_parts(c);
    *out = cJSON_CreateObject();
    ws_json_add_int(*out, "schema", 1);
    cJSON_AddStringToObject(*out, "file", c->path);
    cJSON_AddItemToObject(*out, "evidence", evidence);
    cJSON_AddItemToObject(*out, "parts", c->parts);
    cJSON_AddBoolToObject(*out, "holds", c->holds);
}

/* ---- kinds of exports ---- */

/* A JSON file: the manifest of a folder, or a solution. */
static ws_status check_json(const char *path, const char *text, size_t n, cJSON **out, ws_err *err)
{
    cJSON *root = NULL, *evidence = NULL;
    check c = {.path = path};
    if (ws_json_parse(text, n, &root, err))
        return err->status;
    const cJSON *sources = cJSON_GetObjectItemCaseSensitive(root, "sources");
    if (sources) {
        c.text = text_of(cJSON_GetArrayItem(sources, 0), "content");
        if (!read_evidence(c.text, &evidence, err))
            make_report(&c, evidence, out);
        cJSON_Delete(root);
    } else if (strcmp(text_of(root, "kind"), "warpsmith export") == 0) {
        const char *slash = strrchr(path, '/');
        char *folder = slash ? ws_strndup(path, (size_t)(slash - path)) : ws_strdup(".");
        c.folder = folder;
        make_report(&c, root, out);
        free(folder);
    } else {
        cJSON_Delete(root);
        return ws_fail(err, WS_EINPUT, "neither the manifest of an export nor a solution");
    }
    return err->status;
}

ws_status exp_check(const char *path, cJSON **out, ws_err *err)
{
    struct stat st;
    ws_buf text = {.max = MAX_FILE}, file = {0};
    cJSON *evidence = NULL;
    const bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    ws_buf_printf(&file, folder ? "%s/manifest.json" : "%s", path);
    ws_status status = ws_read_file(ws_buf_z(&file), MAX_FILE, &text, err);
    const char *start = ws_buf_z(&text) + strspn(ws_buf_z(&text), " \t\r\n");
    if (!status && *start == '{') {
        status = check_json(ws_buf_z(&file), ws_buf_z(&text), text.n, out, err);
    } else if (!status) {
        check c = {.path = path, .text = ws_buf_z(&text)};
        status = read_evidence(c.text, &evidence, err);
        if (!status)
            make_report(&c, evidence, out);
    }
    ws_buf_release(&text);
    ws_buf_release(&file);
    return status ? ws_wrap(err, "export '%s'", path) : WS_OK;
}
