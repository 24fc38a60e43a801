/* ideas: what to try is kept apart from getting it to work (K-Search, CRFM's kernels).
 *
 * A text turn asks for distinct ideas with expected gain and difficulty. Each gets an
 * implementation and a few repairs in one lane ("implement", "repair", "again"), so that a good
 * idea is not dropped because its first code was broken; one that gives a faster kernel gets
 * children, ideas asked for on that kernel. ideas_tree.c has the tree, the cuts and the scores. The
 * directions of angles.c are roots too: lanes that wait for the first ideas, and replies that hold
 * none, cost nothing. */
#include "agent/strategy/ideas.h"

#include "agent/strategy/past.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { REPAIRS = 3, ASKED_IN_VAIN = 3, TOLD = 12 };

typedef struct choosing {
    const strat_view *v;
    const idea_tree *t;
    int lane, round;
    ws_arena *a;
} choosing;

/* ---- asking for ideas ---- */

static void tell_tried(const choosing *c, ws_buf *out)
{
    static const char *const names[] = {"not tried yet", "gave a faster kernel",
                                        "tried without gain", "dropped"};
    int told = 0;
    for (int i = c->t->n - 1; i >= 0 && told < TOLD; i--) {
        const idea_node *x = &c->t->node[i];
        if (x->id < 0 && x->state == IDEA_OPEN)
            continue;
        ws_buf_printf(out, "%s- %s: %s\n", told++ ? "" : "Known ideas:\n", names[x->state],
                      x->idea.text);
    }
}

static strat_step ask_ideas(const choosing *c, int parent)
{
    const strat_view *v = c->v;
    strat_step s = strat_step_of(v, c->lane, c->round, "ideas", v->best >= 0 ? v->best : 0);
    ws_buf text = {0};
    tell_tried(c, &text);
    const char *angle = strat_angle_on(v, s.subject, (uint64_t)(c->lane + c->round));
    if (angle && (c->lane > 0 || parent < 0)) /* lanes that ask at once ask for different things */
        ws_buf_printf(&text, "Look also in this direction: %s", angle);
    s.reply = STRAT_TEXT;
    s.idea = ws_arena_strdup(c->a, ws_buf_z(&text));
    if (parent >= 0)
        s.note_json = ws_arena_printf(c->a, "{\"parent\":%d}", c->t->node[parent].id);
    ws_buf_release(&text);
    return s;
}

static bool was_asked_on(const strat_view *v, int id)
{
    for (int i = 0; i < v->n_turns; i++)
        if (v->turn[i].step.reply == STRAT_TEXT &&
            ideas_note(v->turn[i].step.note_json, "parent") == id)
            return true;
    return false;
}

/* The idea that this lane's last turn won with and that has no children yet, -1: none. */
static int fresh_win(const choosing *c, const strat_turn *last)
{
    int i = last ? ideas_find(c->t, ideas_note(last->step.note_json, "idea")) : -1;
    bool won = i >= 0 && c->t->node[i].state == IDEA_WON && strat_result(c->v, last) >= 0;
    return won && !was_asked_on(c->v, c->t->node[i].id) ? i : -1;
}

static int asked_in_vain(const strat_view *v, int lane)
{
    int n = 0;
    for (int i = 0; i < v->n_turns; i++)
        if (v->turn[i].lane == lane)
            n = v->turn[i].step.reply == STRAT_TEXT ? n + 1 : 0;
    return n;
}

/* ---- implementing one ---- */

static int by_score(const void *x, const void *y)
{
    const idea_node *a = *(const idea_node *const *)x, *b = *(const idea_node *const *)y;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a < b) ? -1 : a > b;
}

/* The open idea of this lane: lanes that choose at once take one each, from the best down. */
static const idea_node *choose(const choosing *c)
{
    const idea_node **open = WS_ARENA_NEW(c->a, const idea_node *, c->t->n + 1);
    int n = 0;
    for (int i = 0; i < c->t->n; i++)
        if (c->t->node[i].state == IDEA_OPEN)
            open[n++] = &c->t->node[i];
    qsort(open, (size_t)n, sizeof(void *), by_score);
    return n ? open[c->lane % n] : NULL;
}

/* On the best kernel first; the second time on the one that it was thought of for. */
static strat_step implement(const choosing *c, const idea_node *x)
{
    const strat_view *v = c->v;
    int subject = v->best >= 0 ? v->best : 0;
    if (x->starts == 1 && x->base >= 0 && strat_passed(&v->attempt[x->base]))
        subject = x->base;
    strat_step s = strat_step_of(v, c->lane, c->round, "implement", subject);
    s.idea = x->idea.text;
    s.note_json = ws_arena_printf(c->a, "{\"idea\":%d}", x->id);
    return s;
}

/* The same idea again: its kernel fails, or there was none (once; then the idea itself may be what
 * the model refuses). */
static bool mend(const choosing *c, const strat_turn *last, strat_step *out)
{
    const strat_view *v = c->v;
    if (!strat_mend(v, c->lane, c->round, strat_or(v->option.repairs, REPAIRS), c->a, out))
        return false;
    if (strcmp(out->purpose, "again") == 0 && !strat_lost(last)) {
        out->idea = last->step.idea;
        return strcmp(last->step.purpose, "again") != 0;
    }
    return true;
}

static strat_verdict next(const strat_view *v, int lane, int round, ws_arena *a, strat_step *out)
{
    idea_tree tree;
    choosing c = {v, &tree, lane, round, a};
    const strat_turn *last = strat_last(v, lane);
    if (strat_over(v, lane))
        return STRAT_END;
    if (last && mend(&c, last, out))
        return STRAT_ASK;
    ideas_build(v, a, &tree);
    int won = fresh_win(&c, last);
    if (won >= 0 || (lane == 0 && !last)) {
        *out = ask_ideas(&c, won);
        return STRAT_ASK;
    }
    const idea_node *x = choose(&c);
    if (!x && asked_in_vain(v, lane) >= ASKED_IN_VAIN)
        return STRAT_END;
    *out = x ? implement(&c, x) : ask_ideas(&c, -1);
    return STRAT_ASK;
}

const strategy strat_ideas = {
    "ideas", "a tree of ideas apart from their implementations, several tries for each", 2, next};
