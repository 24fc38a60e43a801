/* Budgets: every limit alone, and 100 random runs with 16 requests in flight. */
#include "agent/money/budget.h"
#include "tests/tap.h"

#include <stdlib.h>

static uint64_t state;
static uint64_t rnd(uint64_t below) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void each_limit_alone(void)
{
    char why[256];
    budget_amount one = {1, 3, 1000, 2, 0.5}, real = {1, 1, 400, 1, 0.2};
    budget b = {.limit = {.most = {.tokens = 2500}}};
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_YES, "tokens: the first claim fits");
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_YES, "the second fits");
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_WAIT, "the third waits for those");
    has_str(why, "of 2500 tokens 0 are spent, 2000 are held", "and says for what");
    is_int(budget_left(&b).tokens, 500, "what is left counts what is held");
    budget_settle(&b, &one, &real);
    is_int(b.spent.tokens, 400, "what it took is spent");
    is_int(b.claimed.tokens, 1000, "its claim is over");
    is_int(budget_left(&b).tokens, 1100, "the rest is free again");
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_YES, "the third fits now");
    budget_settle(&b, &one, &real);
    budget_settle(&b, &one, &(budget_amount){1, 1, 1000, 1, 0});
    is_int(b.spent.tokens, 1800, "sums are exact");
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_SPENT,
       "a claim over the limit never fits");
    ok(b.claimed.tokens == 0 && b.claimed.usd == 0, "what was refused holds nothing");

    b = (budget){.limit = {.most = {.candidates = 3}}};
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_YES &&
           budget_claim(&b, &one, why, sizeof why) == BUDGET_WAIT,
       "candidates are a limit");
    b = (budget){.limit = {.most = {.requests = 2}}};
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_SPENT, "requests are a limit");
    b = (budget){.limit = {.most = {.replies = 1}}};
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_YES, "replies are a limit");
    budget_settle(&b, &one, &real);
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_SPENT, "which one reply reaches");
    is_str(why, "all 1 replies are spent", "in words");
    b = (budget){.limit = {.seconds = 60}, .seconds = 59.9};
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_YES, "time is left");
    b.seconds = 60;
    ok(budget_claim(&b, &one, why, sizeof why) == BUDGET_SPENT, "no time is left");
    budget free = {0};
    ok(budget_claim(&free, &one, why, sizeof why) == BUDGET_YES &&
           budget_left(&free).tokens == INT64_MAX && isinf(budget_left(&free).usd),
       "without limits everything fits");
}

static void dollars(void)
{
    char why[256];
    budget b = {.limit = {.most = {.usd = 0.3}}};
    budget_amount dime = {.usd = 0.1}, unknown = {.usd = (double)NAN};
    int fits = 0;
    while (fits < 9 && budget_claim(&b, &dime, why, sizeof why) == BUDGET_YES)
        fits++;
    is_int(fits, 3, "0.1 + 0.1 + 0.1 are 0.3 USD, not more");
    for (int i = 0; i < fits; i++)
        budget_settle(&b, &dime, &dime);
    ok(b.spent.usd == 0.3 && b.claimed.usd == 0, "and stay so");
    ok(budget_left(&b).usd == 0, "nothing is left");
    b = (budget){.limit = {.most = {.usd = 1}}};
    budget_amount tiny = {.usd = 1e-9 / 3};
    int64_t n = 0;
    for (; n < 1000; n++) {
        if (budget_claim(&b, &tiny, why, sizeof why) != BUDGET_YES)
            break;
        budget_settle(&b, &tiny, &tiny);
    }
    is_close(b.spent.usd, 1e-6, 1e-18, "a third of a nano-dollar counts as one");
    ok(budget_claim(&b, &unknown, why, sizeof why) == BUDGET_SPENT, "an unknown cost is refused");
    has_str(why, "not known", "in words");
    ok(budget_claim(&b, &(budget_amount){.usd = (double)INFINITY}, why, sizeof why) == BUDGET_SPENT,
       "a reply without a cap is refused");
    ok(budget_claim(&b, &dime, why, sizeof why) == BUDGET_YES, "a known one fits");
    budget_settle(&b, &dime, &unknown);
    is_close(b.spent.usd, 0.100001, 1e-15, "what it took is not known: its most counts");
    budget open = {0};
    ok(budget_claim(&open, &unknown, why, sizeof why) == BUDGET_YES, "no limit: it may go");
    budget_settle(&open, &unknown, &unknown);
    ok(open.spent.usd == 0, "and counts as none");
    budget huge = {.spent = {.tokens = INT64_MAX - 5}, .limit = {.most = {.tokens = INT64_MAX}}};
    ok(budget_claim(&huge, &(budget_amount){.tokens = 100}, why, sizeof why) == BUDGET_YES,
       "sums do not wrap around");
    ok(huge.claimed.tokens == 100 && budget_left(&huge).tokens == 0, "nor what is left");
}

