/* json.h: running the command and reading its JSON, for tests. */
#ifndef TW_TESTS_JSON_H
#define TW_TESTS_JSON_H

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs `command` and returns its stdout, NUL-terminated; *code is its exit code. */
static inline char *run_text(const char *command, int *code) {
  FILE *p = popen(command, "r");
  size_t n = 0, cap = 1 << 16;
  char *text = malloc(cap);
  if (!p || !text) abort();
  for (size_t got; (got = fread(text + n, 1, cap - n - 1, p)) > 0;) {
    n += got;
    if (cap - n < 2 && !(text = realloc(text, cap *= 2))) abort();
  }
  text[n] = 0;
  int status = pclose(p);
  *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return text;
}

static inline cJSON *run_json(const char *command, int *code) {
  char *text = run_text(command, code);
  cJSON *j = cJSON_Parse(text);
  if (!j) fprintf(stderr, "not JSON (exit %d): %s\n%.400s\n", *code, command, text);
  free(text);
  return j;
}

static inline double number(const cJSON *j, const char *key) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, key);
  return cJSON_IsNumber(v) ? v->valuedouble : (double)(0.0 / 0.0);
}
static inline const char *string(const cJSON *j, const char *key) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, key);
  return cJSON_IsString(v) ? v->valuestring : "";
}
static inline const cJSON *items(const cJSON *j, const char *key) { return cJSON_GetObjectItemCaseSensitive(j, key); }

/* Sets every "seconds" to null, so that two runs of one program can be compared as text. */
static inline void drop_seconds(cJSON *j) {
  for (cJSON *c = j->child; c;) {
    cJSON *next = c->next;
    if (c->string && strcmp(c->string, "seconds") == 0) cJSON_Delete(cJSON_DetachItemViaPointer(j, c));
    else drop_seconds(c);
    c = next;
  }
}

#endif
