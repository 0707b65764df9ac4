/* chains - who is called, in which order, and when nobody is called any more. See work.h */
#include <string.h>

#include "services/escalator/work.h"

static void derive(struct id *ret, const struct incident *inc, const struct chain_run *run,
                   enum role role)
{
    struct id_hash d;

    id_derive(&d, "escalation");
    id_derive_text(&d, "incident", inc->id.text);
    id_derive_text(&d, "level",
                   inc->is_graded ? enum_text(&level_table, (int)inc->level) : "ungraded");
    id_derive_text(&d, "chain", run->chain);
    id_derive_int(&d, "step", run->step);
    id_derive_text(&d, "role", enum_text(&role_table, (int)role));
    id_derive_int(&d, "generation", run->generation);
    id_derive_int(&d, "occurrence", run->occurrence);
    if (id_is_set(&run->cause))
        id_derive_text(&d, "cause", run->cause.text);
    id_derive_end(&d, ret);
}

static bool publish_call(struct work *k, const struct call *c, const char *why, bool unconfirmed)
{
    const struct incident *inc = k->inc;
    struct escalation_raised *b = work_take(k, sizeof(*b));
    struct id event_id;

    if (!b)
        return false;
    work_count(k);
    WORK_COMMON(k, b);
    WORK_SEQ(k, b);
    b->escalation_id = c->id.text;
    b->chain = c->chain;
    SHAPE_SET(b, step, c->step);
    SHAPE_SET(b, generation, c->generation);
    SHAPE_SET(b, role, c->role);
    SHAPE_SET(b, scope, c->scope);
    b->person_id = id_is_set(&c->person) ? c->person.text : NULL;
    b->why = why;
    SHAPE_SET(b, unconfirmed, unconfirmed);
    SHAPE_SET(b, acknowledgement_wanted, c->wanted);
    if (c->acknowledge_by)
        SHAPE_SET(b, acknowledge_by, c->acknowledge_by);
    b->reference = inc->reference;
    b->enterprise_name = inc->enterprise_name;
    if (inc->is_graded) {
        SHAPE_SET(b, level, inc->level);
        SHAPE_SET(b, category, inc->category);
    }
    b->summary = inc->summary;
    if (inc->discovered_at)
        SHAPE_SET(b, discovered_at, inc->discovered_at);
    event_id_derive(&event_id, &c->id, "escalation.raised", NULL);
    return work_publish(k, EVENT_ESCALATION_RAISED, &event_id, b);
}

/* Calls the roles of run->step. *ret_reached: somebody holds one of them. */
static bool call_step(struct work *k, const struct chain_run *run, const struct chain_step *step,
                      const char *why, bool unconfirmed, bool *ret_reached)
{
    *ret_reached = false;
    for (size_t i = 0; i < step->call_n; i++) {
        const struct id *person = directory_find(k->w->directory, &k->inc->enterprise_id,
                                                 run->scope, step->call[i], k->w->now_ms);
        struct call *c = incident_add_call(k->inc, k->w->arena);

        if (!c)
            return false;
        derive(&c->id, k->inc, run, step->call[i]);
        c->chain = run->chain;
        c->generation = run->generation;
        c->step = run->step;
        c->occurrence = run->occurrence;
        c->role = step->call[i];
        c->scope = run->scope;
        c->raised_at = k->occurred_at;
        c->changed = true;
        if (person) {
            c->person = *person;
            c->wanted = step->has_acknowledge_within_s;
            *ret_reached = true;
        }
        if (c->wanted)
            c->acknowledge_by = k->w->now_ms + 1000 * step->acknowledge_within_s;
        if (!publish_call(k, c, why, unconfirmed))
            return false;
    }
    return true;
}

static bool begin(struct work *k, const struct chain *chain, const char *why, bool unconfirmed);
static bool begin_for(struct work *k, const struct chain *chain, struct id cause,
                      const char *occasion, bool unconfirmed);

/* Nobody on the chain answered: whoever the policy names is told. */
static bool end(struct work *k, struct chain_run *run, const struct chain *chain, const char *why,
                bool unconfirmed)
{
    const struct chain *then = chain->then ? policy_chain(k->w->policy, chain->then) : NULL;

    run->next_at = 0;
    run->changed = true;
    if (!then)
        return true;
    return id_is_set(&run->cause) ? begin_for(k, then, run->cause, run->occasion, unconfirmed)
                                  : begin(k, then, why, unconfirmed);
}

