/*
 * reader - the consuming half that pipe and sink share: group membership, where a partition begins,
 * and whether its log is still the same one.
 *
 * Threads     The thread that opened it; the owner's functions run inside reader_poll() and
 *             reader_close().
 * Beginning   The owner says where each assigned partition begins (`begin`). While it cannot
 *             (ERR_TRANSIENT: its store is away) nothing is assigned, polling goes on, and it is
 *             asked again every 500 ms.
 * Whose?      What the group hands out again after a restart may be of a version that read other
 *             topics: then the reader leaves the group, and joins it anew.
 * Same log?   The record before the beginning is read too and its event id compared (hard case 7).
 *             If it differs, or the log ends before it, the owner stores a beginning at the log's
 *             start (`rewind`), and reader_poll() returns ERR_TRANSIENT: open again.
 * Gap         The log starts above the beginning (retention): `gap` records it, and reader_poll()
 *             returns ERR_CONFIG naming the range (hard case 6).
 * Memory      What a backlog took is given back to the system in the first lull.
 * Fencing     ERR_CONFIG when another process took the name of one that has partitions; ERR_TRANSIENT
 *             while it has none: after a standstill of the coordinator a process fences itself.
 */
#ifndef COMMON_FLOW_READER_H
#define COMMON_FLOW_READER_H

#include "common/flow/flow.h"

#define READER_TOPIC_MAX 128
#define READER_STARTS_MAX                                                                          \
    2 /* from the next start on one offset on, records are tried in a child first */
#define READER_DEAD_IN_ROW_MAX 10 /* then the partition is paused: it is not the records' fault */

struct reader_part {
    char topic[READER_TOPIC_MAX];
    int32_t partition;
    int64_t next;     /* the first record that is not handled */
    int64_t stored;   /* pipes: the offset that was last put into a commit */
    char last_id[65]; /* event id of the record before it; "" = not known */
    int64_t verify;   /* offset whose record must have last_id; -1 = nothing to verify (any more) */
    int starts;       /* beginnings on this offset without progress, by different processes */
    int64_t suspect_until; /* records below are tried in a child first; 0 = none */
    int dead_in_row;
    bool is_paused;
    int64_t end, end_asked_ms; /* sinks: the log's end, and when that was asked; 0 = not known */
    int64_t caught_up_ms;
};

struct reader_owner {
    bool (*begin)(void *ctx, struct reader_part *parts, size_t n, struct err *err);
    bool (*rewind)(void *ctx, struct reader_part *part, int64_t to_offset, struct err *err);
    bool (*gap)(void *ctx, struct reader_part *part, int64_t log_start, struct err *err);
    void (*revoked)(void *ctx); /* all partitions are about to go: forget what is not stored */
    void *ctx;
};

struct reader_conf {
    struct kafka_conf kafka;
    const char *group, *instance;
    struct flow_topics input;
    int64_t gather_ms; /* the broker may hold an answer back so long to fill it; 0: at once */
    /* Read ahead, less one fetch of 8 MiB. Once so much lies here librdkafka 2.0 fetches nothing for
     * a second, however soon it is worked off: the two are all that a backlog gives in a second. */
    int64_t ahead_kb;
    int64_t
        suspects; /* how many records after the beginning may hold the killer: a batch, a window */
    struct reader_owner owner;
};

struct reader;

bool reader_open(struct reader **ret, const struct reader_conf *conf, struct err *err) MUST_CHECK;
void reader_close(struct reader *r);
DEFINE_AUTO(auto_reader, struct reader, reader_close)

/* One record, or none within wait_ms (*ret NULL). The record is the caller's to destroy. */
bool reader_poll(struct reader *r, int64_t wait_ms, rd_kafka_message_t **ret,
                 struct reader_part **ret_part, struct err *err) MUST_CHECK;

struct reader_part *reader_parts(struct reader *r, size_t *ret_n);
rd_kafka_t *reader_handle(struct reader *r);
bool reader_is_assigned(const struct reader *r);

/* Notes that a record of this partition was dead-lettered, or handled: pauses after
 * READER_DEAD_IN_ROW_MAX. */
void reader_note_dead(struct reader *r, struct reader_part *part);
void reader_note_done(struct reader_part *part);

/* The killer is found: nothing else is suspected any more. */
void reader_trust(struct reader *r);

/* Sends the offsets to Kafka without waiting; */
void reader_commit(struct reader *r, const rd_kafka_topic_partition_list_t *offsets);

/* A random name of this process: tells a start from an opening again. */
const char *reader_process(void);

/* ---- record.c: a message as a flow_record (borrows from the message) */
void flow_record_of(struct flow_record *ret, rd_kafka_message_t *msg);

/* ---- dead.c: the dead letter of a message: its own headers, key and bytes, with the reason and
 * the origin beside them. `text` is scratch. */
struct dead_letter {
    struct record record;
    char partition[16], offset[24], reason[256];
};
void dead_letter_of(struct dead_letter *ret, const char *dead_topic, const struct flow_record *in,
                    const char *group, const char *reason);

/* ---- trial.c: runs fn(ctx) in a forked child. True: it came back (with any result). False: it
 * killed its process or did not end in time; `ret_how` says so. */
bool trial_survives(void (*fn)(void *ctx), void *ctx, int64_t timeout_ms, char ret_how[64]);

#endif
