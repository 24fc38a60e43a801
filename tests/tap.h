/* TAP output for the C tests: ok(), is_str(), is_int(), is_close(), skip(); tap_done() is the exit
 * code. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_n, tap_failed;

__attribute__((format(printf, 2, 3), unused)) static bool ok(bool pass, const char *fmt, ...)
{
    va_list ap;
    printf("%sok %d - ", pass ? "" : "not ", ++tap_n);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    tap_failed += !pass;
    return pass;
}

__attribute__((unused)) static bool is_str(const char *got, const char *want, const char *what)
{
    bool same = got && want && strcmp(got, want) == 0;
    if (!ok(same, "%s", what))
        printf("# got  '%s'\n# want '%s'\n", got ? got : "(null)", want ? want : "(null)");
    return same;
}

/* The text contains `part`. */
__attribute__((unused)) static bool has_str(const char *got, const char *part, const char *what)
{
    bool has = got && strstr(got, part);
    if (!ok(has, "%s", what))
        printf("# got     '%s'\n# missing '%s'\n", got ? got : "(null)", part);
    return has;
}

__attribute__((unused)) static bool is_int(long long got, long long want, const char *what)
{
    if (!ok(got == want, "%s", what))
        printf("# got  %lld\n# want %lld\n", got, want);
    return got == want;
}

/* |got - want| <= tol; NaN fails. */
__attribute__((unused)) static bool is_close(double got, double want, double tol, const char *what)
{
    bool near = fabs(got - want) <= tol;
    if (!ok(near, "%s", what))
        printf("# got  %.17g\n# want %.17g\n", got, want);
    return near;
}

__attribute__((unused)) static void skip(const char *what, const char *why)
{
    printf("ok %d - %s # SKIP %s\n", ++tap_n, what, why);
}

__attribute__((unused)) static int tap_done(void)
{
    printf("1..%d\n", tap_n);
    return tap_failed != 0;
}

#endif
