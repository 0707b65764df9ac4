#include "common/base/conf.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/support/capture.h"
#include "tests/support/test.h"

#define THING_OPTIONS                                                                              \
    CONF_TEXT(brokers, NULL, "where Kafka | is")                                                   \
    CONF_TEXT(label, "plain", "a label")                                                           \
    CONF_TEXT(note, "", "may be empty")                                                            \
    CONF_SECRET(api_key, "", "a key")                                                              \
    CONF_INT(ack_deadline_ms, 1000, -5, 60000, "how long an ack may take")                         \
    CONF_FLAG(dry_run, "changes nothing")                                                          \
    CONF_TEXT(instance, "", "name of this instance")                                               \
    CONF_TEXT(log_level, "info", "least level")

struct thing_conf {
#include "common/base/conf_members.h"
    THING_OPTIONS
};

#define CONF_STRUCT struct thing_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
    THING_OPTIONS};

static const struct conf_table table = {"thing", "does things", options, ARRAY_LEN(options)};

enum { ARGS_MAX = 20 };

/* `args` and `vars` are separated by blanks; "" as a value is written as nothing: "--label=". */
struct row {
    const char *name, *args, *vars;
    const char *problem; /* part of the error; NULL: it loads */
    const char *want;    /* the struct as show() prints it */
};

static void show(char *text, size_t size, const struct thing_conf *c)
{
    (void)snprintf(text, size, "%s/%s/%s/%s/%lld/%d/%s/%s", c->brokers, c->label, c->note,
                   c->api_key, (long long)c->ack_deadline_ms, c->dry_run, c->instance,
                   c->log_level);
}

/* argv of `args` in `copy`; the name of the program first, NULL behind the last. */
static int split(char *argv[ARGS_MAX], char *copy)
{
    static char program[] = "thing";
    int argc = 0;
    char *one;

    argv[argc++] = program;
    while (copy && *copy && (one = strsep(&copy, " "))) {
        assert_true(argc < ARGS_MAX - 1);
        argv[argc++] = one;
    }
    argv[argc] = NULL;
    return argc;
}

/* Sets each "NAME=value" of vars, or takes it away again. */
static void environment(const char *vars, bool is_set)
{
    AUTO(auto_free) char *copy = strdup(vars ? vars : "");
    char *rest = copy, *one;

    assert_non_null(copy);
    while ((one = strsep(&rest, " ")) && *one) {
        char *equals = strchr(one, '=');

        assert_non_null(equals);
        *equals = '\0';
        assert_int_equal(is_set ? setenv(one, equals + 1, 1) : unsetenv(one), 0);
    }
}

