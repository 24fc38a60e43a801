/* What the engine's cache model (harness/ptx/cache.c) has to know of a GPU. */
#ifndef HARNESS_TIMING_CACHE_H
#define HARNESS_TIMING_CACHE_H

#include "harness/timing/model.h"

ptx_cache tim_cache_of(const tim_gpu *gpu);

#endif
