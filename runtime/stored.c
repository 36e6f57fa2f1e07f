/* stored.c: see stored.h. */
#include "runtime/stored.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data.h"
#include "runtime/text.h"

TwRtStored tw_rt_stored_of(const char *stored, uint32_t rank, const int64_t *dims) {
  TwRtStored s = {.n = 1, .count = 1, .rank = rank, .dims = dims};
  for (const char *c = stored; *c && s.rank; c++)
    if (*c == '*') s.n *= (uint64_t)*s.dims++, s.rank--;
  for (uint32_t k = 0; k < s.rank; k++) s.count *= (uint64_t)s.dims[k];
  return s;
}

char *tw_rt_stored_name(const char *stored, const int64_t *dims, uint64_t k) {
  /* From the end, as the last index runs fastest. */
  uint32_t axes = 0;
  for (const char *c = stored; *c; c++) axes += *c == '*';
  char *tail = tw_rt_textf("%s", "");
  size_t end = strlen(stored);
  while (axes-- > 0 && tail) {
    size_t star = end;
    while (stored[--star] != '*') continue;
    uint64_t n = (uint64_t)dims[axes];
    char *longer = tw_rt_textf("%llu%.*s%s", (unsigned long long)(k % n), (int)(end - star - 1), stored + star + 1,
                               tail);
    k /= n;
    end = star;
    free(tail);
    tail = longer;
  }
  char *name = tail ? tw_rt_textf("%.*s%s", (int)end, stored, tail) : NULL;
  free(tail);
  return name;
}

/* ---- writing */

/* {"net.hidden.*.weight": {"name": "net.hidden.W", "shape": [3, 4, 4], "kind": "weights"}, …} */
static char *legend(const TwRtProgram *p) {
  cJSON *all = cJSON_CreateObject();
  bool ok = all != NULL;
  for (uint32_t k = 0; ok && k < p->n_tensors; k++) {
    const TwRtTensor *t = &p->tensors[k];
    cJSON *item = cJSON_AddObjectToObject(all, t->stored);
    ok = item && cJSON_AddStringToObject(item, "name", t->name);
    cJSON *shape = ok ? cJSON_AddArrayToObject(item, "shape") : NULL;
    ok = shape != NULL;
    for (uint32_t j = 0; ok && j < t->rank; j++) {
      cJSON *n = cJSON_CreateNumber((double)t->dims[j]);
      ok = n && cJSON_AddItemToArray(shape, n);
    }
    ok = ok && cJSON_AddStringToObject(item, "kind", t->is_param ? "param" : "weights");
  }
  char *text = ok ? cJSON_PrintUnformatted(all) : NULL;
  cJSON_Delete(all);
  return text;
}

static uint64_t files_tensors(const TwRtProgram *p) {
  uint64_t n = 0;
  for (uint32_t k = 0; k < p->n_tensors; k++)
    n += tw_rt_stored_of(p->tensors[k].stored, p->tensors[k].rank, p->tensors[k].dims).n;
  return n;
}

unsigned char *tw_rt_stored_encode(const TwRtProgram *p, const double *shown, const TwRtStText *texts, size_t n_texts,
                                   size_t *size) {
  size_t real = tw_rt_real_size(p->f64), n = 0, most = files_tensors(p);
  TwRtStTensor *tensors = calloc(most + 1, sizeof *tensors);
  char **names = calloc(most + 1, sizeof *names), *data = malloc((p->n_shown + 1) * real);
  TwRtStText *all = calloc(n_texts + 1, sizeof *all);
  char *text = legend(p);
  bool ok = tensors && names && data && all && text;
  for (uint64_t i = 0; ok && i < p->n_shown; i++) tw_rt_put(data, i, shown[i], p->f64);
  for (uint32_t k = 0; ok && k < p->n_tensors; k++) {
    const TwRtTensor *t = &p->tensors[k];
    TwRtStored s = tw_rt_stored_of(t->stored, t->rank, t->dims);
    for (uint64_t j = 0; ok && j < s.n; j++, n++) {
      ok = (names[n] = tw_rt_stored_name(t->stored, t->dims, j)) != NULL;
      tensors[n] = (TwRtStTensor){
          names[n], p->f64 ? "F64" : "F32", s.rank, s.dims, s.count, data + (t->at + j * s.count) * real};
    }
  }
  unsigned char *bytes = NULL;
  if (ok) {
    if (n_texts) memcpy(all, texts, n_texts * sizeof *all);
    all[n_texts] = (TwRtStText){"triwave.tensors", text};
    bytes = tw_rt_st_encode(tensors, n, all, n_texts + 1, size);
  }
  for (size_t k = 0; names && k < most; k++) free(names[k]);
  cJSON_free(text);
  free(names), free(tensors), free(data), free(all);
  return bytes;
}

