/* schemas - prints what follows from the tables into the folder that they stand in (`schemas proto`): the JSON Schema of every event, request and
 * file of a policy, schemas/events/<type>.schema.json, schemas/requests/<name>.schema.json and schemas/policy/<name>.schema.json, and asyncapi.yaml. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/event.h"
#include "proto/policy_docs.h"

static FILE *open_file(const char *dir, const char *name)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "w");
    if (!file)
        perror(path);
    return file;
}

static bool close_file(FILE *file, const char *name)
{
    bool ok = !ferror(file);

    ok = fclose(file) == 0 && ok;
    if (!ok)
        perror(name);
    return ok;
}

static bool print_schema(const char *dir, const char *kind, const char *name, const char *purpose,
                         json_t *body)
{
    AUTO(auto_json)
    json_t *schema =
        json_pack("{s:s, s:o, s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                  "$id", json_sprintf("/proto/schemas/%s/%s.schema.json", kind, name), "title",
                  name, "description", purpose);
    char path[256];
    FILE *file;

    json_object_update(schema, body);
    json_decref(body);
    snprintf(path, sizeof path, "schemas/%s/%s.schema.json", kind, name);
    file = open_file(dir, path);
    if (!file)
        return false;
    json_dumpf(schema, file, JSON_INDENT(2));
    fputc('\n', file);
    return close_file(file, path);
}

/* What proto/predicate.h says of a condition. */
static json_t *condition_schema(void)
{
    static const char text[] =
        "{\"description\": \"a condition (proto/predicate.h)\", \"type\": \"object\", \"oneOf\": ["
        "{\"required\": [\"all\"], \"additionalProperties\": false, \"properties\": {\"all\":"
        " {\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/condition\"}}}},"
        "{\"required\": [\"any\"], \"additionalProperties\": false, \"properties\": {\"any\":"
        " {\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/condition\"}}}},"
        "{\"required\": [\"not\"], \"additionalProperties\": false, \"properties\": {\"not\":"
        " {\"$ref\": \"#/$defs/condition\"}}},"
        "{\"required\": [\"is\"], \"additionalProperties\": false, \"properties\": {\"is\":"
        " {\"type\": \"string\"}}},"
        "{\"required\": [\"at\"], \"minProperties\": 2, \"maxProperties\": 2,"
        " \"additionalProperties\": false, \"properties\": {"
        "\"at\": {\"type\": \"string\", \"pattern\": \"^/\"},"
        "\"eq\": {\"type\": [\"string\", \"number\", \"boolean\"]},"
        "\"ne\": {\"type\": [\"string\", \"number\", \"boolean\"]},"
        "\"lt\": {\"type\": [\"string\", \"number\"]}, \"le\": {\"type\": [\"string\", "
        "\"number\"]},"
        "\"gt\": {\"type\": [\"string\", \"number\"]}, \"ge\": {\"type\": [\"string\", "
        "\"number\"]},"
        "\"in\": {\"type\": \"array\", \"minItems\": 1},"
        "\"exists\": {\"type\": \"boolean\"},"
        "\"matches\": {\"type\": \"array\", \"minItems\": 1, \"items\":"
        " {\"type\": \"string\", \"minLength\": 1}},"
        "\"regex\": {\"type\": \"string\"}}}]}";

    return json_loads(text, 0, NULL);
}

/* Members that hold conditions, wherever they stand. */
static void refer_to_conditions(json_t *schema)
{
    json_t *properties = json_object_get(schema, "properties"), *value;
    const char *name;

    json_object_foreach(schema, name, value) refer_to_conditions(value);
    json_object_foreach(properties, name, value)
    {
        json_t *one = json_pack("{s:s}", "$ref", "#/$defs/condition");

        if (strcmp(name, "when") == 0 || strcmp(name, "applies") == 0)
            json_object_set_new(value, "anyOf", json_pack("[O, {s:s}]", one, "type", "null"));
        else if (strcmp(name, "conditions") == 0)
            json_object_set(value, "additionalProperties", one);
        json_decref(one);
    }
}

static json_t *policy_schema(const struct policy_doc *doc)
{
    json_t *schema = shape_schema(doc->shape, true, TIME_EXACT), *defs;

    refer_to_conditions(schema);
    defs = json_object_get(schema, "$defs");
    if (!defs)
        json_object_set_new(schema, "$defs", defs = json_object());
    json_object_set_new(defs, "condition", condition_schema());
    return schema;
}

static bool print_schemas(const char *dir)
{
    bool ok = true;

    for (size_t i = 0; i < EVENT_TYPES_N; i++)
        ok = print_schema(dir, "events", event_types[i].name, event_types[i].purpose,
                          shape_schema(event_types[i].shape, false, TIME_EXACT)) &&
             ok;
    for (size_t i = 0; i < REQUESTS_N; i++)
        ok = print_schema(dir, "requests", requests[i].name, requests[i].purpose,
                          shape_schema(requests[i].shape, true, TIME_ANY_RFC3339)) &&
             ok;
    for (size_t i = 0; i < policy_docs_n; i++)
        ok = print_schema(dir, "policy", policy_docs[i].name, policy_docs[i].purpose,
                          policy_schema(&policy_docs[i])) &&
             ok;
    return ok;
}

