/* rundir.c: see rundir.h. */
#define _GNU_SOURCE
#include "cli/rundir.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/digest.h"
#include "runtime/files.h"
#include "runtime/text.h"

char *tw_rundir_path(const char *folder, const char *name) {
  char *path = strcmp(folder, ".") == 0 ? tw_rt_textf("%s", name) : tw_rt_textf("%s/%s", folder, name);
  tw_cli_need(path);
  return path;
}

bool tw_rundir_is(const char *path) {
  char *run = tw_rundir_path(path, "run.json");
  bool is = access(run, F_OK) == 0;
  free(run);
  return is;
}

void tw_rundir_build(char out[65]) {
  uint8_t key[TW_CACHE_KEY];
  TwCacheHash *h = tw_cache_hash();
  out[0] = 0;
  if (!h) return;
  tw_cache_hash_end(h, key);
  tw_rt_digest_text(key, out);
}

/* ---- writing */

static void digest_of(const void *bytes, size_t n, char text[2 * TW_RT_DIGEST + 1]) {
  uint8_t digest[TW_RT_DIGEST];
  tw_rt_digest(bytes, n, digest);
  tw_rt_digest_text(digest, text);
}

/* The numbers of a data set as they were read; "" for a grid. */
static void digest_of_rows(const TwRtData *d, char text[2 * TW_RT_DIGEST + 1]) {
  text[0] = 0;
  if (d->rows) digest_of(d->rows, (size_t)d->n_rows * d->n_columns * sizeof *d->rows, text);
}

static cJSON *data_json(const TwRunJob *j) {
  cJSON *all = cJSON_CreateArray();
  for (uint32_t k = 0; k < j->rt->n_datas; k++) {
    const TwRtData *d = &j->rt->datas[k];
    const TwDataSet *typed = k < j->program->datas.len ? &j->program->datas.at[k] : NULL;
    char rows[2 * TW_RT_DIGEST + 1];
    digest_of_rows(d, rows);
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "name", d->name);
    cJSON_AddNumberToObject(one, "rows", (double)d->n_rows);
    if (*rows) cJSON_AddStringToObject(one, "rows_sha256", rows);
    if (typed && typed->file) {
      char *path = realpath(typed->file, NULL);
      cJSON_AddStringToObject(one, "path", path ? path : typed->file);
      if (typed->sha256) cJSON_AddStringToObject(one, "sha256", typed->sha256);
      free(path);
    }
    cJSON_AddItemToArray(all, one);
  }
  return all;
}

/* The files that params and weights start from. */
static cJSON *loads_json(const TwProgram *p) {
  cJSON *all = cJSON_CreateArray();
  for (uint32_t k = 0; k < p->loads.len; k++) {
    char *path = realpath(p->loads.at[k].file, NULL);
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "path", path ? path : p->loads.at[k].file);
    cJSON_AddStringToObject(one, "sha256", p->loads.at[k].sha256);
    cJSON_AddItemToArray(all, one);
    free(path);
  }
  return all;
}

static cJSON *job_json(const TwRunJob *j) {
  cJSON *one = cJSON_CreateObject();
  cJSON_AddStringToObject(one, "variant", j->rt->variant);
  cJSON_AddStringToObject(one, "folder", j->folder);
  cJSON_AddStringToObject(one, "bits", j->rt->portable ? "portable" : "machine");
  cJSON *settings = cJSON_AddObjectToObject(one, "settings");
  for (uint32_t k = 0; k < j->n_settings; k++)
    cJSON_AddStringToObject(settings, j->settings[k].name, j->settings[k].value);
  cJSON *constants = cJSON_AddObjectToObject(one, "constants");
  for (uint32_t k = 0; k < j->program->consts.len; k++)
    cJSON_AddRawToObject(constants, j->program->consts.at[k].name, j->program->consts.at[k].text);
  cJSON_AddItemToObject(one, "data", data_json(j));
  cJSON_AddItemToObject(one, "loads", loads_json(j->program));
  return one;
}

