/*
 * intake_bare - what intake.accept is compared with: the bare libraries and nothing else.
 * libmicrohttpd on one epoll thread takes the body, jansson parses it, librdkafka produces it
 * (idempotent, acks=all, linger 0), and the delivery report resumes the connection with 202. No
 * checks, ids, headers of events, deadlines. A counter is the key, so that records spread over the
 * partitions as incidents do: without keys librdkafka fills one partition at a time, and the broker
 * with flush.messages=1 then syncs fewer files.
 *
 *     intake_bare PORT BROKERS TOPIC        runs until a signal ends it
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX_BYTES = 65536, CONNECTIONS_MAX = 1000, WARM_MS = 10000 };

static rd_kafka_t *producer;
static rd_kafka_topic_t *topic;

struct request {
    struct MHD_Connection *conn;
    size_t len;
    int status; /* 0: not produced yet */
    char body[];
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
    struct request *req = msg->_private;

    (void)rk, (void)opaque;
    req->status = msg->err ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_ACCEPTED;
    MHD_resume_connection(req->conn);
}

static enum MHD_Result answer(struct MHD_Connection *conn, int status)
{
    static char body[] = "{\"accepted\":true}\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof(body) - 1, body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result ret = MHD_queue_response(conn, (unsigned)status, response);

    MHD_destroy_response(response);
    return ret;
}

static enum MHD_Result produce(struct request *req)
{
    static uint64_t key; /* one thread */
    json_t *doc = json_loadb(req->body, req->len, JSON_REJECT_DUPLICATES, NULL);

    json_decref(doc);
    if (!doc)
        return answer(req->conn, MHD_HTTP_BAD_REQUEST);
    MHD_suspend_connection(req->conn);
    key++;
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, req->body, req->len,
                         &key, sizeof(key), req) != 0) {
        req->status = MHD_HTTP_SERVICE_UNAVAILABLE;
        MHD_resume_connection(req->conn);
    }
    return MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **slot)
{
    struct request *req = *slot;

    (void)cls, (void)url, (void)method, (void)version;
    if (!req) {
        *slot = req = malloc(sizeof(*req) + BODY_MAX_BYTES);
        if (!req)
            return MHD_NO;
        req->conn = conn;
        req->len = 0;
        req->status = 0;
        return MHD_YES;
    }
    if (*len > 0) {
        if (*len > BODY_MAX_BYTES - req->len)
            return MHD_NO;
        memcpy(req->body + req->len, data, *len);
        req->len += *len;
        *len = 0;
        return MHD_YES;
    }
    return req->status ? answer(conn, req->status) : produce(req);
}

static void completed(void *cls, struct MHD_Connection *conn, void **slot,
                      enum MHD_RequestTerminationCode code)
{
    (void)cls, (void)conn, (void)code;
    free(*slot);
    *slot = NULL;
}

static void *poll_loop(void *arg)
{
    for (;;)
        rd_kafka_poll(producer, 100);
    return arg;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s\n", why);
        exit(EXIT_FAILURE);
    }
}

static void open_producer(const char *brokers, const char *name)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const struct rd_kafka_metadata *metadata;
    char why[256];

    set(conf, "bootstrap.servers", brokers);
    set(conf, "enable.idempotence", "true");
    set(conf, "acks", "all");
    set(conf, "linger.ms", "0");
    set(conf, "partitioner", "murmur2_random");
    set(conf, "socket.nagle.disable", "true");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    topic = producer ? rd_kafka_topic_new(producer, name, NULL) : NULL;
    if (!topic || rd_kafka_metadata(producer, 0, topic, &metadata, WARM_MS) != 0) {
        fprintf(stderr, "no broker at %s\n", brokers);
        exit(EXIT_FAILURE);
    }
    rd_kafka_metadata_destroy(metadata);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_t poller;
    sigset_t signals;
    int number;

    if (argc != 4) {
        fprintf(stderr, "usage: %s PORT BROKERS TOPIC\n", argv[0]);
        return EXIT_FAILURE;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    open_producer(argv[2], argv[3]);
    if (pthread_create(&poller, NULL, poll_loop, NULL) != 0)
        return EXIT_FAILURE;
    at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                          handle, NULL, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_CONNECTION_LIMIT,
                          (unsigned)CONNECTIONS_MAX, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
                          MHD_OPTION_END)) {
        fprintf(stderr, "port %s is taken\n", argv[1]);
        return EXIT_FAILURE;
    }
    sigwait(&signals, &number);
    _exit(EXIT_SUCCESS); /* requests may be suspended: nothing here is worth an orderly end */
}
