/* Money sense: expected values worked out by hand, and simulated runs whose rates are known. */
#include "agent/money/worth.h"
#include "tests/tap.h"

#include <stdlib.h>

static const double unknown = (double)NAN;

static void by_hand(void)
{
    /* Five calls at 0.1 USD; wins at the first (8 us to 4) and the fourth (4 to 3); floor 1 us. */
    const worth_call call[] = {{.1, 4e-6}, {.1, 4e-6}, {.1, unknown}, {.1, 3e-6}, {.1, 2.99e-6}};
    worth_run r = {call, 5, 8e-6, 1e-6, false};
    worth_deal d = {.usd_per_gpu_hour = 3.6, .calls = 1e9};
    worth_outlook o;
    worth_look(&r, &d, &o);
    is_int(o.wins, 2, "a step of a third of a percent is no win");
    is_close(o.usd, 0.5, 1e-12, "cost");
    is_close(o.usd_per_win, 0.25, 1e-12, "cost per win");
    /* Weights 1/5 ... 5/5, sum 3; wins weigh 1/5 + 4/5 = 1: (10 + 3) / (1 + 1). */
    is_close(o.calls_to_win, 6.5, 1e-12, "calls to the next");
    is_close(o.usd_to_win, 0.65, 1e-12, "dollars to the next");
    /* Shares of what was left: ln 2 / ln 8 = 1/3, ln(4/3) / ln 4; left: ln 2.99. */
    double share = (1 + 1. / 3 + log(4. / 3) / log(4)) / 4;
    is_close(o.gain, 1 - pow(2.99, -share), 1e-12, "its gain: a share of what is left");
    is_close(o.value_usd, o.gain * 2.99e-6 * 1e9 * 0.001, 1e-12, "what that is worth");
    ok(!o.stop, "0.65 USD for %.3g is a good deal", o.value_usd);
    d.calls = 4e8;
    worth_look(&r, &d, &o);
    ok(o.value_usd < 0.65 && o.stop, "for %.3g it is not", o.value_usd);
    r.n = 4;
    worth_look(&r, &d, &o);
    ok(!o.stop, "nothing is judged before the fifth call");

    ws_buf text = {0};
    r.n = 5;
    d.tokens = 16;
    d.calls_of_pass = 32;
    worth_print_end(&r, &d, &text);
    has_str(ws_buf_z(&text), "cost: 0.5000 USD in 5 calls, 2 wins, 0.2500 USD a win", "the cost");
    /* 5.01 us saved a call: 5.01 s and 0.00501 USD a million; 32 calls for 16 tokens. */
    has_str(ws_buf_z(&text),
            "5.01 GPU-seconds per million calls (modelled), 0.00501 USD at 3.6 USD",
            "what is saved, and that it is modelled");
    has_str(ws_buf_z(&text), "0.01002 USD per million tokens", "for tokens");
    has_str(ws_buf_z(&text), "pays for itself after 99.8 million calls", "0.5 / 5.01e-9");
    ws_buf_release(&text);
}

static void unknowns(void)
{
    const worth_call call[] = {{unknown, 4e-6}, {.1, 4e-6}, {.1, 4e-6}, {.1, 4e-6}, {.1, 4e-6}};
    worth_run r = {call, 5, 8e-6, 0, false};
    worth_deal d = {.usd_per_gpu_hour = 1e-6, .calls = 1};
    worth_outlook o;
    ws_buf text = {0};
    worth_look(&r, &d, &o);
    ok(isnan(o.usd) && isnan(o.usd_per_win) && isnan(o.usd_to_win), "one unknown cost: no sum");
    ok(!o.stop, "what is not known stops nothing");
    is_close(o.gain, 1 - sqrt(.5), 1e-12, "without a floor: half of the last gain, ln 2 / 2");
    worth_print_end(&r, &d, &text);
    worth_print_next(&r, &d, &text);
    has_str(ws_buf_z(&text), "cost: not known, 5 calls, 1 win", "in words");
    has_str(ws_buf_z(&text), "when it has paid for itself is not known", "to the end");
    has_str(ws_buf_z(&text), "whose cost is not known", "and of the next");
    ws_buf_reset(&text);
    r = (worth_run){call + 1, 0, 8e-6, 0, true};
    worth_print_end(&r, &d, &text);
    worth_print_next(&r, &d, &text);
    has_str(ws_buf_z(&text), "no win", "a run without calls");
    has_str(ws_buf_z(&text), "saves: nothing", "saves nothing");
    ws_buf_reset(&text);
    const worth_call best[] = {{.1, 1e-6}, {.1, 1e-6}, {.1, 1e-6}, {.1, 1e-6}, {.1, 1e-6}};
    r = (worth_run){best, 5, 8e-6, 1e-6, true};
    d = (worth_deal){.usd_per_gpu_hour = 1000, .calls = 1e15};
    worth_look(&r, &d, &o);
    ok(o.gain == 0 && o.stop, "at the roofline nothing is left to gain");
    d = (worth_deal){0};
    worth_look(&r, &d, &o);
    ok(!o.stop, "without a value nothing is stopped");
    is_close(o.calls, 365. * 24 * 3600 / 8e-6, 1, "calls of a GPU-year");
    cJSON *j = worth_json(&r, &d);
    ok(cJSON_GetObjectItemCaseSensitive(j, "wins") &&
           !cJSON_GetObjectItemCaseSensitive(j, "saved_usd_per_million_calls"),
       "JSON has no dollars that nobody told");
    cJSON_Delete(j);
    ws_buf_release(&text);
}

