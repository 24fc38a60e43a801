/* Text for people of a body that is no JSON. */
#include "agent/llm/error.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The end of a tag at p, past a script's or a style's content. */
static const char *skip_tag(const char *p, const char *end)
{
    static const char *const with_content[] = {"script", "style"};
    for (size_t i = 0; i < WS_COUNT(with_content); i++) {
        size_t n = strlen(with_content[i]);
        if ((size_t)(end - p) > n + 1 && strncasecmp(p + 1, with_content[i], n) == 0) {
            const char *close = memmem(p, (size_t)(end - p), "</", 2);
            p = close ? close : end;
        }
    }
    const char *gt = p < end ? memchr(p, '>', (size_t)(end - p)) : NULL;
    return gt ? gt + 1 : end;
}

/* Appends one character; `blank`: a space is due before it. */
static bool put_char(char *out, size_t size, size_t *at, bool blank, const char *c, size_t n)
{
    if (*at + n + 2 > size)
        return false;
    if (blank && *at)
        out[(*at)++] = ' ';
    memcpy(out + *at, c, n);
    *at += n;
    return true;
}

void llm_plain_text(const char *body, size_t n, char *out, size_t size)
{
    char *copy = ws_strndup(body ? body : "", body ? strnlen(body, n) : 0);
    char *clean = ws_utf8_valid(copy);
    const char *p = clean + strspn(clean, " \t\r\n"), *end = clean + strlen(clean);
    bool html = *p == '<', blank = false;
    size_t at = 0;
    while (p < end) {
        size_t k = ws_utf8_length(p);
        /* C0, DEL and C1 could command a terminal. */
        bool control = (unsigned char)*p < ' ' || *p == 0x7f ||
                       (k == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0);
        if (html && *p == '<') {
            p = skip_tag(p, end);
            blank = true;
            continue;
        }
        if (control || *p == ' ') {
            blank = true;
        } else {
            if (!put_char(out, size, &at, blank, p, k))
                break;
            blank = false;
        }
        p += k;
    }
    out[at] = '\0';
    free(copy);
    free(clean);
}
