/* The reward server: HTTP on one thread, judging in child processes, everything bounded. */
#ifndef AGENT_SERVE_SERVER_H
#define AGENT_SERVE_SERVER_H

#include "base/err.h"
#include "verifier/reward.h"

#include <signal.h>

typedef struct serve_options {
    const char *bind;             /* numeric address; a token is needed where it is no loopback */
    int port;                     /* 0: any, told on standard output */
    const char *token;            /* NULL: none is asked for */
    const char *gpu, *arch;
    vfy_reward_scheme scheme;
    int jobs;                     /* 0: one a core */
    int queue, connections, remembered;
    int choices;                  /* of the tunables beside the defaults, at most */
    int64_t max_body;
    double rate;                  /* requests a second that are judged, 0: no limit */
    double timeout;               /* of judging one source, seconds */
    double run_timeout;           /* of one run of a candidate */
    double receive_timeout, idle_timeout, grace, lint_seconds;
    const char *const *spec_file; /* beside the catalogue */
    int n_spec_files;
    bool json;                    /* the line that tells the address */
    const volatile sig_atomic_t *stop;
} serve_options;

/* Serves until `stop` is set; then what was asked before is answered, for `grace` seconds. */
ws_status serve_run(const serve_options *o, ws_err *err) WS_MUST_CHECK;

#endif
