/* For a process in which the CPU driver runs a candidate. */
#ifndef HARNESS_CONFINE_H
#define HARNESS_CONFINE_H

/* No new file and no new privilege from here on, and no more memory than the machine has. */
void ws_confine(void);

#endif
