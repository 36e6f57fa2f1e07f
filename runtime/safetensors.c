/* safetensors.c: see safetensors.h. */
#include "runtime/safetensors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/text.h"

enum { LENGTH = 8, MAX_RANK = 64 };
/* The format's own bound: a header is to be small enough to be read by anyone. */
static const uint64_t MAX_HEADER = 100000000;

static const struct {
  const char *name;
  unsigned size;
} dtypes[] = {{"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},    {"I8", 1},
              {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E5M2", 1}, {"F8_E4M3", 1}};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

/* ---- writing */

static bool add_text(cJSON *to, const char *key, const char *value) {
  char *k = tw_rt_text_valid(key), *v = tw_rt_text_valid(value);
  bool ok = k && v && cJSON_AddStringToObject(to, k, v);
  free(k);
  free(v);
  return ok;
}

static bool add_number(cJSON *array, uint64_t v) {
  cJSON *item = cJSON_CreateNumber((double)v);
  if (item && cJSON_AddItemToArray(array, item)) return true;
  cJSON_Delete(item);
  return false;
}

static size_t bytes_of(const TwRtStTensor *t) { return t->count * (strcmp(t->dtype, "F64") == 0 ? 8 : 4); }

static bool add_tensor(cJSON *header, const TwRtStTensor *t, uint64_t begin) {
  char *name = tw_rt_text_valid(t->name);
  cJSON *item = name ? cJSON_AddObjectToObject(header, name) : NULL;
  free(name);
  if (!item || !cJSON_AddStringToObject(item, "dtype", t->dtype)) return false;
  cJSON *shape = cJSON_AddArrayToObject(item, "shape");
  bool ok = shape != NULL;
  for (uint32_t k = 0; ok && k < t->rank; k++) ok = add_number(shape, (uint64_t)t->dims[k]);
  cJSON *offsets = ok ? cJSON_AddArrayToObject(item, "data_offsets") : NULL;
  return offsets && add_number(offsets, begin) && add_number(offsets, begin + bytes_of(t));
}

static char *header_text(const TwRtStTensor *tensors, size_t n_tensors, const TwRtStText *texts, size_t n_texts) {
  cJSON *header = cJSON_CreateObject();
  bool ok = header != NULL;
  cJSON *meta = ok && n_texts ? cJSON_AddObjectToObject(header, "__metadata__") : NULL;
  ok = ok && (meta || !n_texts);
  for (size_t k = 0; ok && k < n_texts; k++) ok = add_text(meta, texts[k].key, texts[k].value);
  uint64_t at = 0;
  for (size_t k = 0; ok && k < n_tensors; k++) {
    ok = add_tensor(header, &tensors[k], at);
    at += bytes_of(&tensors[k]);
  }
  char *text = ok ? cJSON_PrintUnformatted(header) : NULL;
  cJSON_Delete(header);
  return text;
}

unsigned char *tw_rt_st_encode(const TwRtStTensor *tensors, size_t n_tensors, const TwRtStText *texts, size_t n_texts,
                               size_t *size) {
  char *header = header_text(tensors, n_tensors, texts, n_texts);
  if (!header) return NULL;
  size_t length = strlen(header), padded = (length + 7) / 8 * 8, data = 0;
  for (size_t k = 0; k < n_tensors; k++) data += bytes_of(&tensors[k]);
  unsigned char *out = malloc(LENGTH + padded + data);
  if (out) {
    for (int k = 0; k < LENGTH; k++) out[k] = (unsigned char)((uint64_t)padded >> (8 * k));
    memcpy(out + LENGTH, header, length);
    memset(out + LENGTH + length, ' ', padded - length);
    size_t at = LENGTH + padded;
    for (size_t k = 0; k < n_tensors; k++) {
      if (tensors[k].count) memcpy(out + at, tensors[k].data, bytes_of(&tensors[k]));
      at += bytes_of(&tensors[k]);
    }
    *size = at;
  }
  cJSON_free(header);
  return out;
}

/* ---- reading */

typedef struct Blocks { /* freed together */
  struct Blocks *next;
} Blocks;

static void *block(TwRtSt *f, size_t size) {
  Blocks *b = calloc(1, sizeof *b + size);
  if (!b) return NULL;
  b->next = f->blocks;
  f->blocks = b;
  return b + 1;
}

static char *copy(TwRtSt *f, const char *text) {
  size_t n = strlen(text) + 1;
  char *s = block(f, n);
  return s ? memcpy(s, text, n) : NULL;
}

void tw_rt_st_free(TwRtSt *f) {
  for (Blocks *b = f->blocks, *next; b; b = next) {
    next = b->next;
    free(b);
  }
  *f = (TwRtSt){0};
}

/* How far a name is shown in messages. */
static int shown(const char *name) { return (int)tw_rt_text_cut(name, 80); }

static bool refuse(char **error, char *why) {
  *error = why;
  return false;
}

/* A number that is a count: a whole one that a double holds exactly. */
static bool is_count(const cJSON *item, uint64_t *out) {
  if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 9007199254740992.0)) return false;
  *out = (uint64_t)item->valuedouble;
  return (double)*out == item->valuedouble;
}

/* The shape, its product, and that times the size of an element, none of which may overflow. */
static bool read_shape(TwRtSt *f, const cJSON *shape, unsigned element, TwRtStTensor *t, uint64_t *bytes,
                       char **error) {
  const char *name = t->name;
  int rank = cJSON_IsArray(shape) ? cJSON_GetArraySize(shape) : -1;
  if (rank < 0) return refuse(error, tw_rt_textf("tensor '%.*s' has no shape", shown(name), name));
  if (rank > MAX_RANK)
    return refuse(error,
                  tw_rt_textf("tensor '%.*s' has %d axes; %d are too many", shown(name), name, rank, MAX_RANK + 1));
  int64_t *dims = block(f, ((size_t)rank + 1) * sizeof *dims);
  if (!dims) return refuse(error, NULL);
  t->rank = (uint32_t)rank;
  t->dims = dims;
  bool empty = false, overflow = false;
  uint64_t count = 1;
  const cJSON *item;
  cJSON_ArrayForEach(item, shape) {
    uint64_t n;
    if (!is_count(item, &n))
      return refuse(error, tw_rt_textf("the shape of tensor '%.*s' is not made of whole numbers", shown(name), name));
    *dims++ = (int64_t)n;
    empty |= n == 0;
    overflow |= n && __builtin_mul_overflow(count, n, &count);
  }
  t->count = empty ? 0 : count;
  if (!empty && (overflow || __builtin_mul_overflow(count, element, bytes)))
    return refuse(error, tw_rt_textf("the shape of tensor '%.*s' is larger than any memory", shown(name), name));
  if (empty) *bytes = 0;
  return true;
}

static bool read_tensor(TwRtSt *f, const cJSON *item, const unsigned char *data, uint64_t size, TwRtStTensor *t,
                        char **error) {
  const char *name = t->name = copy(f, item->string);
  if (!name) return refuse(error, NULL);
  if (!cJSON_IsObject(item))
    return refuse(error, tw_rt_textf("the entry of tensor '%.*s' is no JSON object", shown(name), name));
  const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype"),
              *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
  unsigned element = 0;
  for (int k = 0; cJSON_IsString(dtype) && k < N_DTYPES; k++)
    if (strcmp(dtype->valuestring, dtypes[k].name) == 0) t->dtype = dtypes[k].name, element = dtypes[k].size;
  if (!element) {
    const char *text = cJSON_IsString(dtype) ? dtype->valuestring : NULL;
    return refuse(error,
                  text ? tw_rt_textf("tensor '%.*s' has an unknown dtype, '%.*s'", shown(name), name, shown(text), text)
                       : tw_rt_textf("tensor '%.*s' has no dtype", shown(name), name));
  }
  if (cJSON_GetArraySize(item) != 3)
    return refuse(error,
                  tw_rt_textf("the entry of tensor '%.*s' is not dtype, shape and data_offsets", shown(name), name));
  uint64_t begin, end, bytes;
  if (!read_shape(f, cJSON_GetObjectItemCaseSensitive(item, "shape"), element, t, &bytes, error)) return false;
  if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
      !is_count(cJSON_GetArrayItem(offsets, 0), &begin) || !is_count(cJSON_GetArrayItem(offsets, 1), &end))
    return refuse(error, tw_rt_textf("the data_offsets of tensor '%.*s' are not two whole numbers", shown(name), name));
  if (begin > end || end > size)
    return refuse(error, tw_rt_textf("tensor '%.*s' has the bytes %llu to %llu of %llu", shown(name), name,
                                     (unsigned long long)begin, (unsigned long long)end, (unsigned long long)size));
  if (end - begin != bytes)
    return refuse(error, tw_rt_textf("tensor '%.*s' has %llu bytes, and its shape wants %llu", shown(name), name,
                                     (unsigned long long)(end - begin), (unsigned long long)bytes));
  t->data = data + begin;
  return true;
}

