/*
 * escalation_latency - from the POST of a report to its first escalation.raised as a client of the topic sees it.
 *
 *     escalation_latency HOST PORT KEY BROKERS RATE_PER_S COUNT
 *
 * Posts on ten kept connections at a fixed rate; a post's time runs from the moment at which it was due, so that a stall is not hidden
 * by the posts that it held back. Prints: "p50_ms p99_ms max_ms seen posted".
 */
#include <arpa/inet.h>
#include <librdkafka/rdkafka.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/id.h"

#define COUNT_MAX  100000
#define TOPIC      "tongbao.escalation.v1"
#define PARTITIONS 8
#define TAIL_MS    10000
#define CLIENTS_N  10

struct seen {
    char id[ID_TEXT_LEN + 1];
    int64_t at_us;
};

static struct seen posted[COUNT_MAX], arrived[COUNT_MAX];
static _Atomic size_t posted_n, arrived_n;
static atomic_bool stop;

static int by_id(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int order = strcmp(x->id, y->id);

    return order ? order : (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool is_raised(rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t len = 0;

    return !msg->err && msg->key_len == ID_TEXT_LEN && !rd_kafka_message_headers(msg, &headers) &&
           !rd_kafka_header_get_last(headers, "ce_type", &value, &len) && len == 17 &&
           memcmp(value, "escalation.raised", len) == 0;
}

static void *listen_loop(void *arg)
{
    rd_kafka_t *rk = arg;

    while (!atomic_load(&stop)) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(rk, 50);
        size_t n = atomic_load(&arrived_n);

        if (!msg)
            continue;
        if (is_raised(msg) && n < COUNT_MAX) {
            memcpy(arrived[n].id, msg->key, ID_TEXT_LEN);
            arrived[n].at_us = clock_mono_us();
            atomic_store(&arrived_n, n + 1);
        }
        rd_kafka_message_destroy(msg);
    }
    return NULL;
}

static rd_kafka_t *listener(const char *brokers)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    rd_kafka_conf_set(conf, "group.id", "escalation-latency", why, sizeof(why));
    rd_kafka_conf_set(conf, "socket.nagle.disable", "true", why, sizeof(why));
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why));
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!rk)
        return NULL;
    rd_kafka_poll_set_consumer(rk);
    for (int32_t p = 0; p < PARTITIONS; p++)
        rd_kafka_topic_partition_list_add(list, TOPIC, p)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return rk;
}

static int connect_to(const char *host, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    inet_pton(AF_INET, host, &to.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

/* One POST and its whole answer; false ends the run. */
static bool post(int fd, const char *key, size_t number, char ret_id[ID_TEXT_LEN + 1])
{
    char body[512], head[512], answer[4096];
    char noticed[CLOCK_TEXT_MAX];
    int body_len, head_len;
    ssize_t got;
    const char *id;

    clock_format_utc(noticed, clock_wall_ms() - 60000);
    body_len = snprintf(body, sizeof(body),
                        "{\"summary\":\"一台办公电脑中毒 %zu %lld\",\"discovered_at\":\"%s\"}",
                        number, (long long)clock_mono_us(), noticed);
    head_len = snprintf(head, sizeof(head),
                        "POST /v1/reports HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                        key, body_len, body);
    if (write(fd, head, (size_t)head_len) != head_len)
        return false;
    got = read(fd, answer, sizeof(answer) - 1);
    if (got <= 0)
        return false;
    answer[got] = '\0';
    id = strstr(answer, "\"incident_id\":\"");
    if (strncmp(answer, "HTTP/1.1 202", 12) != 0 || !id) {
        fprintf(stderr, "%s\n", answer);
        return false;
    }
    memcpy(ret_id, id + 15, ID_TEXT_LEN);
    ret_id[ID_TEXT_LEN] = '\0';
    return true;
}

/* One of CLIENTS_N reporters: posts every CLIENTS_N-th report on a connection of its own. */
struct client {
    pthread_t thread;
    const char *host, *key;
    int port, rate_per_s;
    size_t first, count;
    int64_t begin_us;
    bool ok;
};

static void *post_share(void *arg)
{
    struct client *c = arg;
    int fd = connect_to(c->host, c->port);

    c->ok = fd >= 0;
    for (size_t i = c->first; c->ok && i < c->count; i += CLIENTS_N) {
        int64_t due_us = c->begin_us + (int64_t)i * 1000000 / c->rate_per_s;
        int64_t left_us = due_us - clock_mono_us();

        if (left_us > 0)
            usleep((useconds_t)left_us);
        posted[i].at_us = due_us;
        c->ok = post(fd, c->key, i, posted[i].id);
        atomic_fetch_add(&posted_n, c->ok);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static bool post_all(const struct client *like)
{
    struct client clients[CLIENTS_N];
    bool ok = true;

    for (size_t i = 0; i < CLIENTS_N; i++) {
        clients[i] = *like;
        clients[i].first = i;
        clients[i].begin_us = clock_mono_us();
        pthread_create(&clients[i].thread, NULL, post_share, &clients[i]);
    }
    for (size_t i = 0; i < CLIENTS_N; i++) {
        pthread_join(clients[i].thread, NULL);
        ok = ok && clients[i].ok;
    }
    return ok;
}

static void report(void)
{
    size_t n = 0, arrivals = atomic_load(&arrived_n), posts = atomic_load(&posted_n);
    static int64_t took_us[COUNT_MAX];

    qsort(arrived, arrivals, sizeof(arrived[0]), by_id);
    for (size_t i = 0; i < posts; i++) {
        size_t lo = 0, hi = arrivals;

        while (lo < hi) { /* the first arrival with this id */
            size_t mid = lo + (hi - lo) / 2;

            if (strcmp(arrived[mid].id, posted[i].id) < 0)
                lo = mid + 1;
            else
                hi = mid;
        }
        if (lo < arrivals && strcmp(arrived[lo].id, posted[i].id) == 0)
            took_us[n++] = arrived[lo].at_us - posted[i].at_us;
    }
    if (n == 0)
        return;
    qsort(took_us, n, sizeof(took_us[0]), by_value);
    printf("%.2f %.2f %.2f %zu %zu\n", (double)took_us[n / 2] / 1000,
           (double)took_us[n * 99 / 100] / 1000, (double)took_us[n - 1] / 1000, n, posts);
}

int main(int argc, char **argv)
{
    size_t count = argc == 7 ? strtoul(argv[6], NULL, 10) : 0;
    pthread_t thread;
    rd_kafka_t *rk;

    if (count == 0 || count > COUNT_MAX)
        return 64;
    rk = listener(argv[4]);
    if (!rk)
        return 1;
    pthread_create(&thread, NULL, listen_loop, rk);
    clock_sleep_ms(1500); /* the listener stands at the ends */
    if (!post_all(&(struct client){.host = argv[1],
                                   .port = (int)strtol(argv[2], NULL, 10),
                                   .key = argv[3],
                                   .rate_per_s = (int)strtol(argv[5], NULL, 10),
                                   .count = count}))
        return 1;
    for (int64_t until_ms = clock_mono_ms() + TAIL_MS;
         atomic_load(&arrived_n) < count && clock_mono_ms() < until_ms;)
        clock_sleep_ms(10);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    report();
    return 0;
}
