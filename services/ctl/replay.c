/*
 * `tongbao replay`: dead letters, listed or put back where they came from.
 *
 * A record that several groups refuse has a letter of each, and is put back once: readers of a
 * topic are all its groups. What is put back carries `replayed-from`, the place of the record that
 * it is a copy of; so does its letter when it is refused again, and the receipt that is left among
 * the dead letters. A place that one of these names was put back before: --all leaves it alone.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/kafka/producer.h"
#include "proto/event.h"
#include "services/ctl/command.h"
#include "services/ctl/output.h"

enum { POLL_MS = 1000, SILENT_POLLS_MAX = 20, METADATA_TIMEOUT_MS = 10000, INFLIGHT_MAX = 100000 };

/* What common/flow adds beside the original's own headers. */
static const char *const own_headers[] = {"reason",           "group",         "origin-topic",
                                          "origin-partition", "origin-offset", "replayed-from"};
enum { PLACE_MAX_BYTES = 192 };

DEFINE_AUTO(auto_kafka, rd_kafka_t, rd_kafka_destroy)

struct reading {
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *parts; /* offset: the end when we began */
    int64_t left;
};

typedef bool each_fn(void *ctx, rd_kafka_message_t *msg, struct err *err);

static bool consumer_open(rd_kafka_t **ret, const struct ctl_conf *conf, struct err *err)
{
    struct kafka_conf kafka = ctl_kafka(conf);
    rd_kafka_conf_t *rk_conf = NULL;

    if (!kafka_conf_new(&rk_conf, &kafka, err))
        return false;
    if (!kafka_set(rk_conf, "group.id", "tongbao-ctl", err) ||
        !kafka_set(rk_conf, "enable.auto.commit", "false", err) ||
        !kafka_set(rk_conf, "auto.offset.reset", "earliest", err)) {
        rd_kafka_conf_destroy(rk_conf);
        return false;
    }
    return kafka_new(ret, RD_KAFKA_CONSUMER, rk_conf, err);
}

/* Assigns all partitions of the dead letters from their beginning; notes where they end now. */
static bool begin(struct reading *r, struct err *err)
{
    const char *topic = topics[TOPIC_DEAD].name;
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *from =
        rd_kafka_topic_partition_list_new(topics[TOPIC_DEAD].partitions);
    rd_kafka_resp_err_t rc = RD_KAFKA_RESP_ERR_NO_ERROR;

    for (int32_t i = 0; !rc && i < topics[TOPIC_DEAD].partitions; i++) {
        int64_t low = 0, high = 0;

        rc = rd_kafka_query_watermark_offsets(r->rk, topic, i, &low, &high, METADATA_TIMEOUT_MS);
        if (rc || low == high)
            continue;
        rd_kafka_topic_partition_list_add(from, topic, i)->offset = low;
        rd_kafka_topic_partition_list_add(r->parts, topic, i)->offset = high;
        r->left++;
    }
    if (!rc)
        rc = rd_kafka_assign(r->rk, from);
    return !rc || err_set(err, ERR_TRANSIENT, "read %s: %s", topic, rd_kafka_err2str(rc));
}

/* Calls `each` for every dead letter that was there at the beginning. */
static bool read_all(struct reading *r, each_fn *each, void *ctx, struct err *err)
{
    int silent = 0;

    while (r->left > 0) {
        AUTO(auto_message) rd_kafka_message_t *msg = rd_kafka_consumer_poll(r->rk, POLL_MS);
        rd_kafka_topic_partition_t *end;

        if (!msg && ++silent < SILENT_POLLS_MAX)
            continue;
        if (!msg)
            return err_set(err, ERR_TRANSIENT, "the broker sends nothing more");
        if (msg->err)
            return err_set(err, ERR_TRANSIENT, "read: %s", rd_kafka_message_errstr(msg));
        silent = 0;
        end = rd_kafka_topic_partition_list_find(r->parts, rd_kafka_topic_name(msg->rkt),
                                                 msg->partition);
        if (!end || msg->offset >= end->offset)
            continue;
        if (!each(ctx, msg, err))
            return false;
        if (msg->offset + 1 == end->offset)
            r->left--;
    }
    return true;
}

