/* Launches: files of tests/ptx with a few words changed are loaded and run with all checkers and a
 * small budget. Whatever comes out, an error, a finding or a result, the engine must survive it. */
#include "tests/ptx_words.h"

static bool launch_one(void)
{
    ws_err err = {0};
    ptx_case c = cases[pick((uint32_t)n_cases)];
    ptx_case_outcome *o = ws_calloc(1, sizeof *o);
    ptx_options options = PTX_OPTIONS_CHECKED;
    const char *ptx = ptx_of(&c);
    c.text = (ws_buf){0};
    change_words(ptx, 1 + pick(4), &c.text);
    fuzz_keep(c.text.p, c.text.n);
    options.max_warp_insns = 20000;
    options.deadline_ms = 2000;
    options.threads = pick(8) ? 1 : 2;
    options.schedule = (ptx_schedule)pick(3);
    options.seed = pick(8);
    options.check_race = pick(8);
    options.check_init = pick(4);
    options.mma_model = (ptx_mma_model)pick(3);
    bool runs = !ptx_case_run(&c, &options, o, &err);
    ptx_case_outcome_release(o);
    free(o);
    ws_buf_release(&c.text);
    return runs;
}

int main(int argc, char **argv)
{
    if (!words_setup())
        return 3;
    int rc = fuzz_main("launch", argc, argv, launch_one);
    words_done();
    return rc;
}
