#include "agent/strategy/past.h"

#include "agent/strategy/bandit.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { BARREN = 6, BARREN_A_LANE = 3 };

static bool faster_by(const strat_view *v, int i, int than, double part)
{
    if (i < 0 || !strat_passed(&v->attempt[i]))
        return false;
    double s = strat_seconds(v->attempt[i].candidate);
    if (than < 0)
        return s > 0;
    return s > 0 && !(s >= strat_seconds(v->attempt[than].candidate) * part);
}

bool strat_faster(const strat_view *v, int i, int than)
{
    return faster_by(v, i, than, 1);
}

bool strat_gains(const strat_view *v, int i, int than)
{
    return faster_by(v, i, than, 1 - STRAT_GAIN);
}

const strat_turn *strat_last(const strat_view *v, int lane)
{
    for (int i = v->n_turns - 1; i >= 0; i--)
        if (v->turn[i].lane == lane)
            return &v->turn[i];
    return NULL;
}

bool strat_lost(const strat_turn *t)
{
    static const char *const answers[] = {"ok", "truncated", "refused", "empty", "too_large"};
    for (size_t i = 0; i < WS_COUNT(answers); i++)
        if (strcmp(t->outcome, answers[i]) == 0)
            return false;
    return t->attempt < 0;
}

bool strat_has_text(const strat_turn *t)
{
    bool answered = strcmp(t->outcome, "ok") == 0 || strcmp(t->outcome, "truncated") == 0;
    return t->step.reply == STRAT_TEXT && answered && t->reply &&
           ws_str_trim(ws_str_of(t->reply)).n > 0;
}

int strat_result(const strat_view *v, const strat_turn *t)
{
    int best = -1;
    if (t->attempt < 0)
        return -1;
    for (int i = t->attempt; i < v->n_attempts && v->attempt[i].turn == t->turn; i++)
        if (v->attempt[i].same_as < 0 && strat_faster(v, i, best))
            best = i;
    return best;
}

bool strat_is_copy(const strat_view *v, const strat_turn *t)
{
    return t->attempt >= 0 && v->attempt[t->attempt].same_as >= 0 && strat_result(v, t) < 0;
}

/* There is a whole source to repair. */
static bool has_source(const strat_attempt *a)
{
    return strcmp(a->candidate->reason, "no_code") != 0 &&
           strcmp(a->candidate->reason, "truncated") != 0;
}

/* Thoughts in the text and marks of emphasis aside. */
static bool says_stop(const char *reply)
{
    static const char word[] = "STOP";
    const char *thought = strstr(reply, "</think>"), *p = thought ? thought + 8 : reply;
    p += strspn(p, " \t\r\n*_`#>\"'");
    return strncmp(p, word, sizeof word - 1) == 0 && !isalnum((unsigned char)p[sizeof word - 1]) &&
           !strstr(p, "```");
}

bool strat_stopped(const strat_view *v, const strat_turn *t)
{
    const int of = t->step.subject;
    bool no_code =
        t->attempt < 0 || strcmp(v->attempt[t->attempt].candidate->reason, "no_code") == 0;
    return no_code && of >= 0 && strat_passed(&v->attempt[of]) && strcmp(t->outcome, "ok") == 0 &&
           t->reply && says_stop(t->reply);
}

bool strat_is_barren(const strat_view *v, const strat_turn *t)
{
    if (strat_stopped(v, t))
        return false;
    if (t->step.reply == STRAT_TEXT)
        return !strat_has_text(t);
    return t->attempt < 0 || strat_is_copy(v, t) || !has_source(&v->attempt[t->attempt]);
}

int strat_stale(const strat_view *v)
{
    int stale = 0, best = v->n_attempts && strat_passed(&v->attempt[0]) ? 0 : -1;
    for (int i = 0; i < v->n_turns; i++) {
        if (v->turn[i].step.reply != STRAT_KERNEL || strat_stopped(v, &v->turn[i]))
            continue;
        int r = strat_result(v, &v->turn[i]);
        stale = strat_gains(v, r, best) ? 0 : stale + 1;
        if (strat_faster(v, r, best))
            best = r;
    }
    return stale;
}

