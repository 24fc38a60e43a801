#include "results/export_maps.h"

int exp_map_type(const plan_map *m)
{
    static const int driver[PTX_TM_TYPES] = {
        [PTX_TM_U8] = 0,        [PTX_TM_U16] = 1,      [PTX_TM_U32] = 2,
        [PTX_TM_S32] = 3,       [PTX_TM_U64] = 4,      [PTX_TM_S64] = 5,
        [PTX_TM_F16] = 6,       [PTX_TM_F32] = 7,      [PTX_TM_F64] = 8,
        [PTX_TM_BF16] = 9,      [PTX_TM_F32_FTZ] = 10, [PTX_TM_TF32] = 11,
        [PTX_TM_TF32_FTZ] = 12, [PTX_TM_B4X16] = 13,   [PTX_TM_B4X16_P64] = 14,
        [PTX_TM_B6X16_P32] = 15};
    return driver[m->type];
}

int exp_map_bytes(const plan_map *m)
{
    return (int)ptx_tm_element_bytes(&(ptx_tensor_map){.type = (uint8_t)m->type});
}

int exp_map_count(const exp_job *j)
{
    int n = 0;
    for (int i = 0; i < j->plan->n_launches; i++)
        n += j->plan->launch[i].n_maps;
    return n;
}

/* Bytes of what the map is of. */
static const ws_expr *available(exp_job *j, const plan_map *m)
{
    const plan_scratch *s = m->is_scratch ? &j->plan->scratch[m->index] : NULL;
    const ws_dtype dtype = s ? s->dtype : m->shape.dtype;
    const ws_expr *n = s ? s->count : ws_expr_const(&j->arena, 1);
    for (int a = 0; !s && a < m->shape.rank; a++)
        n = ws_expr_binary(&j->arena, WS_X_MUL, n, m->shape.dim[a]);
    if (!s && ws_dtype_per_byte(dtype) > 1)
        n = ws_expr_binary(&j->arena, WS_X_CEIL_DIV, n,
                           ws_expr_const(&j->arena, ws_dtype_per_byte(dtype)));
    return ws_expr_binary(&j->arena, WS_X_MUL, n,
                          ws_expr_const(&j->arena, (int64_t)ws_dtype_bytes(dtype)));
}

int exp_map_fields(exp_job *j, const plan_map *m, exp_map_field out[EXP_MAP_FIELDS])
{
    const ws_expr **last = WS_ARENA_NEW(&j->arena, const ws_expr *, 1);
    int n = 0;
    *last = available(j, m);
    out[n++] = (exp_map_field){"offset", 1, false, &m->offset};
    out[n++] = (exp_map_field){"dim", m->rank, true, m->dim};
    out[n++] = (exp_map_field){"stride", m->rank - 1, true, m->stride};
    out[n++] = (exp_map_field){"step", m->rank, true, m->step};
    if (m->is_im2col) {
        out[n++] = (exp_map_field){"lower", m->rank - 2, true, m->lower};
        out[n++] = (exp_map_field){"upper", m->rank - 2, true, m->upper};
        out[n++] = (exp_map_field){"channels", 1, false, &m->channels};
        out[n++] = (exp_map_field){"pixels", 1, false, &m->pixels};
    } else {
        out[n++] = (exp_map_field){"box", m->rank, true, m->box};
    }
    out[n++] = (exp_map_field){"swizzle", 1, false, &m->swizzle};
    out[n++] = (exp_map_field){"promotion", 1, false, &m->promotion};
    out[n++] = (exp_map_field){"available", 1, false, last};
    return n;
}

/* ---- the C header ---- */

static void put_map(exp_job *j, const plan_launch *l, const plan_map *m, int number,
                    const ws_expr_style *style, const char *id, ws_buf *out)
{
    exp_map_field field[EXP_MAP_FIELDS];
    const int n = exp_map_fields(j, m, field);
    ws_buf_printf(out, "    { /* %s: %s of %s */\n        %s_map *const m = &p->map[%d];\n",
                  l->kernel, m->name, m->buffer, id, number);
    for (int f = 0; f < n; f++)
        for (int i = 0; i < field[f].n; i++) {
            ws_buf_printf(out, "        m->%s", field[f].name);
            if (field[f].is_array)
                ws_buf_printf(out, "[%d]", i);
            ws_buf_adds(out, " = ");
            ws_expr_to_calls(field[f].e[i], style, out);
            ws_buf_adds(out, ";\n");
        }
    ws_buf_printf(
        out,
        "        code = %s_check_map(m, %d, %d, %d);\n"
        "        if (bad || code)\n            return bad ? WARPSMITH_E_OVERFLOW : code;\n"
        "    }\n",
        id, m->rank, exp_map_bytes(m), m->is_im2col);
}

void exp_c_put_maps(exp_job *j, const ws_expr_style *style, const char *id, ws_buf *out)
{
    int number = 0;
    for (int l = 0; l < j->plan->n_launches; l++)
        for (int i = 0; i < j->plan->launch[l].n_maps; i++)
            put_map(j, &j->plan->launch[l], &j->plan->launch[l].map[i], number++, style, id, out);
}

void exp_c_put_map_value(const plan_map *m, int number, int arg, const char *id, const char *base,
                         ws_buf *out)
{
    ws_buf_printf(out,
                  "    code = %s_put_map(d, &v[%d], &p.map[%d], %d, %d, %d, %d, %d, %s);\n"
                  "    if (code)\n        return code;\n",
                  id, arg, number, exp_map_type(m), exp_map_bytes(m), m->rank, m->is_im2col,
                  m->fills_nan, base);
}
