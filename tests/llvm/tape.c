/* tape.c: see tape.h. Numbers are written as they lie in memory: a tape is for machines of one kind. */
#include "tests/llvm/tape.h"

#include <stdlib.h>
#include <string.h>

static const char magic[8] = "TWTAPE1";

/* What precedes the bytes of an entry. */
typedef struct Head {
  uint32_t n_objects, n_in, n_out, f64, shared, rest;
  uint64_t work_bytes;
  char symbol[TAPE_SYMBOL], what[TAPE_WHAT];
} Head;
typedef struct Size {
  uint32_t dtype, rest;
  int64_t count;
} Size;

FILE *tape_open(void) {
  const char *path = getenv("TW_TAPE");
  if (!path) return NULL;
  FILE *f = fopen(path, "wb");
  if (f && fwrite(magic, sizeof magic, 1, f) == 1) return f;
  perror(path);
  exit(1);
}

bool tape_close(FILE *tape) {
  if (!tape) return true;
  bool ok = !ferror(tape);
  if (fclose(tape) == 0 && ok) return true;
  fprintf(stderr, "the tape could not be written\n");
  return false;
}

TwLlOptions tape_options(void) {
  const char *level = getenv("TW_TAPE_LEVEL");
  return (TwLlOptions){.cpu_level = level && strcmp(level, "3") == 0 ? 3 : 4};
}

void tape_code(FILE *tape, const TwLlObjects *objects) {
  Head h = {.n_objects = objects->n};
  fwrite(&h, sizeof h, 1, tape);
  for (uint32_t k = 0; k < objects->n; k++) {
    uint64_t size = objects->at[k].size;
    fwrite(&size, sizeof size, 1, tape);
    fwrite(objects->at[k].bytes, 1, size, tape);
  }
}

static void put(FILE *tape, const Value *v, TwPrecision p) {
  Size s = {.dtype = v->dtype, .count = v->count};
  fwrite(&s, sizeof s, 1, tape);
  fwrite(v->at, 1, call_bytes(v, p), tape);
}

void tape_call(FILE *tape, const char *symbol, const char *what, const Call *c) {
  Head h = {.n_in = c->n_in, .n_out = c->n_out, .f64 = c->precision == TW_F64, .shared = c->shared};
  h.work_bytes = c->work_bytes;
  if (strlen(symbol) >= sizeof h.symbol) abort();
  snprintf(h.symbol, sizeof h.symbol, "%s", symbol);
  snprintf(h.what, sizeof h.what, "%.*s", (int)sizeof h.what - 1, what);
  fwrite(&h, sizeof h, 1, tape);
  for (uint32_t k = 0; k < c->n_in; k++) put(tape, &c->in[k], c->precision);
  for (uint32_t k = 0; k < c->n_out; k++) put(tape, &c->want[k], c->precision);
}

static bool get(FILE *tape, Value *v, TwPrecision p) {
  Size s;
  if (fread(&s, sizeof s, 1, tape) != 1 || s.dtype > TW_BOOL || s.count < 0 || s.count > INT64_C(1) << 32) return false;
  *v = (Value){.dtype = (TwDtype)s.dtype, .count = s.count};
  v->at = call_buffer(call_bytes(v, p));
  return fread(v->at, 1, call_bytes(v, p), tape) == call_bytes(v, p);
}

static bool get_objects(FILE *tape, uint32_t n, TwLlObjects *o) {
  if (n > TW_LL_MAX_OBJECTS) return false;
  for (; o->n < n; o->n++) {
    uint64_t size;
    if (fread(&size, sizeof size, 1, tape) != 1 || size > 1u << 30) return false;
    void *bytes = malloc(size + 1);
    if (!bytes) abort();
    o->at[o->n] = (TwObjectBytes){bytes, size};
    if (fread(bytes, 1, size, tape) != size) return free(bytes), false;
  }
  return true;
}

static bool get_call(FILE *tape, const Head *h, Call *c) {
  *c = (Call){.precision = h->f64 ? TW_F64 : TW_F32, .shared = h->shared, .work_bytes = h->work_bytes};
  if (h->n_in > 1u << 20 || h->n_out > 1u << 20) return false;
  c->in = calloc(h->n_in + 1, sizeof *c->in);
  c->want = calloc(h->n_out + 1, sizeof *c->want);
  if (!c->in || !c->want) abort();
  bool ok = true;
  for (uint32_t k = 0; k < h->n_in && ok; k++) ok = get(tape, &c->in[c->n_in++], c->precision);
  for (uint32_t k = 0; k < h->n_out && ok; k++) ok = get(tape, &c->want[c->n_out++], c->precision);
  return ok;
}

bool tape_next(FILE *tape, TapeEntry *e, bool *broken) {
  char start[sizeof magic];
  Head h;
  *e = (TapeEntry){0};
  *broken = false;
  if (ftell(tape) == 0 && (fread(start, sizeof start, 1, tape) != 1 || memcmp(start, magic, sizeof magic) != 0))
    *broken = true;
  size_t read = *broken ? 0 : fread(&h, 1, sizeof h, tape);
  if (read == 0) return false;
  memcpy(e->symbol, h.symbol, sizeof e->symbol - 1);
  memcpy(e->what, h.what, sizeof e->what - 1);
  if (read == sizeof h && h.n_objects && get_objects(tape, h.n_objects, &e->objects)) return true;
  if (read == sizeof h && !h.n_objects && get_call(tape, &h, &e->call)) return true;
  tape_entry_free(e);
  *broken = true;
  return false;
}

void tape_entry_free(TapeEntry *e) {
  for (uint32_t k = 0; k < e->objects.n; k++) free((void *)(uintptr_t)e->objects.at[k].bytes);
  for (uint32_t k = 0; k < e->call.n_in; k++) free(e->call.in[k].at);
  for (uint32_t k = 0; k < e->call.n_out; k++) free(e->call.want[k].at);
  free(e->call.in);
  free(e->call.want);
  *e = (TapeEntry){0};
}