static const struct row rows[] = {
    {"fallbacks", "--brokers b --instance i", "", NULL, "b/plain///1000/0/i/info"},
    {"flag with =", "--brokers=b:1 --instance=i --label=x=y", "", NULL, "b:1/x=y///1000/0/i/info"},
    {"everything by flag",
     "--brokers b --label l --note n --api-key k --ack-deadline-ms 7 --dry-run --instance i "
     "--log-level=warn",
     "", NULL, "b/l/n/k/7/1/i/warn"},
    {"everything by variable", "",
     "TONGBAO_THING_BROKERS=b TONGBAO_THING_LABEL=l TONGBAO_THING_NOTE=n TONGBAO_THING_API_KEY=k "
     "TONGBAO_THING_ACK_DEADLINE_MS=7 TONGBAO_THING_DRY_RUN=true TONGBAO_THING_INSTANCE=i "
     "TONGBAO_THING_LOG_LEVEL=error",
     NULL, "b/l/n/k/7/1/i/error"},
    {"a flag wins over a variable",
     "--brokers f --ack-deadline-ms 1 --api-key f --dry-run=false --instance i",
     "TONGBAO_THING_BROKERS=v TONGBAO_THING_ACK_DEADLINE_MS=2 TONGBAO_THING_API_KEY=v "
     "TONGBAO_THING_DRY_RUN=true",
     NULL, "f/plain//f/1/0/i/info"},
    {"a variable wins over the fallback", "--brokers f --instance i", "TONGBAO_THING_LABEL=v", NULL,
     "f/v///1000/0/i/info"},
    {"a variable that loses need not be right", "--brokers f --instance i --ack-deadline-ms 3",
     "TONGBAO_THING_ACK_DEADLINE_MS=x", NULL, "f/plain///3/0/i/info"},
    {"an empty text is a value", "--brokers b --instance i --label=", "", NULL,
     "b////1000/0/i/info"},
    {"a value may look like a flag", "--brokers --label --instance i", "", NULL,
     "--label/plain///1000/0/i/info"},
    {"the least number", "--brokers b --instance i --ack-deadline-ms -5", "", NULL,
     "b/plain///-5/0/i/info"},
    {"the greatest number", "--brokers b --instance i --ack-deadline-ms=60000", "", NULL,
     "b/plain///60000/0/i/info"},
    {"a flag set to false", "--brokers b --instance i --dry-run=false", "", NULL,
     "b/plain///1000/0/i/info"},
    {"-- ends the options", "--brokers b --instance i --", "", NULL, "b/plain///1000/0/i/info"},
    {"other variables are not ours", "--brokers b --instance i",
     "TONGBAO_OTHER_X=1 TONGBAO_TEST_CLOCK=f TONGBAO_THINGS_X=1", NULL, "b/plain///1000/0/i/info"},
    {"debug", "--brokers b --instance i --log-level=debug", "", NULL, "b/plain///1000/0/i/debug"},

    {"required", "", "", "--brokers (or TONGBAO_THING_BROKERS) is required", NULL},
    {"required, but empty", "--brokers=", "", "--brokers: is empty, but a value is required", NULL},
    {"required, but empty in the environment", "",
     "TONGBAO_THING_BROKERS=", "TONGBAO_THING_BROKERS: is empty", NULL},
    {"unknown flag", "--brokers b --colour red", "", "--colour: unknown option", NULL},
    {"unknown flag with =", "--colour=red", "", "--colour: unknown option", NULL},
    {"underscores are not hyphens", "--dry_run", "", "--dry_run: unknown option", NULL},
    {"the beginning of a flag", "--broker b", "", "--broker: unknown option", NULL},
    {"one hyphen", "-b", "", "-b: unknown option", NULL},
    {"unknown variable", "--brokers b", "TONGBAO_THING_COLOUR=red",
     "TONGBAO_THING_COLOUR: unknown variable", NULL},
    {"variable in small letters", "--brokers b", "TONGBAO_THING_label=red",
     "TONGBAO_THING_label: unknown variable", NULL},
    {"a file only for secrets", "--brokers-file x", "", "--brokers-file: unknown option", NULL},
    {"no value", "--brokers", "", "--brokers: a value must follow", NULL},
    {"given twice", "--brokers a --brokers b", "", "--brokers: the option is given twice", NULL},
    {"secret and its file", "--brokers b --api-key a --api-key-file /dev/null", "",
     "--api-key-file: the option is given twice", NULL},
    {"secret and its file in the environment", "--brokers b",
     "TONGBAO_THING_API_KEY=a TONGBAO_THING_API_KEY_FILE=/dev/null", "the option is given twice",
     NULL},
    {"a word", "--brokers b x", "", "x: unexpected argument", NULL},
    {"a word behind --", "--brokers b -- --label", "", "--label: unexpected argument", NULL},
    {"number below", "--brokers b --ack-deadline-ms=-6", "",
     "--ack-deadline-ms: \"-6\" is not a whole number from -5 to 60000", NULL},
    {"number above, from a variable", "--brokers b", "TONGBAO_THING_ACK_DEADLINE_MS=60001",
     "TONGBAO_THING_ACK_DEADLINE_MS: \"60001\" is not a whole number from -5 to 60000", NULL},
    {"number over 64 bits", "--ack-deadline-ms=9223372036854775808", "", "is not a whole", NULL},
    {"letters", "--ack-deadline-ms=abc", "", "\"abc\" is not a whole number", NULL},
    {"a unit behind it", "--ack-deadline-ms=10s", "", "\"10s\" is not a whole number", NULL},
    {"empty number", "--ack-deadline-ms=", "", "\"\" is not a whole number", NULL},
    {"a plus", "--ack-deadline-ms=+5", "", "\"+5\" is not a whole number", NULL},
    {"only a minus", "--ack-deadline-ms=-", "", "\"-\" is not a whole number", NULL},
    {"hexadecimal", "--ack-deadline-ms=0x10", "", "\"0x10\" is not a whole number", NULL},
    {"flag neither true nor false", "--dry-run=yes", "",
     "--dry-run: \"yes\" is neither true nor false", NULL},
    {"flag in the environment", "--brokers b", "TONGBAO_THING_DRY_RUN=1",
     "TONGBAO_THING_DRY_RUN: \"1\" is neither true nor false", NULL},
    {"unknown level", "--brokers b --log-level loud", "",
     "--log-level: \"loud\" is not debug, info, warn or error", NULL},
    {"unknown level from a variable", "--brokers b", "TONGBAO_THING_LOG_LEVEL=LOUD",
     "TONGBAO_THING_LOG_LEVEL: \"LOUD\" is not debug", NULL},
    {"no such file of a secret", "--brokers b --api-key-file /nonexistent/key", "",
     "--api-key-file: /nonexistent/key: No such file", NULL},
    {"an endless file of a secret", "--brokers b --api-key-file /dev/zero", "",
     "--api-key-file: /dev/zero is not a text of at most 65536 bytes", NULL},
    {"a folder", "--brokers b --api-key-file /", "", "--api-key-file: / is not a text", NULL},
};

