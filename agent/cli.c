#include "agent/cli.h"

#include <stdio.h>
#include <stdlib.h>

volatile sig_atomic_t cli_interrupted;
char cli_resume_hint[400];

const cli_command *const cli_commands[] = {
    &cmd_optimize, &cmd_verify, &cmd_compile, &cmd_emit,   &cmd_reference, &cmd_prompt, &cmd_submit,
    &cmd_spec,     &cmd_archive, &cmd_export, &cmd_replay, &cmd_doctor,    &cmd_worker, NULL};

void cli_print_json(cJSON *v)
{
    char *text = cJSON_Print(v);
    if (!text)
        ws_bug("out of memory printing JSON");
    char *clean = ws_utf8_valid(text);
    puts(clean);
    free(clean);
    free(text);
    cJSON_Delete(v);
}
