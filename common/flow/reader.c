#include "common/flow/reader.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define WARM_TIMEOUT_MS      10000
#define BEGIN_RETRY_MS       500
#define WATERMARK_TIMEOUT_MS 5000
#define SHARE_EVERY_MS       10000
#define SESSION_TIMEOUT_MS   "6000" /* so long are the partitions of one that died nobody's */
/* What a backlog took goes back to the system. Of large blocks, such as fetches, glibc would learn
 * to keep them; what is left of the small ones is given back in the first lull after so much. */
#define MMAP_FROM_BYTES  (256 * 1024)
#define TRIM_AFTER_BYTES (16 * 1024 * 1024)

struct reader {
    struct reader_conf conf;
    rd_kafka_t *rk;
    struct reader_part *parts;
    size_t parts_n;
    struct reader_part *last;                 /* of the last lookup: records come in runs */
    rd_kafka_topic_partition_list_t *pending; /* assigned to us, beginning not known yet */
    int64_t begin_after_ms, share_after_ms;
    size_t untrimmed_bytes; /* read since memory was given back */
    bool is_assigned;
    bool
        is_member; /* the group gave us partitions, and did not take them back before it fenced us */
};

static struct id process_name;

static void name_process(void)
{
    id_new(&process_name);
}

const char *reader_process(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, name_process);
    return process_name.text;
}

/* ---- assignment */

static void forget_parts(struct reader *r)
{
    free(r->parts);
    r->parts = NULL;
    r->parts_n = 0;
    r->last = NULL;
    r->is_assigned = false;
}

static bool make_parts(struct reader *r, struct err *err)
{
    forget_parts(r);
    r->parts = calloc((size_t)r->pending->cnt + 1, sizeof(*r->parts));
    if (!r->parts)
        return err_memory(err);
    r->parts_n = (size_t)r->pending->cnt;
    for (size_t i = 0; i < r->parts_n; i++) {
        snprintf(r->parts[i].topic, sizeof(r->parts[i].topic), "%s", r->pending->elems[i].topic);
        r->parts[i].partition = r->pending->elems[i].partition;
        r->parts[i].verify = -1;
    }
    return true;
}

static bool another_log(struct reader *r, struct reader_part *part, struct err *err);

/* A log that ends just where the record to verify should stand would be waited at: nothing is out
 * of range there. */
static bool check_ends(struct reader *r, struct err *err)
{
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_new((int)r->parts_n);
    rd_kafka_resp_err_t rc;
    int at = 0;

    for (size_t i = 0; i < r->parts_n; i++)
        if (r->parts[i].verify >= 0)
            rd_kafka_topic_partition_list_add(ends, r->parts[i].topic, r->parts[i].partition)
                ->offset = RD_KAFKA_OFFSET_END;
    if (ends->cnt == 0)
        return true;
    rc = rd_kafka_offsets_for_times(r->rk, ends, WATERMARK_TIMEOUT_MS);
    if (rc)
        return err_set(err, ERR_TRANSIENT, "ends of the partitions: %s", rd_kafka_err2str(rc));
    for (size_t i = 0; i < r->parts_n; i++) {
        struct reader_part *part = &r->parts[i];
        const rd_kafka_topic_partition_t *end;

        if (part->verify < 0)
            continue;
        end = &ends->elems[at++];
        if (!end->err && end->offset >= 0 && end->offset <= part->verify)
            return another_log(r, part, err);
    }
    return true;
}

/* Asks the owner where to begin, and hands that to librdkafka. */
static bool begin(struct reader *r, struct err *err)
{
    rd_kafka_resp_err_t rc;

    if (!make_parts(r, err) || !r->conf.owner.begin(r->conf.owner.ctx, r->parts, r->parts_n, err))
        return false;
    for (size_t i = 0; i < r->parts_n; i++) {
        struct reader_part *part = &r->parts[i];

        part->verify = part->next > 0 && part->last_id[0] ? part->next - 1 : -1;
        part->suspect_until = part->starts > READER_STARTS_MAX ? part->next + r->conf.suspects : 0;
        r->pending->elems[i].offset = part->verify >= 0 ? part->verify : part->next;
    }
    if (!check_ends(r, err))
        return false;
    rc = rd_kafka_assign(r->rk, r->pending);
    if (rc)
        return err_set(err, ERR_TRANSIENT, "assign: %s", rd_kafka_err2str(rc));
    rd_kafka_topic_partition_list_destroy(r->pending);
    r->pending = NULL;
    r->is_assigned = true;
    log_at(LOG_INFO, "partitions assigned", log_str("group", r->conf.group),
           log_int("partitions", (int64_t)r->parts_n));
    return true;
}

