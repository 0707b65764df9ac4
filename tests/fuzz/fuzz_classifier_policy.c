/* Any JSON as a part of a policy: word lists, a condition, or a whole regime beside the deployed files. Refused with ERR_CONFIG and a text, or taken, and then
 * usable. The first byte picks the part. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/classifier/classify.h"
#include "tests/fuzz/deployed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char said[] =
    "我公司服务器没有泄露,但客户资料被窃取。Our files were not leaked; the server is down.";

static void require_reason(const struct err *err, enum err_kind kind)
{
    require(err->kind == kind && err->text[0] != '\0');
}

static void try_words(json_t *doc)
{
    AUTO(auto_words) struct words *w = NULL;
    struct word_hits hits = {0};
    struct err err = {0};
    size_t found;

    if (!words_load(&w, doc, &err)) {
        require_reason(&err, ERR_INPUT);
        return;
    }
    words_scan(w, said, strlen(said), &hits, NULL);
    for (size_t id = 0; id < words_count(w); id++)
        require(words_find(w, words_name(w, id), &found) && found == id);
}

static bool is_found(const void *ctx, size_t id)
{
    (void)ctx;
    return id % 2;
}

static bool is_said(const void *ctx, size_t id, double *ret_least, double *ret_most)
{
    (void)ctx;
    *ret_least = (double)id;
    *ret_most = 100.0 * (double)id;
    return id % 2;
}

static void try_condition(json_t *doc)
{
    enum data_kind kinds[] = {DATA_CORE};
    struct impact impact = {0};
    enum tri answer;
    size_t steps = PREDICATE_STEPS_MAX;
    struct facts facts = {.impact = &impact, .data_kinds = kinds, .data_kinds_n = 1};
    const struct grading body = {.summary = "勒索", .facts = &facts};
    const struct predicate_input in = {.body = &body, .found = is_found, .range = is_said};
    AUTO(auto_predicate) struct predicate *p = NULL;
    struct predicate_reads first = {0}, second = {0};
    struct err err = {0};

    SHAPE_SET(&impact, outage_minutes, 120);
    if (!predicate_compile(&p, &deployed()->view, doc, &err)) {
        require_reason(&err, ERR_INPUT);
        return;
    }
    answer = predicate_eval(p, &in, &first);
    require(predicate_eval(p, &in, &second) == answer);
    require(first.n == second.n && first.n <= PREDICATE_READS_MAX);
    require(answer != TRI_TRUE ||
            predicate_can_hold(p, NULL, &steps)); /* what is proven false is so */
}

static void link_deployed(const char *folder, const char *file)
{
    char from[DEPLOYED_PATH_MAX], to[128];

    deployed_path(from, file);
    snprintf(to, sizeof(to), "%s/%s", folder, file);
    (void)!symlink(from, to);
    require(access(to, R_OK) == 0); /* also not through a link that leads nowhere */
}

/* A folder of this process, in the build folder: the deployed words and taxonomy, and a regime of ours. */
static const char *folder(void)
{
    static char path[64] = "";
    char regimes[128];

    if (path[0])
        return path;
    snprintf(path, sizeof(path), "fuzz-policy-%d", (int)getpid());
    mkdir(path, 0700);
    snprintf(regimes, sizeof(regimes), "%s/regimes", path);
    mkdir(regimes, 0700);
    link_deployed(path, "words.json");
    link_deployed(path, "figures.json");
    link_deployed(path, "taxonomy.json");
    return path;
}

static void try_regime(const char *text, size_t len)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    char path[128];
    struct err err = {0};
    FILE *file;

    snprintf(path, sizeof(path), "%s/regimes/fuzz.json", folder());
    file = fopen(path, "w");
    require(file && fwrite(text, 1, len, file) == len && fclose(file) == 0);
    if (!policy_load(&policy, folder(), &err))
        require_reason(&err, ERR_CONFIG);
    else
        require(policy->regimes_n == 1 && strlen(policy->version) == 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(auto_json) json_t *doc = NULL;
    struct err err = {0};

    if (size < 2)
        return 0;
    if (data[0] % 8 == 0) { /* dearer than the others: it reads files */
        try_regime((const char *)data + 1, size - 1);
        return 0;
    }
    if (!json_read_strict(&doc, (const char *)data + 1, size - 1, &err))
        return 0;
    if (data[0] % 2)
        try_words(doc);
    else
        try_condition(doc);
    return 0;
}
