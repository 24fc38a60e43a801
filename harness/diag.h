/* What can be wrong with a candidate kernel, as data. One list serves the harness, which finds most
 * of it, and the verifier, which reports it. */
#ifndef HARNESS_DIAG_H
#define HARNESS_DIAG_H

/* id, name in JSON and on screen, the sentence that explains it to a person. */
#define HX_REASON_LIST(X)                                                                          \
    X(PASS, "pass", "the kernel holds at this level")                                              \
    X(NO_CODE, "no_code", "the reply has no CUDA source")                                          \
    X(TRUNCATED, "truncated", "the reply ends inside its code block")                              \
    X(PLAN_MISSING, "plan_missing", "the source has no @plan comment")                             \
    X(PLAN_INVALID, "plan_invalid", "the launch plan is not well formed")                          \
    X(PLAN_MISMATCH, "plan_mismatch", "the plan's arguments do not fit the kernel's parameters")   \
    X(SHAPE_REFUSED, "shape_refused", "the plan's require refuses a shape that the spec demands")  \
    X(INVALID_LAUNCH, "invalid_launch", "a grid, block or shared size is outside the limits")      \
    X(FORBIDDEN_INCLUDE, "forbidden_include", "an #include that candidates may not use")           \
    X(FORBIDDEN_CONSTRUCT, "forbidden_construct", "a construct that candidates may not use")       \
    X(COMPILE_ERROR, "compile_error", "NVRTC does not accept the source")                          \
    X(PTXAS_ERROR, "ptxas_error", "the PTX assembler does not accept the code")                    \
    X(COMPILE_LIMIT, "compile_limit", "the compiler ran out of its time or memory")                \
    X(UNSUPPORTED, "unsupported", "the CPU engine does not know an instruction")                   \
    X(OUT_OF_BOUNDS, "out_of_bounds", "an access outside every allocation")                        \
    X(MISALIGNED, "misaligned", "an access that is not aligned to its size")                       \
    X(UNINITIALIZED_READ, "uninitialized_read", "a read of memory that nothing wrote")             \
    X(SHARED_RACE, "shared_race", "two threads use shared memory without a barrier between")       \
    X(GLOBAL_RACE, "global_race", "two threads use global memory without ordering between")        \
    X(DIVERGENT_BARRIER, "divergent_barrier", "a barrier that not all of its threads reach")       \
    X(DEADLOCK, "deadlock", "threads wait for each other for ever")                                \
    X(ENDLESS, "endless", "the instruction budget or the deadline ran out")                        \
    X(TRAP, "trap", "the kernel executed trap")                                                    \
    X(ASSERT_FAILED, "assert_failed", "a device assert failed")                                    \
    X(ILLEGAL, "illegal", "an operation without defined behaviour")                                \
    X(CRASH, "crash", "the process that ran the kernel died")                                      \
    X(INPUT_MODIFIED, "input_modified", "an input tensor changed")                                 \
    X(NOT_WRITTEN, "not_written", "an output element was never written")                           \
    X(STATE_KEPT, "state_kept", "a run of the plan needs what an earlier run left")                \
    X(UNVERIFIED_PATH, "unverified_path",                                                          \
      "at the benchmark shape the kernel does what no check shape showed")                         \
    X(IDLE_LAUNCH, "idle_launch", "a launch of the plan changes nothing")                          \
    X(CONSTANT_OUTPUT, "constant_output", "the output is one constant where it should vary")       \
    X(LOW_PRECISION, "low_precision", "the arithmetic is in a lower precision than the spec's")    \
    X(WRONG_RESULT, "wrong_result", "an output element is out of tolerance")                       \
    X(WRONG_ALGEBRA, "wrong_algebra",                                                              \
      "over a prime field the kernel computes something else than the graph")                       \
    X(NONDETERMINISTIC, "nondeterministic", "two schedules gave different bits")

typedef enum hx_reason {
#define X(id, name, text) HX_##id,
    HX_REASON_LIST(X)
#undef X
    HX_REASON_COUNT
} hx_reason;

const char *hx_reason_name(hx_reason r);
const char *hx_reason_text(hx_reason r);

/* A finding about the candidate's text or plan. reason HX_PASS: nothing is wrong. */
typedef struct hx_diag {
    hx_reason reason;
    int line, column; /* in the candidate's source, 1-based; 0: not known */
    char text[1024];  /* one sentence or more, no full stop */
} hx_diag;

/* Fills `d`; returns false, so that `return hx_reject(d, HX_..., line, "...")` reads well. */
_Bool hx_reject(hx_diag *d, hx_reason reason, int line, int column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
