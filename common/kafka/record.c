#include "common/kafka/record.h"

#include <string.h>

bool record_header_add(struct record *rec, const char *name, const char *value)
{
    if (rec->headers_n == RECORD_HEADERS_MAX)
        return false;
    rec->headers[rec->headers_n++] = (struct record_header){name, value, strlen(value)};
    return true;
}

bool record_headers_add(struct record *rec, const char *const *names, const char *const *values,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!record_header_add(rec, names[i], values[i]))
            return false;
    return true;
}
