#include "harness/device/pool.h"

#include "base/mem.h"
#include "harness/device/note.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 64, CHANCES = 2 /* health checks that a device may fail, less one */ };
static const double default_health = 30;

typedef struct slot {
    dev_device d;
    char *visible; /* CUDA_VISIBLE_DEVICES of its workers; NULL: as the parent's */
    bool suspect;  /* a worker was lost: the next one begins with the health check */
} slot;

struct dev_pool {
    dev_pool_options o;
    char *device, *worker; /* of the options */
    slot slot[MAX_DEVICES];
    int n;
    pthread_mutex_t lock;  /* of the slots' words, which several threads may read */
};

/* ---- finding the devices ---- */

static bool is_known(const dev_pool *p, const char *uuid)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->slot[i].d.uuid, uuid) == 0)
            return true;
    return false;
}

static void add_device(dev_pool *p, const jl_value *hello, const jl_value *v, int ordinal,
                       const char *visible)
{
    const char *uuid = jl_text_or(v, "uuid", "");
    if (p->n == MAX_DEVICES || is_known(p, uuid))
        return;
    slot *s = &p->slot[p->n++];
    *s = (slot){.visible = visible ? ws_strdup(visible) : NULL};
    s->d = (dev_device){
        .ordinal = ordinal,
        .capability = (int)jl_int_or(v, "capability", 0),
        .driver = (int)jl_int_or(hello, "driver", 0),
        .sms = (int)jl_int_or(v, "sms", 0),
        .l2_bytes = jl_int_or(v, "l2_bytes", 0),
        .memory_bytes = jl_int_or(v, "memory_bytes", 0),
        .mig = jl_bool_or(v, "mig", false),
        .engine = jl_bool_or(hello, "engine", false),
    };
    snprintf(s->d.uuid, sizeof s->d.uuid, "%s", uuid);
    snprintf(s->d.name, sizeof s->d.name, "%s", jl_text_or(v, "name", ""));
    dev_note_read(s->d.uuid, s->d.note, sizeof s->d.note);
    s->suspect = s->d.note[0] != '\0';
}

/* What a worker sees. Of several devices each gets workers that see it alone. */
static ws_status look(dev_pool *p, const char *visible, ws_err *err)
{
    const dev_client_options o = {.worker = p->worker, .device = p->device, .visible = visible,
                                  .start_seconds = p->o.start_seconds};
    ws_arena a = {0};
    dev_client *c = NULL;
    const jl_value *hello = NULL, *devices = NULL;
    if (!dev_client_start(&o, &a, &c, &hello, err) &&
        !jl_array(hello, "devices", &devices, err)) {
        int i = 0;
        for (const jl_value *v = devices->child; v; v = v->next)
            add_device(p, hello, v, visible ? p->n : i++,
                       devices->n > 1 ? jl_text_or(v, "uuid", "") : visible);
    }
    if (c)
        dev_client_stop(c);
    ws_arena_release(&a);
    return err->status;
}

/* Entry by entry, up to the first that is no device, as the driver has it. */
static ws_status look_at_list(dev_pool *p, const char *list, ws_err *err)
{
    char *copy = ws_strdup(list), *rest = NULL;
    for (char *e = strtok_r(copy, ",", &rest); e && !err->status; e = strtok_r(NULL, ",", &rest))
        (void)!look(p, e, err);
    if (p->n)
        *err = (ws_err){0};
    free(copy);
    return err->status;
}

ws_status dev_pool_open(const dev_pool_options *o, dev_pool **out, ws_err *err)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    dev_pool *p = ws_calloc(1, sizeof *p);
    p->o = *o;
    p->device = o->device ? ws_strdup(o->device) : NULL;
    p->worker = o->worker ? ws_strdup(o->worker) : NULL;
    pthread_mutex_init(&p->lock, NULL);
    if (list && strchr(list, ','))
        (void)!look_at_list(p, list, err);
    else
        (void)!look(p, NULL, err);
    if (!err->status && !p->n)
        ws_fail(err, WS_EENV, "the device worker sees no device");
    if (err->status) {
        dev_pool_close(p);
        return err->status;
    }
    *out = p;
    return WS_OK;
}

