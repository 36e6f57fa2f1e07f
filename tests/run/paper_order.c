/* paper_order.c TRIWAVE CUBIC: the five variants of the experiments of Milkert, Hyde & Laine (2025) on x^3, thirty
 * seeds each, in the paper's order of accuracy; `full` at its accuracy; 2^5 regions in every epoch of pretraining. */
#include <math.h>

#include "tests/run/json.h"

static int failures;
static void check(int ok, const char *what) {
  printf("%s: %s\n", ok ? "ok" : "FAILED", what);
  failures += !ok;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  char command[4096];
  snprintf(command, sizeof command, "'%s' run '%s' --all-variants --seeds 30 --json", argv[1], argv[2]);
  int code;
  cJSON *j = run_json(command, &code);
  if (!j) return 1;
  check(code == 0, "exit code 0");
  static const char *const order[] = {"full", "free", "skip", "raai", "kaiming"};
  double mean[5], min[5];
  for (int k = 0; k < 5; k++) {
    mean[k] = min[k] = NAN;
    const cJSON *v;
    cJSON_ArrayForEach(v, items(j, "variants")) {
      if (strcmp(string(v, "name"), order[k]) != 0) continue;
      const cJSON *s = items(v, "summary");
      mean[k] = number(s, "mean");
      min[k] = number(s, "min");
      printf("%-8s min %.3g mean %.3g median %.3g max %.3g failed %g of %g\n", order[k], min[k], mean[k],
             number(s, "median"), number(s, "max"), number(s, "failed"), number(s, "n"));
      check(number(s, "n") == 30 && number(s, "failed") == 0, "thirty seeds, none failed");
      if (k != 0) continue;
      const cJSON *seed;
      cJSON_ArrayForEach(seed, items(v, "seeds")) {
        const cJSON *pre = cJSON_GetArrayItem(items(seed, "stages"), 0);
        double lo = number(pre, "min_regions"), hi = number(pre, "max_regions");
        if (!(lo >= 32 && hi <= 33)) check(0, "32 or 33 regions in every epoch of pretrain");
        if (strcmp(string(seed, "status"), "ok") != 0) check(0, "status ok");
      }
    }
  }
  check(min[0] <= 2e-7, "full: min <= 2e-7");
  check(mean[0] <= 2e-6, "full: mean <= 2e-6");
  for (int k = 1; k < 5; k++) {
    char what[64];
    snprintf(what, sizeof what, "mean of %s < mean of %s", order[k - 1], order[k]);
    check(mean[k - 1] < mean[k], what);
  }
  for (int k = 1; k < 4; k++) { /* the two random starts are equal in the paper's minima, too */
    char what[64];
    snprintf(what, sizeof what, "min of %s < min of %s", order[k - 1], order[k]);
    check(min[k - 1] < min[k], what);
  }
  check(min[2] < min[4], "min of skip < min of kaiming");
  cJSON_Delete(j);
  return failures != 0;
}
