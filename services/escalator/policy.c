#include "services/escalator/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/policy_file.h"

#include "proto/shape_rows.h"
#include "services/escalator/policy.def"

#define POLICY_FILES_MAX 64
#define REGIMES_MAX      64 /* that conditions name */
#define POLICY_PATH_MAX  1024

struct policy {
    struct arena arena;
    json_t *docs[POLICY_FILES_MAX];
    size_t docs_n;
    struct chains_file *chains;
    struct policy_duty duties[POLICY_DUTIES_MAX];
    struct predicate *predicates[POLICY_DUTIES_MAX];
    size_t duties_n;
    const char *regimes[REGIMES_MAX]; /* by the id that their names have in conditions */
    size_t regimes_n;
};

void policy_free(struct policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->docs_n; i++)
        json_decref(p->docs[i]);
    for (size_t i = 0; i < p->duties_n; i++)
        predicate_free(p->predicates[i]);
    arena_done(&p->arena);
    free(p);
}

/* Reads the file and decodes it; its document lives as long as the policy. */
static bool read_file(struct policy *p, struct policy_file *f, const char *folder, const char *name,
                      const struct shape *shape, void **ret, struct err *err)
{
    if (p->docs_n == POLICY_FILES_MAX)
        return err_set(err, ERR_CONFIG, "%s: more than %d policy files", name, POLICY_FILES_MAX);
    *ret = arena_take(&p->arena, shape->size);
    if (!*ret)
        return err_memory(err);
    if (!policy_file_read(f, folder, name, err) ||
        !policy_file_decode(f, shape, *ret, &p->arena, err))
        return false;
    p->docs[p->docs_n++] = json_incref(f->doc);
    return true;
}

/* --- chains ----------------------------------------------------------------------------------- */

const struct chains_file *policy_chains(const struct policy *p)
{
    return p->chains;
}

const struct chain *policy_chain(const struct policy *p, const char *id)
{
    for (size_t i = 0; i < p->chains->chains_n; i++)
        if (strcmp(p->chains->chains[i].id, id) == 0)
            return &p->chains->chains[i];
    return NULL;
}

bool chain_is_for(const struct chain *chain, enum level level)
{
    for (size_t i = 0; i < chain->levels_n; i++)
        if (chain->levels[i] == level)
            return true;
    return false;
}

static bool check_chain(const struct policy *p, size_t index, struct err *err)
{
    const struct chain *chain = &p->chains->chains[index], *then;

    if (policy_chain(p, chain->id) != chain)
        return err_at(err, "", "\"%s\" stands there twice", chain->id) ||
               err_under(err, "/chains/%zu/id", index);
    if (chain->scope == SCOPE_SYSTEM)
        return err_at(err, "", "enterprise or park") || err_under(err, "/chains/%zu/scope", index);
    if (chain->steps_n == 0)
        return err_at(err, "", "at least one") || err_under(err, "/chains/%zu/steps", index);
    for (size_t i = 0; i < chain->steps_n; i++) {
        if (chain->steps[i].call_n == 0)
            return err_at(err, "", "at least one role") ||
                   err_under(err, "/chains/%zu/steps/%zu/call", index, i);
        if (!chain->steps[i].has_acknowledge_within_s &&
            (i + 1 < chain->steps_n || chain->repeats > 0 || chain->then))
            return err_at(err, "", "without acknowledge_within_s nothing can follow it") ||
                   err_under(err, "/chains/%zu/steps/%zu", index, i);
    }
    if (!chain->then)
        return true;
    then = policy_chain(p, chain->then);
    if (!then || then->then || then == chain)
        return err_at(err, "", "\"%s\" has to be another chain, itself without then",
                      chain->then) ||
               err_under(err, "/chains/%zu/then", index);
    return true;
}

static bool is_ungraded(const struct policy *p, const struct chain *chain)
{
    return strcmp(chain->id, p->chains->ungraded) == 0;
}

/* A first grade stops what began without one and calls anew; a chain is climbed once, so none may be in both. */
static bool check_ungraded(const struct policy *p, struct err *err)
{
    const struct chain *ungraded = policy_chain(p, p->chains->ungraded), *then;

    if (!ungraded)
        return err_at(err, "/ungraded", "no chain is called \"%s\"", p->chains->ungraded);
    then = ungraded->then ? policy_chain(p, ungraded->then) : NULL;
    if (ungraded->levels_n > 0 || (then && then->levels_n > 0))
        return err_at(err, "/ungraded",
                      "\"%s\" and its then have to be without levels: give what has no grade "
                      "chains of its own",
                      ungraded->id);
    for (size_t i = 0; i < p->chains->chains_n; i++) {
        const struct chain *chain = &p->chains->chains[i];

        if (chain->then && !is_ungraded(p, chain) &&
            (strcmp(chain->then, ungraded->id) == 0 ||
             (then && strcmp(chain->then, then->id) == 0)))
            return err_at(err, "", "\"%s\" is for what has no grade: give the levels another chain",
                          chain->then) ||
                   err_under(err, "/chains/%zu/then", i);
    }
    return true;
}