void dev_pool_close(dev_pool *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++)
        free(p->slot[i].visible);
    pthread_mutex_destroy(&p->lock);
    free(p->device);
    free(p->worker);
    free(p);
}

int dev_pool_count(const dev_pool *p)
{
    return p->n;
}

const dev_device *dev_pool_device(const dev_pool *p, int i)
{
    return &p->slot[i].d;
}

/* ---- workers ---- */

static void set_aside(dev_pool *p, slot *s, const char *why)
{
    pthread_mutex_lock(&p->lock);
    s->d.aside = true;
    snprintf(s->d.why, sizeof s->d.why, "%.250s", why);
    pthread_mutex_unlock(&p->lock);
    dev_note_aside(s->d.uuid, s->d.why);
}

static void stop(dev_pool *p, slot *s, dev_client *c)
{
    if (c && !dev_client_stop(c))
        set_aside(p, s, "a worker hangs in the driver and cannot be killed");
}

ws_status dev_pool_start(dev_pool *p, int device, const dev_bulk_memory *bulk, ws_arena *a,
                         dev_client **out, ws_err *err)
{
    slot *s = &p->slot[device];
    const dev_client_options o = {.worker = p->worker, .device = p->device,
                                  .visible = s->visible, .bulk = bulk,
                                  .start_seconds = p->o.start_seconds};
    const jl_value *hello = NULL, *devices;
    if (dev_client_start(&o, a, out, &hello, err))
        return ws_wrap(err, "device %s", s->d.uuid);
    devices = jl_get(hello, "devices");
    if (devices && devices->child &&
        strcmp(jl_text_or(devices->child, "uuid", ""), s->d.uuid) == 0)
        return WS_OK;
    stop(p, s, *out);
    *out = NULL;
    return ws_fail(err, WS_EENV, "device %s is not where it was", s->d.uuid);
}

/* A worker that passed the health check, if one is due. NULL: the device is set aside. */
static dev_client *healthy_worker(dev_pool *p, int device, const dev_bulk_memory *bulk)
{
    slot *s = &p->slot[device];
    const double seconds = p->o.health_seconds > 0 ? p->o.health_seconds : default_health;
    char why[256] = "";
    for (int i = 0; i < CHANCES && !s->d.aside; i++) {
        ws_arena a = {0};
        ws_err err = {0};
        dev_client *c = NULL;
        dev_answer answer = {.end = DEV_OK};
        if (dev_pool_start(p, device, bulk, &a, &c, &err)) {
            snprintf(why, sizeof why, "%.250s", err.msg);
        } else if (s->suspect) {
            dev_client_ask(c, "\"op\":\"health\"", seconds, &a, &answer);
            snprintf(why, sizeof why, "%.250s", answer.text);
        }
        ws_arena_release(&a);
        if (c && answer.end == DEV_OK) {
            if (s->suspect && s->d.note[0])
                dev_note_clear(s->d.uuid);
            s->suspect = false;
            return c;
        }
        s->suspect = true;
        stop(p, s, c);
    }
    if (!s->d.aside) {
        char text[300];
        snprintf(text, sizeof text, "failed its health check %d times: %.200s", CHANCES, why);
        set_aside(p, s, text);
    }
    return NULL;
}

bool dev_pool_check(dev_pool *p, int device)
{
    slot *s = &p->slot[device];
    s->suspect = true;
    stop(p, s, healthy_worker(p, device, NULL));
    return !s->d.aside;
}

/* ---- batches ---- */

static void not_run(dev_request *q, const char *why)
{
    q->answer = (dev_answer){.end = DEV_NOT_RUN};
    snprintf(q->answer.text, sizeof q->answer.text, "%s", why);
}

