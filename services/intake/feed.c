#include "services/intake/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "services/intake/ask.h"

#include "common/base/metric_rows.h"
#include "services/intake/feed_metrics.def"

enum {
    VERSION_DEADLINE_MS = 1000,
    CONTENT_DEADLINE_MS = 10000,
    THERE_MISSES_MAX = 3, /* refreshes without an answer before the database counts as away */
    PATH_MAX_BYTES = 4096,
};

static const struct db_statement statements[] = {
    {"registry_version", "SELECT version FROM registry.version"},
    /* One statement, so that version and content are of one moment. */
    {"registry_content",
     "SELECT json_build_object("
     " 'version', (SELECT version FROM registry.version),"
     " 'enterprises', (SELECT coalesce(json_agg(json_build_object("
     "   'enterprise_id', enterprise_id, 'is_park', is_park, 'profile', json_build_object("
     "   'code', code, 'name', name, 'sector', sector, 'staff', staff, 'is_cii', is_cii,"
     "   'is_listed', is_listed, 'data_kinds', data_kinds, 'regimes', regimes))), '[]') FROM "
     "registry.enterprise),"
     " 'keys', (SELECT coalesce(json_agg(json_build_object("
     "   'key_id', c.key_id, 'enterprise_id', c.enterprise_id, 'secret_sha256', c.secret_sha256,"
     "   'scopes', c.scopes, 'actor_id', coalesce(c.person_id::text, c.key_id),"
     "   'actor_name', coalesce(p.name, nullif(c.label, '')))), '[]')"
     "   FROM registry.credential c LEFT JOIN registry.person p USING (person_id)"
     "   WHERE c.revoked_at IS NULL))"},
};

struct feed {
    struct feed_conf conf;
    struct service *svc;
    struct registry *current;         /* of the thread that calls feed_current() */
    struct registry *_Atomic mailbox; /* on its way there */
    _Atomic int64_t answered_mono_ms; /* 0: never */
    atomic_bool stop;
    pthread_t thread;
    bool has_thread;

    struct db *db; /* these: the feed's own thread */
    int64_t version;
    bool has_picture, was_there, told;
};

/* ---- the file */

