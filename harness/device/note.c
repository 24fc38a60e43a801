#include "harness/device/note.h"

#include "base/clock.h"
#include "base/file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NOTE = 4096 };
static const char suffix[] = ".aside";

void dev_note_path(const char *uuid, const char *end, ws_buf *out)
{
    ws_cache_dir(out);
    ws_buf_adds(out, "/device-");
    for (const char *p = uuid; *p; p++)
        ws_buf_addc(out, isalnum((unsigned char)*p) || *p == '-' ? *p : '_');
    ws_buf_adds(out, end);
}

void dev_note_aside(const char *uuid, const char *why)
{
    ws_buf path = {0}, dir = {0}, text = {0};
    char now[WS_UTC_SIZE];
    ws_err ignored = {0};
    ws_utc_now(now);
    ws_cache_dir(&dir);
    dev_note_path(uuid, suffix, &path);
    ws_buf_printf(&text, "%s: %s\n", now, why);
    if (!ws_make_dirs(ws_buf_z(&dir), &ignored))
        (void)!ws_write_file(ws_buf_z(&path), text.p, text.n, &ignored);
    ws_buf_release(&dir);
    ws_buf_release(&path);
    ws_buf_release(&text);
}

void dev_note_clear(const char *uuid)
{
    ws_buf path = {0};
    dev_note_path(uuid, suffix, &path);
    unlink(ws_buf_z(&path));
    ws_buf_release(&path);
}

void dev_note_read(const char *uuid, char *out, size_t size)
{
    ws_buf path = {0}, text = {0};
    ws_err ignored = {0};
    dev_note_path(uuid, suffix, &path);
    if (ws_file_exists(ws_buf_z(&path)))
        (void)!ws_read_file(ws_buf_z(&path), MAX_NOTE, &text, &ignored);
    snprintf(out, size, "%s", ws_buf_z(&text));
    out[strcspn(out, "\n")] = '\0';
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            *p = ' ';
    ws_buf_release(&path);
    ws_buf_release(&text);
}
