/* tongbao-intake: wires the parts; the order of declarations is the reverse of the order of
 * closing. */
#include <stdio.h>

#include "common/base/log.h"
#include "common/http/server.h"
#include "services/intake/api.h"
#include "services/intake/conf.h"

enum {
    HEADER_MAX_BYTES = 16384,
    IDLE_TIMEOUT_MS = 60000,
    FINDERS = 2,     /* look-ups of a millisecond each */
    DRAIN_MS = 3000, /* what waits longer at a stop is answered 503 */
};

static struct service_conf service_conf_of(const struct intake_conf *conf)
{
    return (struct service_conf){
        .name = "intake", .instance = conf->instance, .admin_listen = conf->admin_listen};
}

static struct bus_conf bus_conf_of(const struct intake_conf *conf, const char *client_id)
{
    static const char *outputs[2];

    outputs[0] = topics[TOPIC_REPORT].name;
    outputs[1] = topics[TOPIC_ACTION].name;
    return (struct bus_conf){.kafka = {.brokers = conf->kafka_brokers,
                                       .properties = conf->kafka_properties,
                                       .client_id = client_id},
                             .inflight_max = conf->waiting_max,
                             .topics = topics,
                             .topics_n = TOPICS_N,
                             .outputs = outputs,
                             .outputs_n = ARRAY_LEN(outputs)};
}

static struct http_server_conf server_conf_of(const struct intake_conf *conf)
{
    return (struct http_server_conf){
        .listen = conf->listen,
        .body_max_bytes = conf->body_max_bytes,
        .header_max_bytes = HEADER_MAX_BYTES,
        .connections_max = conf->connections_max,
        .connections_per_address_max = conf->connections_per_address_max,
        .deferred_max = conf->waiting_max,
        .request_timeout_ms = conf->request_timeout_ms,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
    };
}

static bool run(const struct intake_conf *conf, struct err *err)
{
    AUTO(auto_service) struct service *svc = NULL;
    AUTO(auto_feed) struct feed *feed = NULL;
    AUTO(auto_api) struct api *api = NULL;
    AUTO(auto_http_server) struct http_server *server = NULL; /* once nobody can answer any more */
    AUTO(auto_bus) struct bus *bus = NULL; /* waits for the last acknowledgements */
    AUTO(auto_readers) struct readers *readers = NULL;
    AUTO(auto_readers) struct readers *finders = NULL; /* publish what they still have */
    char client_id[128];
    struct service_conf service_conf = service_conf_of(conf);
    struct bus_conf bus_conf = bus_conf_of(conf, client_id);
    struct http_server_conf server_conf = server_conf_of(conf);
    struct feed_conf feed_conf = {.pg = conf->pg,
                                  .snapshot_path = conf->snapshot_path,
                                  .refresh_ms = conf->registry_refresh_ms};
    struct readers_conf readers_conf = {
        .pg = conf->pg, .threads = conf->readers, .waiting_max = conf->reads_waiting_max};
    struct readers_conf finders_conf = {
        .pg = conf->pg, .threads = FINDERS, .waiting_max = conf->reads_waiting_max};
    struct api_conf api_conf = {.ack_deadline_ms = conf->ack_deadline_ms,
                                .read_deadline_ms = conf->read_deadline_ms};
    bool ok;

    (void)snprintf(client_id, sizeof(client_id), "intake-%s", conf->instance);
    if (!service_open(&svc, &service_conf, err) || !feed_open(&feed, &feed_conf, svc, err) ||
        !bus_open(&bus, &bus_conf, err) || !readers_open(&readers, &readers_conf, err) ||
        !readers_open(&finders, &finders_conf, err))
        return err_wrap(err, "start");
    api_conf.feed = feed;
    api_conf.bus = bus;
    api_conf.readers = readers;
    api_conf.finders = finders;
    if (!api_open(&api, &api_conf, err) ||
        !http_server_open(&server, &server_conf, api_routes, api_routes_n, api, err))
        return err_wrap(err, "start");
    log_at(LOG_INFO, "listening", log_int("port", http_server_port(server)));
    service_started(svc);
    ok = service_loop(svc, "bus", bus_once, bus, err);
    http_server_drain(server, DRAIN_MS); /* while the bus still acknowledges */
    return ok;
}

int main(int argc, char **argv)
{
    struct intake_conf conf = {0};
    struct err err = {0};

    switch (conf_load(&conf, &intake_conf_table, argc, argv, NULL, &err)) {
    case CONF_EXIT:
        if (intake_check(&conf, &err))
            return EXIT_SUCCESS;
        break;
    case CONF_RUN:
        if (run(&conf, &err))
            return EXIT_SUCCESS;
        break;
    case CONF_FAIL:
        break;
    }
    log_err(LOG_ERROR, "intake ends", &err);
    return err_exit_code(&err);
}
