/* tongbao policy diff without --replay: what differs in the files of two folders. */
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "proto/policy_file.h"
#include "services/classifier/policy.h"
#include "services/classifier/tool/folder.h"
#include "services/classifier/tool/io.h"
#include "services/classifier/tool/tool.h"

#define TEXT_BYTES ((size_t)16 * 1024 * 1024)
#define PATH_BYTES 4096

/* --- one folder --- */

struct side {
    const char *folder;
    struct policy *policy;
    json_t *docs; /* by file name */
    json_t *rules; /* {"cac-2025": {"cac.5.major": rule, …}, "taxonomy": …}, in the files' order */
};

static void side_done(struct side *s)
{
    policy_unref(s->policy);
    json_decref(s->docs);
    json_decref(s->rules);
}

static void add_rules(json_t *rules, const char *regime, const json_t *doc)
{
    const json_t *list = json_object_get(doc, "rules");
    json_t *by_id = json_object(), *otherwise = json_object_get(doc, "otherwise");

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *rule = json_array_get(list, i);

        (void)json_object_set(by_id, json_string_value(json_object_get(rule, "id")), rule);
    }
    if (otherwise)
        (void)json_object_set(by_id, "otherwise", otherwise);
    (void)json_object_set_new(rules, regime, by_id);
}

/* The text model's texts: which they are, not what they say. */
static bool add_texts(struct side *s, struct err *err)
{
    AUTO(globfree) glob_t files = {0};
    char pattern[PATH_BYTES];

    if (snprintf(pattern, sizeof(pattern), "%s/texts/*.jsonl", s->folder) >= PATH_BYTES)
        return err_set(err, ERR_CONFIG, "%.100s…: the path is too long", s->folder);
    if (glob(pattern, 0, NULL, &files) != 0)
        return true; /* there are none */
    for (size_t i = 0; i < files.gl_pathc; i++) {
        AUTO(buf_done) struct buf text;
        uint8_t digest[SHA256_LEN];
        char hex[SHA256_HEX_MAX];

        if (!file_read(&text, files.gl_pathv[i], MODEL_FILE_BYTES, err))
            return false;
        sha256(buf_text(&text), text.len, digest);
        hex_encode(hex, digest, SHA256_LEN);
        if (json_object_set_new(s->docs, files.gl_pathv[i] + strlen(s->folder) + 1,
                                json_string(hex)))
            return err_memory(err);
    }
    return true;
}

static bool side_open(struct side *s, const char *folder, struct err *err)
{
    static const char *const subs[] = {"", "regimes", "obligations", "templates", "cases"};
    const char *file;
    json_t *doc;

    *s = (struct side){.folder = folder, .docs = json_object(), .rules = json_object()};
    if (!s->docs || !s->rules)
        return err_memory(err);
    if (!policy_load(&s->policy, folder, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(subs); i++)
        if (!folder_read(s->docs, folder, subs[i], 16 * POLICY_FILE_MAX_BYTES, err))
            return false;
    if (!add_texts(s, err))
        return false;
    json_object_foreach(s->docs, file, doc)
    {
        if (strncmp(file, "regimes/", strlen("regimes/")) == 0)
            add_rules(s->rules, json_string_value(json_object_get(doc, "id")), doc);
    }
    add_rules(s->rules, "taxonomy", json_object_get(s->docs, "taxonomy.json"));
    return true;
}

/* --- rules --- */

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

/* {"level": [old, new], …} */
static json_t *changed_members(json_t *before, json_t *after)
{
    json_t *ret = json_object(), *value;
    const char *name;

    json_object_foreach(before, name, value)
    {
        json_t *other = json_object_get(after, name);

        if (!other || !json_equal(value, other))
            (void)json_object_set_new(ret, name, json_pack("[O,o]", value, or_null(other)));
    }
    json_object_foreach(after, name, value)
    {
        if (!json_object_get(before, name))
            (void)json_object_set_new(ret, name, json_pack("[n,O]", value));
    }
    return ret;
}

static void add_change(json_t *ret, const char *regime, const char *rule, json_t *before,
                       json_t *after)
{
    json_t *item;

    if (before && after && json_equal(before, after))
        return;
    item = json_pack("{s:s,s:s,s:s}", "regime", regime, "rule", rule, "change",
                     !before  ? "came"
                     : !after ? "went"
                              : "changed");
    if (before && after)
        (void)json_object_set_new(item, "members", changed_members(before, after));
    else
        (void)json_object_set(item, "text", before ? before : after);
    (void)json_array_append_new(ret, item);
}

/* The ids that both have, in one's order. */
static json_t *common_ids(json_t *of, json_t *with)
{
    json_t *ret = json_array(), *rule;
    const char *id;

    json_object_foreach(of, id, rule)
    {
        if (json_object_get(with, id))
            (void)json_array_append_new(ret, json_string(id));
    }
    return ret;
}

/* Of the taxonomy's rules the first that is proven counts. */
static void compare_order(json_t *ret, json_t *before, json_t *after)
{
    AUTO(auto_json) json_t *a = common_ids(before, after);
    AUTO(auto_json) json_t *b = common_ids(after, before);

    if (!json_equal(a, b))
        (void)json_array_append_new(
            ret, json_pack("{s:s,s:s}", "regime", "taxonomy", "change", "other order"));
}

static void compare_regime(json_t *ret, const char *regime, json_t *before, json_t *after)
{
    const char *id;
    json_t *rule;

    json_object_foreach(before, id, rule)
        add_change(ret, regime, id, rule, json_object_get(after, id));
    json_object_foreach(after, id, rule)
    {
        if (!json_object_get(before, id))
            add_change(ret, regime, id, NULL, rule);
    }
}

static json_t *compare_rules(const struct side *before, const struct side *after)
{
    json_t *ret = json_array(), *rules;
    const char *regime;

    json_object_foreach(before->rules, regime, rules)
        compare_regime(ret, regime, rules, json_object_get(after->rules, regime));
    json_object_foreach(after->rules, regime, rules)
    {
        if (!json_object_get(before->rules, regime))
            compare_regime(ret, regime, NULL, rules);
    }
    compare_order(ret, json_object_get(before->rules, "taxonomy"),
                  json_object_get(after->rules, "taxonomy"));
    return ret;
}

/* --- lists of words, and other files --- */

static bool has_word(const json_t *list, const json_t *word)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), word))
            return true;
    return false;
}

