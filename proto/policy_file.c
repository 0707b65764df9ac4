#include "proto/policy_file.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "proto/node.h"

bool policy_file_read(struct policy_file *ret, const char *folder, const char *name,
                      struct err *err)
{
    char path[4096];

    *ret = (struct policy_file){.name = name};
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "%s: the path is too long", name);
    return file_read(&ret->text, path, POLICY_FILE_MAX_BYTES, err) &&
           (json_read_strict(&ret->doc, buf_text(&ret->text), ret->text.len, err) ||
            policy_file_refuse(ret, err));
}

int policy_file_is_json(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

void policy_file_done(struct policy_file *f)
{
    json_decref(f->doc);
    buf_done(&f->text);
    f->doc = NULL;
}

bool policy_file_decode(const struct policy_file *f, const struct shape *shape, void *ret,
                        struct arena *arena, struct err *err)
{
    return shape_decode(shape, f->doc, true, TIME_EXACT, ret, arena, err) ||
           policy_file_refuse(f, err);
}

/* --- the line of a pointer --- */

/* The member or item that one step of a pointer names; `len` bytes without escapes, as all names of policies are. */
static const struct node *step_into(const struct node *at, const char *step, size_t len)
{
    const struct node *child;
    size_t index = 0;

    if (at->type != JSON_OBJECT && at->type != JSON_ARRAY)
        return NULL;
    for (child = at->first; child; child = child->next, index++) {
        char text[24];
        const char *name = child->name;

        if (at->type == JSON_ARRAY) {
            snprintf(text, sizeof(text), "%zu", index);
            name = text;
        }
        if (strlen(name) == len && memcmp(name, step, len) == 0)
            return child;
    }
    return NULL;
}

/* As far as the pointer leads: what is missing is missed in what should hold it. */
static const struct node *walk(const struct node *at, const char *pointer)
{
    while (*pointer == '/') {
        size_t len = strcspn(pointer + 1, "/");
        const struct node *next = step_into(at, pointer + 1, len);

        if (!next)
            break;
        at = next;
        pointer += 1 + len;
    }
    return at;
}

/* 0: the text is no JSON, or there is no memory. */
static size_t line_of(const struct policy_file *f, const char *pointer)
{
    AUTO(arena_done) struct arena arena;
    struct node *root;
    size_t line = 1;

    arena_init(&arena, (NODE_BYTES_PER_BYTE + 1) * (f->text.len + 64));
    if (!node_parse(&root, buf_text(&f->text), f->text.len, &arena, &arena, NULL))
        return 0;
    for (const char *c = buf_text(&f->text), *end = walk(root, pointer)->raw; c < end; c++)
        line += *c == '\n';
    return line;
}

bool policy_file_refuse(const struct policy_file *f, struct err *err)
{
    size_t line;

    if (!err || err->kind == ERR_FATAL || err->kind == ERR_TRANSIENT)
        return false;
    err->kind = ERR_CONFIG;
    line = line_of(f, err->pointer);
    if (line == 0)
        return err_wrap(err, "%s", f->name);
    if (!err->pointer[0])
        return err_wrap(err, "%s:%zu", f->name, line);
    return err_wrap(err, "%s:%zu: %s", f->name, line, err->pointer);
}
