/* Where in the candidate's source a stretch of PTX comes from. */
#ifndef VERIFIER_PLACE_H
#define VERIFIER_PLACE_H

typedef struct vfy_place {
    int file; /* 1: the candidate's own text, else a header; 0: not known */
    int line; /* of the candidate's own text, where a header's function was inlined; 0: not known */
} vfy_place;

/* Goes on to what the line of PTX that begins with ".loc" says (PTX ISA, 11.5.3). */
void vfy_place_follow(vfy_place *at, const char *loc);

#endif