static void load_row(void **state)
{
    const struct row *row = *state;
    AUTO(auto_free) char *copy = strdup(row->args);
    struct thing_conf conf = {0};
    struct err err = {0};
    char *argv[ARGS_MAX], got[256];
    enum conf_outcome outcome;
    int argc = split(argv, copy);

    environment(row->vars, true);
    outcome = conf_load(&conf, &table, argc, argv, NULL, &err);
    environment(row->vars, false);
    if (row->problem) {
        assert_int_equal(outcome, CONF_FAIL);
        assert_int_equal(err.kind, ERR_CONFIG);
        assert_contains(err.text, row->problem);
        return;
    }
    if (outcome != CONF_RUN)
        fail_msg("%s", err.text);
    show(got, sizeof(got), &conf);
    assert_string_equal(got, row->want);
}

static const struct file_row {
    const char *name, *content, *want;
    size_t len;
    const char *problem;
} file_rows[] = {
    {"as it is", "s3cret", "s3cret", 6, NULL},
    {"one newline is not part of it", "s3cret\n", "s3cret", 7, NULL},
    {"a second one is", "s3cret\n\n", "s3cret\n", 8, NULL},
    {"blanks are", " s 3\t", " s 3\t", 5, NULL},
    {"empty", "", "", 0, NULL},
    {"NUL inside", "s3\0cret", NULL, 7, "is not a text"},
};

static void secret_comes_from_a_file(void **state)
{
    const struct file_row *row = *state;
    char path[] = "/tmp/test_conf_XXXXXX";
    char *by_flag[] = {(char[]){"thing"}, (char[]){"--brokers=b"}, (char[]){"--api-key-file"}, path,
                       NULL};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, row->content, row->len), row->len);
    (void)close(fd);
    for (int by_variable = 0; by_variable < 2; by_variable++) {
        struct thing_conf conf = {0};
        struct err err = {0};
        enum conf_outcome outcome;

        if (by_variable)
            setenv("TONGBAO_THING_API_KEY_FILE", path, 1);
        outcome = conf_load(&conf, &table, by_variable ? 2 : 4, by_flag, NULL, &err);
        unsetenv("TONGBAO_THING_API_KEY_FILE");
        assert_int_equal(outcome, row->problem ? CONF_FAIL : CONF_RUN);
        if (row->problem) {
            assert_contains(err.text, row->problem);
            assert_null(strstr(err.text, "s3"));
        } else {
            assert_string_equal(conf.api_key, row->want);
        }
    }
    (void)unlink(path);
}

