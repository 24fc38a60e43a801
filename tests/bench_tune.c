/* What share of a recorded space the search judges until it has the best point: median, worst and
 * the seeds for which a quarter of the space was not enough. Arguments: directory of sources,
 * directory of tables, seeds, points at once, what counts as a tie, names. */
#include "tests/tune_replay.h"

#include "base/clock.h"

static int by_value(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
    int seeds = argc > 3 ? atoi(argv[3]) : 10, batch = argc > 4 ? atoi(argv[4]) : 4;
    double tie = argc > 5 ? atof(argv[5]) : TUNE_TIE;
    for (int a = 6; a < argc; a++) {
        tune_case c;
        ws_err err = {0};
        if (!tune_case_open(&c, argv[1], argv[2], argv[a], &err)) {
            fprintf(stderr, "%s: %s\n", argv[a], err.msg);
            return 1;
        }
        int *need = calloc((size_t)seeds, sizeof *need), missed = 0, ties = 0;
        int64_t start = ws_now_ns();
        double best = c.table.result[tune_table_best(&c.table)].seconds;
        for (int i = 0; i < c.table.n; i++)
            ties += c.table.result[i].right && c.table.result[i].seconds <= best * (1 + tie);
        for (int s = 0; s < seeds; s++) {
            tune_options o = {.max_points = c.table.n / 4, .batch = batch, .seed = (uint64_t)s + 1};
            need[s] = tune_case_needed(&c, &o, tie);
            missed += need[s] <= 0;
            need[s] = need[s] > 0 ? need[s] : c.table.n;
        }
        qsort(need, (size_t)seeds, sizeof *need, by_value);
        printf("%-18s %5d points %3d best: median %5.1f %%, 90 %% %5.1f %%, missed %d of %d, %.0f "
               "ms a search\n",
               c.name, c.table.n, ties, 100.0 * need[seeds / 2] / c.table.n,
               100.0 * need[seeds * 9 / 10] / c.table.n, missed, seeds,
               1e3 * ws_seconds_since(start) / seeds);
        free(need);
        tune_case_close(&c);
    }
    return 0;
}
