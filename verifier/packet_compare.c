/* Two packets, member by member. */
#include "verifier/packet.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What says nothing, and what another compiler changes. */
static const char *const never[] = {"circumstances", NULL};
static const char *const of_compiler[] = {"compiler", "compiles", "coverage", "sha256",
                                          "verdict.resources", NULL};

static bool is_one_of(const char *const *list, const char *path)
{
    for (; *list; list++)
        if (strcmp(*list, path) == 0)
            return true;
    return false;
}

static char *text_of(const cJSON *v)
{
    ws_buf b = {0};
    if (!v)
        return NULL;
    ws_json_print(v, false, &b);
    return ws_buf_take(&b);
}

static void add(vfy_differences *d, const char *path, char *then, char *now)
{
    WS_GROW(d->item, d->n, d->cap);
    vfy_difference *x = &d->item[d->n++];
    *x = (vfy_difference){.then = then, .now = now};
    snprintf(x->path, sizeof x->path, "%s", path);
}

static void compare(vfy_differences *d, const char *path, const cJSON *then, const cJSON *now);

static void compare_member(vfy_differences *d, const char *path, const char *key,
                           const cJSON *then, const cJSON *now)
{
    char inner[sizeof d->item->path];
    snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", key);
    if (!is_one_of(never, inner) && !(d->other_compiler && is_one_of(of_compiler, inner)))
        compare(d, inner, then, now);
}

static void compare_objects(vfy_differences *d, const char *path, const cJSON *then,
                            const cJSON *now)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, then)
        compare_member(d, path, m->string, m, cJSON_GetObjectItemCaseSensitive(now, m->string));
    cJSON_ArrayForEach(m, now)
        if (!cJSON_GetObjectItemCaseSensitive(then, m->string))
            compare_member(d, path, m->string, NULL, m);
}

static void compare_arrays(vfy_differences *d, const char *path, const cJSON *then,
                           const cJSON *now)
{
    char inner[sizeof d->item->path];
    const cJSON *a = then->child, *b = now->child;
    for (int i = 0; a || b; i++) {
        snprintf(inner, sizeof inner, "%.200s[%d]", path, i);
        compare(d, inner, a, b);
        a = a ? a->next : NULL;
        b = b ? b->next : NULL;
    }
}

static void compare(vfy_differences *d, const char *path, const cJSON *then, const cJSON *now)
{
    if (then && now && cJSON_IsObject(then) && cJSON_IsObject(now)) {
        compare_objects(d, path, then, now);
    } else if (then && now && cJSON_IsArray(then) && cJSON_IsArray(now)) {
        compare_arrays(d, path, then, now);
    } else {
        char *t = text_of(then), *n = text_of(now);
        if (t && n && strcmp(t, n) == 0) {
            free(t);
            free(n);
        } else {
            add(d, path, t, n);
        }
    }
}

static const char *compiler_of(const cJSON *p)
{
    const cJSON *c = cJSON_GetObjectItemCaseSensitive(p, "compiler");
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "version"));
    return z ? z : "";
}

void vfy_packet_compare(const cJSON *then, const cJSON *now, vfy_differences *out)
{
    *out = (vfy_differences){.other_compiler = strcmp(compiler_of(then), compiler_of(now)) != 0};
    compare_objects(out, "", then, now);
}

void vfy_differences_release(vfy_differences *d)
{
    for (int i = 0; i < d->n; i++) {
        free(d->item[i].then);
        free(d->item[i].now);
    }
    free(d->item);
    *d = (vfy_differences){0};
}
