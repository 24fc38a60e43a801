/* Reading a list of ideas from a model's reply, in whatever form it has. */
#include "agent/strategy/ideas.h"

#include "agent/strategy/past.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GAIN      1.2 /* of an idea whose gain is not told */
#define CHANCE    0.5
#define MOST_GAIN 20.0 /* believed */

static const char *text_of(const cJSON *o)
{
    static const char *const keys[] = {"idea", "text", "description", "title", "name"};
    for (size_t i = 0; i < WS_COUNT(keys); i++) {
        const char *z = cJSON_GetStringValue(cJSON_GetObjectItem(o, keys[i]));
        if (z && *z)
            return z;
    }
    return NULL;
}

/* 1.5, "1.5x", "30%", "1.2-1.5x": a factor; 30 or more is read as per cent. */
static double gain_of(const cJSON *o)
{
    static const char *const keys[] = {"gain", "expected_gain", "speedup", "expected_speedup"};
    double g = (double)NAN;
    for (size_t i = 0; i < WS_COUNT(keys) && isnan(g); i++) {
        const cJSON *v = cJSON_GetObjectItem(o, keys[i]);
        const char *z = cJSON_GetStringValue(v);
        if (cJSON_IsNumber(v))
            g = v->valuedouble;
        if (z) {
            char *end;
            double x = strtod(z + strspn(z, " ~+<>="), &end);
            if (strchr(end, '%'))
                x = 1 + x / 100;
            if (end != z)
                g = x;
        }
    }
    if (g >= 30)
        g = 1 + g / 100;
    if (g > 0 && g < 1) /* a part of the time that is saved */
        g = 1 / (1 - g);
    return g >= 1 ? fmin(g, MOST_GAIN) : GAIN;
}

/* How likely a word like "easy" makes it, 0: it says nothing. */
static double chance_of_word(const char *z, size_t n)
{
    static const struct {
        const char *word;
        double chance;
    } words[] = {{"easy", 0.8},     {"low", 0.8},  {"simple", 0.8}, {"medium", 0.5},
                 {"moderate", 0.5}, {"hard", 0.3}, {"high", 0.3},   {"difficult", 0.3}};
    for (size_t i = 0; i < WS_COUNT(words); i++)
        if (n == strlen(words[i].word) && strncasecmp(z, words[i].word, n) == 0)
            return words[i].chance;
    return 0;
}

static double chance_of(const cJSON *o)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItem(o, "difficulty"));
    size_t n = 0;
    while (z && isalpha((unsigned char)z[n]))
        n++;
    double chance = z ? chance_of_word(z, n) : 0;
    return chance > 0 ? chance : CHANCE;
}

/* What an item of a list says in passing at its end: "(1.5x, easy)". */
static void read_aside(const char *text, double *gain, double *chance)
{
    const char *p = strrchr(text, '(');
    for (; p && *p; p++) {
        char *end;
        size_t n = 0;
        double x = isdigit((unsigned char)*p) ? strtod(p, &end) : 0;
        if (x >= 1 && (*end == 'x' || *end == 'X'))
            *gain = fmin(x, MOST_GAIN);
        while (isalpha((unsigned char)p[n]))
            n++;
        if (chance_of_word(p, n) > 0)
            *chance = chance_of_word(p, n);
        p += x > 0 ? (size_t)(end - p) - 1 : n ? n - 1 : 0;
    }
}

static int add(const char *text, double gain, double chance, ws_arena *a, idea_text *out, int n)
{
    char *copy = strat_text(a, text, IDEAS_LONGEST);
    if (n < IDEAS_A_REPLY && *copy)
        out[n++] = (idea_text){copy, gain, chance};
    return n;
}

static int add_json(const cJSON *v, ws_arena *a, idea_text *out, int n)
{
    if (cJSON_IsArray(v) || (cJSON_IsObject(v) && !text_of(v))) {
        const cJSON *item;
        cJSON_ArrayForEach(item, v)
        {
            if (cJSON_IsArray(item) || cJSON_IsObject(item))
                n = add_json(item, a, out, n);
        }
    } else if (cJSON_IsObject(v)) {
        n = add(text_of(v), gain_of(v), chance_of(v), a, out, n);
    }
    return n;
}

/* Every JSON value that begins at a brace or bracket, what is not JSON skipped. */
static int parse_json(const char *reply, ws_arena *a, idea_text *out)
{
    int n = 0, misses = 0;
    for (const char *p = reply; n < IDEAS_A_REPLY && misses < 64 && (p = strpbrk(p, "{["));) {
        const char *end = NULL;
        cJSON *v = cJSON_ParseWithOpts(p, &end, false);
        n = add_json(v, a, out, n);
        misses += v == NULL;
        p = v && end > p ? end : p + 1;
        cJSON_Delete(v);
    }
    return n;
}

/* The text behind "1." "2)" "**3." "- " "* "; NULL: no list item. */
static const char *item_of(const char *line)
{
    const char *p = line + strspn(line, " \t");
    if (strchr("-*+", *p) && *p && p[1] == ' ')
        return p + 2;
    p += strspn(p, "#* ");
    if (!isdigit((unsigned char)*p))
        return NULL;
    p += strspn(p, "0123456789");
    return *p == '.' || *p == ')' || *p == ':' ? p + 1 : NULL;
}

static int add_item(const ws_buf *text, ws_arena *a, idea_text *out, int n)
{
    double gain = GAIN, chance = CHANCE;
    read_aside(ws_buf_z(text), &gain, &chance);
    return add(ws_buf_z(text), gain, chance, a, out, n);
}

/* An item is its line and the lines that follow it up to the next item or an empty line. Numbered
 * items win: bullets below them are their details. */
static int parse_list(const char *reply, ws_arena *a, idea_text *out)
{
    int n = 0;
    ws_buf text = {0};
    bool numbered = false, in = false;
    for (int pass = 0; pass < 2; pass++) {
        for (const char *p = reply; *p;) {
            size_t len = strcspn(p, "\n");
            char *line = ws_arena_strndup(a, p, len);
            const char *item = item_of(line);
            bool number = item && isdigit((unsigned char)line[strspn(line, " \t#*")]);
            p += len + (p[len] == '\n');
            if (pass == 0) {
                numbered |= number;
                continue;
            }
            if ((item && (number || !numbered)) || !line[strspn(line, " \t\r")]) {
                if (in)
                    n = add_item(&text, a, out, n);
                ws_buf_reset(&text);
                in = item != NULL;
            }
            if (in)
                ws_buf_printf(&text, "%s%s", text.n ? " " : "", text.n ? line : item);
        }
    }
    if (in)
        n = add_item(&text, a, out, n);
    ws_buf_release(&text);
    return n;
}

int ideas_parse(const char *reply, ws_arena *a, idea_text out[IDEAS_A_REPLY])
{
    int n = parse_json(reply, a, out);
    return n ? n : parse_list(reply, a, out);
}

int ideas_note(const char *note_json, const char *key)
{
    cJSON *note = note_json ? cJSON_Parse(note_json) : NULL;
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(note, key);
    int id = cJSON_IsNumber(v) ? v->valueint : INT_MIN;
    cJSON_Delete(note);
    return id;
}