static const char asyncapi_head[] =
    "# Printed by `schemas proto` from topics.def and event_types.def.\n"
    "asyncapi: 3.0.0\n"
    "info:\n"
    "  title: tongbao events\n"
    "  version: \"1\"\n"
    "  license: {name: Apache-2.0}\n"
    "  description: >-\n"
    "    CloudEvents 1.0 in Kafka's binary binding. The key is the incident's id, so that the "
    "events of one\n"
    "    incident stay in order. Delivery is at least once: of records with one ce_id the first "
    "counts.\n"
    "    Events are open: a reader ignores fields that it does not know.\n"
    "defaultContentType: application/json\n";

static const char asyncapi_tail[] =
    "    dead:\n"
    "      name: dead\n"
    "      summary: \"a record as it came: its own key, headers and bytes, with the reason and the "
    "origin in headers beside them\"\n"
    "      contentType: application/octet-stream\n"
    "  messageTraits:\n"
    "    record:\n"
    "      headers:\n"
    "        type: object\n"
    "        required: [ce_specversion, ce_id, ce_type, ce_source, ce_time, ce_dataschema, "
    "content-type]\n"
    "        properties:\n"
    "          ce_specversion: {const: \"1.0\"}\n"
    "          ce_id: {type: string, description: a lower-case UUID; repeats when work repeats}\n"
    "          ce_type: {type: string}\n"
    "          ce_source: {type: string, description: /tongbao/<service>}\n"
    "          ce_time: {type: string, format: date-time, description: when it was written}\n"
    "          ce_dataschema: {type: string, description: where its JSON Schema stands}\n"
    "          content-type: {const: application/json}\n"
    "          traceparent: {type: string, description: W3C trace context}\n"
    "      bindings:\n"
    "        kafka:\n"
    "          key: {type: string, description: the incident's id}\n";

/* "tongbao.report.v1" -> "report", the channel's name */
static const char *channel_name(const struct topic *topic, char ret[64])
{
    const char *from = strchr(topic->name, '.') + 1;

    snprintf(ret, 64, "%.*s", (int)strcspn(from, "."), from);
    return ret;
}

static void print_channel(FILE *file, enum topic_id id)
{
    char name[64];

    fprintf(file, "  %s:\n    address: %s\n", channel_name(&topics[id], name), topics[id].name);
    fprintf(file, "    description: \"%s\"\n    messages:\n", topics[id].purpose);
    for (size_t i = 0; i < EVENT_TYPES_N; i++)
        if (event_types[i].topic == id)
            fprintf(file, "      %s: {$ref: \"#/components/messages/%s\"}\n", event_types[i].name,
                    event_types[i].name);
    if (id == TOPIC_DEAD)
        fprintf(file, "      dead: {$ref: \"#/components/messages/dead\"}\n");
    fprintf(file, "    bindings:\n      kafka: {topic: %s, partitions: %d}\n", topics[id].name,
            topics[id].partitions);
}

static bool print_asyncapi(const char *dir)
{
    FILE *file = open_file(dir, "asyncapi.yaml");
    char name[64];

    if (!file)
        return false;
    fprintf(file, "%schannels:\n", asyncapi_head);
    for (size_t i = 0; i < TOPICS_N; i++)
        print_channel(file, (enum topic_id)i);
    fprintf(file, "operations:\n");
    for (size_t i = 0; i < TOPICS_N; i++) {
        channel_name(&topics[i], name);
        fprintf(file, "  read_%s: {action: receive, channel: {$ref: \"#/channels/%s\"}}\n", name,
                name);
    }
    fprintf(file, "components:\n  messages:\n");
    for (size_t i = 0; i < EVENT_TYPES_N; i++) {
        const char *type = event_types[i].name;

        fprintf(file, "    %s:\n      name: %s\n      summary: \"%s\"\n", type, type,
                event_types[i].purpose);
        fprintf(file,
                "      traits: [{$ref: \"#/components/messageTraits/record\"}]\n      payload:\n");
        fprintf(file, "        schemaFormat: application/schema+json;version=draft-2020-12\n");
        fprintf(file, "        schema: {$ref: \"./schemas/events/%s.schema.json\"}\n", type);
    }
    fputs(asyncapi_tail, file);
    return close_file(file, "asyncapi.yaml");
}

/* There already, or opening a file in it says what is wrong. */
static void make_folder(const char *dir, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)mkdir(path, 0777);
}

int main(int argc, char **argv)
{
    bool ok;

    if (argc != 2) {
        fprintf(stderr, "usage: schemas FOLDER\n");
        return 2;
    }
    make_folder(argv[1], "schemas");
    make_folder(argv[1], "schemas/events");
    make_folder(argv[1], "schemas/requests");
    make_folder(argv[1], "schemas/policy");
    ok = print_schemas(argv[1]);
    return print_asyncapi(argv[1]) && ok ? 0 : 1;
}
