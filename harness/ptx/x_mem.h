/* Addresses of memory instructions, shared by loads, stores and atomics. */
#ifndef HARNESS_PTX_X_MEM_H
#define HARNESS_PTX_X_MEM_H

#include "harness/ptx/lanes.h"

enum { PTX_MAX_VEC = 8, PTX_MAX_ACCESS = 64 /* bytes a lane */ };

typedef struct ptx_elements { /* ptx_insn.aux of loads and stores */
    u32 slot[PTX_MAX_VEC];    /* PTX_NO_SLOT: `_` */
} ptx_elements;

/* Loads and stores of whatever kind. */
void ptx_mem_load(ptx_warp *w, const ptx_insn *i);
void ptx_mem_store(ptx_warp *w, const ptx_insn *i);
/* What the lanes load, from a copy in which lane l's begins at PTX_MAX_ACCESS * l, into the
 * registers of load i. */
void ptx_mem_spread(ptx_warp *w, const ptx_insn *i, u32 mask, const uint8_t *from);
/* Space, scope and ordering of an instruction's parts into i->space and i->flags. */
void ptx_mem_parts(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i);
/* The lanes' addresses as written; PTX_IF_FRAME ones become offsets in local memory. */
void ptx_mem_addresses(const ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES]);
typedef struct ptx_mem_part { /* lanes of an instruction whose addresses are in one piece of
                               * memory */
    u32 mask;
    ptx_space space;
    ptx_block *block; /* whose shared memory */
} ptx_mem_part;
/* Of the lanes in *left, those whose address is in the same space as the lowest one's, and in the
 * same block's shared memory; addr is made an offset there. Takes them out of *left. false: a fault
 * was reported. */
bool ptx_mem_next(ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES], u32 *left,
                  ptx_mem_part *part);
/* What to add to an address of the part to get a host address; not for local memory. */
uint8_t *ptx_mem_base(const ptx_warp *w, const ptx_mem_part *part);

#endif
