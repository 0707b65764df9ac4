/* Any bytes as the text of a report, any JSON as its facts: always a grade, the same twice, and one that can be published. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/classifier/classify.h"
#include "tests/fuzz/deployed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The decision as the bytes that would be published. */
static void write_grade(struct buf *out, const struct classify_input *in, struct arena *arena)
{
    static const char id[] = "00000000-0000-8000-8000-000000000001";
    struct profile profile = {.code = "X", .name = "x", .sector = "it"};
    struct facts facts = {0};
    struct incident_classified body = {.enterprise_id = id,
                                       .incident_id = id,
                                       .parent_event_id = id,
                                       .reference = "TB-000000000000x",
                                       .summary = "x",
                                       .profile = &profile,
                                       .facts = &facts};
    struct err err = {0};

    SHAPE_SET(&profile, staff, 1);
    SHAPE_SET(&profile, is_cii, true);
    SHAPE_SET(&profile, is_listed, false);
    SHAPE_SET(&body, occurred_at, 0);
    SHAPE_SET(&body, discovered_at, 0);
    SHAPE_SET(&body, drill, false);
    SHAPE_SET(&body, revision, 0);
    require(classify(deployed(), in, arena, &body, &err));
    require(body.regimes_n > 0 && body.regimes_n <= deployed()->regimes_n && body.reasons_n > 0);
    require(event_encode(EVENT_INCIDENT_CLASSIFIED, &body, out, &err));
}

/* Facts that intake would have taken; else none. */
static json_t *read_facts(struct facts *ret, const uint8_t *data, size_t size, struct arena *arena)
{
    json_t *doc = NULL;
    struct err err = {0};

    if (json_read_strict(&doc, (const char *)data, size, &err) &&
        shape_decode(&facts_shape, doc, false, TIME_EXACT, ret, arena, &err))
        return doc;
    json_decref(doc);
    *ret = (struct facts){0};
    return NULL;
}

/* Places are in the text's order, and what was found has its words; a combination has one for each of its lists. */
static void check_words(const struct word_hits *hits, const struct word_places *places, size_t size)
{
    const char *words[WORD_TOGETHER_MAX];

    for (size_t i = 0; i < places->n; i++)
        require(places->places[i].at < size && words_found(hits, places->places[i].list) &&
                (i == 0 || places->places[i].at >= places->places[i - 1].at));
    for (size_t id = 0; id < words_count(deployed()->words); id++) {
        size_t n = words_explain(deployed()->words, hits, id, words);

        require((n > 0) == words_found(hits, id));
        for (size_t i = 0; i < n; i++)
            require(words[i][0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(buf_done) struct buf first, second;
    AUTO(arena_done) struct arena arena, shape_arena;
    struct word_places places;
    struct facts facts;
    struct profile profile = {.code = "X", .name = "x", .sector = "it"};
    struct classify_input in = {
        .facts = &facts, .profile = &profile, .discovered_at = INT64_C(1767225600000)};

    SHAPE_SET(&profile, staff, 1);
    SHAPE_SET(&profile, is_cii, true);
    SHAPE_SET(&profile, is_listed, false);
    buf_init(&first, EVENT_BODY_MAX_BYTES);
    buf_init(&second, EVENT_BODY_MAX_BYTES);
    arena_init(&arena, 2 * CLASSIFY_ARENA_MAX_BYTES);
    arena_init(&shape_arena, (size_t)64 * 1024 * 1024);
    words_scan(deployed()->words, (const char *)data, size, &in.hits, &places);
    check_words(&in.hits, &places, size);
    figures_scan(deployed()->figures, (const char *)data, size, &places, &in.said);
    for (size_t i = 0; i < figures_count(deployed()->figures); i++)
        require(in.said.figures[i].at_least <= in.said.figures[i].at_most);
    doc = read_facts(&facts, data, size, &shape_arena);
    classify_read(deployed(), json_string_value(json_object_get(doc, "summary")), &facts, &in);
    write_grade(&first, &in, &arena);
    write_grade(&second, &in, &arena);
    require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    return 0;
}