/* Goes up from run->step until somebody is reached; a step whose roles nobody holds is passed at once, visibly. */
static bool climb(struct work *k, struct chain_run *run, const struct chain *chain, const char *why,
                  bool unconfirmed)
{
    bool reached = false;

    if (run->step > (int64_t)chain->steps_n)
        run->step = (int64_t)chain->steps_n; /* the policy has fewer steps than the one before */
    run->changed = true;
    while (!reached) {
        const struct chain_step *step;

        if (run->step < (int64_t)chain->steps_n) {
            run->step++;
            run->occurrence = 1;
        } else if (run->occurrence <= chain->repeats) {
            run->occurrence++;
        } else {
            return end(k, run, chain, why, unconfirmed);
        }
        step = &chain->steps[run->step - 1];
        run->next_at =
            step->has_acknowledge_within_s ? k->w->now_ms + 1000 * step->acknowledge_within_s : 0;
        if (!call_step(k, run, step, why, unconfirmed, &reached))
            return false;
        if (!id_is_set(&run->cause)) /* what happened is said to everybody on the way */
            why = "vacant";
        if (!reached && run->step == (int64_t)chain->steps_n)
            return end(k, run, chain, why, unconfirmed);
    }
    return true;
}

static struct chain_run *run_of(struct work *k, const struct chain *chain)
{
    struct incident *inc = k->inc;
    struct chain_run *run = NULL;

    for (size_t i = 0; i < inc->runs_n; i++)
        if (strcmp(inc->runs[i].chain, chain->id) == 0)
            run = &inc->runs[i];
    if (!run) {
        run = incident_add_run(inc, k->w->arena);
        if (!run || !text_keep(&run->chain, chain->id, k->w->arena))
            return NULL;
    }
    run->scope = chain->scope;
    run->generation = inc->generation;
    run->cause = (struct id){0};
    run->occasion = NULL;
    run->step = 0;
    run->occurrence = 1;
    run->changed = true;
    return run;
}

static bool begin(struct work *k, const struct chain *chain, const char *why, bool unconfirmed)
{
    struct chain_run *run;

    for (size_t i = 0; i < k->inc->runs_n; i++)
        if (strcmp(k->inc->runs[i].chain, chain->id) == 0 && !id_is_set(&k->inc->runs[i].cause) &&
            k->inc->runs[i].generation == k->inc->generation && k->inc->runs[i].step > 0)
            return true; /* two chains may end in the same one: it is climbed once */
    run = run_of(k, chain);
    return run && climb(k, run, chain, why, unconfirmed);
}

/* Every event is a climb of its own. */
static bool begin_for(struct work *k, const struct chain *chain, struct id cause,
                      const char *occasion, bool unconfirmed)
{
    int64_t generation = 0;
    struct chain_run *run;

    for (size_t i = 0; i < k->inc->runs_n; i++)
        if (strcmp(k->inc->runs[i].chain, chain->id) == 0)
            generation = k->inc->runs[i].generation + 1;
    run = run_of(k, chain);
    if (!run)
        return false;
    run->generation = generation;
    run->cause = cause;
    run->occasion = occasion;
    return climb(k, run, chain, occasion, unconfirmed);
}

bool chains_begin_for(struct work *k, const char *occasion, enum scope scope,
                      const struct id *cause)
{
    return begin_for(k, policy_chain_for(k->w->policy, occasion, scope), *cause, occasion, false);
}

bool chains_begin_ungraded(struct work *k)
{
    const struct chains_file *chains = policy_chains(k->w->policy);
    struct chain_run *run = run_of(k, policy_chain(k->w->policy, chains->ungraded));

    if (run)
        run->next_at = k->w->now_ms + 1000 * chains->ungraded_after_s;
    return run;
}

bool chains_begin(struct work *k, const char *why)
{
    const struct chains_file *chains = policy_chains(k->w->policy);

    for (size_t i = 0; i < chains->chains_n; i++)
        if (chain_is_for(&chains->chains[i], k->inc->level) &&
            !begin(k, &chains->chains[i], why, false))
            return false;
    return true;
}

static void stop(struct chain_run *run)
{
    run->changed = run->changed || run->next_at;
    run->next_at = 0;
}

void chains_stop_all(struct work *k)
{
    for (size_t i = 0; i < k->inc->runs_n; i++)
        stop(&k->inc->runs[i]);
}

void chains_new_generation(struct work *k)
{
    for (size_t i = 0; i < k->inc->runs_n; i++)
        if (!id_is_set(&k->inc->runs[i].cause))
            stop(&k->inc->runs[i]);
    k->inc->generation++;
    k->inc->changed = true;
}

/* Of the present climb of its chain. */
bool chains_is_present(const struct incident *inc, const struct call *c)
{
    for (size_t i = 0; i < inc->runs_n; i++)
        if (strcmp(inc->runs[i].chain, c->chain) == 0)
            return inc->runs[i].generation == c->generation &&
                   (id_is_set(&inc->runs[i].cause) || c->generation == inc->generation);
    return false;
}