static void add_cpu(cJSON *run) {
  FILE *in = fopen("/proc/cpuinfo", "re");
  char *line = NULL;
  size_t size = 0;
  while (in && getline(&line, &size, in) > 0) {
    char *value = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
    if (!value) continue;
    value[strcspn(value, "\n")] = 0;
    cJSON_AddStringToObject(run, "cpu", value + 1 + strspn(value + 1, " "));
    break;
  }
  free(line);
  if (in) fclose(in);
  cJSON_AddNumberToObject(run, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
}

static void add_options(cJSON *run, const TwCli *c) {
  char seed[32], build[65], when[32], *cwd = getcwd(NULL, 0);
  time_t now = time(NULL);
  struct tm tm;
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
  tw_rundir_build(build);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)(c->have_seeds ? 0 : c->seed));
  cJSON_AddStringToObject(run, "triwave", TW_VERSION);
  cJSON_AddStringToObject(run, "build", build);
  cJSON_AddStringToObject(run, "started", when);
  cJSON *command = cJSON_AddArrayToObject(run, "command");
  for (int k = 0; k < c->argc; k++) cJSON_AddItemToArray(command, cJSON_CreateString(c->argv[k]));
  cJSON_AddStringToObject(run, "cwd", cwd ? cwd : "");
  add_cpu(run);
  cJSON_AddStringToObject(run, "program", c->files[0]);
  cJSON_AddStringToObject(run, "precision", c->precision == TW_F64 ? "f64" : "f32");
  cJSON_AddStringToObject(run, "first_seed", seed); /* a text: it may be larger than a JSON number is exact */
  cJSON_AddNumberToObject(run, "n_seeds", c->have_seeds ? (double)c->seeds : 1);
  cJSON_AddNumberToObject(run, "log_every", c->log_every);
  if (c->pieces) cJSON_AddNumberToObject(run, "pieces", c->pieces);
  if (c->variants) cJSON_AddStringToObject(run, "variants", c->variants);
  cJSON_AddBoolToObject(run, "all_variants", c->all_variants);
  cJSON *defines = cJSON_AddArrayToObject(run, "defines");
  for (uint32_t k = 0; k < c->n_defines; k++) {
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "name", c->defines[k].name);
    cJSON_AddStringToObject(one, "value", c->defines[k].value);
    cJSON_AddItemToArray(defines, one);
  }
  cJSON *sweeps = cJSON_AddArrayToObject(run, "sweeps");
  for (uint32_t k = 0; k < c->n_sweeps; k++) {
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "name", c->sweeps[k].name);
    cJSON *values = cJSON_AddArrayToObject(one, "values");
    for (uint32_t j = 0; j < c->sweeps[k].n; j++)
      cJSON_AddItemToArray(values, cJSON_CreateString(c->sweeps[k].values[j]));
    cJSON_AddItemToArray(sweeps, one);
  }
  free(cwd);
}

/* The copy of a source: program/NAME.tw, program/std/NAME.tw. NULL: it is not a file (-D's value). malloc'ed */
static char *copy_name(const TwSource *s) {
  size_t n = strlen(s->path);
  const char *slash = strrchr(s->path, '/');
  if (strncmp(s->path, "<std>/", 6) == 0) return tw_rt_textf("program/std/%s", s->path + 6);
  if (strncmp(s->path, "-", 1) == 0 && (n < 3 || strcmp(s->path + n - 3, ".tw") != 0)) return NULL;
  return tw_rt_textf("program/%s", slash ? slash + 1 : s->path);
}