/* The chains that events begin. */
struct named {
    const char *field, *chain;
    enum scope scope;
    const char *occasion;
};
#define NAMED_N 3

static void list_named(const struct chains_file *f, struct named ret[NAMED_N])
{
    ret[0] = (struct named){"challenged_enterprise", f->challenged_enterprise, SCOPE_ENTERPRISE,
                            "challenged"};
    ret[1] = (struct named){"challenged_park", f->challenged_park, SCOPE_PARK, "challenged"};
    ret[2] = (struct named){"campaign", f->campaign, SCOPE_PARK, "campaign"};
}

const struct chain *policy_chain_for(const struct policy *p, const char *occasion, enum scope scope)
{
    struct named named[NAMED_N];
    const struct chain *ret = NULL;

    list_named(p->chains, named);
    for (size_t i = 0; i < NAMED_N; i++)
        if (strcmp(named[i].occasion, occasion) == 0 && (!ret || named[i].scope == scope))
            ret = policy_chain(p, named[i].chain);
    return ret;
}

static bool is_then_of(const struct policy *p, const char *chain, const char *first)
{
    const struct chain *c = policy_chain(p, first);

    return c && c->then && strcmp(c->then, chain) == 0;
}

/* How many ways lead to a chain: levels, other chains, and names. */
static size_t ways_to(const struct policy *p, const struct chain *chain)
{
    struct named named[NAMED_N];
    size_t n = chain->levels_n + (strcmp(chain->id, p->chains->ungraded) == 0);

    list_named(p->chains, named);
    for (size_t i = 0; i < NAMED_N; i++)
        n += strcmp(named[i].chain, chain->id) == 0;
    for (size_t i = 0; i < p->chains->chains_n; i++)
        n += is_then_of(p, chain->id, p->chains->chains[i].id);
    return n;
}

/* An incident climbs such a chain and its then for one event at a time, beside those of its level: nothing else may begin them. */
static bool check_named(const struct policy *p, struct err *err)
{
    struct named named[NAMED_N];

    list_named(p->chains, named);
    for (size_t i = 0; i < NAMED_N; i++) {
        const struct named *n = &named[i];
        const struct chain *chain = policy_chain(p, n->chain), *then;

        if (!chain)
            return err_at(err, "", "no chain is called \"%s\"", n->chain) ||
                   err_under(err, "/%s", n->field);
        if (chain->scope != n->scope)
            return err_at(err, "", "\"%s\" has to be a chain of the %s", n->chain,
                          enum_text(&scope_table, (int)n->scope)) ||
                   err_under(err, "/%s", n->field);
        then = chain->then ? policy_chain(p, chain->then) : NULL;
        if (ways_to(p, chain) > 1 || (then && ways_to(p, then) > 1))
            return err_at(err, "",
                          "\"%s\" and its then have to be without levels, and no other chain's "
                          "then or name may lead there: give this event chains of its own",
                          n->chain) ||
                   err_under(err, "/%s", n->field);
    }
    return true;
}

static size_t calls_of(const struct chain *chain)
{
    size_t n = (size_t)chain->repeats * chain->steps[chain->steps_n - 1].call_n;

    for (size_t i = 0; i < chain->steps_n; i++)
        n += chain->steps[i].call_n;
    return n;
}

/* An incident of any level calls somebody, and one that nobody grades too. */
static bool check_chains(const struct policy *p, struct err *err)
{
    size_t calls = 0;

    for (size_t i = 0; i < p->chains->chains_n; i++) {
        if (!check_chain(p, i, err))
            return false;
        calls += calls_of(&p->chains->chains[i]);
    }
    if (calls > POLICY_CALLS_MAX)
        return err_at(err, "/chains", "%zu calls in all, at most %d are taken", calls,
                      POLICY_CALLS_MAX);
    for (size_t level = 0; level < level_table.n; level++) {
        bool found = false;

        for (size_t i = 0; i < p->chains->chains_n; i++)
            found = found || chain_is_for(&p->chains->chains[i], (enum level)level);
        if (!found)
            return err_at(err, "/chains", "none for the level %s",
                          enum_text(&level_table, (int)level));
    }
    return check_ungraded(p, err) && check_named(p, err);
}

/* --- duties ----------------------------------------------------------------------------------- */

const struct policy_duty *policy_duties(const struct policy *p, size_t *ret_n)
{
    *ret_n = p->duties_n;
    return p->duties;
}

static bool check_duty(const struct policy *p, const char *regime, const struct duty *d,
                       struct err *err)
{
    enum event_type type;

