/* `tongbao topics create|check` */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/kafka/admin.h"
#include "proto/event.h"
#include "services/ctl/command.h"
#include "services/ctl/output.h"

enum { SETTLE_MS = 10000, PAUSE_MS = 100 };

static const struct column columns[] = {{"topic", "topic"},
                                        {"partitions", "partitions"},
                                        {"retention_days", "days"},
                                        {"purpose", "purpose"}};

static json_t *table(void)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < TOPICS_N; i++)
        json_array_append_new(rows, json_pack("{sssisIss}", "topic", topics[i].name, "partitions",
                                              topics[i].partitions, "retention_days",
                                              (json_int_t)(topics[i].retention_ms / 86400000),
                                              "purpose", topics[i].purpose));
    return rows;
}

static void print(const struct ctl_conf *conf, const char *done, size_t n)
{
    AUTO(auto_json) json_t *rows = table();
    AUTO(auto_json) json_t *doc = json_pack("{sIsO}", done, (json_int_t)n, "topics", rows);

    if (conf->json) {
        output_json(stdout, doc);
        return;
    }
    output_table(stdout, rows, columns, ARRAY_LEN(columns));
    (void)printf("\n%s: %zu of %d\n", done, n, TOPICS_N);
}

/* A new topic is not seen at once on every broker: a service that started now would miss it. */
static bool settle(const struct kafka_conf *kafka, struct err *err)
{
    int64_t until_mono_ms = clock_mono_ms() + SETTLE_MS;

    while (!topics_check(kafka, topics, TOPICS_N, err)) {
        if (clock_mono_ms() > until_mono_ms)
            return false;
        clock_sleep_ms(PAUSE_MS);
    }
    return true;
}

bool topics_create(const struct ctl_conf *conf, char **args, struct err *err)
{
    struct kafka_conf kafka = ctl_kafka(conf);
    size_t created = 0;

    (void)args;
    if (!topics_ensure(&kafka, topics, TOPICS_N, &created, err) ||
        (created > 0 && !settle(&kafka, err)))
        return false;
    print(conf, "created", created);
    return true;
}

bool topics_check_all(const struct ctl_conf *conf, char **args, struct err *err)
{
    struct kafka_conf kafka = ctl_kafka(conf);

    (void)args;
    if (!topics_check(&kafka, topics, TOPICS_N, err))
        return false;
    print(conf, "as_wanted", TOPICS_N);
    return true;
}
