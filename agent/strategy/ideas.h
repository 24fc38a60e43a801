/* Inside ideas: the tree of ideas, built anew from the turns of a view. */
#ifndef AGENT_STRATEGY_IDEAS_H
#define AGENT_STRATEGY_IDEAS_H

#include "agent/strategy/strategy.h"

enum { IDEAS_A_REPLY = 8, IDEAS_LONGEST = 600 };

/* An idea as a reply states it. */
typedef struct idea_text {
    const char *text;
    double gain;   /* expected speed-up, a factor of at least 1 */
    double chance; /* that an implementation of this difficulty works: 0..1 */
} idea_text;

/* The ideas in a reply: JSON objects {"idea", "gain", "difficulty"}, one a line or in an array, in
 * a fence or not; else a numbered or bulleted list. At most IDEAS_A_REPLY; texts are in `a`. */
int ideas_parse(const char *reply, ws_arena *a, idea_text out[IDEAS_A_REPLY]);

typedef enum idea_state { IDEA_OPEN, IDEA_WON, IDEA_TRIED, IDEA_CUT } idea_state;

typedef struct idea_node {
    int id;     /* turn * IDEAS_A_REPLY + place in the reply; -1 - k: direction k of angles.c */
    int parent; /* index of the idea that it goes on from, -1: a root */
    idea_text idea;
    int base; /* attempt that it was thought of for */
    idea_state state;
    int starts;   /* implementations begun */
    int tries;    /* kernels, repairs among them */
    int result;   /* its fastest kernel, -1: none passes */
    double score; /* of an open one */
} idea_node;

typedef struct idea_tree {
    idea_node *node;
    int n;
    bool has_asked; /* there was an "ideas" turn with a text */
} idea_tree;

/* Ideas of all visible turns, what came of them, and their scores. */
void ideas_build(const strat_view *v, ws_arena *a, idea_tree *out);
int ideas_find(const idea_tree *t, int id); /* index, -1: none */
/* The id in a turn's note, INT_MIN: none. `key` is "idea" or "parent". */
int ideas_note(const char *note_json, const char *key);

#endif
