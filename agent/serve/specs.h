/* The specs that requests may name, and what is known of each: the time of its plain translation,
 * which speed is told against, and whether it can be passed without the work. That takes a few
 * seconds of a process of its own, once for each spec. */
#ifndef AGENT_SERVE_SPECS_H
#define AGENT_SERVE_SPECS_H

#include "specs/spec.h"

#include <sys/types.h>

/* How far the facts are. */
typedef enum serve_known {
    SERVE_UNKNOWN, SERVE_ASKED, SERVE_SOUGHT, SERVE_KNOWN, SERVE_FAILED
} serve_known;

typedef struct serve_spec {
    spec *spec;
    serve_known known;
    double baseline_s; /* modelled; NaN: the plain translation has no time */
    bool flawed;
    char flaw[256];
    char error[512];   /* FAILED: what went wrong */
    bool own;          /* of --spec, not of the catalogue */
} serve_spec;

typedef struct serve_specs serve_specs;

typedef struct serve_specs_options {
    const char *gpu, *arch;
    double lint_seconds;  /* of processor time */
    double facts_seconds; /* of wall time, for all of it */
    int jobs;             /* specs that are looked at at the same time */
    const char *const *file;
    int n_files;          /* specs beside those of the catalogue */
} serve_specs_options;

ws_status serve_specs_open(const serve_specs_options *o, serve_specs **out,
                           ws_err *err) WS_MUST_CHECK;
void serve_specs_close(serve_specs *s);
/* By its name or short name, never by a path; NULL: `err` says why. Lasts as long as `s`. */
serve_spec *serve_specs_find(serve_specs *s, const char *name, ws_err *err);

/* Asks for the facts, unless they are known or asked for. */
void serve_specs_ask(serve_specs *s, serve_spec *of);
/* Readable when facts came; at most `max`. */
struct pollfd;
int serve_specs_descriptors(const serve_specs *s, struct pollfd *fd, int max);
/* Takes what came, starts what waits, ends what takes too long. */
void serve_specs_turn(serve_specs *s);

#endif