static void drop_pending(struct reader *r)
{
    if (r->pending)
        rd_kafka_topic_partition_list_destroy(r->pending);
    r->pending = NULL;
}

static bool subscribe(struct reader *r, struct err *err)
{
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *topics =
        rd_kafka_topic_partition_list_new((int)r->conf.input.n);
    rd_kafka_resp_err_t rc;

    for (size_t i = 0; i < r->conf.input.n; i++)
        rd_kafka_topic_partition_list_add(topics, r->conf.input.names[i], RD_KAFKA_PARTITION_UA);
    rc = rd_kafka_subscribe(r->rk, topics);
    return !rc || err_set(err, ERR_TRANSIENT, "subscribe: %s", rd_kafka_err2str(rc));
}

/* Is something of each of our topics given to us, and of no other? */
static bool is_of_our_topics(const struct reader *r)
{
    int ours = 0;

    for (size_t i = 0; i < r->conf.input.n; i++) {
        int n = 0;

        for (int at = 0; at < r->pending->cnt; at++)
            n += strcmp(r->pending->elems[at].topic, r->conf.input.names[i]) == 0;
        if (n == 0 && r->pending->cnt > 0)
            return false;
        ours += n;
    }
    return ours == r->pending->cnt;
}

/* A static member gets what its predecessor had, also when that was a version which read other
 * topics. Leaving the group has everything shared out again. */
static bool share_anew(struct reader *r, struct err *err)
{
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);

    r->share_after_ms = clock_mono_ms() + SHARE_EVERY_MS;
    log_at(LOG_WARN, "the partitions are of other topics: leaving the group and joining it again",
           log_str("group", r->conf.group), log_int("partitions", r->pending->cnt));
    drop_pending(r);
    rd_kafka_assign(r->rk, none); /* the answer that librdkafka waits for */
    rd_kafka_unsubscribe(r->rk);
    return subscribe(r, err);
}

static bool begin_when_possible(struct reader *r, struct err *err)
{
    struct err why = {0};

    if (r->pending && clock_mono_ms() >= r->share_after_ms && !is_of_our_topics(r))
        return share_anew(r, err);
    if (!r->pending || clock_mono_ms() < r->begin_after_ms || begin(r, &why))
        return true;
    r->begin_after_ms = clock_mono_ms() + BEGIN_RETRY_MS;
    forget_parts(r);
    if (why.kind != ERR_TRANSIENT) {
        *err = why;
        return false;
    }
    log_err(LOG_WARN, "waits for the offsets to begin at", &why);
    return true;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t rc,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct reader *r = opaque;

    char ignored[8];

    drop_pending(r);
    r->is_member = rc == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ||
                   rd_kafka_fatal_error(rk, ignored, sizeof(ignored));
    if (rc == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        r->pending = rd_kafka_topic_partition_list_copy(list);
        r->begin_after_ms = 0;
        return; /* the assignment itself follows in reader_poll(), outside of this callback */
    }
    if (r->is_assigned)
        r->conf.owner.revoked(r->conf.owner.ctx);
    forget_parts(r);
    rd_kafka_assign(rk, NULL);
}

/* ---- opening */

static bool configure(rd_kafka_conf_t *c, const struct reader_conf *conf, struct err *err)
{
    char instance[200], gather[24], ahead[24];

    snprintf(instance, sizeof(instance), "%s-%s", conf->group, conf->instance);
    snprintf(gather, sizeof(gather), "%lld", (long long)conf->gather_ms);
    snprintf(ahead, sizeof(ahead), "%lld", (long long)conf->ahead_kb);
    if (conf->gather_ms > 0 && (!kafka_set(c, "fetch.wait.max.ms", gather, err) ||
                                !kafka_set(c, "fetch.min.bytes", "262144", err)))
        return false;
    return kafka_set(c, "group.id", conf->group, err) &&
           kafka_set(c, "group.instance.id", instance, err) &&
           kafka_set(c, "session.timeout.ms", SESSION_TIMEOUT_MS, err) &&
           kafka_set(c, "heartbeat.interval.ms", "1000", err) &&
           kafka_set(c, "enable.auto.commit", "false", err) &&
           kafka_set(c, "enable.auto.offset.store", "false", err) &&
           kafka_set(c, "auto.offset.reset", "error", err) &&
           kafka_set(c, "partition.assignment.strategy", "range", err) &&
           kafka_set(c, "fetch.error.backoff.ms", "50", err) &&
           kafka_set(c, "fetch.max.bytes", "8388608", err) &&
           kafka_set(c, "queued.max.messages.kbytes", ahead, err) &&
           kafka_set(c, "topic.metadata.refresh.interval.ms", "60000", err);
}

