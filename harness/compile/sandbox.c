/* What a child that reads a candidate may do: compute, read the CUDA headers, write to its pipe.
 * Files are Landlock's business (Linux 5.13 and later), network and new processes that of a
 * seccomp filter. */
#include "harness/compile/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock's later rights, for headers that are older than the kernel. */
#define FS_ABI1     ((1ull << 13) - 1)  /* EXECUTE .. MAKE_SYM */
#define FS_REFER    (1ull << 13)        /* ABI 2 */
#define FS_TRUNCATE (1ull << 14)        /* ABI 3 */
#define FS_IOCTL    (1ull << 15)        /* ABI 5 */
#define NET_TCP     (3ull)              /* ABI 4: bind, connect */
#define SCOPE_ALL   (3ull)              /* ABI 6: abstract sockets, signals */

typedef struct ruleset_attr {
    uint64_t fs, net, scoped;
} ruleset_attr;

int comp_sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static bool allow_reading(int ruleset, const char *dir)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
        .parent_fd = open(dir, O_PATH | O_CLOEXEC),
    };
    if (rule.parent_fd < 0)
        return errno == ENOENT;
    long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return rc == 0;
}

static int enter_landlock(const char *const *dirs, int n_dirs)
{
    int abi = comp_sandbox_landlock_abi();
    if (!abi)
        return 0;
    ruleset_attr attr = {
        .fs = FS_ABI1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
              (abi >= 5 ? FS_IOCTL : 0),
        .net = abi >= 4 ? NET_TCP : 0,
        .scoped = abi >= 6 ? SCOPE_ALL : 0,
    };
    size_t size = abi >= 6 ? sizeof attr : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    bool good = ruleset >= 0;
    for (int i = 0; i < n_dirs && good; i++)
        good = allow_reading(ruleset, dirs[i]);
    good = good && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (ruleset >= 0)
        close(ruleset);
    return good ? abi : -1;
}

static const int refused[] = {
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
    SYS_execve, SYS_execveat, SYS_clone, SYS_clone3,
#ifdef SYS_fork
    SYS_fork, SYS_vfork,
#endif
    SYS_kill, SYS_tkill, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_open,
    SYS_pidfd_getfd, SYS_setns, SYS_unshare, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
    SYS_open_by_handle_at, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_bpf, SYS_perf_event_open,
    SYS_userfaultfd, SYS_io_uring_setup, SYS_setpgid, SYS_setsid,
};

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "sandbox.c: name this machine's AUDIT_ARCH"
#endif

/* Everything but the list is allowed; a refused call fails with EPERM, and the compiler goes on. */
static bool enter_seccomp(void)
{
    enum { N = WS_COUNT(refused) };
    struct sock_filter f[2 * N + 8];
    unsigned short n = 0;
    f[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    f[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1); /* x32 */
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    for (int i = 0; i < N; i++) {
        f[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refused[i], 0, 1);
        f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, f};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static void limit(int which, uint64_t value)
{
    setrlimit((__rlimit_resource_t)which, &(struct rlimit){value, value});
}

int comp_sandbox_enter(const char *const *dirs, int n_dirs)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    int abi = enter_landlock(dirs, n_dirs);
    /* A kernel without seccomp filters (EINVAL) still has Landlock and the limits. */
    if (!enter_seccomp() && errno != EINVAL)
        return -1;
    return abi;
}

void comp_sandbox_limit(uint64_t memory_bytes, uint64_t cpu_seconds, uint64_t file_bytes)
{
    struct rusage u = {0};
#ifdef __SANITIZE_ADDRESS__ /* its shadow is terabytes of address space */
    (void)memory_bytes;
#else
    limit(RLIMIT_AS, memory_bytes);
#endif
    getrusage(RUSAGE_SELF, &u);
    uint64_t used = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec);
    /* The soft limit is this job's; a hard one would stay for the next. */
    setrlimit(RLIMIT_CPU, &(struct rlimit){used + cpu_seconds, RLIM_INFINITY});
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, file_bytes);
}
