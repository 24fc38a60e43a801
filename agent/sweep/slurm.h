/* A sweep on a cluster: the scripts of an array job, an element a shard, and of a job that merges
 * their archives when all are over. Nothing of ours schedules machines.
 *
 *   DIR/shard.sh   sbatch script of the array: the sweep's own command with --shard, --continue
 *                  and an archive of its own, so that an element that Slurm starts again goes on
 *   DIR/merge.sh   sbatch script of the merge
 *   DIR/shard-I.db, DIR/log/ */
#ifndef AGENT_SWEEP_SLURM_H
#define AGENT_SWEEP_SLURM_H

#include "base/opt.h"

typedef struct slurm_options {
    const char *name;       /* of the sweep */
    const char *dir;        /* NULL: "NAME.slurm" */
    const char *archive;    /* that the shards are merged into */
    int shards, at_once;    /* at_once 0: all */
    const ws_opt_list *args; /* for sbatch, such as --partition=gpu */
    bool dry_run;
    const char *const *word; /* the command's own words that every shard gets, NULL-terminated */
} slurm_options;

/* Writes the scripts and submits them, or with `dry_run` prints both and does nothing. WS_EENV:
 * there is no sbatch; WS_EREMOTE: it refused, in its own words. */
ws_status slurm_submit(const slurm_options *o, ws_err *err) WS_MUST_CHECK;
/* Of this process's command line: what shards get, without the options that slurm_submit gives.
 * Malloc'ed as one block. */
const char **slurm_words(ws_err *err);

#endif
