/*
 * test - cmocka with the headers it needs, in the order it needs them, and a way to make one test
 * per row of a table: a failing row neither hides nor stops the others.
 *
 *     static const struct row { const char *name, *in; bool want; } rows[] = {…};
 *     static void check(void **state) { const struct row *row = *state; … }
 *     int main(void) { return TEST_ROWS("utf8", rows, check); }
 *
 * Several tables and single tests in one program: fill a struct test_list and run it.
 * Every row begins with its name. Bounds: TEST_MAX tests in one program.
 */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

/* Order matters: cmocka.h includes nothing itself. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define TEST_MAX 2048

struct test_list {
    struct CMUnitTest tests[TEST_MAX];
    size_t n;
};

static inline void test_add(struct test_list *list, const char *name, CMUnitTestFunction fn,
                            const void *state)
{
    if (list->n == TEST_MAX)
        abort(); /* more would be left out in silence */
    list->tests[list->n++] = (struct CMUnitTest){
        .name = name, .test_func = fn, .initial_state = (void *)(uintptr_t)state};
}

/* `rows` is the first of n rows of `size` bytes, each beginning with `const char *name`. */
static inline void test_add_rows(struct test_list *list, const void *rows, size_t size, size_t n,
                                 CMUnitTestFunction fn)
{
    for (size_t i = 0; i < n; i++) {
        const void *row = (const char *)rows + i * size;

        test_add(list, *(const char *const *)row, fn, row);
    }
}

#define TEST_ADD(list, fn) test_add((list), #fn, (fn), NULL)
#define TEST_ADD_ROWS(list, rows, fn)                                                              \
    test_add_rows((list), (rows), sizeof((rows)[0]), ARRAY_LEN(rows), (fn))

/* Runs them all; the result is main's. The names are kept apart from _cmocka_run_group_tests'
 * macro, which wants an array. */
static inline int test_run(const char *group, const struct test_list *list)
{
    return _cmocka_run_group_tests(group, list->tests, list->n, NULL, NULL);
}

static inline int test_run_rows(const char *group, const void *rows, size_t size, size_t n,
                                CMUnitTestFunction fn)
{
    static struct test_list list;

    test_add_rows(&list, rows, size, n, fn);
    return test_run(group, &list);
}

#define TEST_ROWS(group, rows, fn)                                                                 \
    test_run_rows((group), (rows), sizeof((rows)[0]), ARRAY_LEN(rows), (fn))

/* Fails with the error's own text instead of "0 != 1". */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s", #call, (err)->text);                                                \
    } while (0)

/* The call fails, with this kind, and its text contains `part`. */
#define assert_fails(call, err, want_kind, part)                                                   \
    do {                                                                                           \
        assert_false(call);                                                                        \
        assert_int_equal((err)->kind, (want_kind));                                                \
        assert_contains((err)->text, (part));                                                      \
    } while (0)

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("no \"%s\" in: %s", (part), (text));                                          \
    } while (0)

#endif
