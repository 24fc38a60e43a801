/* What a compiled candidate takes of an SM. */
#include "verifier/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void vfy_record_resources(const comp_result *c, vfy_verdict *v)
{
    size_t used = 0;
    v->n_kernels = c->n_kernels;
    v->registers = v->shared_bytes = v->spill_bytes = -1;
    v->assembled = c->cubin_bytes > 0;
    for (int i = 0; i < c->n_kernels && v->assembled; i++) {
        const comp_kernel *k = &c->kernel[i];
        int spill = k->spill_store_bytes + k->spill_load_bytes;
        v->registers = k->registers > v->registers ? k->registers : v->registers;
        v->shared_bytes = k->shared_bytes > v->shared_bytes ? k->shared_bytes : v->shared_bytes;
        v->spill_bytes = spill > v->spill_bytes ? spill : v->spill_bytes;
        if (used < sizeof v->resources)
            used += (size_t)snprintf(v->resources + used, sizeof v->resources - used,
                                     "%s%s: %d registers, %d bytes shared, %d bytes spilled",
                                     i ? "; " : "", k->name, k->registers, k->shared_bytes, spill);
    }
    snprintf(v->ptx_sha256, sizeof v->ptx_sha256, "%s", c->ptx_sha256);
    snprintf(v->compile_key, sizeof v->compile_key, "%s", c->key);
}

bool vfy_registers_fit(const plan_bound *b, const comp_result *c, hx_diag *d)
{
    enum { FILE_REGISTERS = 65536 };
    for (int i = 0; i < b->n_launches; i++) {
        const plan_bound_launch *l = &b->launch[i];
        int64_t threads = (l->block[0] * l->block[1] * l->block[2] + 31) / 32 * 32;
        for (int k = 0; k < c->n_kernels; k++) {
            int registers = (c->kernel[k].registers + 7) / 8 * 8;
            if (strcmp(c->kernel[k].name, l->kernel) || registers * threads <= FILE_REGISTERS)
                continue;
            return hx_reject(d, HX_INVALID_LAUNCH, l->line, 0,
                             "kernel '%s' takes %d registers a thread, too many for a block of "
                             "%" PRId64 " threads: a block has %d; smaller blocks or "
                             "__launch_bounds__ help",
                             l->kernel, c->kernel[k].registers, threads, (int)FILE_REGISTERS);
        }
    }
    return true;
}
