#include "agent/llm/header.h"

#include "agent/llm/curl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

void header_limits_init(header_limits *l)
{
    *l = (header_limits){.retry_after_s = (double)NAN, .should_retry = -1};
}

bool header_value(ws_str line, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n))
        return false;
    ws_str v = ws_str_trim((ws_str){line.p + n + 1, line.n - n - 1});
    snprintf(out, size, "%.*s", (int)(v.n < size - 1 ? v.n : size - 1), v.p);
    return true;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double not_negative(double s)
{
    return s > 0 ? s : 0;
}

/* A number of `unit` seconds, or an HTTP date. */
static double parse_wait(const char *text, double unit)
{
    char *end;
    double s = strtod(text, &end);
    if (end != text && !*end)
        return isfinite(s) && s >= 0 ? s * unit : (double)NAN;
    time_t when = isalpha((unsigned char)*text) ? curl_getdate(text, NULL) : -1;
    return when < 0 ? (double)NAN : not_negative((double)when - now_s());
}

/* "1h2m3.5s", "120ms", "7.66s" */
static double parse_duration(const char *text)
{
    static const struct {
        const char *name;
        double s;
    } unit[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}};
    double sum = 0;
    while (*text) {
        char *end;
        double n = strtod(text, &end);
        size_t i = 0;
        if (end == text || !isfinite(n) || n < 0)
            return (double)NAN;
        while (i < sizeof unit / sizeof *unit &&
               strncmp(end, unit[i].name, strlen(unit[i].name)) != 0)
            i++;
        if (i == sizeof unit / sizeof *unit)
            return (double)NAN;
        sum += n * unit[i].s;
        text = end + strlen(unit[i].name);
    }
    return sum;
}

/* "2026-11-21T20:00:30Z", "...30.5+01:00" */
static double parse_point(const char *text)
{
    struct tm t = {0};
    double second;
    int n = 0, hours = 0, minutes = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%lf%n", &t.tm_year, &t.tm_mon, &t.tm_mday,
               &t.tm_hour, &t.tm_min, &second, &n) != 6 ||
        !n)
        return (double)NAN;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    double at = (double)timegm(&t) + second;
    const char *zone = text + n;
    if ((*zone == '+' || *zone == '-') && sscanf(zone + 1, "%2d:%2d", &hours, &minutes) == 2)
        at -= (*zone == '-' ? -1 : 1) * (hours * 3600.0 + minutes * 60.0);
    else if (*zone != 'Z' && *zone != 'z')
        return (double)NAN;
    return not_negative(at - now_s());
}

double header_reset_seconds(const char *text)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || !isfinite(n) || n < 0)
        return (double)NAN;
    if (!*end) /* no wait is a third of a century long: a point in time */
        return n > 1e12  ? not_negative(n * 1e-3 - now_s())
               : n > 1e9 ? not_negative(n - now_s())
                         : n;
    return strchr(text, '-') ? parse_point(text) : parse_duration(text);
}

/* ---- limits ---- */

static header_bucket *bucket_named(header_limits *l, const char *name)
{
    for (int i = 0; i < l->n_buckets; i++)
        if (strcmp(l->bucket[i].name, name) == 0)
            return &l->bucket[i];
    if (l->n_buckets == HEADER_BUCKETS)
        return NULL;
    header_bucket *b = &l->bucket[l->n_buckets++];
    *b = (header_bucket){.remaining = (double)NAN, .reset_s = (double)NAN};
    snprintf(b->name, sizeof b->name, "%s", name);
    return b;
}

/* "x-ratelimit-remaining-requests" (OpenAI and its like), "anthropic-ratelimit-requests-remaining",
 * "x-ratelimit-reset" (OpenRouter), "ratelimit-reset" (IETF draft): `what` is taken out of the
 * name, the rest is the bucket's. */
static bool read_bucket(header_limits *l, const char *name, const char *what, const char *value)
{
    char rest[64];
    const char *at = strstr(name, what);
    size_t before, after;
    if (!at)
        return false;
    before = (size_t)(at - name);
    at += strlen(what);
    after = strlen(at);
    while (before && name[before - 1] == '-')
        before--;
    while (after && *at == '-')
        at++, after--;
    snprintf(rest, sizeof rest, "%.*s%.*s", (int)before, name, (int)after, at);
    header_bucket *b = bucket_named(l, rest);
    if (b && strcmp(what, "reset") == 0)
        b->reset_s = header_reset_seconds(value);
    else if (b)
        b->remaining = strtod(value, NULL);
    return true;
}

bool header_limits_read(header_limits *l, ws_str line)
{
    static const char prefix[] = "ratelimit";
    char value[128], name[64] = "";
    if (header_value(line, "retry-after-ms", value, sizeof value)) {
        double s = parse_wait(value, 1e-3);
        if (!isnan(s)) {
            l->retry_after_s = s;
            l->exact = true;
        }
        return true;
    }
    if (header_value(line, "retry-after", value, sizeof value)) {
        if (!l->exact)
            l->retry_after_s = parse_wait(value, 1);
        return true;
    }
    if (header_value(line, "x-should-retry", value, sizeof value)) {
        l->should_retry = strcasecmp(value, "true") == 0    ? 1
                          : strcasecmp(value, "false") == 0 ? 0
                                                            : -1;
        return true;
    }
    const char *colon = memchr(line.p, ':', line.n);
    size_t n = colon ? (size_t)(colon - line.p) : 0;
    if (!n || n >= sizeof name)
        return false;
    for (size_t i = 0; i < n; i++)
        name[i] = (char)tolower((unsigned char)line.p[i]);
    const char *at = strstr(name, prefix);
    if (!at || !header_value(line, name, value, sizeof value) || !*value)
        return false;
    at += sizeof prefix - 1;
    at += *at == '-';
    return read_bucket(l, at, "remaining", value) || read_bucket(l, at, "reset", value);
}

double header_limits_wait(const header_limits *l, bool refused)
{
    double wait = 0;
    for (int i = 0; i < l->n_buckets; i++) {
        const header_bucket *b = &l->bucket[i];
        bool used_up = b->remaining <= 0 || (refused && isnan(b->remaining));
        if (used_up && b->reset_s > wait)
            wait = b->reset_s;
    }
    return wait;
}
