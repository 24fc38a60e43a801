/* Unified diffs: known ones letter by letter, random ones by what patch would make of them. */
#include "base/diff.h"
#include "base/mem.h"
#include "base/philox.h"
#include "tests/tap.h"

#include <stdlib.h>

static void known(const char *a, const char *b, const char *want, const char *what)
{
    ws_buf got = {0};
    ok(ws_diff_unified(a, b, "a", "b", 3, &got), "%s: they differ", what);
    is_str(ws_buf_z(&got), want, what);
    ws_buf_release(&got);
}

/* Follows the diff's hunks through `a`; false where a line does not fit. */
static bool patched(const char *a, const char *diff, ws_buf *out)
{
    int at = 1, from, hunk_a = 0;
    const char *p = strchr(diff, '\n'), *q = a;
    p = p ? strchr(p + 1, '\n') : NULL;
    if (!p)
        return false;
    for (p++; *p;) {
        const char *end = strchr(p, '\n');
        if (!end)
            return false;
        if (sscanf(p, "@@ -%d", &from) == 1) {
            const char *comma = strchr(p, ',');
            hunk_a = comma && comma < strchr(p, '+') ? atoi(comma + 1) : 1;
            for (from += hunk_a == 0; at < from; at++) {
                const char *nl = strchr(q, '\n');
                ws_buf_add(out, q, nl ? (size_t)(nl - q) + 1 : strlen(q));
                q = nl ? nl + 1 : q + strlen(q);
            }
            p = end + 1;
            continue;
        }
        const bool bare = end[1] == '\\'; /* no newline at the end of the file */
        const size_t n = (size_t)(end - p) - (bare ? 1 : 0);
        if (*p != '+') {
            if (strncmp(q, p + 1, n) != 0)
                return false;
            q += n, at++;
        }
        if (*p != '-')
            ws_buf_add(out, p + 1, n);
        p = end + 1;
        if (bare)
            p = strchr(p, '\n') + 1;
    }
    ws_buf_adds(out, q);
    return true;
}

static unsigned draw(unsigned below)
{
    static uint64_t drawn;
    return (unsigned)(ws_philox_u64(7, 0, drawn++) % below);
}

/* Few different lines, so that there are many ways to match them. */
static char *random_text(int lines)
{
    ws_buf t = {0};
    for (int i = 0; i < lines; i++)
        ws_buf_printf(&t, "%c%s", 'a' + (int)draw(4),
                      i + 1 < lines || draw(2) ? "\n" : "");
    return ws_buf_take(&t);
}

static void test_random(void)
{
    int wrong = 0, differ = 0;
    for (int i = 0; i < 3000; i++) {
        char *a = random_text((int)draw(30));
        char *b = random_text((int)draw(30));
        a = a ? a : ws_strdup("");
        b = b ? b : ws_strdup("");
        ws_buf d = {0}, made = {0};
        if (ws_diff_unified(a, b, "a", "b", (int)draw(4), &d)) {
            differ++;
            if (!patched(a, ws_buf_z(&d), &made) || strcmp(ws_buf_z(&made), b) != 0)
                wrong += wrong || printf("# '%s' '%s'\n# %s\n", a, b, ws_buf_z(&d));
        } else {
            wrong += strcmp(a, b) != 0;
        }
        ws_buf_release(&d);
        ws_buf_release(&made);
        free(a);
        free(b);
    }
    ok(differ > 2000 && !wrong, "what patch makes of 3,000 random diffs is the other text");
}

/* Nothing in common, and more of it than a script may change. */
static void test_large(void)
{
    ws_buf a = {0}, b = {0}, d = {0}, made = {0};
    for (int i = 0; i < 5000; i++) {
        ws_buf_printf(&a, "a%d\n", i);
        ws_buf_printf(&b, "b%d\n", i);
    }
    ok(ws_diff_unified(ws_buf_z(&a), ws_buf_z(&b), "a", "b", 3, &d) &&
           patched(ws_buf_z(&a), ws_buf_z(&d), &made),
       "two texts of 5,000 lines with nothing in common");
    is_str(ws_buf_z(&made), ws_buf_z(&b), "one block is removed, one added");
    ws_buf_release(&a);
    ws_buf_release(&b);
    ws_buf_release(&d);
    ws_buf_release(&made);
}

int main(void)
{
    ws_buf d = {0};
    ok(!ws_diff_unified("x\ny\n", "x\ny\n", "a", "b", 3, &d) && d.n == 0, "equal texts");
    known("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
          "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n", "one line");
    known("", "x\n", "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n", "from nothing");
    known("x\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n", "to nothing");
    known("x", "x\n", "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n",
          "a newline at the end");
    known("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n", "A\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nL\n",
          "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n b\n c\n d\n@@ -9,4 +9,4 @@\n i\n j\n k\n-l\n+L\n",
          "two hunks");
    known("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
          "--- a\n+++ b\n@@ -1,7 +1,6 @@\n-a\n+c\n b\n-c\n a\n b\n-b\n a\n+c\n",
          "a shortest script, of five changes, for the article's example");
    test_random();
    test_large();
    return tap_done();
}