static bool write_sources(const char *folder, TwRtFiles *files, cJSON *run, const TwUnit *u, uint32_t file,
                          char **error) {
  cJSON *all = cJSON_AddArrayToObject(run, "sources");
  bool ok = true;
  for (uint32_t k = 1; ok && k < u->sources.files.len; k++) {
    const TwSource *s = tw_source(&u->sources, k);
    char *name = copy_name(s), sha[2 * TW_RT_DIGEST + 1];
    if (!name) continue;
    char *path = tw_rundir_path(folder, name);
    digest_of(s->text, s->len, sha);
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "path", s->path);
    cJSON_AddStringToObject(one, "file", name);
    cJSON_AddStringToObject(one, "sha256", sha);
    if (k == file) cJSON_AddBoolToObject(one, "main", true);
    cJSON_AddItemToArray(all, one);
    ok = tw_rt_files_add(files, path, s->text, s->len, error);
    free(path);
    free(name);
  }
  return ok;
}

/* Names of files may be any bytes, and JSON is UTF-8: what a text under NAME is to the byte stands under NAME_bytes
 * then. */
#define BYTES "_bytes"

static void add_bytes(cJSON *to, const char *name, const char *text) {
  char *key = tw_cli_need(tw_rt_textf("%s" BYTES, name)), *hex = tw_cli_need(malloc(2 * strlen(text) + 1));
  for (size_t k = 0; text[k]; k++) snprintf(hex + 2 * k, 3, "%02x", (unsigned char)text[k]);
  cJSON_AddStringToObject(to, key, hex);
  free(key);
  free(hex);
}

/* Of j and all in it. */
static void make_valid(cJSON *j) {
  cJSON *one;
  cJSON_ArrayForEach(one, j) {
    const char *text = cJSON_GetStringValue(one);
    char *valid = text ? tw_cli_need(tw_rt_text_valid(text)) : NULL;
    if (text && strcmp(text, valid) != 0) {
      if (cJSON_IsObject(j)) add_bytes(j, one->string, text);
      tw_cli_need(cJSON_SetValuestring(one, valid));
    }
    free(valid);
    make_valid(one);
  }
}

bool tw_rundir_write(const char *folder, const TwCli *c, uint32_t file, const TwRunJob *jobs, uint32_t n,
                     char **error) {
  cJSON *run = cJSON_CreateObject();
  cJSON_AddNumberToObject(run, "format", TW_RUN_FORMAT);
  add_options(run, c);
  char *program = tw_rundir_path(folder, "program/std"), *path = tw_rundir_path(folder, "run.json");
  TwRtFiles files = {0};
  bool ok = tw_rt_folder_make(program, error) && write_sources(folder, &files, run, jobs[0].unit, file, error);
  cJSON *list = cJSON_AddArrayToObject(run, "jobs");
  for (uint32_t k = 0; ok && k < n; k++) cJSON_AddItemToArray(list, job_json(&jobs[k]));
  make_valid(run);
  char *text = ok ? cJSON_Print(run) : NULL;
  if (ok && !text) ok = (*error = NULL, false);
  if (ok) ok = tw_rt_files_commit(&files, error) && tw_rt_file_write(path, text, strlen(text), error);
  tw_rt_files_abandon(&files);
  cJSON_free(text);
  cJSON_Delete(run);
  free(program);
  free(path);
  return ok;
}

/* ---- reading */

static const cJSON *item(const cJSON *j, const char *name) { return cJSON_GetObjectItemCaseSensitive(j, name); }
static const char *text_of(const cJSON *j, const char *name) { return cJSON_GetStringValue(item(j, name)); }

static bool is_bytes(const char *hex) {
  size_t n = strlen(hex);
  bool ok = n % 2 == 0 && strspn(hex, "0123456789abcdef") == n;
  for (size_t k = 0; ok && k < n; k += 2) ok = hex[k] != '0' || hex[k + 1] != '0';
  return ok;
}

