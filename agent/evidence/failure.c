#include "agent/evidence/failure.h"

#include "agent/evidence/compile_log.h"
#include "agent/evidence/quote.h"

#include <string.h>

void ev_failure_shapes(ev_facts *f, ws_buf *out)
{
    const spec *s = f->spec;
    double refused = ev_number(f, "evidence", "shapes_refused");
    const char *failed = ev_text(f, "case", "shape"), *before = "";
    const char *survey = ev_text(f, NULL, "survey");
    bool found = false;
    if (*survey) {
        ws_buf_adds(out, survey);
        return;
    }
    if (*failed && strcmp(ev_text(f, "evidence", "depth"), "full") == 0) {
        ws_buf_printf(out, "every check shape passed the quick runs; wrong at %s in full ", failed);
        ws_buf_adds(out, "verification");
        return;
    }
    for (int k = 0; k < s->n_checks && *failed; k++) {
        ws_buf shape = {0};
        ws_env env = spec_env(s, k);
        spec_env_print(&env, &shape);
        bool here = !found && strcmp(ws_buf_z(&shape), failed) == 0;
        const char *state = here ? "wrong at " : found ? "not run: " : "right at ";
        /* Which were refused is not told; then only the number of right ones is. */
        if (!here && !found && refused > 0)
            state = "right or refused: ";
        ws_buf_printf(out, "%s%s%s", strcmp(state, before) ? (*before ? "; " : "") : ", ",
                      strcmp(state, before) ? state : "", ws_buf_z(&shape));
        before = state;
        found |= here;
        ws_buf_release(&shape);
    }
    if (*failed && !found)
        ws_buf_printf(out, "%swrong at %s, the benchmark shape", *before ? "; " : "", failed);
}

static void write_dim3(const cJSON *v, ws_buf *out)
{
    for (int i = 0; i < 3; i++) {
        const cJSON *n = cJSON_GetArrayItem(v, i);
        ws_buf_printf(out, "%s%.0f", i ? "," : "(", n ? n->valuedouble : 0);
    }
    ws_buf_addc(out, ')');
}

static void write_place(ev_facts *f, ws_buf *out)
{
    double line = ev_number(f, "place", "line"), other = ev_number(f, "place", "other_line");
    const char *kernel = ev_text(f, "place", "kernel");
    const cJSON *thread = ev_member(f, "place", "thread"),
                *with = ev_member(f, "fault", "other_thread");
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    if (thread) {
        ws_buf_adds(out, "  by thread ");
        write_dim3(thread, out);
        ws_buf_adds(out, " of block ");
        write_dim3(ev_member(f, "place", "block"), out);
        if (with) {
            ws_buf_adds(out, ", against thread ");
            write_dim3(with, out);
            ws_buf_adds(out, " of block ");
            write_dim3(ev_member(f, "fault", "other_block"), out);
        }
        ws_buf_addc(out, '\n');
    }
    if (!(line > 0 && line < 1e9))
        return;
    ws_buf_printf(out, "  line %.0f%s%s:\n", line, *kernel ? " in " : "", kernel);
    ev_quote(source, (int)line, 1, out);
    if (other > 0 && other < 1e9 && other != line) {
        ws_buf_printf(out, "  and line %.0f:\n", other);
        ev_quote(source, (int)other, 1, out);
    }
}

/* The first wrong elements, when there are several, and who wrote the worst. */
static void write_wrong(ev_facts *f, ws_buf *out)
{
    const cJSON *list = ev_member(f, "case", "first_wrong"), *one;
    const cJSON *writer = ev_member(f, "case", "writer");
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    if (cJSON_GetArraySize(list) > 1) {
        ws_buf_adds(out, "  the first wrong ones:");
        cJSON_ArrayForEach(one, list)
            ws_buf_printf(out, "%s %s got %.6g want %.6g", one == list->child ? "" : ";",
                          cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "element")),
                          cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(one, "got")),
                          cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(one, "want")));
        ws_buf_addc(out, '\n');
    }
    if (!writer)
        return;
    double line = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(writer, "line"));
    ws_buf_adds(out, "  the worst was written by thread ");
    write_dim3(cJSON_GetObjectItemCaseSensitive(writer, "thread"), out);
    ws_buf_adds(out, " of block ");
    write_dim3(cJSON_GetObjectItemCaseSensitive(writer, "block"), out);
    if (line > 0 && line < 1e9) {
        ws_buf_printf(out, ", line %.0f:\n", line);
        ev_quote(source, (int)line, 1, out);
    } else {
        ws_buf_addc(out, '\n');
    }
}