/* ---- runs whose rate is known ---- */

static uint64_t state;
static double uniform(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Mean over 200 runs of what the next win is expected to cost after 100 calls of 0.1 USD; a call
 * wins with probability p, or 1/i when p is 0. */
static double expected_usd(double p)
{
    double sum = 0;
    for (int k = 0; k < 200; k++) {
        worth_call call[100];
        double best = 1;
        for (int i = 0; i < 100; i++) {
            if (uniform() < (p > 0 ? p : 1. / (i + 1)))
                best *= 0.9;
            call[i] = (worth_call){.1, best};
        }
        worth_outlook o;
        worth_look(&(worth_run){call, 100, 1, 0, true}, &(worth_deal){0}, &o);
        sum += o.usd_to_win / 200;
    }
    return sum;
}

static void rates(void)
{
    state = 1;
    double even = expected_usd(0.2), rare = expected_usd(0.05), falling = expected_usd(0);
    ok(even > 0.4 && even < 0.65, "one call of five wins: %.3g of 0.5 USD", even);
    ok(rare > 1 && rare < 2.6, "one of twenty: %.3g of 2 USD", rare);
    ok(falling > 2 && falling < 20, "records: %.3g of 10 USD", falling);

    /* A drought: the longer, the dearer the next win, and the run ends. */
    worth_call call[400];
    double before = 0;
    int stopped = 0;
    bool grows = true;
    for (int i = 0; i < 400; i++)
        call[i] = (worth_call){.1, i < 5 ? 1 - .1 * (i + 1) : .5};
    worth_deal d = {.usd_per_gpu_hour = 3600, .calls = 20}; /* a second is worth 20 USD */
    for (int n = 5; n <= 400; n++) {
        worth_outlook o;
        worth_look(&(worth_run){call, n, 1, .1, true}, &d, &o);
        grows &= o.usd_to_win > before;
        before = o.usd_to_win;
        if (o.stop && !stopped)
            stopped = n;
    }
    ok(grows, "without wins the next one becomes dearer with every call");
    ok(stopped > 20 && stopped < 300, "and the run stops, after %d calls", stopped);

    /* Another currency changes no decision. */
    bool same = true;
    for (int n = 5; n <= 400; n += 5) {
        worth_call yen[400];
        worth_outlook a, b;
        for (int i = 0; i < n; i++)
            yen[i] = (worth_call){call[i].usd * 150, call[i].best_s};
        worth_deal dy = {.usd_per_gpu_hour = d.usd_per_gpu_hour * 150, .calls = d.calls};
        worth_look(&(worth_run){call, n, 1, .1, true}, &d, &a);
        worth_look(&(worth_run){yen, n, 1, .1, true}, &dy, &b);
        same &= a.stop == b.stop && fabs(b.usd_to_win - 150 * a.usd_to_win) < 1e-9;
    }
    ok(same, "in another currency the same");
}

static void economics(void)
{
    spec *s = NULL;
    ws_err err = {0};
    worth_deal d = {0};
    ok(!spec_find("softmax", &s, &err) && !worth_deal_of(s, 2, 0, &d, &err) && d.tokens == 0 &&
           d.usd_per_gpu_hour == 2,
       "a spec without economics");
    spec_free(s);
    s = NULL;
    if (!ok(!spec_find("llm/cache_scatter_blocks", &s, &err), "a spec with economics: %s", err.msg))
        return;
    ok(!worth_deal_of(s, 2, 5, &d, &err) && d.calls == 5 && d.tokens == 2048 * 16 &&
           d.calls_of_pass == 64,
       "M T tokens a call, 64 calls a pass");
    spec_free(s);
}

int main(void)
{
    by_hand();
    unknowns();
    rates();
    economics();
    return tap_done();
}