/* The opposite of make_valid. */
static bool take_bytes(cJSON *j) {
  cJSON *one;
  bool ok = true;
  cJSON_ArrayForEach(one, j) {
    size_t n = one->string ? strlen(one->string) : 0, end = sizeof BYTES - 1;
    char *hex = cJSON_GetStringValue(one);
    if (hex && n > end && strcmp(one->string + n - end, BYTES) == 0) {
      char *name = tw_cli_need(strndup(one->string, n - end));
      cJSON *text = cJSON_GetObjectItemCaseSensitive(j, name);
      free(name);
      if (!cJSON_IsString(text)) continue;
      if (!is_bytes(hex)) return false;
      for (size_t k = 0; hex[k]; k += 2) hex[k / 2] = (char)strtoul((char[]){hex[k], hex[k + 1], 0}, NULL, 16);
      hex[strlen(hex) / 2] = '\0';
      tw_cli_need(cJSON_SetValuestring(text, hex));
    }
    ok = ok && take_bytes(one);
  }
  return ok;
}

bool tw_rundir_read(TwRunDir *r, const char *folder, char **error) {
  char *path = tw_rundir_path(folder, "run.json");
  *r = (TwRunDir){.folder = tw_rt_textf("%s", folder)};
  bool ok = r->folder && tw_rt_file_read(path, &r->text, &r->length, error);
  if (!ok && access(path, F_OK) != 0 && access(folder, F_OK) == 0) {
    free(*error);
    *error = tw_rt_textf("'%s' is not the folder of a run: it has no run.json", folder);
  }
  if (ok) r->json = cJSON_ParseWithLength(r->text, r->length);
  const cJSON *format = ok ? item(r->json, "format") : NULL, *jobs = ok ? item(r->json, "jobs") : NULL;
  if (ok && (!cJSON_IsNumber(format) || !cJSON_IsArray(jobs) || !cJSON_IsArray(item(r->json, "sources")) ||
             !text_of(r->json, "program") || !take_bytes(r->json))) {
    *error = tw_rt_textf("'%s' is damaged: it is not what a run writes", path);
    ok = false;
  } else if (ok && format->valuedouble != TW_RUN_FORMAT) {
    *error = tw_rt_textf("'%s' has format %g, and this triwave reads format %d", path, format->valuedouble,
                         TW_RUN_FORMAT);
    ok = false;
  }
  free(path);
  if (!ok) tw_rundir_free(r);
  return ok;
}

void tw_rundir_free(TwRunDir *r) {
  cJSON_Delete(r->json);
  free(r->folder);
  free(r->text);
  *r = (TwRunDir){0};
}

static bool damaged_file(const TwRunDir *r, const char *name, char **error) {
  *error = tw_rt_textf("'%s/%s' is damaged: it is not what a run writes", r->folder, name);
  return false;
}

static bool damaged(const TwRunDir *r, char **error) { return damaged_file(r, "run.json", error); }

static bool has_stopped(const cJSON *summary) {
  const cJSON *variant, *seed;
  cJSON_ArrayForEach(variant, item(summary, "variants")) {
    cJSON_ArrayForEach(seed, item(variant, "seeds")) {
      const char *status = text_of(seed, "status");
      if (status && strcmp(status, "stopped") == 0) return true;
    }
  }
  return false;
}

bool tw_rundir_summary(const TwRunDir *r, cJSON **summary, char **error) {
  char *path = tw_rundir_path(r->folder, "summary.json"), *text = NULL;
  size_t n;
  *summary = NULL;
  bool there = access(path, F_OK) == 0, ok = !there || tw_rt_file_read(path, &text, &n, error);
  free(path);
  if (!there || !ok) return ok;
  cJSON *all = cJSON_ParseWithLength(text, n);
  free(text);
  const cJSON *variants = item(all, "variants");
  ok = (cJSON_IsArray(variants) && (uint32_t)cJSON_GetArraySize(variants) == tw_rundir_n_jobs(r)) ||
       damaged_file(r, "summary.json", error);
  if (ok && !has_stopped(all)) *summary = all;
  else cJSON_Delete(all);
  return ok;
}

