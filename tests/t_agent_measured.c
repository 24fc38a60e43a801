/* Findings from performance counters: each rule on values that show its fault, on values just short
 * of it, and on none. */
#include "agent/evidence/measured.h"
#include "base/mem.h"
#include "tests/tap.h"

typedef struct value {
    const char *key;
    double v;
} value;

static const struct {
    const char *rule;
    value bad[3], good[3];
    double min_bytes;
    bool products;
} cases[] = {
    {"uncoalesced-loads",
     {{"load_sectors", 3200}, {"load_requests", 100}},
     {{"load_sectors", 700}, {"load_requests", 100}},
     0,
     false},
    {"bank-conflicts",
     {{"shared_conflicts", 50}, {"shared_wavefronts", 100}},
     {{"shared_conflicts", 20}, {"shared_wavefronts", 100}},
     0,
     false},
    {"local-memory",
     {{"local_load_sectors", 10}, {"load_sectors", 100}},
     {{"local_load_sectors", 0}, {"load_sectors", 100}},
     0,
     false},
    {"occupancy",
     {{"stall_memory", 9}, {"warps_eligible", 0.2}, {"dram_busy", 40}},
     {{"stall_memory", 9}, {"warps_eligible", 0.2}, {"dram_busy", 95}},
     0,
     false},
    {"barriers",
     {{"stall_barrier", 5}, {"stall_memory", 1}},
     {{"stall_barrier", 5}, {"stall_memory", 6}},
     0,
     false},
    {"idle-lanes", {{"lanes_active", 12}}, {{"lanes_active", 31}}, 0, false},
    {"re-reads",
     {{"dram_read_bytes", 3e6}, {"dram_written_bytes", 1e6}},
     {{"dram_read_bytes", 1e6}, {"dram_written_bytes", 1e6}},
     2e6,
     false},
    {"tensor-cores", {{"tensor_busy", 0}}, {{"tensor_busy", 30}}, 0, true},
    {"few-blocks", {{"sm_active", 30}}, {{"sm_active", 90}}, 0, false},
    {"at-the-roof", {{"dram_busy", 93}}, {{"dram_busy", 60}}, 0, false},
};

static const ev_measured *find(const value v[3], double min_bytes, bool products, const char *rule)
{
    static ev_measured x[EV_MAX_MEASURED];
    ev_values all = {.min_bytes = min_bytes, .products = products};
    for (int i = 0; i < 3 && v[i].key; i++, all.n++) {
        all.key[i] = v[i].key;
        all.value[i] = v[i].v;
    }
    int n = ev_measured_findings(&all, x);
    for (int i = 0; i < n; i++)
        if (strcmp(x[i].rule, rule) == 0)
            return &x[i];
    return NULL;
}

/* A rule that asks for a counter by a wrong name would never see anything. */
static void test_keys(void)
{
    int unknown = 0;
    for (size_t i = 0; i < WS_COUNT(cases); i++)
        for (int k = 0; k < 3 && cases[i].bad[k].key; k++) {
            const prof_metric *m = prof_metrics;
            while (m->name && strcmp(m->key, cases[i].bad[k].key) != 0)
                m++;
            unknown += !m->name;
        }
    is_int(unknown, 0, "the counters exist");
}

int main(void)
{
    for (size_t i = 0; i < WS_COUNT(cases); i++) {
        const ev_measured *x =
            find(cases[i].bad, cases[i].min_bytes, cases[i].products, cases[i].rule);
        ok(x && x->weight > 0 && x->weight <= 1 && x->action[0] && !strstr(x->evidence, "nan"),
           "%s: %s", cases[i].rule, x ? x->evidence : "not seen");
        ok(!find(cases[i].good, cases[i].min_bytes, cases[i].products, cases[i].rule),
           "%s: not where there is none", cases[i].rule);
    }
    ev_measured none[EV_MAX_MEASURED];
    is_int(ev_measured_findings(&(ev_values){.products = true, .min_bytes = 1}, none), 0,
           "nothing measured, nothing found");
    const ev_values two = {{"lanes_active", "dram_busy"}, {4, 95}, 2, 0, false};
    is_int(ev_measured_findings(&two, none), 2, "two faults");
    is_str(none[0].rule, "idle-lanes", "the heavier first");
    test_keys();
    return tap_done();
}
