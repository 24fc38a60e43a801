/* Which forms of the table were executed: for the test that leaves no form without one. Off unless
 * the environment names a file, WARPSMITH_PTX_EXECUTED, to which the process appends what it
 * executed when it ends. */
#include "harness/ptx/engine.h"
#include "harness/ptx/ops.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *path;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* One write, so that processes that end together do not mix their lines. */
static void append(void)
{
    int n, fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ptx_form *form = ptx_forms(&n);
    ws_buf text = {0};
    for (int f = 0; f < n; f++)
        if (form[f].executed)
            ws_buf_printf(&text, "%" PRIx64 " %s\n", (uint64_t)form[f].executed, form[f].text);
    if (fd >= 0) {
        if (text.n && write(fd, text.p, text.n) != (ssize_t)text.n)
            perror(path);
        close(fd);
    }
    ws_buf_release(&text);
}

static void begin(void)
{
    path = getenv("WARPSMITH_PTX_EXECUTED");
    if (path)
        atexit(append);
}

void ptx_ops_executed(const ptx_match *m)
{
    pthread_once(&once, begin);
    if (path && m)
        atomic_fetch_or(&m->form->executed, m->words | PTX_FORM_EXECUTED);
}

void ptx_ops_executed_blocks(const ptx_program *p, const uint64_t *hits)
{
    pthread_once(&once, begin);
    for (int c = 0; path && c < p->n_codes; c++) {
        const ptx_insn *insn = p->code[c]->insn;
        for (uint32_t i = 0, bb = 0; i < p->code[c]->n; i++) {
            bb = insn[i].leader ? insn[i].bb : bb;
            if (hits[bb])
                ptx_ops_executed(insn[i].match);
        }
    }
}