static bool start(struct reader *r, struct err *err)
{
    rd_kafka_conf_t *c = NULL;

    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    if (!kafka_conf_new(&c, &r->conf.kafka, err))
        return false;
    if (!configure(c, &r->conf, err)) {
        rd_kafka_conf_destroy(c);
        return false;
    }
    rd_kafka_conf_set_opaque(c, r);
    rd_kafka_conf_set_rebalance_cb(c, on_rebalance);
    if (!kafka_new(&r->rk, RD_KAFKA_CONSUMER, c, err))
        return false;
    rd_kafka_poll_set_consumer(r->rk);
    return kafka_warm(r->rk, r->conf.input.names, r->conf.input.n, WARM_TIMEOUT_MS, err) &&
           subscribe(r, err);
}

bool reader_open(struct reader **ret, const struct reader_conf *conf, struct err *err)
{
    AUTO(auto_reader) struct reader *r = calloc(1, sizeof(*r));

    if (!r)
        return err_memory(err);
    r->conf = *conf;
    if (!start(r, err))
        return err_wrap(err, "consumer %s", conf->group);
    *ret = TAKE(r);
    return true;
}

/* A static member does not leave the group: started again, it takes its partitions back at once. */
void reader_close(struct reader *r)
{
    if (!r)
        return;
    drop_pending(r);
    if (r->rk) {
        rd_kafka_consumer_close(r->rk);
        drop_pending(r);
        rd_kafka_destroy(r->rk);
    }
    forget_parts(r);
    free(r);
}

/* ---- reading */

static struct reader_part *find_part(struct reader *r, const char *topic, int32_t partition)
{
    if (r->last && r->last->partition == partition && strcmp(r->last->topic, topic) == 0)
        return r->last;
    for (size_t i = 0; i < r->parts_n; i++)
        if (r->parts[i].partition == partition && strcmp(r->parts[i].topic, topic) == 0)
            return r->last = &r->parts[i];
    return NULL;
}

static bool another_log(struct reader *r, struct reader_part *part, struct err *err)
{
    int64_t at = part->next, low = 0, high = 0;

    if (rd_kafka_query_watermark_offsets(r->rk, part->topic, part->partition, &low, &high,
                                         WATERMARK_TIMEOUT_MS))
        return err_set(err, ERR_TRANSIENT, "start of %s[%d] is not known", part->topic,
                       (int)part->partition);
    if (!r->conf.owner.rewind(r->conf.owner.ctx, part, low, err))
        return err_wrap(err, "rewind %s[%d]", part->topic, (int)part->partition);
    log_at(LOG_ERROR, "the log is another one than before: reading it from its start",
           log_str("group", r->conf.group), log_str("topic", part->topic),
           log_int("partition", part->partition), log_int("offset", at));
    return err_set(err, ERR_TRANSIENT,
                   "%s[%d]: the record before offset %lld is not the one that was read before",
                   part->topic, (int)part->partition, (long long)at);
}

static bool found_gap(struct reader *r, struct reader_part *part, int64_t low, struct err *err)
{
    if (!r->conf.owner.gap(r->conf.owner.ctx, part, low, err))
        return err_wrap(err, "record the gap in %s[%d]", part->topic, (int)part->partition);
    return err_set(err, ERR_CONFIG,
                   "group %s: records %lld to %lld of %s[%d] were removed by retention before they "
                   "were read; restore them from a backup, or accept the loss: tongbao offsets "
                   "accept --group %s",
                   r->conf.group, (long long)part->next, (long long)(low - 1), part->topic,
                   (int)part->partition, r->conf.group);
}

/* The broker has nothing at the offset that was asked for: which of the three cases is it? */
static bool out_of_range(struct reader *r, const rd_kafka_message_t *msg, struct err *err)
{
    const char *topic = msg->rkt ? rd_kafka_topic_name(msg->rkt) : "";
    struct reader_part *part = find_part(r, topic, msg->partition);
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t rc;

    if (!part)
        return err_set(err, ERR_TRANSIENT, "offset out of range in an unknown partition");
    rc = rd_kafka_query_watermark_offsets(r->rk, topic, msg->partition, &low, &high,
                                          WATERMARK_TIMEOUT_MS);
    if (rc)
        return err_set(err, ERR_TRANSIENT, "ends of %s[%d]: %s", topic, (int)msg->partition,
                       rd_kafka_err2str(rc));
    if (high < part->next)
        return another_log(r, part, err);
    if (low > part->next)
        return found_gap(r, part, low, err);
    part->verify = -1; /* only the record before the beginning is gone */
    rc = rd_kafka_seek(msg->rkt, msg->partition, part->next, WATERMARK_TIMEOUT_MS);
    return !rc || err_set(err, ERR_TRANSIENT, "seek: %s", rd_kafka_err2str(rc));
}

