/* test_number.c: the shortest text of a real: against printf with ever more digits. */
#include "runtime/number.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/runtime/check.h"

static uint64_t state = 88172645463325252u;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static int significant(const char *text) {
  int n = 0, zeros = 0;
  bool any = false;
  for (; *text && *text != 'e'; text++) {
    if (*text < '0' || *text > '9') continue;
    any |= *text != '0';
    if (!any) continue;
    n++;
    zeros = *text == '0' ? zeros + 1 : 0;
  }
  return n - zeros;
}

static void check(double v, bool f64) {
  char text[TW_RT_NUMBER + 1], by_printf[64];
  size_t n = tw_rt_number(text, v, f64);
  CHECK(n <= TW_RT_NUMBER, "%zu bytes", n);
  text[n] = 0;
  bool back = f64 ? strtod(text, NULL) == v : strtof(text, NULL) == (float)v;
  CHECK(back, "%.17g became %s", v, text);
  CHECK(f64 || (float)strtod(text, NULL) == (float)v, "%.17g became %s by way of f64", v, text);
  int digits = 1;
  for (;; digits++) {
    snprintf(by_printf, sizeof by_printf, "%.*e", digits - 1, v);
    if (f64 ? strtod(by_printf, NULL) == v : strtof(by_printf, NULL) == (float)v) break;
  }
  CHECK(significant(text) <= digits || v == 0, "%s has more than the %d digits of %s", text, digits, by_printf);
}

static void says(double v, bool f64, const char *want) {
  char text[TW_RT_NUMBER + 1];
  text[tw_rt_number(text, v, f64)] = 0;
  CHECK(strcmp(text, want) == 0, "%s, not %s", text, want);
}

int main(void) {
  says(0, true, "0");
  says(-0.0, true, "-0");
  says(1, false, "1");
  says(-0.5, false, "-0.5");
  says((double)0.1f, false, "0.1");
  says(0.1, true, "0.1");
  says(100, true, "100");
  says(99999, false, "99999");
  says(1e5, false, "100000");
  says(123456789, true, "123456789");
  says(1e-5, true, "0.00001");
  says(1e-7, true, "1e-7");
  says(1.5e300, true, "1.5e300");
  says((double)INFINITY, true, "inf");
  says(-(double)INFINITY, false, "-inf");
  says((double)NAN, true, "nan");
  says(5e-324, true, "5e-324");
  for (int k = 0; k < 60000; k++) {
    uint64_t r = next();
    double unit = (double)(r >> 11) * 0x1p-53, wide = ldexp(unit + 0.5, (int)(next() % 40) - 20), any;
    check((double)(float)unit, false);
    check(unit, true);
    check((double)(float)wide, false);
    check(-wide, true);
    check((double)(float)(k / 1000.0), false);
    check(k / 1000.0, true);
    memcpy(&any, &r, sizeof any);
    if (isfinite(any)) check(any, true);
    uint32_t half = (uint32_t)r;
    float small;
    memcpy(&small, &half, sizeof small);
    if (isfinite(small)) check((double)small, false);
  }
  for (int e = -30; e < 31; e++) { /* where the gap below is half of the one above */
    check(ldexp(1, e), true);
    check(ldexp(1, e), false);
  }
  return tw_test_done("number");
}