static bool is_open(const struct incident *inc, const struct call *c, enum scope scope)
{
    return chains_is_present(inc, c) && c->scope == scope && c->wanted && !c->acknowledged_at;
}

bool chains_is_open(const struct incident *inc, enum scope scope)
{
    for (size_t i = 0; i < inc->calls_n; i++)
        if (is_open(inc, &inc->calls[i], scope))
            return true;
    return false;
}

bool chains_is_climbing(const struct incident *inc, const char *chain)
{
    for (size_t i = 0; i < inc->runs_n; i++)
        if (strcmp(inc->runs[i].chain, chain) == 0)
            return inc->runs[i].next_at != 0;
    return false;
}

struct call *chains_find_call(struct incident *inc, const char *escalation_id)
{
    for (size_t i = 0; i < inc->calls_n; i++)
        if (chains_is_present(inc, &inc->calls[i]) &&
            strcmp(inc->calls[i].id.text, escalation_id) == 0)
            return &inc->calls[i];
    return NULL;
}

/* The climb that the call belongs to. */
static const struct chain_run *run_of_call(const struct incident *inc, const struct call *c)
{
    for (size_t i = 0; i < inc->runs_n; i++)
        if (strcmp(inc->runs[i].chain, c->chain) == 0)
            return &inc->runs[i];
    return NULL;
}

bool chains_was_called(const struct incident *inc, const char *occasion, int64_t occurred_at)
{
    for (size_t i = 0; i < inc->calls_n; i++) {
        const struct call *c = &inc->calls[i];
        const struct chain_run *run = chains_is_present(inc, c) ? run_of_call(inc, c) : NULL;

        if (run && run->occasion && strcmp(run->occasion, occasion) == 0 && c->step == 1 &&
            c->raised_at == occurred_at && (run->next_at || c->acknowledged_at))
            return true;
    }
    return false;
}

bool chains_is_for_event(const struct incident *inc, const char *escalation_id)
{
    const struct call *c = chains_find_call((struct incident *)(uintptr_t)inc, escalation_id);
    const struct chain_run *run = c ? run_of_call(inc, c) : NULL;

    return run && id_is_set(&run->cause);
}

static bool is_for(const struct chain_run *run, enum scope scope, const struct chain_run *only)
{
    return run->scope == scope && (!only || strcmp(run->cause.text, only->cause.text) == 0);
}

/* Who takes one message has not read the others: a call for the level says nothing of one that an event began, nor the other way round. */
void chains_acknowledge(struct work *k, enum scope scope, const char *escalation_id,
                        const struct id *action, int64_t at_ms)
{
    const struct call *named = escalation_id ? chains_find_call(k->inc, escalation_id) : NULL;
    const struct chain_run *only = named ? run_of_call(k->inc, named) : NULL;

    for (size_t i = 0; i < k->inc->calls_n; i++) {
        struct call *c = &k->inc->calls[i];
        const struct chain_run *run = is_open(k->inc, c, scope) ? run_of_call(k->inc, c) : NULL;

        if (!run || !is_for(run, scope, only))
            continue;
        c->acknowledged_at = at_ms;
        c->acknowledged_by = *action;
        c->changed = true;
    }
    for (size_t i = 0; i < k->inc->runs_n; i++)
        if (is_for(&k->inc->runs[i], scope, only))
            stop(&k->inc->runs[i]);
}

/* --- delivery --------------------------------------------------------------------------------- */

/* The run whose present step the call belongs to, while it waits for an acknowledgement. */
static struct chain_run *waiting_run(const struct work *k, const struct call *c)
{
    for (size_t i = 0; i < k->inc->runs_n; i++) {
        struct chain_run *run = &k->inc->runs[i];

        if (run->next_at && run->step == c->step && run->occurrence == c->occurrence &&
            run->generation == c->generation && strcmp(run->chain, c->chain) == 0)
            return run;
    }
    return NULL;
}

static bool is_same_step(const struct call *a, const struct call *b)
{
    return a->step == b->step && a->occurrence == b->occurrence && a->generation == b->generation &&
           strcmp(a->chain, b->chain) == 0;
}

/* A message arrived: the person has the whole time, whatever became of an earlier message. */
void chains_delivered(struct work *k, struct call *call)
{
    struct chain_run *run = waiting_run(k, call);

    call->changed = call->changed || !call->delivered;
    call->delivered = true;
    if (run && call->wanted && run->next_at < call->acknowledge_by) {
        run->next_at = call->acknowledge_by;
        run->changed = true;
    }
}

