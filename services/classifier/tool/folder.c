#include "services/classifier/tool/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/policy_file.h"
#include "services/classifier/tool/io.h"

#define PATH_BYTES 4096

static bool read_doc(json_t *docs, const char *path, const char *name, size_t file_max_bytes,
                     struct err *err)
{
    AUTO(buf_done) struct buf text;
    json_t *doc = NULL;

    if (!file_read(&text, path, file_max_bytes, err))
        return false;
    if (!json_read_strict(&doc, buf_text(&text), text.len, err)) {
        if (err && err->kind == ERR_INPUT)
            err->kind = ERR_CONFIG;
        return err_wrap(err, "%s", path);
    }
    return json_object_set_new(docs, name, doc) == 0 || err_memory(err);
}

bool folder_read(json_t *docs, const char *folder, const char *sub, size_t file_max_bytes,
                 struct err *err)
{
    char where[PATH_BYTES], path[PATH_BYTES];
    struct dirent **files = NULL;
    bool ok = true;
    int n;

    if (snprintf(where, sizeof(where), "%s%s%s", folder, *sub ? "/" : "", sub) >= PATH_BYTES)
        return err_set(err, ERR_CONFIG, "%.100s…: the path is too long", folder);
    n = scandir(where, &files, policy_file_is_json, alphasort);
    if (n < 0)
        return (*sub && errno == ENOENT) ||
               err_set(err, ERR_CONFIG, "%s: %s", where, strerrordesc_np(errno));
    for (int i = 0; i < n; i++) {
        if (ok && snprintf(path, sizeof(path), "%s/%s", where, files[i]->d_name) >= PATH_BYTES)
            ok = err_set(err, ERR_CONFIG, "%.100s…: the path is too long", where);
        ok = ok && read_doc(docs, path, path + strlen(folder) + 1, file_max_bytes, err);
        free(files[i]);
    }
    free(files);
    return ok;
}
