/* The tree of ideas: what was thought of, what came of it, what is worth a try next.
 *
 * An idea that gave a faster kernel is won, and ideas asked for on that kernel are its children. An
 * idea of STARTS implementations without gain is tried. After `patience` kernels without gain among
 * the children of one idea (or the roots) all of them that are still open are cut.
 *
 * The score of an open idea is like that of a bandit's arm (UCT: Kocsis and Szepesvari, 2006):
 *     ln(gain) * chance^(1 + starts) * rate / 0.5 + EXPLORE * sqrt(ln(1 + N) / (1 + starts))
 * with the gain and the chance that the model told, rate = (1 + won) / (2 + starts of all) of the
 * idea and its siblings, and N the starts of all siblings. */
#include "agent/strategy/ideas.h"

#include "agent/strategy/past.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STARTS = 2, PATIENCE = 6 };
#define EXPLORE      0.1
#define ANGLE_GAIN   1.1 /* directions are worth less than ideas about this very kernel */
#define ANGLE_CHANCE 0.5

typedef struct building {
    const strat_view *v;
    idea_tree *t;
    int cap;
    int *stale; /* [1 + index of a parent]: kernels of its children without gain; [0]: the roots */
    int *base;  /* per lane: what its present implementation began from */
    ws_arena *a;
} building;

int ideas_find(const idea_tree *t, int id)
{
    for (int i = 0; i < t->n; i++)
        if (t->node[i].id == id)
            return i;
    return -1;
}

/* The same words, whatever stands between them. */
static bool same_words(const char *x, const char *y)
{
    for (;;) {
        while (*x && !isalnum((unsigned char)*x))
            x++;
        while (*y && !isalnum((unsigned char)*y))
            y++;
        if (!*x || !*y)
            return !*x && !*y;
        if (tolower((unsigned char)*x++) != tolower((unsigned char)*y++))
            return false;
    }
}

static void add_node(building *b, int id, int parent, const idea_text *idea, int base)
{
    idea_tree *t = b->t;
    for (int i = 0; i < t->n; i++) /* under another parent too: it was thought of before */
        if (same_words(t->node[i].idea.text, idea->text))
            return;
    if (t->n == b->cap)
        return;
    t->node[t->n++] =
        (idea_node){.id = id, .parent = parent, .idea = *idea, .base = base, .result = -1};
}

static void add_reply(building *b, const strat_turn *turn)
{
    idea_text list[IDEAS_A_REPLY];
    if (!strat_has_text(turn))
        return;
    b->t->has_asked = true;
    int n = ideas_parse(turn->reply, b->a, list);
    int parent = ideas_find(b->t, ideas_note(turn->step.note_json, "parent"));
    for (int i = 0; i < n; i++)
        add_node(b, turn->turn * IDEAS_A_REPLY + i, parent, &list[i], turn->step.subject);
}

static void cut_children(idea_tree *t, int parent)
{
    for (int i = 0; i < t->n; i++)
        if (t->node[i].parent == parent && t->node[i].state == IDEA_OPEN)
            t->node[i].state = IDEA_CUT;
}

/* A kernel of idea `i`. */
static void add_try(building *b, int i, const strat_turn *turn)
{
    idea_node *node = &b->t->node[i];
    int r = strat_result(b->v, turn), *stale = &b->stale[1 + node->parent];
    if (strcmp(turn->step.purpose, "implement") == 0) {
        node->starts++;
        b->base[turn->lane] = turn->step.subject;
    }
    node->tries++;
    if (strat_faster(b->v, r, node->result))
        node->result = r;
    if (strat_gains(b->v, r, b->base[turn->lane])) {
        node->state = IDEA_WON;
        *stale = 0;
        return;
    }
    if (node->state == IDEA_OPEN && node->starts >= STARTS)
        node->state = IDEA_TRIED;
    if (++*stale >= strat_or(b->v->option.patience, PATIENCE)) {
        cut_children(b->t, node->parent);
        *stale = 0;
    }
}

static void score(idea_tree *t)
{
    for (int i = 0; i < t->n; i++) {
        idea_node *x = &t->node[i];
        int won = 0, starts = 0;
        for (int k = 0; k < t->n; k++)
            if (t->node[k].parent == x->parent) {
                won += t->node[k].state == IDEA_WON;
                starts += t->node[k].starts;
            }
        double rate = (1.0 + won) / (2.0 + starts);
        x->score = log(x->idea.gain) * pow(x->idea.chance, 1 + x->starts) * rate / 0.5 +
                   EXPLORE * sqrt(log(1.0 + starts) / (1 + x->starts));
    }
}

void ideas_build(const strat_view *v, ws_arena *a, idea_tree *out)
{
    int angles = strat_n_angles(v);
    building b = {v, out, angles, NULL, NULL, a};
    for (int i = 0; i < v->n_turns; i++)
        b.cap += v->turn[i].step.reply == STRAT_TEXT ? IDEAS_A_REPLY : 0;
    *out = (idea_tree){.node = WS_ARENA_NEW(a, idea_node, b.cap)};
    b.stale = WS_ARENA_NEW(a, int, b.cap + 1);
    b.base = WS_ARENA_NEW(a, int, v->lanes);
    for (int k = 0; k < angles; k++)
        add_node(&b, -1 - k, -1,
                 &(idea_text){strat_angle(v, (uint64_t)k), ANGLE_GAIN, ANGLE_CHANCE}, 0);
    for (int i = 0; i < v->n_turns; i++) {
        const strat_turn *turn = &v->turn[i];
        int node = ideas_find(out, ideas_note(turn->step.note_json, "idea"));
        if (turn->step.reply == STRAT_TEXT)
            add_reply(&b, turn);
        else if (node >= 0 && !strat_lost(turn))
            add_try(&b, node, turn);
    }
    score(out);
}
