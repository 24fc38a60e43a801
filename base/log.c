#include "base/log.h"

#include "base/clock.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const level_name[] = {"error", "warning", "info", "debug"};

static ws_level max_level = WS_LOG_WARN;
static FILE *log_file;

void ws_log_set_level(ws_level max)
{
    max_level = max;
}

ws_level ws_log_level(void)
{
    return max_level;
}

ws_status ws_log_open_file(const char *path, ws_err *err)
{
    FILE *f = fopen(path, "ae");
    if (!f)
        return ws_fail_errno(err, WS_EENV, "cannot open log file '%s'", path);
    ws_log_close();
    setvbuf(f, NULL, _IOLBF, 0);
    log_file = f;
    return WS_OK;
}

void ws_log_close(void)
{
    if (log_file)
        fclose(log_file);
    log_file = NULL;
}

static void write_json_line(ws_level level, const char *text)
{
    char when[WS_UTC_SIZE];
    ws_utc_now(when);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "time", when);
    cJSON_AddNumberToObject(o, "pid", getpid());
    cJSON_AddStringToObject(o, "level", level_name[level]);
    cJSON_AddStringToObject(o, "event", text);
    char *line = cJSON_PrintUnformatted(o);
    if (line)
        fprintf(log_file, "%s\n", line);
    free(line);
    cJSON_Delete(o);
}

void ws_log(ws_level level, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    if (level > max_level && !log_file)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (level <= max_level)
        fprintf(stderr, level <= WS_LOG_WARN ? "warpsmith: %s: %s\n" : "%s%s\n",
                level <= WS_LOG_WARN ? level_name[level] : "", text);
    if (log_file)
        write_json_line(level, text);
}
