/* Instructions made from the table of forms: for the test of the table against ptxas, and for
 * fuzzing. */
#ifndef TESTS_PTX_SAMPLE_H
#define TESTS_PTX_SAMPLE_H

#include "base/buf.h"
#include "harness/ptx/ops.h"

#include <stdio.h>
#include <string.h>

/* Registers that samples use. */
static const char sample_declarations[] =
    ".reg .pred %p<96>;\n.reg .b8 %b<96>;\n.reg .b16 %h<96>;\n.reg .b32 %r<96>;\n.reg .b64 "
    "%q<96>;\n.reg .b128 %x<96>;\n"
    ".reg .f32 %f<96>;\n.reg .f64 %g<96>;\n";
/* Element e of operand k is in register 8 k + e of its kind; the second half of d|p and p|q in
 * %p95. */
enum { SAMPLE_ELEMENTS = 8, SAMPLE_SECOND = 95 };

static inline const char *sample_register(ptx_type t)
{
    switch (t) {
    case PTX_f32: return "%f";
    case PTX_f64: return "%g";
    case PTX_pred: return "%p";
    default: break;
    }
    switch (ptx_type_bytes(t)) {
    case 1: case 2: return "%h";
    case 4: return "%r";
    case 8: return "%q";
    case 16: return "%x";
    default: return NULL;
    }
}

static inline ptx_type sample_type(const ptx_spec *s, const ptx_match *m)
{
    if (s->of == PTX_SPEC_FIXED)
        return s->type;
    if (s->of == PTX_SPEC_DOUBLE)
        return ptx_type_bytes(m->last) == 2 ? PTX_b32 : PTX_b64;
    return s->of == PTX_SPEC_FIRST ? m->first : m->last;
}

static inline bool sample_has(const ptx_match *m, const char *word)
{
    for (int w = 0; w < m->form->n_words; w++)
        if (m->words >> w & 1 && ws_str_eqz(m->form->word[w], word))
            return true;
    return false;
}

/* Kernel parameters are read by their name. */
static inline bool sample_is_param(const ptx_match *m)
{
    return sample_has(m, "param") || sample_has(m, "param::entry");
}

/* A register of 8 bits, which no other instruction than a few conversions takes. */
static inline bool sample_is_byte(const ptx_spec *s)
{
    return s->of == PTX_SPEC_FIXED && ptx_type_bytes(s->type) == 1 && !s->wider;
}

static inline bool sample_operand(const ptx_spec *s, const ptx_match *m, int k, ws_buf *out)
{
    const char *reg;
    switch (s->kind) {
    case PTX_SPEC_PRED_DST: case PTX_SPEC_PRED_SRC:
        ws_buf_printf(out, "%%p%d", SAMPLE_ELEMENTS * k);
        if (s->pair)
            ws_buf_printf(out, "|%%p%d", SAMPLE_SECOND);
        return true;
    case PTX_SPEC_ADDRESS:
        if (sample_is_param(m))
            ws_buf_adds(out, "[a]");
        else
            ws_buf_printf(out, "[%%q%d]", SAMPLE_ELEMENTS * k);
        return !s->coordinates && !(sample_is_param(m) && k == 0); /* nor are they written */
    case PTX_SPEC_IMM:
        ws_buf_printf(out, "%d", s->ranged ? s->high : 16);
        return true;
    case PTX_SPEC_SREG:
        ws_buf_adds(out, m->last == PTX_pred               ? "%is_explicit_cluster"
                         : ptx_type_bytes(m->last) == 8 ? "%clock64"
                                                        : "%tid.x");
        return true;
    case PTX_SPEC_SINK:
        ws_buf_adds(out, "_");
        return true;
    case PTX_SPEC_POLICY:
        ws_buf_adds(out, "%q94");
        return true;
    case PTX_SPEC_LABEL: case PTX_SPEC_ANY:
        return false;
    default:
        break;
    }
    reg = sample_is_byte(s) ? "%b" : sample_register(sample_type(s, m));
    if (!reg || s->any_count)
        return false;
    int n = s->vector && m->vector ? m->vector : 1;
    ws_buf_adds(out, n > 1 ? "{" : "");
    for (int e = 0; e < n; e++)
        ws_buf_printf(out, "%s%s%d", e ? ", " : "", reg, SAMPLE_ELEMENTS * k + e);
    if (s->pair)
        ws_buf_printf(out, "|%%p%d", SAMPLE_SECOND);
    ws_buf_adds(out, n > 1 ? "}" : "");
    return true;
}

/* Whether `word` belongs to another part of the braces that part p stands in. */
static inline bool is_tied_to(const ptx_form *f, int p, int word)
{
    int from = p, to = p + 1;
    while (f->part[from].tied)
        from--;
    while (to < f->n_parts && f->part[to].tied)
        to++;
    return to > from + 1 && word >= f->part[from].first_word &&
           word < f->part[to - 1].first_word + f->part[to - 1].n_words;
}

/* The form's mnemonic with `word` in it, and for every other part its first word (`other` 0) or
 * another one, or nothing where it may be absent. `word` -1: none in particular. */
static inline void sample_words(ptx_form *f, int word, int other, ptx_match *m)
{
    *m = (ptx_match){.form = f, .first = PTX_TYPE_NONE, .last = PTX_TYPE_NONE};
    for (int p = 0; p < f->n_parts; p++) {
        const ptx_form_part *part = &f->part[p];
        bool here = word >= part->first_word && word < part->first_word + part->n_words;
        if (part->optional && !here && !is_tied_to(f, p, word))
            continue;
        int w = here ? word : part->first_word + other * (p + 1) % part->n_words;
        m->words |= 1ull << w;
        ptx_type t = f->word_type[w];
        if (t != PTX_TYPE_NONE) {
            m->first = m->first == PTX_TYPE_NONE ? t : m->first;
            m->last = t;
        }
        ws_str text = f->word[w];
        if (text.n == 2 && text.p[0] == 'v')
            m->vector = text.p[1] - '0';
    }
}

/* One instruction without the semicolon. false: the form has operands that only its decoder
 * knows. */
static inline bool sample_text(const ptx_match *m, ws_buf *out)
{
    const ptx_form *f = m->form;
    bool policy = f->takes_policy && sample_has(m, "L2::cache_hint");
    int n = f->n_required;
    ws_buf_printf(out, "%.*s", WS_STR_ARG(f->opcode));
    for (int w = 0; w < f->n_words; w++)
        if (m->words >> w & 1)
            ws_buf_printf(out, ".%.*s", WS_STR_ARG(f->word[w]));
    for (int k = 0; k < n + policy; k++) {
        ws_buf_adds(out, k ? ", " : " ");
        if (!sample_operand(k < n ? &f->operand[k] : &f->operand[f->n_operands - 1], m, k, out))
            return false;
    }
    return !f->open_ended;
}

#endif