static int by_place(const void *a, const void *b) {
  const TwRtStTensor *x = a, *y = b;
  if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
  return (x->count > 0) - (y->count > 0); /* one without elements may lie where another begins */
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const TwRtStTensor *)a)->name, ((const TwRtStTensor *)b)->name);
}
static int by_key(const void *a, const void *b) {
  return strcmp(((const TwRtStText *)a)->key, ((const TwRtStText *)b)->key);
}

static uint64_t length_of(const TwRtStTensor *t) {
  for (int k = 0; k < N_DTYPES; k++)
    if (t->dtype == dtypes[k].name) return t->count * dtypes[k].size;
  return 0;
}

/* Every byte belongs to one tensor; no name comes twice. Leaves them sorted by name. */
static bool check_tensors(TwRtSt *f, const unsigned char *data, uint64_t size, char **error) {
  if (f->n_tensors > 1) qsort(f->tensors, f->n_tensors, sizeof *f->tensors, by_place);
  const unsigned char *at = data;
  for (size_t k = 0; k < f->n_tensors; k++) {
    const TwRtStTensor *t = &f->tensors[k];
    const unsigned char *begin = t->data;
    if (begin < at) return refuse(error, tw_rt_textf("tensor '%.*s' overlaps another", shown(t->name), t->name));
    if (begin > at)
      return refuse(error, tw_rt_textf("%llu bytes before tensor '%.*s' belong to none",
                                       (unsigned long long)(begin - at), shown(t->name), t->name));
    at = begin + length_of(t);
  }
  if (at != data + size)
    return refuse(error,
                  tw_rt_textf("%llu bytes at the end belong to no tensor", (unsigned long long)(data + size - at)));
  if (f->n_tensors > 1) qsort(f->tensors, f->n_tensors, sizeof *f->tensors, by_name);
  for (size_t k = 1; k < f->n_tensors; k++) {
    const char *name = f->tensors[k].name;
    if (strcmp(f->tensors[k - 1].name, name) == 0)
      return refuse(error, tw_rt_textf("tensor '%.*s' is there twice", shown(name), name));
  }
  return true;
}

