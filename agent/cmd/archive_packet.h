/* Candidates of an archive, and evidence packets of them. */
#ifndef AGENT_CMD_ARCHIVE_PACKET_H
#define AGENT_CMD_ARCHIVE_PACKET_H

#include "base/mem.h"
#include "results/archive.h"

/* The winner of a run by the run's name, or a candidate by "#id"; and its run. */
ws_status archive_choose(db_archive *db, const char *which, ws_arena *a, db_run *run,
                         db_candidate *c, ws_err *err) WS_MUST_CHECK;

/* Verifies the candidate in full, with the seed of its first verdict and its own tunables, and
 * gives what verifier/packet.h makes of it. */
ws_status archive_packet(db_archive *db, const db_run *run, const db_candidate *c, vfy_verdict *v,
                         cJSON **out, ws_err *err) WS_MUST_CHECK;

/* Writes it, indented, to `path`; "-" is standard output. */
ws_status archive_packet_write(const cJSON *packet, const char *path, ws_err *err) WS_MUST_CHECK;

#endif