static void write_values(ev_facts *f, ws_buf *out)
{
    const char *tensor = ev_text(f, "case", "tensor");
    const cJSON *line;
    if (!*tensor)
        return;
    ws_buf_printf(out, "  %s%s", tensor, ev_text(f, "case", "element"));
    if (ev_member(f, "case", "got"))
        ws_buf_printf(out, ": got %.9g, want %.9g, tolerance %.3g", ev_number(f, "case", "got"),
                      ev_number(f, "case", "want"), ev_number(f, "case", "tolerance"));
    ws_buf_printf(out, "; %.0f of %.0f elements\n", ev_number(f, "case", "wrong_elements"),
                  ev_number(f, "case", "checked_elements"));
    write_wrong(f, out);
    cJSON_ArrayForEach(line, ev_member(f, NULL, "pattern")) if (cJSON_IsString(line))
        ws_buf_printf(out, "  - %s\n", line->valuestring);
}

static void write_case(ev_facts *f, ws_buf *out)
{
    ws_buf shapes = {0};
    const char *shape = ev_text(f, "case", "shape"), *tune = ev_text(f, "case", "tunables"),
               *inputs = ev_text(f, "case", "inputs");
    if (!*shape)
        return;
    ws_buf_printf(out, "  at shape %s", shape);
    if (*inputs)
        ws_buf_printf(out, " with %s inputs", inputs);
    if (*tune)
        ws_buf_printf(out, ", with %s", tune);
    ws_buf_addc(out, '\n');
    ev_failure_shapes(f, &shapes);
    if (shapes.n)
        ws_buf_printf(out, "  shapes: %s\n", ws_buf_z(&shapes));
    ws_buf_release(&shapes);
}

/* The verdict's sentence without the place, which follows with its source, and without the name of
 * the reason, which stands before. */
static void write_text(const ev_facts *f, ws_buf *out)
{
    static const char *const places[] = {"; found by thread (", ", by thread (", " by thread ("};
    const char *text = ev_text(f, NULL, "text");
    size_t n = strlen(text), head = strcspn(text, ":");
    for (size_t i = 0; ev_member(f, "place", "thread") && i < WS_COUNT(places); i++) {
        const char *last = NULL;
        for (const char *p = text; (p = strstr(p, places[i])) != NULL; p++)
            last = p;
        if (last && strstr(last, " in block (")) {
            n = (size_t)(last - text);
            break;
        }
    }
    const char *name = f->reason < HX_REASON_COUNT ? hx_reason_name(f->reason) : "";
    bool named = head && head < n && text[head] == ':' && strlen(name) >= head;
    for (size_t i = 0; named && i < head; i++)
        named = text[i] == name[i] || (text[i] == ' ' && name[i] == '_');
    size_t skip = named && strlen(name) == head ? head + 1 + (text[head + 1] == ' ') : 0;
    ws_buf_printf(out, "%.*s\n", (int)(n - skip), text + skip);
}

void ev_failure_write(ev_facts *f, ws_buf *out)
{
    const char *advice = ev_failure_advice(f), *printed = ev_text(f, NULL, "printf");
    const char *name = f->reason < HX_REASON_COUNT ? hx_reason_name(f->reason) : "unknown";
    ws_buf_printf(out, "Rejected: %s: ", name);
    write_text(f, out);
    if (f->reason == HX_COMPILE_ERROR || f->reason == HX_PTXAS_ERROR)
        ev_compile_write(f, out);
    else
        write_place(f, out);
    write_case(f, out);
    write_values(f, out);
    if (*printed) {
        ws_buf said = {0};
        ws_buf_add(&said, printed, ev_cut(printed, strlen(printed), 200));
        ws_buf_adds(out, "  the kernel's printf said: ");
        ws_buf_add_foreign(out, ws_buf_z(&said), "    | ");
        ws_buf_addc(out, '\n');
        ws_buf_release(&said);
    }
    if (*advice)
        ws_buf_printf(out, "What usually helps: %s.\n", advice);
}
