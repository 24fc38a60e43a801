#include "harness/timing/sim.h"

#include "base/philox.h"

#include <assert.h>
#include <math.h>

static const uint64_t STREAM = 0x73696d;
static const double TURN = 6.283185307179586;

static double uniform(tim_sim *s)
{
    return ws_philox_uniform(s->seed, STREAM, s->draws++);
}

static double normal(tim_sim *s)
{
    return ws_philox_normal(s->seed, STREAM, s->draws++);
}

static double exponential(tim_sim *s, double mean)
{
    return -mean * log1p(-uniform(s));
}

static void next_throttle(tim_sim *s)
{
    s->throttle_from_s = s->throttle_to_s + exponential(s, s->noise.throttle_gap_s);
    s->throttle_to_s = s->throttle_from_s + s->noise.throttle_s;
}

void tim_sim_init(tim_sim *s, const tim_noise *noise, uint64_t seed)
{
    assert(!noise->walk || noise->walk_tau_s > 0);
    assert(!noise->sine || noise->sine_period_s > 0);
    assert(!noise->throttle || (noise->throttle_s > 0 && noise->throttle_gap_s > 0));
    assert(fabs(noise->ar_rho) < 1);
    *s = (tim_sim){.noise = *noise, .seed = seed};
    s->phase = uniform(s);
    s->walk = noise->walk ? noise->walk * normal(s) : 0;
    s->ar = noise->ar ? noise->ar * normal(s) : 0;
    if (noise->throttle)
        next_throttle(s);
}

/* How much slower the machine is at a moment: 0.01 is 1 %. */
static double drift(tim_sim *s, double moment_s)
{
    const tim_noise *n = &s->noise;
    double d = n->linear_per_s * moment_s;
    if (n->sine)
        d += n->sine * sin(TURN * (moment_s / n->sine_period_s + s->phase));
    if (n->walk) { /* the exact step of the process over any time */
        double keep = exp(-(moment_s - s->moment_s) / n->walk_tau_s);
        s->walk = keep * s->walk + n->walk * sqrt(1 - keep * keep) * normal(s);
        d += s->walk;
    }
    if (n->throttle) {
        while (moment_s >= s->throttle_to_s)
            next_throttle(s);
        if (moment_s >= s->throttle_from_s)
            d += n->throttle;
    }
    return d;
}

/* The factor of one observation; noise that would turn time back is held at a tenth. */
static double scatter(tim_sim *s)
{
    const tim_noise *n = &s->noise;
    double f = 1;
    if (n->white)
        f += n->white * normal(s);
    if (n->ar) {
        s->ar = n->ar_rho * s->ar + n->ar * sqrt(1 - n->ar_rho * n->ar_rho) * normal(s);
        f += s->ar;
    }
    if (n->outlier_rate && uniform(s) < n->outlier_rate) {
        double u = uniform(s);
        f += n->outlier_tail > 0 ? n->outlier_least * pow(1 - u, -1 / n->outlier_tail)
                                 : n->outlier_least + (n->outlier_most - n->outlier_least) * u;
    }
    return fmax(f, 0.1);
}

void tim_sim_observe(tim_sim *s, double true_s, double moment_s, double *observed_s,
                     double *clock_hz)
{
    const tim_noise *n = &s->noise;
    assert(true_s > 0 && moment_s >= s->moment_s);
    double slow = fmax(1 + drift(s, moment_s), 0.1);
    double t = true_s * slow * scatter(s);
    if (n->quantum_s > 0) {
        double ticks = t / n->quantum_s + (n->in_phase ? 0.5 : uniform(s));
        t = fmax(floor(ticks), 1) * n->quantum_s;
    }
    *observed_s = t;
    *clock_hz = n->clock_hz / slow;
    if (n->clock_hz && n->clock_read)
        *clock_hz *= fmax(1 + n->clock_read * normal(s), 0.1);
    s->moment_s = moment_s;
}

static double run(tim_sim *machine, const tim_sim_kernel *k, bool second, double idle_s,
                  double *clock_hz)
{
    double t = k->true_s, ignored, observed_s;
    if (k->own)
        tim_sim_observe(k->own, t, machine->moment_s, &t, &ignored);
    if (second)
        t *= 1 + machine->noise.second_place;
    tim_sim_observe(machine, t, machine->moment_s + idle_s, &observed_s, clock_hz);
    machine->moment_s += t;
    return observed_s;
}

void tim_sim_pairs(tim_sim *machine, const tim_sim_kernel *a, const tim_sim_kernel *b,
                   double idle_s, int n, tim_pairs *out)
{
    out->quantum_s = machine->noise.quantum_s;
    for (int i = 0; i < n; i++) {
        ws_err err = {0};
        tim_pair p = {.index = out->n ? out->v[out->n - 1].index + 1 : 0, .launches = 1};
        p.b_first = tim_pair_b_first(out->seed, p.index);
        if (p.b_first)
            p.b_s = run(machine, b, false, idle_s, &p.b_hz);
        p.a_s = run(machine, a, p.b_first, idle_s, &p.a_hz);
        if (!p.b_first)
            p.b_s = run(machine, b, true, idle_s, &p.b_hz);
        if (tim_pairs_add(out, &p, &err))
            ws_bug("simulated pair: %s", err.msg);
    }
}
