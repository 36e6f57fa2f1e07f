/* report.c: the table, the lines of acceptance and the JSON file. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

/* The CPU's class without what is particular to this machine. */
static void cpu_name(char *to, size_t size) {
  snprintf(to, size, "unknown");
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[512];
  while (f && fgets(line, sizeof line, f)) {
    if (strncmp(line, "model name", 10) != 0 || !strchr(line, ':')) continue;
    snprintf(to, size, "%s", strchr(line, ':') + 2);
    to[strcspn(to, "\n")] = 0;
    break;
  }
  if (f) fclose(f);
}

void tw_bench_open(TwBench *b) {
  char cpu[256], date[32];
  time_t now = time(NULL);
  strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
  cpu_name(cpu, sizeof cpu);
  b->json = cJSON_CreateObject();
  cJSON_AddStringToObject(b->json, "date", date);
  cJSON_AddStringToObject(b->json, "cpu", cpu);
  cJSON_AddNumberToObject(b->json, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
  cJSON_AddBoolToObject(b->json, "quick", b->quick);
  double load = 0;
  if (getloadavg(&load, 1) == 1) cJSON_AddNumberToObject(b->json, "load", load);
  cJSON_AddStringToObject(b->json, "hand", b->hand ? b->hand->name : "none");
  b->rows = cJSON_AddArrayToObject(b->json, "rows");
  b->acceptance = cJSON_AddArrayToObject(b->json, "acceptance");
  printf("%s, %ld cores, %s; hand-written kernels of %s\n", cpu, sysconf(_SC_NPROCESSORS_ONLN), date,
         b->hand ? b->hand->name : "no width: this machine has no AVX2");
  if (load > 0.7)
    printf("the machine is busy (load %.1f): times by the wall, and what threads gain, say little\n", load);
}

static cJSON *section_of(const TwBench *b) { return cJSON_GetObjectItem(b->json, "section"); }

void tw_bench_section(TwBench *b, const char *title) {
  cJSON_DeleteItemFromObject(b->json, "section");
  cJSON_AddStringToObject(b->json, "section", title);
  printf("\n%s\n", title);
  fflush(stdout);
}

void tw_bench_row(TwBench *b, const char *name, double value, const char *unit, const char *note_format, ...) {
  char note[256] = "";
  if (note_format) {
    va_list ap;
    va_start(ap, note_format);
    vsnprintf(note, sizeof note, note_format, ap);
    va_end(ap);
  }
  cJSON *row = cJSON_CreateObject();
  cJSON_AddStringToObject(row, "section", section_of(b) ? section_of(b)->valuestring : "");
  cJSON_AddStringToObject(row, "name", name);
  if (isfinite(value)) cJSON_AddNumberToObject(row, "value", value);
  else cJSON_AddNullToObject(row, "value");
  cJSON_AddStringToObject(row, "unit", unit);
  cJSON_AddStringToObject(row, "note", note);
  cJSON_AddItemToArray(b->rows, row);
  if (isfinite(value)) printf("  %-46s %12.4g %-8s %s\n", name, value, unit, note);
  else printf("  %-46s %12s %-8s %s\n", name, "-", "", note);
  fflush(stdout);
}

static void accept(TwBench *b, const char *id, const char *what, double measured, const char *target, int met) {
  cJSON *line = cJSON_CreateObject();
  cJSON_AddStringToObject(line, "id", id);
  cJSON_AddStringToObject(line, "what", what);
  if (isfinite(measured)) cJSON_AddNumberToObject(line, "measured", measured);
  else cJSON_AddNullToObject(line, "measured");
  cJSON_AddStringToObject(line, "target", target);
  cJSON_AddStringToObject(line, "met", met < 0 ? "not measured" : met ? "met" : "not met");
  cJSON_AddItemToArray(b->acceptance, line);
}

void tw_bench_accept(TwBench *b, const char *id, const char *what, double measured, bool at_least, double target) {
  char text[64];
  snprintf(text, sizeof text, "%s %.4g", at_least ? ">=" : "<=", target);
  int met = isnan(measured) ? -1 : at_least ? measured >= target : measured <= target;
  accept(b, id, what, measured, text, met);
}

void tw_bench_fact(TwBench *b, const char *id, const char *what, bool met) { accept(b, id, what, NAN, "holds", met); }

void tw_bench_print_acceptance(const TwBench *b) {
  printf("\nAcceptance\n  %-5s %-66s %10s %10s\n", "", "", "measured", "target");
  const cJSON *line;
  cJSON_ArrayForEach(line, b->acceptance) {
    const cJSON *m = cJSON_GetObjectItem(line, "measured");
    char measured[32] = "";
    if (cJSON_IsNumber(m)) snprintf(measured, sizeof measured, "%.4g", m->valuedouble);
    printf("  %-5s %-66s %10s %10s  %s\n", cJSON_GetObjectItem(line, "id")->valuestring,
           cJSON_GetObjectItem(line, "what")->valuestring, measured, cJSON_GetObjectItem(line, "target")->valuestring,
           cJSON_GetObjectItem(line, "met")->valuestring);
  }
}

bool tw_bench_close(TwBench *b, const char *path) {
  cJSON_DeleteItemFromObject(b->json, "section");
  char *text = cJSON_Print(b->json);
  FILE *f = fopen(path, "w");
  bool ok = f && text && fputs(text, f) >= 0 && fputc('\n', f) >= 0;
  if (f && fclose(f) != 0) ok = false;
  if (ok) printf("\n%s written\n", path);
  else fprintf(stderr, "bench: cannot write %s\n", path);
  free(text);
  cJSON_Delete(b->json);
  return ok;
}
