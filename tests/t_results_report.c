/* The report's model and writers against what a made-up archive holds. With arguments PATH PROBLEMS
 * ATTEMPTS [hostile] it writes that archive and ends, for tests/t_report_html.sh. */
#include "results/report.h"
#include "tests/report_fixture.h"
#include "tests/tap.h"

#include <unistd.h>

static char dir[] = "/tmp/ws-report-XXXXXX";
enum { PROBLEMS = 40, ATTEMPTS = 4 };

static const rep_options plain = {.tool = "warpsmith test"};

static void collect(db_archive *db, const char *which, const rep_options *o, ws_arena *a,
                    rep_report *r)
{
    ws_err err = {0};
    if (rep_collect(db, &which, which ? 1 : 0, o, a, r, &err)) {
        printf("Bail out! %s\n", err.msg);
        exit(1);
    }
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* What must be nowhere: escapes, bytes that are not UTF-8, text that turns, a script of others. */
static void is_harmless(const char *text, const char *what)
{
    char *valid = ws_utf8_valid(text);
    bool control = false;
    for (const char *p = text; *p; p++)
        control = control || ((unsigned char)*p < ' ' && !strchr("\n\r\t", *p)) || *p == 0x7f;
    ok(strcmp(valid, text) == 0 && !control, "%s: no control character, valid UTF-8", what);
    ok(!strstr(text, "\xe2\x80\xa8") && !strstr(text, "\xe2\x80\xae"),
       "%s: no character that ends lines or turns text", what);
    free(valid);
}

static const rep_problem *problem_at(const rep_report *r, int position)
{
    for (int i = 0; i < r->n_problems; i++)
        if (r->problem[i].row->position == position)
            return &r->problem[i];
    return NULL;
}

static void test_model(db_archive *db)
{
    ws_arena a = {0};
    rep_report r;
    collect(db, NULL, &plain, &a, &r);
    is_int(r.n_problems, PROBLEMS, "the last sweep is what is reported");
    is_int(r.n_arms, 1, "one model and strategy are one arm");
    is_str(r.title, "kernelbench", "the title is the suite");
    const rep_score *s = rep_headline(&r, 0);
    ok(s && s->score.n == PROBLEMS - 2, "flawed problems are not of the headline");
    const rep_problem *failed = problem_at(&r, 18), *p = problem_at(&r, 4);
    ok(failed && strcmp(failed->row->status, "failed") == 0 && failed->row->error,
       "a problem that failed has its error");
    ok(!strstr(failed->row->error, "/home") && strstr(failed->row->error, ".../x.json"),
       "without the path of a machine: %s", failed->row->error);
    is_int(p->n_attempts, ATTEMPTS + 1, "attempts and generation 0");
    is_int(p->attempt[0].round, 0, "which comes first");
    double last = (double)INFINITY;
    bool falls = true, rises = true;
    for (int i = 0; i < p->n_attempts; i++) {
        falls = falls && !(rep_best_after(p, i) > last);
        last = rep_best_after(p, i);
        rises = rises && (!i || p->attempt[i].usd >= p->attempt[i - 1].usd);
    }
    ok(falls && rises, "the best falls, and what was spent rises");
    is_close(p->attempt[ATTEMPTS].usd, p->row->usd, 1e-9, "to what the problem cost");
    ok(p->worth && p->worth->before_usd >= p->worth->after_usd && p->worth->after_usd > 0,
       "a spec that serves tokens is worth something");
    ok(strstr(p->worth->price_source, "2026"), "at a price with a source and a date");
    is_close(p->worth->before_usd,
             p->row->baseline[0].time.seconds * p->worth->calls / p->worth->tokens * 1e6 *
                 p->worth->usd_per_hour / 3600,
             1e-12, "cost of a million tokens: seconds, calls of a pass, tokens of a call, price");
    ws_arena_release(&a);
}

static void test_winner(db_archive *db)
{
    ws_arena a = {0};
    rep_report r;
    int diffs = 0, sittings = 0, faster = 0;
    collect(db, "made-up", &plain, &a, &r);
    for (int i = 0; i < r.n_problems; i++) {
        const rep_problem *p = &r.problem[i];
        diffs += p->diff && strncmp(p->diff, "--- #", 5) == 0 && p->parent;
        for (int t = 0; t < p->n_timings; t++) {
            const rep_timing *m = &p->timing[t];
            sittings += m->baseline && m->n == 120;
            faster += m->baseline && m->sample[0] < m->baseline[0];
        }
    }
    ok(diffs > PROBLEMS / 3, "winners have their change");
    is_int(sittings, 4, "samples of sittings are there, in pairs");
    is_int(faster, 4, "those of the candidate are its own in a confirmation, too");
    ws_arena_release(&a);
}

static void test_options(db_archive *db)
{
    ws_arena a = {0};
    rep_report r, twice;
    ws_err err = {0};
    const rep_options dear = {.tool = "t", .usd_per_hour = 36, .traffic = 1e6, .title = "A title"};
    const rep_options wrong = {.tool = "t", .baseline = "nothing"};
    const char *both[] = {"made-up-sweep", "run-003"}, *none = "no-such-run";
    collect(db, NULL, &dear, &a, &r);
    is_str(r.title, "A title", "a title can be given");
    const rep_worth *w = problem_at(&r, 4)->worth;
    is_close(w->usd_per_hour, 36, 0, "so can a price");
    is_close(w->saved_usd_per_month,
             (w->before_usd - w->after_usd) * (365.25 / 12 * 86400), 1e-6,
             "and traffic: a million tokens a second for a month");
    ok(rep_collect(db, NULL, 0, &wrong, &a, &r, &err) == WS_EINPUT &&
           strstr(err.hint, "translation"),
       "an unknown baseline is an error that names those that are known");
    ok(!rep_collect(db, both, 2, &plain, &a, &twice, &err) && twice.n_sets == 2 &&
           twice.n_problems == PROBLEMS + 1,
       "a sweep and a run stand side by side");
    ws_buf page = {0};
    rep_html(&twice, &page);
    is_int(count(ws_buf_z(&page), "(largest)"), problem_at(&twice, 4)->row->correct ? 2 : 0,
           "with the speed-ups of the spec that both have, the same here");
    ws_buf_release(&page);
    ok(rep_collect(db, &none, 1, &plain, &a, &r, &err) == WS_EINPUT, "an unknown name is an error");
    has_str(err.msg, "no-such-run", "that says which");
    ws_arena_release(&a);
}

static void test_writers(db_archive *db)
{
    ws_arena a = {0};
    rep_report r;
    ws_buf html = {0}, md = {0}, csv = {0};
    collect(db, NULL, &plain, &a, &r);
    rep_html(&r, &html);
    rep_markdown(&r, &md);
    rep_csv(&r, &csv);
    ok(!strstr(ws_buf_z(&html), "{{") || strstr(ws_buf_z(&html), "report-data"),
       "every mark of the page is filled");
    is_int(count(ws_buf_z(&html), "<tr id=\"p"), PROBLEMS, "a row a problem without any script");
    ok(!strstr(ws_buf_z(&html), "host.example") && !strstr(ws_buf_z(&md), "host.example"),
       "no server is named");
    ok(!strstr(ws_buf_z(&html), "src=") || !strstr(ws_buf_z(&html), "<link rel=\"stylesheet"),
       "nothing is fetched");
    is_int(count(ws_buf_z(&csv), "\r\n"), PROBLEMS + 1, "CSV: a header and a row a problem");
    ok(strstr(ws_buf_z(&md), "modelled for h100"), "Markdown says that times are modelled");
    char *text = cJSON_PrintUnformatted(rep_json(&r)); /* leaks with the test */
    cJSON *o = cJSON_Parse(text);
    is_int(cJSON_GetArraySize(cJSON_GetObjectItem(o, "problems")), PROBLEMS, "JSON has all problems");
    is_int((int)cJSON_GetNumberValue(cJSON_GetObjectItem(o, "schema")), REP_SCHEMA, "and a schema");
    cJSON_Delete(o);
    free(text);
    ws_buf_release(&html);
    ws_buf_release(&md);
    ws_buf_release(&csv);
    ws_arena_release(&a);
}

static void test_hostile(const char *path)
{
    ws_err err = {0};
    ws_arena a = {0};
    db_archive *db = NULL;
    rep_report r;
    ws_buf html = {0}, md = {0}, csv = {0};
    ok(!fixture_write(path, 6, 3, true, &err) && !db_open(path, true, &db, &err),
       "an archive with hostile texts: %s", err.msg);
    collect(db, NULL, &plain, &a, &r);
    rep_html(&r, &html);
    rep_markdown(&r, &md);
    rep_csv(&r, &csv);
    is_harmless(ws_buf_z(&html), "HTML");
    is_harmless(ws_buf_z(&md), "Markdown");
    is_int(count(ws_buf_z(&html), "<script"), 2, "HTML: its own two scripts and no other");
    is_int(count(ws_buf_z(&html), "</script>"), 2, "which end where they should");
    ok(!strstr(ws_buf_z(&html), "<img"), "no element of others");
    ok(!strstr(ws_buf_z(&md), "<script>") || strstr(ws_buf_z(&md), "\\<script"),
       "Markdown: markup of others is text");
    char *valid = ws_utf8_valid(ws_buf_z(&csv));
    is_str(valid, ws_buf_z(&csv), "CSV is UTF-8");
    free(valid);
    ws_buf_release(&html);
    ws_buf_release(&md);
    ws_buf_release(&csv);
    db_close(db);
    ws_arena_release(&a);
}

static void test_text(void)
{
    ws_buf t = {0};
    rep_put_time(9.185e-5, &t), ws_buf_adds(&t, "|");
    rep_put_time(1.0234e-3, &t), ws_buf_adds(&t, "|");
    rep_put_time((double)NAN, &t), ws_buf_adds(&t, "|");
    rep_put_ratio(1.0567, &t), ws_buf_adds(&t, "|");
    rep_put_ratio((double)NAN, &t), ws_buf_adds(&t, "|");
    rep_put_usd(0.01234, &t), ws_buf_adds(&t, "|");
    rep_put_usd((double)NAN, &t), ws_buf_adds(&t, "|");
    rep_put_count(12345, &t), ws_buf_adds(&t, "|");
    rep_put_count(9999, &t);
    is_str(ws_buf_z(&t), "91.85 us|1.02 ms|-|1.06x|-|0.0123 USD|unknown|12.3 k|9999",
           "numbers as people read them");
    ws_buf_reset(&t);
    const rep_arm both = {.gpu = "h100", .modelled = 3, .measured = 4}, one = {.gpu = "", .measured = 2};
    rep_time_label(&both, &t), ws_buf_adds(&t, "|");
    rep_time_label(&one, &t);
    is_str(ws_buf_z(&t), "3 modelled, 4 measured|measured on several GPUs", "kinds of times are told");
    ws_buf_release(&t);
    ok(rep_gpu_price_find("h100") && !rep_gpu_price_find("h1000") && !rep_gpu_price_find(NULL),
       "prices are of GPUs that are known");
}

int main(int argc, char **argv)
{
    ws_err err = {0};
    db_archive *db = NULL;
    char path[64], hostile[64];
    if (argc >= 4) {
        if (fixture_write(argv[1], atoi(argv[2]), atoi(argv[3]), argc > 4, &err))
            fprintf(stderr, "%s\n", err.msg);
        return err.status != WS_OK;
    }
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/a.db", dir);
    snprintf(hostile, sizeof hostile, "%s/h.db", dir);
    if (fixture_write(path, PROBLEMS, ATTEMPTS, false, &err) || db_open(path, true, &db, &err)) {
        printf("Bail out! %s\n", err.msg);
        return 1;
    }
    test_text();
    test_model(db);
    test_winner(db);
    test_options(db);
    test_writers(db);
    test_hostile(hostile);
    db_close(db);
    unlink(path);
    unlink(hostile);
    rmdir(dir);
    return tap_done();
}
