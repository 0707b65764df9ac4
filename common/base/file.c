#include "common/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool read_all(struct buf *ret, FILE *f, const char *path, size_t max, struct err *err)
{
    char piece[65536];
    size_t n;

    buf_init(ret, max);
    if (!f)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    while (!ret->failed && (n = fread(piece, 1, sizeof(piece), f)) > 0)
        (void)buf_add(ret, piece, n);
    if (ferror(f))
        return err_set(err, ERR_CONFIG, "%s: cannot be read", path);
    return !ret->failed || err_set(err, ERR_CONFIG, "%s: has more than %zu bytes", path, max);
}

bool file_read_any(struct buf *ret, const char *path, size_t max, struct err *err)
{
    AUTO(auto_fclose) FILE *opened = strcmp(path, "-") == 0 ? NULL : fopen(path, "re");

    return read_all(ret, strcmp(path, "-") == 0 ? stdin : opened, path, max, err);
}

bool file_read(struct buf *ret, const char *path, size_t max, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    AUTO(auto_fclose) FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    struct stat st;

    if (f && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        buf_init(ret, max);
        return err_set(err, ERR_CONFIG, "%s: is no regular file: take it out of the folder", path);
    }
    return read_all(ret, f, path, max, err);
}

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash;
}

static void close_folder(DIR **folder)
{
    if (*folder)
        (void)closedir(*folder);
}

/* `from`: what the names in it begin with. */
static uint64_t stamp_of(const char *folder, uint64_t from, int depth)
{
    AUTO(close_folder) DIR *dir = opendir(folder);
    const struct dirent *entry;
    uint64_t ret = 0;

    while (dir && (entry = readdir(dir))) {
        char path[4096];
        struct stat st;
        uint64_t hash = mix(from, entry->d_name, strlen(entry->d_name) + 1);

        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path) ||
            stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            ret += depth > 0 ? stamp_of(path, hash, depth - 1) : 0;
            continue;
        }
        hash = mix(hash, &st.st_ino, sizeof(st.st_ino));
        hash = mix(hash, &st.st_size, sizeof(st.st_size));
        hash = mix(hash, &st.st_mtim, sizeof(st.st_mtim));
        ret += hash; /* a sum: whatever order they are read in */
    }
    return ret;
}

uint64_t folder_stamp(const char *folder)
{
    return stamp_of(folder, FNV_BASIS, 1);
}