static const struct rest_row {
    const char *name, *args, *first;
    int index; /* of `first` in argv */
} rest_rows[] = {
    {"a command", "--brokers b submit FILE", "submit", 3},
    {"its own options are left alone", "--brokers b submit --json", "submit", 3},
    {"behind --", "--brokers b -- --json", "--json", 4},
    {"a lone hyphen is a word", "--brokers b -", "-", 3},
    {"none", "--brokers b", NULL, 3},
    {"none behind --", "--brokers b --", NULL, 4},
};

static void rest_begins_at_the_first_word(void **state)
{
    const struct rest_row *row = *state;
    AUTO(auto_free) char *copy = strdup(row->args);
    struct thing_conf conf = {0};
    struct err err = {0};
    char *argv[ARGS_MAX], **rest = NULL;
    int argc = split(argv, copy);

    assert_int_equal(conf_load(&conf, &table, argc, argv, &rest, &err), CONF_RUN);
    assert_ptr_equal(rest, argv + row->index);
    if (row->first)
        assert_string_equal(*rest, row->first);
    else
        assert_null(*rest);
}

static const struct print_row {
    const char *name, *args;
    enum conf_outcome want;
    const char *parts[6]; /* of standard output */
} print_rows[] = {
    {"help",
     "--help",
     CONF_EXIT,
     {"tongbao-thing - does things\n", "  --ack-deadline-ms=VALUE\n",
      "        -5 to 60000; default: 1000; TONGBAO_THING_ACK_DEADLINE_MS\n", "  --dry-run\n",
      "text; default: required; TONGBAO_THING_BROKERS\n", "--check-config\n"}},
    {"help, whatever is missing before it",
     "--dry-run --help",
     CONF_EXIT,
     {"Usage: tongbao-thing"}},
    {"version", "--version", CONF_EXIT, {"tongbao-thing 0."}},
    {"options in Markdown",
     "--print-options",
     CONF_EXIT,
     {"## tongbao-thing\n\ndoes things\n\n| option | variable | default | legal | meaning |\n",
      "| `--brokers` | `TONGBAO_THING_BROKERS` | required | text | where Kafka \\| is |\n",
      "| `--ack-deadline-ms` | `TONGBAO_THING_ACK_DEADLINE_MS` | 1000 | -5 to 60000 | how long",
      "| `--dry-run` | `TONGBAO_THING_DRY_RUN` | false | true or false | changes nothing |\n",
      "| `--note` | `TONGBAO_THING_NOTE` | empty | text | may be empty |\n"}},
    {"a check that holds says nothing", "--check-config --brokers b", CONF_EXIT, {NULL}},
    {"a check that does not hold", "--check-config", CONF_FAIL, {NULL}},
    {"a check goes to the end", "--brokers b --check-config --label", CONF_FAIL, {NULL}},
};

static void built_in_prints(void **state)
{
    const struct print_row *row = *state;
    AUTO(auto_free) char *copy = strdup(row->args);
    AUTO(auto_free) char *text = NULL;
    struct thing_conf conf = {0};
    struct err err = {0};
    struct capture c;
    char *argv[ARGS_MAX];
    enum conf_outcome outcome;
    int argc = split(argv, copy);

    capture_begin(&c, STDOUT_FILENO);
    outcome = conf_load(&conf, &table, argc, argv, NULL, &err);
    text = capture_end(&c);
    assert_int_equal(outcome, row->want);
    if (!row->parts[0])
        assert_string_equal(text, "");
    for (size_t i = 0; i < ARRAY_LEN(row->parts) && row->parts[i]; i++)
        assert_contains(text, row->parts[i]);
}