bool strat_over(const strat_view *v, int lane)
{
    int own = 0, all = 0, most = strat_or(v->option.barren, BARREN);
    const strat_turn *last = strat_last(v, lane);
    if (last && strat_stopped(v, last))
        return true;
    for (int i = 0; i < v->n_turns; i++) {
        if (strat_stopped(v, &v->turn[i]))
            continue;
        bool barren = strat_is_barren(v, &v->turn[i]);
        if (v->turn[i].step.reply == STRAT_TEXT && !barren)
            continue; /* what it is worth shows in the kernel that follows */
        all = barren ? all + 1 : 0;
        if (v->turn[i].lane == lane)
            own = barren ? own + 1 : 0;
    }
    return own >= most || (all >= most && all >= BARREN_A_LANE * v->lanes) ||
           (v->option.stagnation > 0 && strat_stale(v) >= v->option.stagnation);
}

/* ---- steps ---- */

int strat_model_for(const strat_view *v, int lane, int round)
{
    return v->n_models > 1 ? bandit_choose(v, (uint64_t)round * (uint64_t)v->lanes + (uint64_t)lane)
                           : 0;
}

strat_step strat_step_of(const strat_view *v, int lane, int round, const char *purpose, int subject)
{
    return (strat_step){.purpose = purpose,
                        .reply = STRAT_KERNEL,
                        .model = strat_model_for(v, lane, round),
                        .subject = subject};
}

static bool mends(const strat_turn *t)
{
    return strcmp(t->step.purpose, "repair") == 0 || strcmp(t->step.purpose, "again") == 0;
}

/* Turns at the end of the lane that mend what came before them. */
static int mended(const strat_view *v, int lane)
{
    int n = 0;
    for (int i = 0; i < v->n_turns; i++)
        if (v->turn[i].lane == lane && !strat_lost(&v->turn[i]))
            n = mends(&v->turn[i]) ? n + 1 : 0;
    return n;
}

bool strat_mend(const strat_view *v, int lane, int round, int repairs, ws_arena *a, strat_step *out)
{
    const strat_turn *t = strat_last(v, lane);
    if (!t)
        return false;
    if (strat_lost(t)) {
        *out = t->step;
        out->model = strat_model_for(v, lane, round);
        return true;
    }
    int n = mended(v, lane);
    if (t->step.reply != STRAT_KERNEL || n >= repairs || strat_is_copy(v, t) ||
        (t->attempt >= 0 && strat_passed(&v->attempt[t->attempt])))
        return false;
    bool source = t->attempt >= 0 && has_source(&v->attempt[t->attempt]);
    *out = strat_step_of(v, lane, round, source ? "repair" : "again", t->attempt);
    out->idea = t->step.idea;
    out->note_json = t->step.note_json;
    /* A model that refused one prompt refuses it again: every "again" has another direction. */
    if (!source)
        out->idea = ws_arena_strdup(a, strat_angle(v, (uint64_t)(lane + round)));
    return true;
}

void strat_inspire(const strat_view *v, strat_step *s, int i, int max)
{
    int at = 0;
    if (i < 0 || i == s->subject || v->attempt[i].same_as >= 0 || !strat_passed(&v->attempt[i]))
        return;
    if (max > STRAT_MAX_INSPIRATIONS)
        max = STRAT_MAX_INSPIRATIONS;
    for (int k = 0; k < s->n_inspirations; k++)
        if (s->inspiration[k] == i)
            return;
    while (at < s->n_inspirations && strat_faster(v, i, s->inspiration[at]))
        at++;
    if (s->n_inspirations >= max) { /* the worst, which is the first, makes room */
        if (at == 0)
            return;
        memmove(s->inspiration, s->inspiration + 1, (size_t)(at - 1) * sizeof s->inspiration[0]);
        s->inspiration[at - 1] = i;
        return;
    }
    memmove(s->inspiration + at + 1, s->inspiration + at,
            (size_t)(s->n_inspirations - at) * sizeof s->inspiration[0]);
    s->inspiration[at] = i;
    s->n_inspirations++;
}

char *strat_text(ws_arena *a, const char *text, size_t max)
{
    static const char more[] = " ...";
    ws_str s = ws_str_trim(ws_str_of(text));
    if (s.n <= max || max <= sizeof more)
        return ws_arena_strndup(a, s.p, s.n < max ? s.n : max);
    size_t cut = max - (sizeof more - 1), word = cut;
    while (word > cut / 2 && !isspace((unsigned char)s.p[word]))
        word--;
    if (word <= cut / 2) /* no words to cut between: not inside a UTF-8 sequence */
        for (word = cut; word && ((unsigned char)s.p[word] & 0xc0) == 0x80;)
            word--;
    return ws_arena_printf(a, "%.*s%s", WS_STR_ARG(ws_str_trim((ws_str){s.p, word})), more);
}
