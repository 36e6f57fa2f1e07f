/* check.h: checks that say what failed and go on; a test's main returns tw_test_done(). */
#ifndef TW_TESTS_RUNTIME_CHECK_H
#define TW_TESTS_RUNTIME_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tw_test_failed, tw_test_checks;

#define CHECK(cond, ...)                                                                                               \
  do {                                                                                                                 \
    tw_test_checks++;                                                                                                  \
    if (!(cond)) {                                                                                                     \
      tw_test_failed++;                                                                                                \
      fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #cond);                                               \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
    }                                                                                                                  \
  } while (0)

/* Both must be finite: a NaN passes no check. */
static inline bool tw_test_near(double a, double b, double tolerance) {
  double d = a - b;
  return d <= tolerance && -d <= tolerance;
}
#define CHECK_NEAR(a, b, tolerance) CHECK(tw_test_near(a, b, tolerance), "%.17g and %.17g", (double)(a), (double)(b))
#define CHECK_INT(a, b) CHECK((long long)(a) == (long long)(b), "%lld and %lld", (long long)(a), (long long)(b))
#define CHECK_HAS(text, part)                                                                                          \
  CHECK((text) && strstr((text), (part)), "'%s' lacks '%s'", (text) ? (text) : "(null)", (part))

static inline int tw_test_done(const char *name) {
  printf("%s: %d checks, %d failed\n", name, tw_test_checks, tw_test_failed);
  return tw_test_failed != 0;
}

#endif
