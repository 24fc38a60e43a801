/* build/warpsmith-worker: see worker.h. */
#include "harness/device/worker.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return dev_worker_main(NULL);
    fputs("warpsmith-worker runs kernels for warpsmith, which starts it with 'serve'\n", stderr);
    return 2;
}
