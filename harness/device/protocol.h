/* What worker and parent agree on. */
#ifndef HARNESS_DEVICE_PROTOCOL_H
#define HARNESS_DEVICE_PROTOCOL_H

enum {
    DEV_PROTOCOL = 1,         /* version, in the answer to hello */
    DEV_FD_BULK = 4,          /* descriptors beside 0 and 1: shared memory, */
    DEV_FD_OUTPUT = 5,        /* and the file for what is printed */
    DEV_MAX_REQUEST = 16 << 20, /* bytes of a line */
    DEV_MAX_ANSWER = 4 << 20,
    DEV_MAX_FRAME = 128 << 10, /* of an answer beside its members: id, text, what was printed */
};

#endif
