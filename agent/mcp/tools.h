/* What the server offers: tools, each with a table of arguments from which its JSON schema, the
 * check of a call and its defaults come. A tool runs in a process of its own (agent/mcp/server.h),
 * so it may take long, hang or die. */
#ifndef AGENT_MCP_TOOLS_H
#define AGENT_MCP_TOOLS_H

#include "base/buf.h"
#include "base/json.h"

/* What later calls know of a spec on a GPU: the time of its plain translation, which speed is told
 * against, and the run in which submissions are kept. */
typedef struct mcp_known {
    char *key;         /* spec, GPU and architecture */
    double baseline_s; /* NaN: none */
    int64_t run;       /* 0: none */
} mcp_known;

typedef struct mcp_context {
    const char *archive; /* file of the archive; it need not be there */
    double wall_seconds; /* of one run of a candidate */
    bool keep;           /* submissions, in the archive */
    char client[64];     /* name of the program that calls, "": not told */
    mcp_known *known;
    int n_known, cap_known;
} mcp_context;

typedef struct mcp_result {
    ws_buf text;       /* for the model that called */
    cJSON *structured; /* the same for programs, NULL: none */
    bool is_error;     /* the call failed; a rejected kernel is no failure */
    mcp_known known;   /* key not NULL: for the calls to come */
} mcp_result;

typedef enum mcp_arg_type { MCP_STRING, MCP_INTEGER } mcp_arg_type;

typedef struct mcp_arg {
    const char *name; /* NULL ends the table */
    mcp_arg_type type;
    bool required;
    const char *help;
    const char *fallback;        /* of a string that is not given; NULL: none */
    int64_t otherwise, min, max; /* of an integer */
} mcp_arg;

typedef struct mcp_tool {
    const char *name, *title, *description;
    const mcp_arg *arg;
    bool idempotent, submits; /* submits: what is kept when the server keeps */
    /* `args` was checked against `arg`. An error is told to the caller as the tool's result. */
    ws_status (*call)(const mcp_context *c, const cJSON *args, mcp_result *out, ws_err *err);
} mcp_tool;

extern const mcp_tool *const mcp_tools[]; /* ended by NULL */
const mcp_tool *mcp_tool_find(const char *name);

/* An array as tools/list has it. */
cJSON *mcp_tools_json(const mcp_context *c);
/* false: `why` says what is wrong with the arguments (an object, or NULL: none). */
bool mcp_check_args(const mcp_tool *t, const cJSON *args, char *why, int size);
/* Calls the tool and gives the result as tools/call has it, with what is for later calls as
 * "known". */
cJSON *mcp_tool_run(const mcp_context *c, const mcp_tool *t, const cJSON *args);
/* A result that says what went wrong. */
cJSON *mcp_failure(const char *text);

/* An argument, or what the table has in its place. */
const char *mcp_string(const mcp_tool *t, const cJSON *args, const char *name);
int64_t mcp_integer(const mcp_tool *t, const cJSON *args, const char *name);

/* ---- the tools, in the files tool_*.c ---- */
extern const mcp_tool mcp_list_specs, mcp_get_spec, mcp_verify_candidate, mcp_profile_candidate,
    mcp_tune_candidate, mcp_archive_search, mcp_get_candidate;

#endif
