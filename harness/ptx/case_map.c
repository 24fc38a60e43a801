#include "harness/ptx/case_map.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = PTX_TM_RANK };

typedef struct field { /* a word and the numbers after it */
    char word[16];
    int64_t number[NUMBERS];
    int n;
} field;

static void next_word(char **p, char *out, size_t size)
{
    *p += strspn(*p, " ");
    size_t n = strcspn(*p, " ");
    snprintf(out, size, "%.*s", (int)n, *p);
    *p += n;
}

static field next_field(char **p)
{
    field f = {.n = 0};
    next_word(p, f.word, sizeof f.word);
    for (char *end = *p; f.n < NUMBERS; f.n++) {
        f.number[f.n] = strtoll(*p, &end, 0);
        if (end == *p)
            break;
        *p = end;
    }
    *p += strspn(*p, " ");
    return f;
}

static ws_status set_type(ptx_tensor_map *m, const char *name, ws_err *err)
{
    static const char *const names[] = {"u8",      "u16", "u32",  "s32",  "u64",     "s64", "f16",
                                        "f32", "f32.ftz", "f64", "bf16", "tf32", "tf32.ftz"};
    for (size_t t = 0; t < WS_COUNT(names); t++)
        if (strcmp(name, names[t]) == 0) {
            m->type = (uint8_t)t;
            return WS_OK;
        }
    return ws_fail(err, WS_EINPUT, "no type '%s' of tensor maps", name);
}

static uint8_t index_of(int64_t v, const int *values, int n)
{
    for (int k = 0; k < n; k++)
        if (values[k] == v)
            return (uint8_t)k;
    return UINT8_MAX; /* an invalid map, as a case may want one */
}

static void set_dims(ptx_tensor_map *m, const field *f)
{
    uint64_t bytes = ptx_tm_element_bytes(m);
    m->rank = (uint8_t)f->n;
    for (int d = 0; d < f->n; d++) {
        m->last[d] = (uint32_t)(f->number[d] - 1);
        m->step[d] = 1;
        bytes *= (uint64_t)f->number[d];
        if (d + 1 < f->n)
            m->stride[d] = bytes;
    }
}

static ws_status set_field(ptx_tensor_map *m, const field *f, ws_err *err)
{
    static const int swizzles[] = {0, 32, 64, 128, 96}, atoms[] = {16, 32, -1, 64};
    if (strcmp(f->word, "dim") == 0)
        set_dims(m, f);
    else if (strcmp(f->word, "swizzle") == 0)
        m->swizzle = index_of(f->number[0], swizzles, WS_COUNT(swizzles));
    else if (strcmp(f->word, "atom") == 0)
        m->atom = index_of(f->number[0], atoms, WS_COUNT(atoms));
    else if (strcmp(f->word, "flip") == 0)
        m->atom = PTX_TM_ATOM_32_FLIP;
    else if (strcmp(f->word, "nan") == 0)
        m->fill = PTX_TM_FILL_NAN;
    else if (strcmp(f->word, "at") == 0)
        m->address = (uint64_t)f->number[0];
    else if (strcmp(f->word, "channels") == 0)
        m->channels = (uint16_t)f->number[0];
    else if (strcmp(f->word, "pixels") == 0)
        m->mode = PTX_TM_IM2COL, m->pixels = (uint16_t)f->number[0];
    else if (strcmp(f->word, "stride") == 0)
        for (int d = 0; d < f->n && d < PTX_TM_RANK - 1; d++)
            m->stride[d] = (uint64_t)f->number[d];
    else if (strcmp(f->word, "box") == 0 || strcmp(f->word, "step") == 0)
        for (int d = 0; d < f->n; d++)
            if (f->word[0] == 'b')
                m->box[d] = (uint16_t)f->number[d];
            else
                m->step[d] = (uint8_t)f->number[d];
    else if (strcmp(f->word, "lower") == 0 || strcmp(f->word, "upper") == 0)
        for (int d = 0; d < f->n && d < PTX_TM_RANK - 2; d++)
            *(f->word[0] == 'l' ? &m->lower[d] : &m->upper[d]) = (int16_t)f->number[d];
    else
        return ws_fail(err, WS_EINPUT, "unknown word '%s'", f->word);
    return WS_OK;
}

ws_status ptx_case_map_read(char *text, ptx_case_map *m, char buffer_name[32], ws_err *err)
{
    char type[16];
    m->map = (ptx_tensor_map){.magic = PTX_TM_MAGIC};
    next_word(&text, type, sizeof type);
    next_word(&text, buffer_name, 32);
    text += strspn(text, " ");
    ws_status st = set_type(&m->map, type, err);
    while (!st && *text) {
        field f = next_field(&text);
        st = set_field(&m->map, &f, err);
    }
    return st;
}