/* A message was given up and none of the step has arrived: the next step need not wait its whole time. */
void chains_undelivered(struct work *k, const struct call *call)
{
    int64_t hasten_ms = k->w->now_ms + 1000 * policy_chains(k->w->policy)->undelivered_after_s;
    struct chain_run *run = waiting_run(k, call);

    for (size_t i = 0; i < k->inc->calls_n; i++)
        if (k->inc->calls[i].delivered && is_same_step(&k->inc->calls[i], call))
            return;
    if (run && call->wanted && hasten_ms < run->next_at) {
        run->next_at = hasten_ms;
        run->changed = true;
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static const char *why_now(const struct work *k, const struct chain_run *run)
{
    if (id_is_set(&run->cause))
        return run->occasion;
    if (run->step == 0)
        return "ungraded";
    for (size_t i = 0; i < k->inc->calls_n; i++) {
        const struct call *c = &k->inc->calls[i];

        if (chains_is_present(k->inc, c) && strcmp(c->chain, run->chain) == 0 &&
            c->step == run->step && c->occurrence == run->occurrence &&
            run->next_at < c->acknowledge_by)
            return "undelivered";
    }
    return "unacknowledged";
}

/* The present policy begins the chain for what the incident is: its level, or still without a grade. */
static bool is_first(const struct work *k, const struct chain *chain)
{
    return k->inc->is_graded ? chain_is_for(chain, k->inc->level)
                             : strcmp(chain->id, policy_chains(k->w->policy)->ungraded) == 0;
}

/* One of those begins it when it ends. */
static bool is_then(const struct work *k, const struct chain *chain)
{
    const struct chains_file *chains = policy_chains(k->w->policy);

    for (size_t i = 0; i < chains->chains_n; i++)
        if (is_first(k, &chains->chains[i]) && chains->chains[i].then &&
            strcmp(chains->chains[i].then, chain->id) == 0)
            return true;
    return false;
}

typedef bool is_heir_fn(const struct work *k, const struct chain *chain);

/* Begins the chains that have not been climbed yet. scope SCOPE_SYSTEM: of any. */
static bool begin_heirs(struct work *k, is_heir_fn *is_heir, enum scope scope, const char *why,
                        bool unconfirmed)
{
    const struct chains_file *chains = policy_chains(k->w->policy);

    for (size_t i = 0; i < chains->chains_n; i++)
        if ((scope == SCOPE_SYSTEM || chains->chains[i].scope == scope) &&
            is_heir(k, &chains->chains[i]) && !begin(k, &chains->chains[i], why, unconfirmed))
            return false;
    return true;
}

/* The policy that knew the chain is gone, but not what happened: whoever is called for that now. If they are already, it is one more of its kind. */
static bool take_over_event(struct work *k, struct chain_run *run, bool unconfirmed)
{
    const struct chain *chain = policy_chain_for(k->w->policy, run->occasion, run->scope);

    stop(run);
    return chains_is_climbing(k->inc, chain->id) ||
           begin_for(k, chain, run->cause, run->occasion, unconfirmed);
}

/* The same of the level's. A chain of the same scope takes over: what begins for this incident, else what follows
 * that. All of it was climbed, or there is none: everybody is called anew, for nobody has answered. */
static bool take_over_level(struct work *k, struct chain_run *run, bool unconfirmed)
{
    const char *why = run->step == 0 ? "ungraded" : "policy_changed";
    enum scope scope = run->scope;
    size_t calls = k->inc->calls_n;

    stop(run);
    if (!begin_heirs(k, is_first, scope, why, unconfirmed))
        return false;
    if (k->inc->calls_n == calls && !begin_heirs(k, is_then, scope, why, unconfirmed))
        return false;
    if (k->inc->calls_n > calls)
        return true;
    chains_new_generation(k);
    return begin_heirs(k, is_first, SCOPE_SYSTEM, why, unconfirmed);
}

static bool take_over(struct work *k, struct chain_run *run, bool unconfirmed)
{
    return id_is_set(&run->cause) ? take_over_event(k, run, unconfirmed)
                                  : take_over_level(k, run, unconfirmed);
}

bool chains_due(struct work *k, int64_t heard_ms, bool is_deaf)
{
    size_t n = k->inc->runs_n; /* what begins now is not due yet */

    for (size_t i = 0; i < n; i++) {
        struct chain_run *run = &k->inc->runs[i];
        const struct chain *chain = policy_chain(k->w->policy, run->chain);
        bool unconfirmed = run->next_at > heard_ms;

        if (!run->next_at || run->next_at > k->w->now_ms || (unconfirmed && !is_deaf))
            continue;
        work_at(k, run->next_at);
        if (!(chain ? climb(k, run, chain, why_now(k, run), unconfirmed)
                    : take_over(k, run, unconfirmed)))
            return false;
    }
    return true;
}