static json_t *words_only_in(const json_t *a, const json_t *b)
{
    json_t *ret = json_array();

    for (size_t i = 0; i < json_array_size(a); i++)
        if (!has_word(b, json_array_get(a, i)))
            (void)json_array_append(ret, json_array_get(a, i));
    return ret;
}

static void add_list(json_t *ret, const char *name, const json_t *before, const json_t *after)
{
    AUTO(auto_json) json_t *came = words_only_in(after, before);
    AUTO(auto_json) json_t *went = words_only_in(before, after);

    if (json_array_size(came) + json_array_size(went) > 0)
        (void)json_array_append_new(
            ret, json_pack("{s:s,s:O,s:O}", "list", name, "came", came, "went", went));
}

static json_t *compare_lists(const struct side *before, const struct side *after)
{
    json_t *a = json_object_get(json_object_get(before->docs, "words.json"), "lists");
    json_t *b = json_object_get(json_object_get(after->docs, "words.json"), "lists");
    json_t *ret = json_array(), *list;
    const char *name;

    json_object_foreach(a, name, list) add_list(ret, name, list, json_object_get(b, name));
    json_object_foreach(b, name, list)
    {
        if (!json_object_get(a, name))
            add_list(ret, name, NULL, list);
    }
    return ret;
}

static bool read_model(const struct side *s, struct buf *ret, struct err *err)
{
    char path[PATH_BYTES];

    buf_init(ret, MODEL_FILE_BYTES);
    if (snprintf(path, sizeof(path), "%s/model.bin", s->folder) >= PATH_BYTES)
        return err_set(err, ERR_CONFIG, "%.100s…: the path is too long", s->folder);
    return access(path, F_OK) != 0 || file_read(ret, path, MODEL_FILE_BYTES, err);
}

static bool compare_files(const struct side *before, const struct side *after, json_t **ret,
                          struct err *err)
{
    AUTO(buf_done) struct buf a = {0};
    AUTO(buf_done) struct buf b = {0};
    json_t *doc, *list = *ret = json_array();
    const char *file;

    json_object_foreach(before->docs, file, doc)
    {
        json_t *other = json_object_get(after->docs, file);

        if (!other || !json_equal(doc, other))
            (void)json_array_append_new(
                list, json_pack("{s:s,s:s}", "file", file, "change", other ? "changed" : "went"));
    }
    json_object_foreach(after->docs, file, doc)
    {
        if (!json_object_get(before->docs, file))
            (void)json_array_append_new(list,
                                        json_pack("{s:s,s:s}", "file", file, "change", "came"));
    }
    if (!read_model(before, &a, err) || !read_model(after, &b, err))
        return false;
    if (a.len != b.len || memcmp(buf_text(&a), buf_text(&b), a.len) != 0)
        (void)json_array_append_new(list, json_pack("{s:s,s:s}", "file", "model.bin", "change",
                                                    a.len == 0   ? "came"
                                                    : b.len == 0 ? "went"
                                                                 : "changed"));
    return true;
}

