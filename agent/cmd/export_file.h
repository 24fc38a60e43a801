/* A kernel that is in no archive, verified so that it can be exported. */
#ifndef AGENT_CMD_EXPORT_FILE_H
#define AGENT_CMD_EXPORT_FILE_H

#include "results/export.h"

typedef struct export_file {
    spec *spec;
    db_run run; /* without a name: there was none */
    db_candidate candidate;
    const char *verdict_json, *packet_sha256; /* packet_sha256: when one was asked for */
    bool passed;
    vfy_verdict *verdict;
    ws_arena arena;
} export_file;

/* As `warpsmith verify SPEC FILE` does, with the default choice of the tunables. With `packet` its
 * evidence goes to that file. A kernel that is rejected is not an error: see `passed`. Whatever it
 * returns, export_file_release follows. */
ws_status export_file_verify(const char *spec_name, const char *path, const char *arch,
                             const char *packet, comp_service *comp, export_file *out,
                             ws_err *err) WS_MUST_CHECK;
void export_file_release(export_file *f);

#endif