static bool for_each(const struct ctl_conf *conf, each_fn *each, void *ctx, struct err *err)
{
    AUTO(auto_kafka) rd_kafka_t *rk = NULL;
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *parts =
        rd_kafka_topic_partition_list_new(topics[TOPIC_DEAD].partitions);
    struct reading reading = {.parts = parts};
    bool ok;

    if (!consumer_open(&rk, conf, err))
        return false;
    reading.rk = rk;
    (void)rd_kafka_poll_set_consumer(rk);
    ok = begin(&reading, err) && read_all(&reading, each, ctx, err);
    (void)rd_kafka_consumer_close(rk);
    return ok;
}

/* The header's text, cut to the buffer; "" when it is absent. */
static void header(const rd_kafka_message_t *msg, const char *name, char *ret, size_t size)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t len = 0;

    ret[0] = '\0';
    if (!rd_kafka_message_headers(msg, &headers) &&
        !rd_kafka_header_get_last(headers, name, &value, &len) && value)
        (void)snprintf(ret, size, "%.*s", (int)len, (const char *)value);
}

/* Where the record lay that this letter is about, or the one that it was a copy of; "" when it does
 * not say. */
static void place_of(const rd_kafka_message_t *msg, char ret[PLACE_MAX_BYTES])
{
    char topic[128], partition[16], offset[32];

    header(msg, "replayed-from", ret, PLACE_MAX_BYTES);
    header(msg, "origin-topic", topic, sizeof(topic));
    header(msg, "origin-partition", partition, sizeof(partition));
    header(msg, "origin-offset", offset, sizeof(offset));
    if (!*ret && *topic)
        (void)snprintf(ret, PLACE_MAX_BYTES, "%s/%s/%s", topic, partition, offset);
}

static bool is_receipt(const rd_kafka_message_t *msg)
{
    char topic[128], place[PLACE_MAX_BYTES];

    header(msg, "origin-topic", topic, sizeof(topic));
    header(msg, "replayed-from", place, sizeof(place));
    return *place && !*topic;
}

/* ---- list */

struct listing {
    json_t *rows;   /* dead letters */
    json_t *places; /* its keys: what was put back */
};

/* Notes what was put back before. */
static bool note_place(void *ctx, rd_kafka_message_t *msg, struct err *err)
{
    json_t *places = ctx;
    char place[PLACE_MAX_BYTES];

    (void)err;
    header(msg, "replayed-from", place, sizeof(place));
    if (*place)
        json_object_set_new_nocheck(places, place, json_true());
    return true;
}

static json_t *describe(const rd_kafka_message_t *msg)
{
    static const char *const shown[] = {
        "ce_id", "ce_type", "origin-topic", "origin-partition", "origin-offset", "group", "reason"};
    json_t *row = json_object();
    char text[300], place[PLACE_MAX_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        json_t *value;

        header(msg, shown[i], text, sizeof(text));
        value = json_string(text);
        json_object_set_new(row, shown[i], value ? value : json_string("(not UTF-8)"));
    }
    json_object_set_new(row, "partition", json_integer(msg->partition));
    json_object_set_new(row, "offset", json_integer(msg->offset));
    place_of(msg, place);
    json_object_set_new_nocheck(row, "place", json_string_nocheck(place));
    return row;
}

static bool list_one(void *ctx, rd_kafka_message_t *msg, struct err *err)
{
    struct listing *l = ctx;

    if (!is_receipt(msg))
        json_array_append_new(l->rows, describe(msg));
    return note_place(l->places, msg, err);
}

static void mark_put_back(const struct listing *l)
{
    size_t i;
    json_t *row;

    json_array_foreach(l->rows, i, row)
    {
        const char *place = json_string_value(json_object_get(row, "place"));

        json_object_set_new(row, "put_back", json_boolean(json_object_get(l->places, place)));
        json_object_del(row, "place");
    }
}

