/* Where the CUDA compiler lives: in a toolkit, or where the dynamic loader finds it. */
#include "harness/compile/internal.h"

#include "base/file.h"
#include "harness/toolkit.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const nvrtc_names[] = {"libnvrtc.so.13", "libnvrtc.so.12", NULL};
static const char *const jitlink_names[] = {"libnvJitLink.so.13", "libnvJitLink.so.12", NULL};

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Absolute and without links: the sandbox and the log cleaner compare them with what NVRTC opens.
 */
static void find_includes(const char *root, comp_toolkit *t)
{
    char path[PATH_MAX];
    t->n_includes = 0;
    if (!*root || snprintf(path, sizeof path, "%s/include/cuda_fp16.h", root) >= PATH_MAX ||
        !ws_file_exists(path))
        return;
    *strrchr(path, '/') = '\0';
    if (!realpath(path, t->include[0]))
        return;
    t->n_includes = 1;
    if (snprintf(path, sizeof path, "%s/include/cccl", root) < PATH_MAX && is_dir(path) &&
        realpath(path, t->include[1]))
        t->n_includes = 2;
}

/* A library that only the loader knows; the headers then come from any root that has some. */
static bool find_by_loader(const hx_toolkit_roots *root, comp_toolkit *t)
{
    void *nvrtc = NULL, *jitlink = NULL;
    for (int i = 0; nvrtc_names[i] && !nvrtc; i++)
        if ((nvrtc = dlopen(nvrtc_names[i], RTLD_LAZY | RTLD_LOCAL)))
            snprintf(t->nvrtc, PATH_MAX, "%s", nvrtc_names[i]);
    for (int i = 0; jitlink_names[i] && nvrtc && !jitlink; i++)
        if ((jitlink = dlopen(jitlink_names[i], RTLD_LAZY | RTLD_LOCAL)))
            snprintf(t->jitlink, PATH_MAX, "%s", jitlink_names[i]);
    for (int i = 0; i < HX_TOOLKIT_ROOTS && !t->n_includes; i++)
        find_includes(root->path[i], t);
    if (jitlink)
        dlclose(jitlink);
    if (nvrtc)
        dlclose(nvrtc);
    return nvrtc != NULL;
}

ws_status comp_toolkit_find(comp_toolkit *out, ws_err *err)
{
    hx_toolkit_roots root;
    bool found = false;
    hx_toolkit_roots_get(&root);
    *out = (comp_toolkit){0};
    for (int i = 0; i < HX_TOOLKIT_ROOTS && !found; i++) {
        if (!hx_toolkit_find_in(root.path[i], nvrtc_names, out->nvrtc))
            continue;
        hx_toolkit_find_in(root.path[i], jitlink_names, out->jitlink);
        find_includes(root.path[i], out);
        found = true;
    }
    if (found || find_by_loader(&root, out))
        return WS_OK;
    ws_fail(err, WS_EENV, "NVRTC (libnvrtc.so.13 or .12) was not found in '%s'",
            *root.path[0] ? root.path[0] : WS_CUDA_HOME);
    return ws_hint(err, "run 'make deps', or set CUDA_HOME to a CUDA 12 or 13 toolkit");
}

/* "... release 13.0, V13.0.88" stands among the constants of the library, as it does in every PTX.
 */
bool comp_toolkit_version(const comp_toolkit *t, char *out, size_t cap)
{
    static const char mark[] = "Cuda compilation tools, release ";
    struct stat st;
    bool found = false;
    int fd = open(t->nvrtc, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)sizeof(Elf64_Ehdr)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    size_t n = (size_t)st.st_size;
    const char *file = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file == MAP_FAILED)
        return false;
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)file;
    size_t table = (size_t)e->e_phoff, size = (size_t)e->e_phnum * sizeof(Elf64_Phdr);
    bool is_elf =
        memcmp(file, ELFMAG, SELFMAG) == 0 && table % 8 == 0 && table < n && size <= n - table;
    for (int i = 0; is_elf && i < e->e_phnum && !found; i++) {
        const Elf64_Phdr *p = (const Elf64_Phdr *)(const void *)(file + table) + i;
        /* Constants: loaded, neither code nor written. */
        if (p->p_type != PT_LOAD || p->p_flags != PF_R || p->p_offset > n ||
            p->p_filesz > n - p->p_offset)
            continue;
        const char *at = memmem(file + p->p_offset, p->p_filesz, mark, sizeof mark - 1);
        found =
            at && comp_ptx_version(at, (size_t)(file + p->p_offset + p->p_filesz - at), out, cap);
    }
    munmap((void *)(uintptr_t)file, n);
    return found;
}