/* Names of files as they are from here: where the run was started elsewhere, from the root. malloc'ed */
static char *path_from_here(const TwRunDir *r, const char *path) {
  const char *then = text_of(r->json, "cwd");
  char *now = getcwd(NULL, 0), *out;
  bool as_it_is = path[0] == '/' || path[0] == '<' || !then || !*then || (now && strcmp(then, now) == 0);
  out = as_it_is ? strdup(path) : tw_rt_textf("%s/%s", then, path);
  free(now);
  tw_cli_need(out);
  return out;
}

static bool read_sweeps(const TwRunDir *r, TwCli *c, char **error) {
  const cJSON *one, *value;
  cJSON_ArrayForEach(one, item(r->json, "sweeps")) {
    TwSweep s = {0};
    const char *name = text_of(one, "name");
    if (!name) return damaged(r, error);
    s.name = tw_cli_need(strdup(name));
    cJSON_ArrayForEach(value, item(one, "values")) {
      const char *text = cJSON_GetStringValue(value);
      s.values = tw_cli_need(realloc(s.values, (s.n + 1) * sizeof *s.values));
      s.values[s.n++] = tw_cli_need(strdup(text ? text : ""));
    }
    c->sweeps = tw_cli_need(realloc(c->sweeps, (c->n_sweeps + 1) * sizeof *c->sweeps));
    c->sweeps[c->n_sweeps++] = s;
  }
  return true;
}

static bool read_defines(const TwRunDir *r, TwCli *c, char **error) {
  const cJSON *one;
  cJSON_ArrayForEach(one, item(r->json, "defines")) {
    const char *name = text_of(one, "name"), *value = text_of(one, "value");
    if (!name || !value) return damaged(r, error);
    c->defines = tw_cli_need(realloc(c->defines, (c->n_defines + 1) * sizeof *c->defines));
    c->defines[c->n_defines++] = (TwDefine){tw_cli_need(strdup(name)), value};
  }
  return true;
}

bool tw_rundir_options(const TwRunDir *r, TwCli *c, char **error) {
  const char *precision = text_of(r->json, "precision"), *seed = text_of(r->json, "first_seed");
  const cJSON *n_seeds = item(r->json, "n_seeds"), *every = item(r->json, "log_every"),
              *pieces = item(r->json, "pieces");
  if (!precision || !seed || !cJSON_IsNumber(n_seeds) || !cJSON_IsNumber(every)) return damaged(r, error);
  if (!(n_seeds->valuedouble >= 1 && n_seeds->valuedouble <= 1e6 && every->valuedouble >= 0 &&
        every->valuedouble <= 1e9))
    return damaged(r, error);
  if (pieces && !(cJSON_IsNumber(pieces) && pieces->valuedouble >= 1 && pieces->valuedouble <= 1024))
    return damaged(r, error);
  c->files = tw_cli_need(malloc(sizeof *c->files));
  c->files[0] = path_from_here(r, text_of(r->json, "program"));
  c->n_files = 1;
  c->defines = NULL;
  c->sweeps = NULL;
  c->n_defines = c->n_sweeps = 0;
  c->variants = text_of(r->json, "variants");
  c->all_variants = cJSON_IsTrue(item(r->json, "all_variants"));
  c->precision = strcmp(precision, "f64") == 0 ? TW_F64 : TW_F32;
  c->seed = strtoull(seed, NULL, 10);
  c->seeds = (uint64_t)n_seeds->valuedouble;
  c->have_seeds = c->seeds > 1;
  c->have_seed = !c->have_seeds;
  c->log_every = (uint32_t)every->valuedouble;
  if (pieces && !c->pieces) c->pieces = (uint32_t)pieces->valuedouble;
  return read_defines(r, c, error) && read_sweeps(r, c, error);
}

void tw_rundir_options_free(TwCli *c) {
  if (c->n_files) free((char *)(uintptr_t)c->files[0]);
  free(c->files);
  for (uint32_t k = 0; k < c->n_defines; k++) free((char *)(uintptr_t)c->defines[k].name);
  free(c->defines);
  tw_cli_sweeps_free(c);
}

