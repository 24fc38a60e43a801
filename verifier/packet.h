/* Evidence packets: one JSON document that holds a candidate, all that its verification depends on,
 * and all that the verification saw, so that anyone can repeat it and compare (docs/packets.md).
 *
 * Everything but "circumstances" follows from the candidate, the options and the versions of tool
 * and compiler, bit by bit. */
#ifndef VERIFIER_PACKET_H
#define VERIFIER_PACKET_H

#include "base/mem.h"
#include "verifier/verify.h"

enum { VFY_PACKET_SCHEMA = 1, VFY_PACKET_CHOICES = 4096 };

/* What is verified, and how. Kept by reference. */
typedef struct vfy_packet_request {
    const spec *spec;
    const char *source, *file;
    size_t n;
    const char *arch, *gpu, *tool_version;
    ptx_mma_model mma_model;
    vfy_depth depth;
    bool field;             /* level 3, too */
    int choices;            /* other choices of the tunables, at most */
    uint64_t seed;          /* 0: fresh */
    double wall_seconds;
    const cJSON *tune;      /* {"BLOCK":256}, the other tunables have their defaults; NULL: all */
} vfy_packet_request;

/* Verifies, and writes down what happened. */
ws_status vfy_packet_make(const vfy_packet_request *q, comp_service *comp, vfy_verdict *v,
                          cJSON **out, ws_err *err) WS_MUST_CHECK;

/* What a packet asks for, as it was made; all but q->spec, whose text it gives, in the packet. A
 * packet that does not have what it needs is WS_EINPUT in one line. */
ws_status vfy_packet_read(const cJSON *packet, vfy_packet_request *q,
                          const char **spec_name, const char **spec_text,
                          ws_err *err) WS_MUST_CHECK;

/* One member that differs; NULL: there is none on that side. */
typedef struct vfy_difference {
    char path[256];
    char *then, *now; /* as JSON on one line */
} vfy_difference;
typedef struct vfy_differences {
    vfy_difference *item;
    int n, cap;
    bool other_compiler; /* so what hangs on its output, PTX and resources, was not compared */
} vfy_differences;
void vfy_packet_compare(const cJSON *then, const cJSON *now, vfy_differences *out);
void vfy_differences_release(vfy_differences *d);

#endif
