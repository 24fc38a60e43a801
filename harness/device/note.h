/* What programs leave for each other about a device, as files of the cache directory. */
#ifndef HARNESS_DEVICE_NOTE_H
#define HARNESS_DEVICE_NOTE_H

#include "base/buf.h"

/* <cache>/device-UUID<suffix>; of the UUID, what a file name may have. */
void dev_note_path(const char *uuid, const char *suffix, ws_buf *out);
/* That the device was set aside, when and why. What cannot be written is no note. */
void dev_note_aside(const char *uuid, const char *why);
void dev_note_clear(const char *uuid);
/* The note, on one line; "": there is none. */
void dev_note_read(const char *uuid, char *out, size_t size);

#endif