static bool list(const struct ctl_conf *conf, struct err *err)
{
    static const struct column columns[] = {{"ce_id", "event id"},    {"ce_type", "type"},
                                            {"origin-topic", "from"}, {"group", "refused by"},
                                            {"put_back", "put back"}, {"reason", "reason"}};
    AUTO(auto_json) json_t *rows = json_array();
    AUTO(auto_json) json_t *places = json_object();
    struct listing listing = {rows, places};

    if (!for_each(conf, list_one, &listing, err))
        return false;
    mark_put_back(&listing);
    if (conf->json) {
        output_json(stdout, rows);
        return true;
    }
    output_table(stdout, rows, columns, ARRAY_LEN(columns));
    (void)printf(
        "\n%zu dead letters. After the cause is mended: tongbao replay --id EVENT_ID, or --all\n",
        json_array_size(rows));
    return true;
}

/* ---- put back */

/* A record on its way back. */
struct copy {
    struct copy *next;
    atomic_bool is_acked;
    char place[PLACE_MAX_BYTES], id[65], key[ID_TEXT_LEN + 1];
};

struct putting_back {
    struct producer *out;
    const char *id; /* "" = all */
    json_t *places; /* its keys: what was put back; true: by an earlier command */
    struct copy *copies;
    int64_t sent_n, before_n;
    _Atomic int64_t noted_n;
};

static void on_copy(void *ctx, const struct err *err)
{
    struct copy *copy = ctx;

    atomic_store(&copy->is_acked, !err);
}

static void on_receipt(void *ctx, const struct err *err)
{
    struct putting_back *p = ctx;

    if (!err)
        atomic_fetch_add(&p->noted_n, 1);
}

static void putting_back_done(struct putting_back *p)
{
    producer_close(p->out);
    json_decref(p->places);
    for (struct copy *copy = p->copies, *next; copy; copy = next) {
        next = copy->next;
        free(copy);
    }
}

static bool is_own(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(own_headers); i++)
        if (strcmp(own_headers[i], name) == 0)
            return true;
    return false;
}

/* Leaves room for one more. */
static void copy_headers(struct record *rec, const rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t len;

    if (rd_kafka_message_headers(msg, &headers))
        return;
    for (size_t i = 0; rec->headers_n < RECORD_HEADERS_MAX - 1 &&
                       !rd_kafka_header_get_all(headers, i, &name, &value, &len);
         i++)
        if (!is_own(name))
            rec->headers[rec->headers_n++] =
                (struct record_header){name, value ? value : "", value ? len : 0};
}

static const char *origin_of(const rd_kafka_message_t *msg)
{
    char name[128];

    header(msg, "origin-topic", name, sizeof(name));
    for (size_t i = 0; i < TOPICS_N; i++)
        if (i != TOPIC_DEAD && strcmp(topics[i].name, name) == 0)
            return topics[i].name;
    return NULL;
}

static struct copy *copy_new(struct putting_back *p, const rd_kafka_message_t *msg)
{
    struct copy *copy = calloc(1, sizeof(*copy));

    if (!copy)
        return NULL;
    place_of(msg, copy->place);
    header(msg, "ce_id", copy->id, sizeof(copy->id));
    (void)snprintf(copy->key, sizeof(copy->key), "%.*s", (int)msg->key_len,
                   msg->key ? (const char *)msg->key : "");
    copy->next = p->copies;
    p->copies = copy;
    return copy;
}

static bool send_copy(struct putting_back *p, const rd_kafka_message_t *msg, const char *topic,
                      struct err *err)
{
    struct copy *copy = copy_new(p, msg);
    struct record rec = {.topic = topic,
                         .key = msg->key,
                         .key_len = msg->key_len,
                         .value = msg->payload,
                         .value_len = msg->len};

    if (!copy)
        return err_memory(err);
    copy_headers(&rec, msg);
    (void)record_header_add(&rec, "replayed-from", copy->place);
    json_object_set_new_nocheck(p->places, copy->place, json_false());
    p->sent_n++;
    return producer_send(p->out, &rec, on_copy, copy, err);
}