static void ctl_is_called_tongbao(void **state)
{
    static const struct conf_table ctl = {"ctl", "operates it", options, ARRAY_LEN(options)};
    AUTO(auto_free) char *text = NULL;
    struct thing_conf conf = {0};
    struct err err = {0};
    struct capture c;
    char *argv[] = {(char[]){"x"}, (char[]){"--help"}, NULL}, **rest;

    (void)state;
    capture_begin(&c, STDOUT_FILENO);
    assert_int_equal(conf_load(&conf, &ctl, 2, argv, &rest, &err), CONF_EXIT);
    text = capture_end(&c);
    assert_contains(text, "Usage: tongbao [OPTION]... COMMAND...");
    assert_contains(text, "TONGBAO_CTL_BROKERS");
}

static void secret_is_never_printed(void **state)
{
    static const struct conf_option secret[] = {
        {"key", CONF_TYPE_SECRET, 0, "hunter2", 0, 0, 0, "a key"}};
    static const struct conf_table secrets = {"s", "keeps it", secret, 1};
    AUTO(auto_free) char *text = NULL;
    struct capture c;
    struct err err = {0};
    const char *key = NULL;
    char *argv[] = {(char[]){"s"}, (char[]){"--help"}, NULL};

    (void)state;
    capture_begin(&c, STDOUT_FILENO);
    conf_print_markdown(&secrets);
    (void)conf_load(&key, &secrets, 2, argv, NULL, &err);
    text = capture_end(&c);
    assert_null(strstr(text, "hunter2"));
    assert_contains(text, "TONGBAO_S_KEY");
}

static void number_over_64_bits_is_refused(void **state)
{
    static const struct conf_option any[] = {
        {"n", CONF_TYPE_INT, 0, NULL, 0, INT64_MIN, INT64_MAX, "any number"}};
    static const struct conf_table numbers = {"n", "counts", any, 1};
    struct err err = {0};
    int64_t n = 0;
    char *most[] = {(char[]){"n"}, (char[]){"--n=9223372036854775807"}, NULL};
    char *more[] = {(char[]){"n"}, (char[]){"--n=9223372036854775808"}, NULL};

    (void)state;
    assert_int_equal(conf_load(&n, &numbers, 2, most, NULL, &err), CONF_RUN);
    assert_true(n == INT64_MAX);
    assert_int_equal(conf_load(&n, &numbers, 2, more, NULL, &err), CONF_FAIL);
}

static void instance_and_level_reach_the_log(void **state)
{
    AUTO(auto_free) char *text = NULL;
    struct thing_conf conf = {0};
    struct err err = {0};
    struct capture c;
    char host[256] = "", want[512];
    char *argv[] = {(char[]){"x"}, (char[]){"--brokers=b"}, (char[]){"--log-level=warn"}, NULL};

    (void)state;
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    assert_int_equal(conf_load(&conf, &table, 3, argv, NULL, &err), CONF_RUN);
    assert_string_equal(conf.instance, host);
    capture_begin(&c, STDERR_FILENO);
    log_plain(LOG_INFO, "too low");
    log_plain(LOG_WARN, "seen");
    text = capture_end(&c);
    (void)snprintf(want, sizeof(want),
                   "\"service\":\"thing\",\"instance\":\"%s\",\"message\":\"seen\"", host);
    assert_contains(text, want);
    assert_null(strstr(text, "too low"));
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, load_row);
    TEST_ADD_ROWS(&list, file_rows, secret_comes_from_a_file);
    TEST_ADD_ROWS(&list, rest_rows, rest_begins_at_the_first_word);
    TEST_ADD_ROWS(&list, print_rows, built_in_prints);
    TEST_ADD(&list, ctl_is_called_tongbao);
    TEST_ADD(&list, secret_is_never_printed);
    TEST_ADD(&list, number_over_64_bits_is_refused);
    TEST_ADD(&list, instance_and_level_reach_the_log);
    return test_run("conf", &list);
}