static bool fatal(struct reader *r, struct err *err)
{
    char text[256];
    rd_kafka_resp_err_t rc = rd_kafka_fatal_error(r->rk, text, sizeof(text));

    /* A coordinator that stood still answers first a join that we gave up, and then fences us for
     * the one that followed: that was ourselves. */
    if (rc == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && !r->is_member)
        return err_set(err, ERR_TRANSIENT, "consumer: its session was lost: %s", text);
    if (rc == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        return err_set(err, ERR_CONFIG,
                       "another process runs as %s-%s: give each instance its own name (option "
                       "instance)",
                       r->conf.group, r->conf.instance);
    return err_set(err, ERR_TRANSIENT, "consumer: %s", text);
}

/* Connections come and go by themselves; what is left is for us. */
static bool news(struct reader *r, const rd_kafka_message_t *msg, struct err *err)
{
    switch ((int)msg->err) {
    case RD_KAFKA_RESP_ERR__FATAL:
        return fatal(r, err);
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return out_of_range(r, msg, err);
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
        return err_set(err, ERR_TRANSIENT, "consumer: was away for too long");
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return err_set(err, ERR_CONFIG, "consumer: %s: grant it to this user",
                       rd_kafka_message_errstr(msg));
    default:
        log_at(LOG_INFO, "consumer", log_str("group", r->conf.group),
               log_str("detail", rd_kafka_message_errstr(msg)));
        return true;
    }
}

/* The first record of a partition that has one to verify: compared, and not handed on. */
static bool verify(struct reader *r, struct reader_part *part, rd_kafka_message_t *msg,
                   struct err *err)
{
    struct flow_record rec;

    flow_record_of(&rec, msg);
    if (rec.offset == part->verify && rec.event_id && strcmp(rec.event_id, part->last_id) == 0) {
        part->verify = -1;
        return true;
    }
    return another_log(r, part, err);
}

static void give_memory_back(struct reader *r)
{
    if (r->untrimmed_bytes < TRIM_AFTER_BYTES)
        return;
    (void)malloc_trim(0);
    r->untrimmed_bytes = 0;
}

bool reader_poll(struct reader *r, int64_t wait_ms, rd_kafka_message_t **ret,
                 struct reader_part **ret_part, struct err *err)
{
    AUTO(auto_message) rd_kafka_message_t *msg = NULL;
    struct reader_part *part;

    *ret = NULL;
    if (!begin_when_possible(r, err))
        return false;
    if (r->pending && wait_ms > 100)
        wait_ms = 100;
    msg = rd_kafka_consumer_poll(r->rk, (int)wait_ms);
    if (!msg && wait_ms > 0)
        give_memory_back(r);
    if (!msg)
        return true;
    r->untrimmed_bytes += msg->len;
    if (msg->err)
        return news(r, msg, err);
    part = find_part(r, rd_kafka_topic_name(msg->rkt), msg->partition);
    if (!part || part->is_paused)
        return true; /* of an assignment that is gone, or fetched before the pause */
    if (part->verify >= 0)
        return verify(r, part, msg, err);
    *ret_part = part;
    *ret = TAKE(msg);
    return true;
}

struct reader_part *reader_parts(struct reader *r, size_t *ret_n)
{
    *ret_n = r->is_assigned ? r->parts_n : 0;
    return r->parts;
}

rd_kafka_t *reader_handle(struct reader *r)
{
    return r->rk;
}

bool reader_is_assigned(const struct reader *r)
{
    return r->is_assigned;
}

static void pause_part(struct reader *r, struct reader_part *part)
{
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(one, part->topic, part->partition);
    rd_kafka_pause_partitions(r->rk, one);
    part->is_paused = true;
    log_at(LOG_ERROR, "ten dead letters in a row: partition paused until a restart",
           log_str("group", r->conf.group), log_str("topic", part->topic),
           log_int("partition", part->partition), log_int("offset", part->next));
}

void reader_note_dead(struct reader *r, struct reader_part *part)
{
    if (++part->dead_in_row >= READER_DEAD_IN_ROW_MAX && !part->is_paused)
        pause_part(r, part);
}

void reader_note_done(struct reader_part *part)
{
    part->dead_in_row = 0;
}

void reader_trust(struct reader *r)
{
    for (size_t i = 0; i < r->parts_n; i++)
        r->parts[i].suspect_until = 0;
}

void reader_commit(struct reader *r, const rd_kafka_topic_partition_list_t *offsets)
{
    if (offsets->cnt > 0)
        rd_kafka_commit(r->rk, offsets, 1);
}
