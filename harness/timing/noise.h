/* Kinds of noise that the modelled machine can be given by name. */
#ifndef HARNESS_TIMING_NOISE_H
#define HARNESS_TIMING_NOISE_H

#include "harness/timing/sim.h"

/* As a list of choices. perfect: none at all. still: 0.5 % of scatter, 1 % of times 5 to 40 %
 * longer, ticks of 32 ns, a clock that is read to 0.1 %. The others have that and more. walk:
 * drift, a random walk of 1 % with a memory of 40 ms. brake: 15 % slower for 20 ms, 50 ms apart on
 * average. tails: 5 % of times longer, some much. ticks: of 0.5 us. */
#define TIM_NOISE_NAMES "perfect|still|walk|brake|tails|ticks"
const tim_noise *tim_noise_find(const char *name); /* NULL: unknown */

#endif