char *tw_rt_stored_coordinates(const TwRtProgram *p, const void *values) {
  uint64_t n = p->n_coordinates > TW_RT_MOST_COORDINATES ? 0 : p->n_coordinates;
  size_t digits = 2 * tw_rt_real_size(p->f64);
  char *text = malloc(n * digits + 1), *at = text;
  for (uint64_t i = 0; text && i < n; i++, at += digits) {
    uint64_t wide;
    uint32_t narrow;
    if (p->f64) memcpy(&wide, (const double *)values + i, sizeof wide), snprintf(at, digits + 1, "%016" PRIx64, wide);
    else memcpy(&narrow, (const float *)values + i, sizeof narrow), snprintf(at, digits + 1, "%08" PRIx32, narrow);
  }
  if (text) *at = 0;
  return text;
}

/* ---- reading */

static bool refuse(char **error, char *why) {
  *error = why;
  return false;
}

char *tw_rt_stored_shape(uint32_t rank, const int64_t *dims) {
  char *s = tw_rt_textf("real%s", rank ? "[" : "");
  for (uint32_t k = 0; k < rank && s; k++) {
    char *longer = tw_rt_textf("%s%lld%s", s, (long long)dims[k], k + 1 < rank ? ", " : "]");
    free(s);
    s = longer;
  }
  return s;
}

static bool wrong_shape(const TwRtStTensor *t, const TwRtStored *s, char **error) {
  char *has = tw_rt_stored_shape(t->rank, t->dims), *wants = tw_rt_stored_shape(s->rank, s->dims);
  refuse(error,
         tw_rt_textf("'%s' is %s in the file and %s in the program", t->name, has ? has : "", wants ? wants : ""));
  free(has);
  free(wants);
  return false;
}

static bool get_one(const TwRtSt *file, const char *name, const TwRtStored *s, double *out, char **error) {
  const TwRtStTensor *t = tw_rt_st_find(file, name);
  if (!t) return refuse(error, tw_rt_textf("there is no tensor '%s' in the file", name));
  bool same = t->rank == s->rank;
  for (uint32_t k = 0; same && k < s->rank; k++) same = t->dims[k] == s->dims[k];
  if (!same) return wrong_shape(t, s, error);
  if (!tw_rt_st_has_reals(t))
    return refuse(error, tw_rt_textf("'%s' has the dtype %s, and F32 or F64 is wanted", name, t->dtype));
  for (uint64_t i = 0; i < s->count; i++) out[i] = tw_rt_st_real(t, i);
  return true;
}

bool tw_rt_stored_get(const TwRtSt *file, const char *stored, uint32_t rank, const int64_t *dims, double *out,
                      char **error) {
  TwRtStored s = tw_rt_stored_of(stored, rank, dims);
  *error = NULL;
  bool ok = true;
  for (uint64_t k = 0; ok && k < s.n; k++) {
    char *name = tw_rt_stored_name(stored, dims, k);
    ok = name && get_one(file, name, &s, out + k * s.count, error);
    free(name);
  }
  return ok;
}

bool tw_rt_stored_decode(const TwRtProgram *p, const TwRtSt *file, double *shown, char **error) {
  *error = NULL;
  for (uint32_t k = 0; k < p->n_tensors; k++) {
    const TwRtTensor *t = &p->tensors[k];
    if (!tw_rt_stored_get(file, t->stored, t->rank, t->dims, shown + t->at, error)) return false;
  }
  uint64_t wanted = files_tensors(p);
  if (wanted != file->n_tensors)
    return refuse(error, tw_rt_textf("the file has %llu tensors, and the program %llu",
                                     (unsigned long long)file->n_tensors, (unsigned long long)wanted));
  return true;
}

bool tw_rt_stored_coordinates_get(const TwRtProgram *p, const TwRtSt *file, double *values) {
  const char *text = tw_rt_st_text(file, TW_RT_COORDINATES);
  size_t digits = 2 * tw_rt_real_size(p->f64);
  if (!text) return true;
  if (strlen(text) != p->n_coordinates * digits || strspn(text, "0123456789abcdef") != strlen(text)) return false;
  for (uint64_t i = 0; i < p->n_coordinates; i++) {
    char word[17] = "";
    memcpy(word, text + i * digits, digits);
    uint64_t bits = strtoull(word, NULL, 16);
    uint32_t low = (uint32_t)bits;
    float single;
    memcpy(&single, &low, sizeof single);
    values[i] = single;
    if (p->f64) memcpy(&values[i], &bits, sizeof bits);
  }
  return true;
}