/* Whether the worker was lost in it. A rejection that leaves the context alone is no fault. */
static bool is_fault(const dev_answer *a)
{
    return a->end == DEV_DEADLINE || a->end == DEV_CRASHED || a->end == DEV_GARBAGE || a->spent;
}

static void run_batch(dev_pool *p, int device, dev_batch *b)
{
    slot *s = &p->slot[device];
    dev_client *c = NULL;
    for (int i = 0; i < b->n; i++) {
        dev_request *q = &b->request[i];
        if (q->answer.end != DEV_NOT_RUN)
            continue;
        if (c && !dev_client_alive(c)) { /* lost in the last request, or after it */
            stop(p, s, c);
            c = NULL;
            s->suspect = true;
        }
        if (!c && !(c = healthy_worker(p, device, b->bulk)))
            return;
        dev_client_ask(c, q->members, q->deadline_seconds, b->arena, &q->answer);
        b->device = device;
        if (is_fault(&q->answer)) {
            s->suspect = true;
            pthread_mutex_lock(&p->lock);
            s->d.faults++;
            pthread_mutex_unlock(&p->lock);
        }
    }
    stop(p, s, c);
}

/* Whether every request has its answer. */
static bool is_complete(const dev_batch *b)
{
    for (int i = 0; i < b->n; i++)
        if (b->request[i].answer.end == DEV_NOT_RUN)
            return false;
    return true;
}

static void begin(dev_batch *b)
{
    b->device = -1;
    for (int i = 0; i < b->n; i++)
        not_run(&b->request[i], "no device was left to run it");
}

void dev_pool_run(dev_pool *p, int device, dev_batch *b)
{
    begin(b);
    if (!p->slot[device].d.aside)
        run_batch(p, device, b);
    for (int i = 0; i < b->n; i++)
        if (b->request[i].answer.end == DEV_NOT_RUN)
            not_run(&b->request[i], p->slot[device].d.why);
}

/* ---- many batches on all devices ---- */

typedef struct queue {
    dev_pool *pool;
    dev_batch **waiting; /* a stack; the first batch on top */
    int n, running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} queue;

typedef struct hand {
    queue *q;
    int device;
    pthread_t thread;
    bool started;
} hand;

/* The next batch; NULL: all are done. What runs on another device may come back. */
static dev_batch *take(queue *q)
{
    dev_batch *b = NULL;
    pthread_mutex_lock(&q->lock);
    while (!q->n && q->running)
        pthread_cond_wait(&q->changed, &q->lock);
    if (q->n) {
        b = q->waiting[--q->n];
        q->running++;
    }
    pthread_mutex_unlock(&q->lock);
    return b;
}

static void put_back(queue *q, dev_batch *b)
{
    pthread_mutex_lock(&q->lock);
    q->running--;
    if (!is_complete(b))
        q->waiting[q->n++] = b;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

static void *serve(void *ud)
{
    const hand *h = ud;
    dev_batch *b;
    while (!h->q->pool->slot[h->device].d.aside && (b = take(h->q))) {
        run_batch(h->q->pool, h->device, b);
        put_back(h->q, b);
    }
    return NULL;
}

void dev_pool_run_all(dev_pool *p, dev_batch *batch, int n)
{
    queue q = {.pool = p, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    hand h[MAX_DEVICES] = {0};
    q.waiting = ws_malloc((size_t)(n + 1) * sizeof(dev_batch *));
    for (int i = n - 1; i >= 0; i--) {
        begin(&batch[i]);
        q.waiting[q.n++] = &batch[i];
    }
    for (int i = 0; i < p->n; i++) {
        h[i] = (hand){.q = &q, .device = i};
        h[i].started = i && !pthread_create(&h[i].thread, NULL, serve, &h[i]);
    }
    serve(&h[0]); /* a thread of its own would gain nothing */
    for (int i = 1; i < p->n; i++)
        if (h[i].started)
            pthread_join(h[i].thread, NULL);
    free(q.waiting);
}
