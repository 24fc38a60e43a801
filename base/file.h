/* Files and paths. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"

/* Appends the file to `out`; a file over `max_bytes` is an error. "-" is standard input. */
ws_status ws_read_file(const char *path, size_t max_bytes, ws_buf *out, ws_err *err) WS_MUST_CHECK;
/* Writes beside the target and renames over it, so that a reader never sees half a file. "-" is
 * standard output. */
ws_status ws_write_file(const char *path, const void *data, size_t n, ws_err *err) WS_MUST_CHECK;
/* To a descriptor, until everything is written; false: errno says why not. */
bool ws_write_all(int fd, const void *data, size_t n) WS_MUST_CHECK;
ws_status ws_make_dirs(const char *path, ws_err *err) WS_MUST_CHECK; /* mkdir -p */
bool ws_file_exists(const char *path);

/* Directory of the running program (no trailing slash). The catalogue, templates and the CPU driver
 * are found beside it, or under WARPSMITH_HOME when that is set. */
const char *ws_home_dir(void);
/* "<home>/<relative>" into `out`. */
void ws_home_path(ws_buf *out, const char *relative);
/* Cache directory: $WARPSMITH_CACHE, else $XDG_CACHE_HOME/warpsmith, else ~/.cache/warpsmith. */
void ws_cache_dir(ws_buf *out);

#endif
