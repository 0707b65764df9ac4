#include "common/flow/ends.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "common/base/clock.h"

#define ASK_EVERY_MS   250
#define ASK_TIMEOUT_MS 1000

struct ends {
    rd_kafka_t *rk;
    pthread_t asker;
    bool has_asker;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    rd_kafka_topic_partition_list_t *wanted; /* under the lock */
    rd_kafka_topic_partition_list_t *known;  /* under the lock: offset = the end */
    int64_t asked_ms;                        /* under the lock */
    unsigned generation; /* under the lock: answers to an older list are dropped */
};

/* Under the lock; sleeps on the condition so that closing does not wait. */
static void pause_locked(struct ends *e)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ASK_EVERY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!e->stop && pthread_cond_timedwait(&e->wake, &e->lock, &until) != ETIMEDOUT)
        ;
}

/* One request for all partitions of a broker: ListOffsets with the timestamp that means "latest".
 * A partition that has no leader keeps an offset below 0; the others' answers count. */
static bool ask(struct ends *e, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    if (rd_kafka_offsets_for_times(e->rk, list, ASK_TIMEOUT_MS))
        return false;
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err)
            list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    return true;
}

static void *ask_loop(void *arg)
{
    struct ends *e = arg;

    pthread_mutex_lock(&e->lock);
    while (!e->stop) {
        rd_kafka_topic_partition_list_t *list =
            e->wanted ? rd_kafka_topic_partition_list_copy(e->wanted) : NULL;
        unsigned generation = e->generation;

        if (list) {
            int64_t asked_ms;
            bool ok;

            pthread_mutex_unlock(&e->lock);
            asked_ms = clock_wall_ms();
            ok = ask(e, list);
            pthread_mutex_lock(&e->lock);
            if (ok && generation == e->generation) {
                rd_kafka_topic_partition_list_t *old = e->known;

                e->known = list;
                list = old;
                e->asked_ms = asked_ms;
            }
            if (list)
                rd_kafka_topic_partition_list_destroy(list);
        }
        pause_locked(e);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

bool ends_open(struct ends **ret, rd_kafka_t *rk, struct err *err)
{
    AUTO(auto_ends) struct ends *e = calloc(1, sizeof(*e));
    pthread_condattr_t steady; /* a step of the wall clock must not hold the asker */

    if (!e)
        return err_memory(err);
    e->rk = rk;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&e->wake, &steady);
    pthread_condattr_destroy(&steady);
    if (pthread_create(&e->asker, NULL, ask_loop, e) != 0)
        return err_set(err, ERR_FATAL, "no thread to ask for the ends of partitions");
    e->has_asker = true;
    *ret = TAKE(e);
    return true;
}

static void drop_locked(struct ends *e)
{
    if (e->wanted)
        rd_kafka_topic_partition_list_destroy(e->wanted);
    if (e->known)
        rd_kafka_topic_partition_list_destroy(e->known);
    e->wanted = e->known = NULL;
    e->generation++;
}

void ends_close(struct ends *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->stop = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    if (e->has_asker)
        pthread_join(e->asker, NULL);
    drop_locked(e);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->wake);
    free(e);
}

void ends_set(struct ends *e, const struct reader_part *parts, size_t n)
{
    pthread_mutex_lock(&e->lock);
    drop_locked(e);
    if (n > 0) {
        e->wanted = rd_kafka_topic_partition_list_new((int)n);
        for (size_t i = 0; i < n; i++)
            rd_kafka_topic_partition_list_add(e->wanted, parts[i].topic, parts[i].partition);
    }
    pthread_mutex_unlock(&e->lock);
}

void ends_read(struct ends *e, struct reader_part *part)
{
    const rd_kafka_topic_partition_t *at;

    pthread_mutex_lock(&e->lock);
    at = e->known ? rd_kafka_topic_partition_list_find(e->known, part->topic, part->partition)
                  : NULL;
    if (at && at->offset >= 0) {
        part->end = at->offset;
        part->end_asked_ms = e->asked_ms;
    }
    pthread_mutex_unlock(&e->lock);
}