    if (!d->verified)
        return err_at(err, "/verified",
                      "must be true; a value that nobody read in its source is left out");
    if (!event_type_parse(d->satisfied_by, strlen(d->satisfied_by), &type) ||
        !event_is_action(type))
        return err_at(err, "/satisfied_by", "\"%s\" is no action's type", d->satisfied_by);
    if (d->has_warn_before_s && d->warn_before_s >= d->within_s)
        return err_at(err, "/warn_before_s", "must be less than within_s");
    if (strpbrk(d->id, " /") || strpbrk(regime, " /"))
        return err_at(err, "", "id and regime: without blanks and slashes");
    for (size_t i = 0; i < p->duties_n; i++)
        if (strcmp(p->duties[i].duty->id, d->id) == 0 && strcmp(p->duties[i].regime, regime) == 0)
            return err_at(err, "/id", "\"%s\" stands there twice", d->id);
    return p->duties_n < POLICY_DUTIES_MAX ||
           err_at(err, "", "more than %d duties in all", POLICY_DUTIES_MAX);
}

/* --- what conditions lead into: a grade, and "/regimes/<id>/level" --- */

/* A regime that no grade has is never known: another version of the policy may have had it. */
static bool find_regime(void *ctx, const char *name, size_t *ret_id)
{
    struct policy *p = ctx;
    size_t size = strlen(name) + 1;
    char *copy;

    for (*ret_id = 0; *ret_id < p->regimes_n; (*ret_id)++)
        if (strcmp(p->regimes[*ret_id], name) == 0)
            return true;
    copy = p->regimes_n < REGIMES_MAX ? arena_take(&p->arena, size) : NULL;
    if (!copy)
        return false;
    p->regimes[p->regimes_n++] = memcpy(copy, name, size);
    return true;
}

struct grade_ctx {
    const struct policy *policy;
    const struct incident_classified *grade;
};

static bool level_by(const void *ctx, size_t id, int *ret)
{
    const struct grade_ctx *c = ctx;

    for (size_t i = 0; i < c->grade->regimes_n; i++)
        if (strcmp(c->grade->regimes[i].regime, c->policy->regimes[id]) == 0) {
            *ret = (int)c->grade->regimes[i].level;
            return c->grade->regimes[i].has_level;
        }
    return false;
}

static bool compile_when(struct policy *p, const struct duty *d, struct err *err)
{
    const struct predicate_names regimes = {.source = PREDICATE_ENUM,
                                            .root = "/regimes/",
                                            .end = "/level",
                                            .help = "the policy",
                                            .values = &level_table,
                                            .find = find_regime,
                                            .ctx = p};
    const struct predicate_view view = {
        .shape = &incident_classified_shape, .names = &regimes, .names_n = 1};

    return predicate_compile(&p->predicates[p->duties_n], &view, d->when, err);
}

bool policy_applies(const struct policy *p, const struct policy_duty *duty,
                    const struct incident_classified *grade)
{
    const struct grade_ctx ctx = {p, grade};
    const struct predicate_input in = {.body = grade, .ctx = &ctx, .value = level_by};

    return predicate_eval(duty->when, &in, NULL) == TRI_TRUE;
}

static bool add_duty(struct policy *p, const char *regime, const struct duty *d, struct err *err)
{
    if (!check_duty(p, regime, d, err))
        return false;
    if (!compile_when(p, d, err))
        return err_under(err, "/when");
    p->duties[p->duties_n] = (struct policy_duty){regime, d, p->predicates[p->duties_n]};
    p->duties_n++;
    return true;
}

static bool add_duties(struct policy *p, const char *folder, const char *name, struct err *err)
{
    AUTO(policy_file_done) struct policy_file f = {0};
    const struct obligations_file *file;
    void *body;

    if (!read_file(p, &f, folder, name, &obligations_file_shape, &body, err))
        return false;
    file = body;
    for (size_t i = 0; i < file->obligations_n; i++)
        if (!add_duty(p, file->regime, &file->obligations[i], err)) {
            err_under(err, "/obligations/%zu", i);
            return policy_file_refuse(&f, err);
        }
    return true;
}

static bool add_all_duties(struct policy *p, const char *folder, struct err *err)
{
    char path[POLICY_PATH_MAX];
    struct dirent **names = NULL;
    bool ok = true;
    int n;

    snprintf(path, sizeof(path), "%s/obligations", folder);
    n = scandir(path, &names, policy_file_is_json, alphasort);
    if (n < 0)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "obligations/%s", names[i]->d_name);
        ok = ok && add_duties(p, folder, path, err);
        free(names[i]);
    }
    free(names);
    return ok;
}

static bool add_chains(struct policy *p, const char *folder, struct err *err)
{
    AUTO(policy_file_done) struct policy_file f = {0};
    void *chains;

    if (!read_file(p, &f, folder, "chains.json", &chains_file_shape, &chains, err))
        return false;
    p->chains = chains;
    return check_chains(p, err) || policy_file_refuse(&f, err);
}

bool policy_load(struct policy **ret, const char *folder, struct err *err)
{
    AUTO(auto_policy) struct policy *p = calloc(1, sizeof(*p));

    if (!p)
        return err_memory(err);
    arena_init(&p->arena, POLICY_FILES_MAX * POLICY_FILE_MAX_BYTES);
    if (!add_chains(p, folder, err) || !add_all_duties(p, folder, err))
        return err_wrap(err, "policy %s", folder);
    *ret = TAKE(p);
    return true;
}