static bool put_back(void *ctx, rd_kafka_message_t *msg, struct err *err)
{
    struct putting_back *p = ctx;
    const char *topic = origin_of(msg);
    char id[65], place[PLACE_MAX_BYTES];
    const json_t *known;

    header(msg, "ce_id", id, sizeof(id));
    if (is_receipt(msg) || (*p->id && strcmp(id, p->id) != 0))
        return true;
    place_of(msg, place);
    known = json_object_get(p->places, place);
    p->before_n += json_is_true(known);
    if (known)
        return true;
    if (topic)
        return send_copy(p, msg, topic, err);
    (void)fprintf(stderr, "left where it is: offset %" PRId64 " names no topic of ours\n",
                  msg->offset);
    return true;
}

/* Only what has arrived is noted: else it would never be put back. */
static bool note_all(struct putting_back *p, struct err *err)
{
    int64_t acked_n = 0;

    while (producer_inflight(p->out) > 0)
        clock_sleep_ms(20);
    for (struct copy *copy = p->copies; copy; copy = copy->next) {
        struct record receipt = {
            .topic = topics[TOPIC_DEAD].name, .key = copy->key, .key_len = strlen(copy->key)};

        if (!atomic_load(&copy->is_acked))
            continue;
        acked_n++;
        (void)record_header_add(&receipt, "ce_id", copy->id);
        (void)record_header_add(&receipt, "reason", "put back by tongbao replay");
        (void)record_header_add(&receipt, "replayed-from", copy->place);
        if (!producer_send(p->out, &receipt, on_receipt, p, err))
            return false;
    }
    while (producer_inflight(p->out) > 0)
        clock_sleep_ms(20);
    if (acked_n < p->sent_n)
        return err_set(err, ERR_TRANSIENT,
                       "%" PRId64 " of %" PRId64 " were not acknowledged; run it again",
                       p->sent_n - acked_n, p->sent_n);
    return p->noted_n == acked_n ||
           err_set(err, ERR_TRANSIENT,
                   "all were put back, but of %" PRId64 " it could not be noted: --all puts these "
                   "back once more, which their ids make harmless",
                   acked_n - p->noted_n);
}

static void print_result(const struct ctl_conf *conf, const struct putting_back *p)
{
    AUTO(auto_json)
    json_t *doc = json_pack("{sIsI}", "put_back", (json_int_t)p->sent_n, "put_back_before",
                            (json_int_t)p->before_n);

    if (conf->json) {
        output_json(stdout, doc);
        return;
    }
    (void)printf("%" PRId64 " put back\n", p->sent_n);
    if (p->before_n > 0)
        (void)printf("%" PRId64 " letters were left: their records were put back before. Once more "
                     "only by name: tongbao replay --id EVENT_ID\n",
                     p->before_n);
}

static bool put_all_back(const struct ctl_conf *conf, struct err *err)
{
    const char *written[TOPICS_N];
    struct producer_conf out = {.kafka = ctl_kafka(conf),
                                .inflight_max = INFLIGHT_MAX,
                                .give_up_ms = METADATA_TIMEOUT_MS,
                                .topics = written,
                                .topics_n = TOPICS_N};
    AUTO(putting_back_done) struct putting_back p = {.id = conf->id, .places = json_object()};
    bool ok;

    for (size_t i = 0; i < TOPICS_N; i++)
        written[i] = topics[i].name;
    if ((conf->all && !for_each(conf, note_place, p.places, err)) ||
        !producer_open(&p.out, &out, err))
        return false;
    ok = for_each(conf, put_back, &p, err);
    if (!note_all(&p, ok ? err : NULL) || !ok) /* what was sent is noted in any case */
        return false;
    if (*conf->id && p.sent_n == 0)
        return err_set(err, ERR_INPUT,
                       "no dead letter has the event id %s; `tongbao replay` lists them", conf->id);
    print_result(conf, &p);
    return true;
}

bool replay_run(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    if (*conf->id && conf->all)
        return err_set(err, ERR_CONFIG, "give --id or --all, not both");
    return *conf->id || conf->all ? put_all_back(conf, err) : list(conf, err);
}