static bool read_texts(TwRtSt *f, const cJSON *meta, char **error) {
  if (!cJSON_IsObject(meta) || f->texts) return refuse(error, tw_rt_textf("__metadata__ is not one JSON object"));
  f->texts = block(f, ((size_t)cJSON_GetArraySize(meta) + 1) * sizeof *f->texts);
  if (!f->texts) return refuse(error, NULL);
  const cJSON *item;
  cJSON_ArrayForEach(item, meta) {
    if (!cJSON_IsString(item))
      return refuse(error, tw_rt_textf("'%.*s' of __metadata__ is no text", shown(item->string), item->string));
    TwRtStText *t = &f->texts[f->n_texts];
    t->key = copy(f, item->string);
    t->value = copy(f, item->valuestring);
    if (!t->key || !t->value) return refuse(error, NULL);
    f->n_texts++;
  }
  if (f->n_texts > 1) qsort(f->texts, f->n_texts, sizeof *f->texts, by_key);
  for (size_t k = 1; k < f->n_texts; k++)
    if (strcmp(f->texts[k - 1].key, f->texts[k].key) == 0)
      return refuse(error,
                    tw_rt_textf("'%.*s' of __metadata__ is there twice", shown(f->texts[k].key), f->texts[k].key));
  return true;
}

/* The header as JSON. What cJSON does not mind is refused here: bytes that are no UTF-8, and NULs in texts, which
 * would end names early. */
static cJSON *parse_header(TwRtSt *f, const unsigned char *bytes, size_t length, char **error) {
  char *text = block(f, length + 1);
  if (!text) return refuse(error, NULL), NULL;
  memcpy(text, bytes, length);
  for (const char *s = text; s < text + length;) {
    size_t n = *s ? tw_rt_text_sequence(s) : 0;
    if (!n) return refuse(error, tw_rt_textf("byte %zu of the header is not UTF-8", (size_t)(s - text))), NULL;
    s += n;
  }
  if (strstr(text, "\\u0000")) return refuse(error, tw_rt_textf("the header has a NUL in a text")), NULL;
  const char *end = NULL;
  cJSON *json = text[0] == '{' ? cJSON_ParseWithOpts(text, &end, true) : NULL; /* the format wants '{' at once */
  if (!json) refuse(error, tw_rt_textf("the header is no JSON object"));
  return json;
}