/* One run: up to 16 requests in flight, each with its own most; what they take is told in random
 * order. With `liars` one in ten takes up to twice its most. The sums are kept apart, in integers,
 * and compared with the budget's. */
enum { LANES = 16 };

static bool simulate(bool liars, int *settled)
{
    budget b = {.limit = {.most = {.replies = 20 + (int64_t)rnd(200),
                                   .requests = 50 + (int64_t)rnd(400),
                                   .tokens = 100000 + (int64_t)rnd(2000000),
                                   .candidates = 50 + (int64_t)rnd(400),
                                   .usd = 0.01 * (double)(1 + rnd(500))}}};
    budget_amount most[LANES];
    bool busy[LANES] = {false};
    int flying = 0;
    int64_t tokens = 0, nano = 0, over_tokens = 0, over_nano = 0;
    char why[256];
    bool good = true, over = false;
    while (!over || flying) {
        int lane = (int)rnd(LANES);
        if (busy[lane]) {
            int64_t t = (int64_t)rnd((uint64_t)most[lane].tokens + 1);
            int64_t m = llround(most[lane].usd * 1e9), u = (int64_t)rnd((uint64_t)m + 1);
            bool lies = liars && rnd(10) == 0;
            if (lies) {
                over_tokens += most[lane].tokens;
                over_nano += m;
                t += most[lane].tokens;
                u += m;
            }
            budget_settle(&b, &most[lane], &(budget_amount){1, 1, t, 1, (double)u * 1e-9});
            tokens += t;
            nano += u;
            busy[lane] = false;
            flying--;
            ++*settled;
        } else {
            most[lane] = (budget_amount){1, 1 + (int64_t)rnd(5), 100 + (int64_t)rnd(20000),
                                         1 + (int64_t)rnd(4), (double)rnd(80000000) * 1e-9};
            budget_answer a = budget_claim(&b, &most[lane], why, sizeof why);
            busy[lane] = a == BUDGET_YES;
            flying += busy[lane];
            over |= a == BUDGET_SPENT;
            good &= (a == BUDGET_YES) == !*why;
        }
        good &= b.spent.tokens == tokens && llround(b.spent.usd * 1e9) == nano;
        good &=
            b.spent.replies <= b.limit.most.replies && b.spent.requests <= b.limit.most.requests;
        good &= b.spent.candidates <= b.limit.most.candidates;
        good &= b.spent.tokens <= b.limit.most.tokens + over_tokens;
        good &= nano <= llround(b.limit.most.usd * 1e9) + over_nano;
    }
    return good && b.claimed.tokens == 0 && b.claimed.usd == 0 && b.claimed.replies == 0;
}

int main(void)
{
    each_limit_alone();
    dollars();
    int settled = 0, bad = 0;
    for (state = 1; state <= 100; state++) {
        uint64_t seed = state;
        bad += !simulate(false, &settled);
        state = seed;
    }
    is_int(bad, 0, "100 random runs with 16 in flight: no limit passed, every sum exact");
    ok(settled > 1000, "they settled %d requests", settled);
    for (state = 1001, bad = 0; state <= 1100; state++) {
        uint64_t seed = state;
        bad += !simulate(true, &settled);
        state = seed;
    }
    is_int(bad, 0, "and with a server that takes more than announced, passed by that much at most");
    return tap_done();
}
