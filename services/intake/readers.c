#include "services/intake/readers.h"

#include <pthread.h>

enum { THREADS_MAX = 16 };
#define DOCUMENT_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct readers {
    struct readers_conf conf;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *oldest, *newest; /* these four: under lock */
    int64_t waiting_n;
    bool stopping;
    struct thread {
        struct readers *readers;
        struct reader reader;
        pthread_t thread;
        bool runs;
    } threads[THREADS_MAX];
};

/* NULL: stopping, and nothing is left. */
static struct job *take(struct readers *r)
{
    struct job *job;

    pthread_mutex_lock(&r->lock);
    while (!r->oldest && !r->stopping)
        pthread_cond_wait(&r->wake, &r->lock);
    job = r->oldest;
    if (job) {
        r->oldest = job->next;
        r->waiting_n--;
    }
    pthread_mutex_unlock(&r->lock);
    return job;
}

static void *work(void *arg)
{
    struct thread *t = arg;
    struct job *job;

    while ((job = take(t->readers)))
        job->run(job, &t->reader);
    return NULL;
}

bool readers_add(struct readers *r, struct job *job)
{
    bool ok;

    job->next = NULL;
    pthread_mutex_lock(&r->lock);
    ok = r->waiting_n < r->conf.waiting_max && !r->stopping;
    if (ok) {
        *(r->oldest ? &r->newest->next : &r->oldest) = job;
        r->newest = job;
        r->waiting_n++;
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
    return ok;
}

static bool start(struct readers *r, struct thread *t, struct err *err)
{
    t->readers = r;
    workshop_init(&t->reader.workshop);
    buf_init(&t->reader.document, DOCUMENT_MAX_BYTES);
    if (!store_open(&t->reader.store, r->conf.pg, err))
        return false;
    if (pthread_create(&t->thread, NULL, work, t) != 0)
        return err_set(err, ERR_FATAL, "no thread");
    t->runs = true;
    return true;
}

bool readers_open(struct readers **ret, const struct readers_conf *conf, struct err *err)
{
    AUTO(auto_readers) struct readers *r = calloc(1, sizeof(*r));

    if (!r)
        return err_memory(err);
    r->conf = *conf;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->wake, NULL);
    for (int64_t i = 0; i < conf->threads && i < THREADS_MAX; i++)
        if (!start(r, &r->threads[i], err))
            return err_wrap(err, "readers");
    *ret = TAKE(r);
    return true;
}

void readers_close(struct readers *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < THREADS_MAX; i++) {
        struct thread *t = &r->threads[i];

        if (t->runs)
            (void)pthread_join(t->thread, NULL);
        store_close(t->reader.store);
        workshop_done(&t->reader.workshop);
        buf_done(&t->reader.document);
    }
    (void)pthread_cond_destroy(&r->wake);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}
