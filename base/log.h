/* What is said to the user while working, on stderr. Library code logs at debug only. With a log
 * file set, every message also lands there as a JSON line with time, pid and level. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

typedef enum ws_level { WS_LOG_ERROR, WS_LOG_WARN, WS_LOG_INFO, WS_LOG_DEBUG } ws_level;

void ws_log_set_level(ws_level max); /* default WS_LOG_WARN */
ws_level ws_log_level(void);
ws_status ws_log_open_file(const char *path, ws_err *err) WS_MUST_CHECK;
void ws_log_close(void);
void ws_log(ws_level level, const char *fmt, ...) WS_PRINTF(2, 3);

#endif
