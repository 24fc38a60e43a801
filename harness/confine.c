#include "harness/confine.h"

#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#endif

/* The engine runs in this process, which needs no file and no privilege any more. Kernels without
 * Landlock leave it at that. */
static void close_files(void)
{
#ifdef LANDLOCK_ACCESS_FS_MAKE_SYM
    uint64_t every = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    struct landlock_ruleset_attr all = {.handled_access_fs = every};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules >= 0) {
        syscall(SYS_landlock_restrict_self, rules, 0);
        close(rules);
    }
#endif
}

/* PTX that declares far more memory than the machine has is refused, not swapped: twice as much, since
 * of a benchmark's tensors a sample touches little, and the engine has a byte of state for each. A
 * GPU's driver reserves addresses far beyond that, and starts helpers. */
void ws_confine(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    close_files();
#ifndef __SANITIZE_ADDRESS__
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0) {
        rlim_t bytes = 2 * (rlim_t)pages * (rlim_t)size;
        setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
    }
#endif
}
