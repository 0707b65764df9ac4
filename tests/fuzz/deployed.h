/* deployed - the deployed policy, found by this file's own path: a fuzzer runs in the build folder. */
#ifndef TESTS_FUZZ_DEPLOYED_H
#define TESTS_FUZZ_DEPLOYED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/classifier/classify.h"

#define DEPLOYED_PATH_MAX 512

static inline void deployed_path(char ret[DEPLOYED_PATH_MAX], const char *below)
{
    static const char here[] = "tests/fuzz/deployed.h";
    size_t root = strlen(__FILE__) - strlen(here);

    snprintf(ret, DEPLOYED_PATH_MAX, "%.*sdeploy/policy/%s", (int)root, __FILE__, below);
}

static inline void require(bool holds)
{
    if (!holds)
        abort();
}

/* Loaded once, for the life of the process. */
static inline struct policy *deployed(void)
{
    static struct policy *policy;
    char path[DEPLOYED_PATH_MAX];
    struct err err = {0};

    if (policy)
        return policy;
    deployed_path(path, "");
    require(policy_load(&policy, path, &err));
    return policy;
}

#endif