uint32_t tw_rundir_sources(const TwRunDir *r, TwUnit *u, char **error) {
  const cJSON *one;
  uint32_t file = 0;
  cJSON_ArrayForEach(one, item(r->json, "sources")) {
    const char *was = text_of(one, "path"), *copy = text_of(one, "file"), *sha = text_of(one, "sha256");
    if (!was || !copy || !sha) return damaged(r, error), 0;
    char *path = tw_rundir_path(r->folder, copy), *as = path_from_here(r, was), *text, is[2 * TW_RT_DIGEST + 1];
    size_t n;
    bool ok = tw_rt_file_read(path, &text, &n, error);
    if (ok) digest_of(text, n, is);
    if (ok && strcmp(is, sha) != 0)
      ok = (*error = tw_rt_textf("'%s' is not the program that the run was started with: it has been changed", path),
            false);
    uint32_t number = ok ? tw_source_add(&u->sources, as, text, n) : 0;
    if (cJSON_IsTrue(item(one, "main"))) file = number;
    free(text);
    free(path);
    free(as);
    if (!ok) return 0;
  }
  if (!file) damaged(r, error);
  return file;
}

/* ---- jobs */

static const cJSON *job(const TwRunDir *r, uint32_t k) { return cJSON_GetArrayItem(item(r->json, "jobs"), (int)k); }

uint32_t tw_rundir_n_jobs(const TwRunDir *r) { return (uint32_t)cJSON_GetArraySize(item(r->json, "jobs")); }

const char *tw_rundir_variant(const TwRunDir *r, uint32_t k) {
  const char *name = text_of(job(r, k), "variant");
  return name ? name : "";
}

const cJSON *tw_rundir_settings(const TwRunDir *r, uint32_t k) { return item(job(r, k), "settings"); }

char *tw_rundir_folder(const TwRunDir *r, uint32_t k) {
  const char *name = text_of(job(r, k), "folder");
  char *out = !name || strcmp(name, ".") == 0 ? strdup(r->folder) : tw_rundir_path(r->folder, name);
  tw_cli_need(out);
  return out;
}

static bool same_data(const cJSON *list, const TwRunJob *j, char **error) {
  for (uint32_t k = 0; k < j->rt->n_datas; k++) {
    const cJSON *one = cJSON_GetArrayItem(list, (int)k);
    const char *sha = text_of(one, "rows_sha256"), *path = text_of(one, "path");
    char rows[2 * TW_RT_DIGEST + 1];
    digest_of_rows(&j->rt->datas[k], rows);
    if (strcmp(rows, sha ? sha : "") == 0) continue;
    *error = tw_rt_textf("data '%s' is not what the run was started with: %s%s%s has been changed",
                         j->rt->datas[k].name, path ? "'" : "", path ? path : "its file", path ? "'" : "");
    return false;
  }
  return true;
}

static bool same_loads(const cJSON *list, const TwProgram *p, char **error) {
  for (uint32_t k = 0; k < p->loads.len; k++) {
    const char *then = text_of(cJSON_GetArrayItem(list, (int)k), "sha256");
    if (then && strcmp(then, p->loads.at[k].sha256) == 0) continue;
    *error = tw_rt_textf("'%s', from which values are loaded, has been changed since the run was started",
                         p->loads.at[k].file);
    return false;
  }
  return true;
}

bool tw_rundir_same_job(const TwRunDir *r, uint32_t k, const TwRunJob *j, char **error) {
  const cJSON *one = job(r, k), *settings = item(one, "settings");
  bool same = one && strcmp(tw_rundir_variant(r, k), j->rt->variant) == 0;
  for (uint32_t s = 0; same && s < j->n_settings; s++) {
    const char *value = text_of(settings, j->settings[s].name);
    same = value && strcmp(value, j->settings[s].value) == 0;
  }
  if (!same) return damaged(r, error);
  return same_data(item(one, "data"), j, error) && same_loads(item(one, "loads"), j->program, error);
}
