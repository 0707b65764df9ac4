/* deployed - where the deployed policy lies, found by this file's own path: a fuzzer runs in the build folder. */
#ifndef TESTS_FUZZ_DEPLOYED_H
#define TESTS_FUZZ_DEPLOYED_H

#include <stdio.h>
#include <string.h>

#define DEPLOYED_PATH_MAX 512

static inline void deployed_path(char ret[DEPLOYED_PATH_MAX], const char *below)
{
    static const char here[] = "tests/fuzz/deployed.h";
    size_t root = strlen(__FILE__) - strlen(here);

    snprintf(ret, DEPLOYED_PATH_MAX, "%.*sdeploy/policy/%s", (int)root, __FILE__, below);
}

#endif
