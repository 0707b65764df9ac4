/*
 * replay - a fuzzer's property over its kept inputs and none, in any build: what a fuzzer asks must hold at every commit, also where no clang is.
 *
 *     replay_<name> [FOLDER]
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES ((size_t)1024 * 1024)

static bool replay(const char *folder, const char *name)
{
    AUTO(buf_done) struct buf input;
    struct err err = {0};
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!file_read(&input, path, INPUT_MAX_BYTES, &err)) {
        fprintf(stderr, "replay: %s\n", err.text);
        return false;
    }
    printf("%s\n", path);
    fflush(stdout); /* the one that fails is the last */
    (void)LLVMFuzzerTestOneInput((const uint8_t *)buf_text(&input), input.len);
    return true;
}

int main(int argc, char **argv)
{
    DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
    const struct dirent *entry;
    bool ok = argc < 2 || folder;

    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    while (ok && folder && (entry = readdir(folder)))
        ok = entry->d_name[0] == '.' || replay(argv[1], entry->d_name);
    if (folder)
        (void)closedir(folder);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
