#include "harness/timing/noise.h"

#include "base/mem.h"

#include <string.h>

#define SCATTER  .white = 0.005, .clock_read = 0.001
#define OUTLIERS .outlier_rate = 0.01, .outlier_least = 0.05, .outlier_most = 0.4
#define TICKS    .quantum_s = 32e-9

static const struct {
    const char *name;
    tim_noise noise;
} table[] = {
    {"perfect", {.white = 0}},
    {"still", {SCATTER, OUTLIERS, TICKS}},
    {"walk", {SCATTER, OUTLIERS, TICKS, .walk = 0.01, .walk_tau_s = 0.04}},
    {"brake",
     {SCATTER, OUTLIERS, TICKS, .throttle = 0.15, .throttle_s = 0.02, .throttle_gap_s = 0.05}},
    {"tails", {SCATTER, TICKS, .outlier_rate = 0.05, .outlier_least = 0.05, .outlier_tail = 1.2}},
    {"ticks", {SCATTER, OUTLIERS, .quantum_s = 0.5e-6}},
};

const tim_noise *tim_noise_find(const char *name)
{
    for (size_t i = 0; i < WS_COUNT(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i].noise;
    return NULL;
}