static bool file_error(struct err *err, const char *path, const char *doing)
{
    return err_set(err, ERR_TRANSIENT, "%s %s: %s", doing, path, strerrordesc_np(errno));
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static bool file_save(const char *path, const char *data, size_t len, struct err *err)
{
    char beside[PATH_MAX_BYTES];
    bool ok;
    int fd;

    if (snprintf(beside, sizeof(beside), "%s.%d", path, getpid()) >= (int)sizeof(beside))
        return err_set(err, ERR_CONFIG, "%s: the path is too long", path);
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return file_error(err, beside, "create");
    ok = write_all(fd, data, len) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (ok && rename(beside, path) == 0)
        return true;
    (void)file_error(err, path, "write");
    (void)unlink(beside);
    return false;
}

static bool file_load(struct registry **ret, const char *path, struct err *err)
{
    AUTO(buf_done) struct buf text;

    if (!file_read(&text, path, REGISTRY_TEXT_MAX_BYTES, err))
        return false;
    return registry_parse(ret, buf_text(&text), text.len, err) || err_wrap(err, "%s", path);
}

/* ---- the picture */

static void hand_over(struct feed *f, struct registry *fresh)
{
    f->version = registry_version(fresh);
    f->has_picture = true;
    metric_set(&intake_registry_version, f->version);
    metric_set(&intake_registry_keys, (int64_t)registry_keys_n(fresh));
    metric_set(&intake_registry_left_out, (int64_t)registry_left_out_n(fresh));
    for (size_t i = 0; registry_left_out(fresh, i); i++)
        log_at(LOG_ERROR, "a row of the registry is left out: correct it there",
               log_str("row", registry_left_out(fresh, i)),
               log_int("left_out", (int64_t)registry_left_out_n(fresh)));
    service_check(f->svc, "registry", true, "loaded");
    registry_unref(atomic_exchange(&f->mailbox, fresh)); /* one that nobody took yet */
}

struct registry *feed_current(struct feed *f)
{
    struct registry *fresh;

    if (!atomic_load_explicit(&f->mailbox, memory_order_relaxed))
        return f->current;
    fresh = atomic_exchange(&f->mailbox, NULL);
    if (fresh) {
        registry_unref(f->current);
        f->current = fresh;
    }
    return f->current;
}

bool feed_database_there(const struct feed *f)
{
    int64_t answered = atomic_load_explicit(&f->answered_mono_ms, memory_order_relaxed);

    return answered > 0 &&
           clock_mono_ms() - answered < THERE_MISSES_MAX * (f->conf.refresh_ms + 100);
}

static void save(struct feed *f, const char *text)
{
    struct err err = {0};

    if (*f->conf.snapshot_path && !file_save(f->conf.snapshot_path, text, strlen(text), &err))
        log_err(LOG_WARN,
                "registry snapshot is not saved: a start without PostgreSQL would refuse "
                "every key",
                &err);
}

static bool refresh(struct feed *f, struct err *err)
{
    AUTO(auto_result) PGresult *version = NULL, *content = NULL;
    struct registry *fresh = NULL;

    if (!ask(f->db, "registry_version", NULL, VERSION_DEADLINE_MS, &version, err))
        return false;
    atomic_store(&f->answered_mono_ms, clock_mono_ms());
    if (PQntuples(version) == 1 && f->has_picture && db_int(version, 0, 0) == f->version)
        return true;
    if (!ask(f->db, "registry_content", NULL, CONTENT_DEADLINE_MS, &content, err) ||
        !registry_parse(&fresh, db_text(content, 0, 0), strlen(db_text(content, 0, 0)), err))
        return false;
    save(f, db_text(content, 0, 0));
    hand_over(f, fresh);
    return true;
}

/* Only changes are logged: an outage is one line, not one a second. */
static void tell(struct feed *f, bool ok, const struct err *err)
{
    if (f->told && ok == f->was_there)
        return;
    if (ok)
        log_plain(LOG_INFO, "the registry is read from PostgreSQL");
    else
        log_err(LOG_WARN, "the registry is not refreshed; the last picture stays", err);
    service_check(f->svc, "postgresql", true,
                  ok ? "there" : "away: reports are accepted, reads are answered 503");
    metric_set(&intake_database_there, ok);
    f->told = true;
    f->was_there = ok;
}

static void *run(void *arg)
{
    struct feed *f = arg;

    while (!atomic_load(&f->stop)) {
        struct err err = {0};
        int64_t until_mono_ms;

        tell(f, refresh(f, &err), &err);
        until_mono_ms = clock_mono_ms() + f->conf.refresh_ms;
        while (!atomic_load(&f->stop) && clock_mono_ms() < until_mono_ms)
            clock_sleep_ms(50);
    }
    return NULL;
}

/* ---- life */

static void load_file(struct feed *f)
{
    struct registry *saved = NULL;
    struct err err = {0};

    if (!*f->conf.snapshot_path)
        return;
    if (file_load(&saved, f->conf.snapshot_path, &err)) {
        hand_over(f, saved);
        f->version = -1; /* may be of another database: read anew as soon as there is one */
    } else {
        log_err(LOG_INFO, "no registry snapshot; keys are known once PostgreSQL answers", &err);
    }
}

static bool start(struct feed *f, struct err *err)
{
    struct db_conf conf = {.conninfo = f->conf.pg,
                           .application_name = "tongbao-intake-registry",
                           .statements = statements,
                           .statements_n = ARRAY_LEN(statements)};

    if (!db_open(&f->db, &conf, err))
        return false;
    service_check(f->svc, "registry", false, "no registry yet: every key is answered 503");
    load_file(f);
    if (pthread_create(&f->thread, NULL, run, f) != 0)
        return err_set(err, ERR_FATAL, "no thread for the registry");
    f->has_thread = true;
    return true;
}

bool feed_open(struct feed **ret, const struct feed_conf *conf, struct service *svc,
               struct err *err)
{
    AUTO(auto_feed) struct feed *f = calloc(1, sizeof(*f));

    if (!f)
        return err_memory(err);
    f->conf = *conf;
    f->svc = svc;
    if (!start(f, err))
        return err_wrap(err, "registry");
    *ret = TAKE(f);
    return true;
}

void feed_close(struct feed *f)
{
    if (!f)
        return;
    atomic_store(&f->stop, true);
    if (f->has_thread)
        pthread_join(f->thread, NULL);
    db_close(f->db);
    registry_unref(atomic_load(&f->mailbox));
    registry_unref(f->current);
    free(f);
}