/* --- the answer --- */

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static void write_value(struct buf *out, const json_t *value)
{
    AUTO(auto_free) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    (void)buf_str(out, json_is_string(value) ? json_string_value(value) : text);
}

static void write_rule(struct buf *out, const json_t *item)
{
    const json_t *text = json_object_get(item, "text");
    const char *change = text_at(item, "change"), *level = text_at(text, "level"), *name;
    json_t *pair;

    (void)buf_printf(out, "  %s %s",
                     strcmp(change, "came") == 0   ? "+"
                     : strcmp(change, "went") == 0 ? "-"
                                                   : "~",
                     *text_at(item, "rule") ? text_at(item, "rule")
                                            : "(the rules stand in another order)");
    if (text)
        (void)buf_printf(out, "  %s%s%s / %s", level, *level ? "  " : "", text_at(text, "zh"),
                         text_at(text, "en"));
    (void)buf_char(out, '\n');
    json_object_foreach(json_object_get(item, "members"), name, pair)
    {
        (void)buf_printf(out, "      %-12s    ", name);
        write_value(out, json_array_get(pair, 0));
        (void)buf_str(out, "\n                -> ");
        write_value(out, json_array_get(pair, 1));
        (void)buf_char(out, '\n');
    }
}

static void write_rules(struct buf *out, const json_t *rules)
{
    const char *regime = "";

    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *item = json_array_get(rules, i);

        if (strcmp(regime, text_at(item, "regime")) != 0)
            (void)buf_printf(out, "\n%s\n", text_at(item, "regime"));
        regime = text_at(item, "regime");
        write_rule(out, item);
    }
}

static void write_words(struct buf *out, const json_t *words, char sign)
{
    for (size_t i = 0; i < json_array_size(words); i++)
        (void)buf_printf(out, " %c%s", sign, json_string_value(json_array_get(words, i)));
}

static void write_answer(struct buf *out, const struct side *before, const struct side *after,
                         const json_t *answer)
{
    const json_t *lists = json_object_get(answer, "lists"),
                 *files = json_object_get(answer, "files");

    (void)buf_printf(out, "old  %s  %s\nnew  %s  %s\n", before->policy->version, before->folder,
                     after->policy->version, after->folder);
    if (strcmp(before->policy->version, after->policy->version) == 0)
        (void)buf_printf(out, "%s: every report is graded alike\n",
                         json_array_size(files) == 0 ? "the same policy"
                                                     : "the same rules of grading");
    write_rules(out, json_object_get(answer, "rules"));
    for (size_t i = 0; i < json_array_size(lists); i++) {
        const json_t *item = json_array_get(lists, i);

        (void)buf_printf(out, "%s  %s:", i == 0 ? "\nlists of words\n" : "", text_at(item, "list"));
        write_words(out, json_object_get(item, "came"), '+');
        write_words(out, json_object_get(item, "went"), '-');
        (void)buf_char(out, '\n');
    }
    for (size_t i = 0; i < json_array_size(files); i++)
        (void)buf_printf(out, "%s  %-7s  %s\n", i == 0 ? "\nfiles\n" : "",
                         text_at(json_array_get(files, i), "change"),
                         text_at(json_array_get(files, i), "file"));
}

static bool put_diff(const struct side *before, const struct side *after, bool as_json, FILE *out,
                     struct err *err)
{
    AUTO(auto_json) json_t *files = NULL;
    AUTO(auto_json) json_t *answer = NULL;
    AUTO(buf_done) struct buf text = {0};

    if (!compare_files(before, after, &files, err))
        return false;
    answer = json_pack("{s:{s:s,s:s},s:{s:s,s:s},s:o,s:o,s:O}", "old", "folder", before->folder,
                       "version", before->policy->version, "new", "folder", after->folder,
                       "version", after->policy->version, "rules", compare_rules(before, after),
                       "lists", compare_lists(before, after), "files", files);
    if (!answer)
        return err_memory(err);
    if (as_json)
        return io_put_json(out, answer, JSON_INDENT(2), err);
    buf_init(&text, TEXT_BYTES);
    write_answer(&text, before, after, answer);
    return io_put_text(out, &text, err);
}

bool tool_diff_rules(const char *old_folder, const char *new_folder, bool as_json, FILE *out,
                     struct err *err)
{
    AUTO(side_done) struct side before = {0};
    AUTO(side_done) struct side after = {0};

    return side_open(&before, old_folder, err) && side_open(&after, new_folder, err) &&
           put_diff(&before, &after, as_json, out, err);
}