static bool read_header(TwRtSt *f, const cJSON *header, const unsigned char *data, uint64_t size, char **error) {
  f->tensors = block(f, ((size_t)cJSON_GetArraySize(header) + 1) * sizeof *f->tensors);
  if (!f->tensors) return refuse(error, NULL);
  const cJSON *item;
  cJSON_ArrayForEach(item, header) {
    bool meta = strcmp(item->string, "__metadata__") == 0;
    if (!(meta ? read_texts(f, item, error) : read_tensor(f, item, data, size, &f->tensors[f->n_tensors], error)))
      return false;
    f->n_tensors += meta ? 0 : 1;
  }
  return check_tensors(f, data, size, error);
}

/* `f` may own blocks already; they are freed with it if the bytes are refused. */
static bool decode(TwRtSt *f, const unsigned char *bytes, size_t size, char **error) {
  *error = NULL;
  uint64_t length = 0;
  for (int k = 0; k < LENGTH && size >= LENGTH; k++) length |= (uint64_t)bytes[k] << (8 * k);
  bool ok;
  if (size < LENGTH) {
    ok = refuse(error, tw_rt_textf("%zu bytes are no safetensors file", size));
  } else if (length > MAX_HEADER || length > size - LENGTH) {
    ok = refuse(error, tw_rt_textf("the header is said to have %llu bytes, and the file has %zu",
                                   (unsigned long long)length, size));
  } else {
    cJSON *header = parse_header(f, bytes + LENGTH, (size_t)length, error);
    ok = header && read_header(f, header, bytes + LENGTH + length, size - LENGTH - length, error);
    cJSON_Delete(header);
  }
  if (!ok) tw_rt_st_free(f);
  return ok;
}

bool tw_rt_st_decode(const void *bytes, size_t size, TwRtSt *out, char **error) {
  *out = (TwRtSt){0};
  return decode(out, bytes, size, error);
}

/* All of a file, in a block of f. NULL: *why is an errno. */
static unsigned char *read_all(TwRtSt *f, const char *path, size_t *size, int *why) {
  *why = 0;
  FILE *in = fopen(path, "rb");
  struct stat st;
  unsigned char *bytes = NULL;
  if (!in || fstat(fileno(in), &st) != 0) *why = errno;
  else if (!S_ISREG(st.st_mode)) *why = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
  else if (!(bytes = block(f, (size_t)st.st_size + 1))) *why = ENOMEM;
  else *size = fread(bytes, 1, (size_t)st.st_size, in);
  if (bytes && ferror(in)) *why = errno, bytes = NULL;
  if (in) fclose(in);
  return bytes;
}

bool tw_rt_st_read(const char *path, TwRtSt *out, char **error) {
  *out = (TwRtSt){0};
  *error = NULL;
  size_t size = 0;
  int why;
  unsigned char *bytes = read_all(out, path, &size, &why);
  if (!bytes) {
    tw_rt_st_free(out);
    return refuse(error, tw_rt_textf("cannot read '%s': %s", path, strerror(why)));
  }
  tw_rt_digest(bytes, size, out->digest);
  if (decode(out, bytes, size, error)) return true;
  char *said = *error;
  if (said) *error = tw_rt_textf("%s: %s", path, said);
  free(said);
  return false;
}

/* ---- what was read */

const TwRtStTensor *tw_rt_st_find(const TwRtSt *f, const char *name) {
  TwRtStTensor key = {.name = name};
  return f->n_tensors ? bsearch(&key, f->tensors, f->n_tensors, sizeof key, by_name) : NULL;
}

const char *tw_rt_st_text(const TwRtSt *f, const char *key) {
  TwRtStText wanted = {.key = key},
             *t = f->n_texts ? bsearch(&wanted, f->texts, f->n_texts, sizeof wanted, by_key) : NULL;
  return t ? t->value : NULL;
}

bool tw_rt_st_has_reals(const TwRtStTensor *t) { return strcmp(t->dtype, "F32") == 0 || strcmp(t->dtype, "F64") == 0; }

double tw_rt_st_real(const TwRtStTensor *t, uint64_t k) {
  if (strcmp(t->dtype, "F64") == 0) {
    double v;
    memcpy(&v, (const char *)t->data + k * sizeof v, sizeof v);
    return v;
  }
  float v;
  memcpy(&v, (const char *)t->data + k * sizeof v, sizeof v);
  return (double)v;
}
