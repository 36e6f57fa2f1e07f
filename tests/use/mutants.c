/* mutants.c [N [SEED [KIND [FIRST]]]]: files that are read, damaged in N ways each: refused or read, never a crash, a
 * hang, or a report of a sanitizer (this is the program to run under them: ./dev test-sanitize).
 *
 *   safetensors   decoded, and taken as the params and weights of a program
 *   checkpoint    read from the disk; half of the mutants get a digest that is right, so that what is behind it is
 * tested state         a seed's state, of stages of each kind of optimizer: training goes on from it (runtime/state.c)
 *   npy, csv      read as data; CSV in one go and as a stream
 *
 * What is accepted is looked at: all of it is read, data are finite numbers. N: 200 unless it is given; FIRST: the
 * mutant to begin with, to come back to a finding. The number of each mutant is on stderr when it fails. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/pipeline.h"
#include "runtime/checkpoint.h"
#include "runtime/csv.h"
#include "runtime/files.h"
#include "runtime/npy.h"
#include "runtime/stored.h"
#include "runtime/train.h"

static const char program[] = "import nn\nimport init\n"
                              "data train = grid(x in [0, 1], 24) -> x ^ 2\n"
                              "param a : real[2] in (0, 1) ~ uniform(0.3, 0.7)\n"
                              "weights net : nn.Mlp[1, 3, 2, 1] ~ init.kaiming\n"
                              "model f(x: real) -> real = nn.forward(net, [x])[0] + a[0] * x + a[1]\n"
                              "loss = mse(f, train)\n"
                              "measure far = mse(f, train)\n"
                              "ensure regions(f, [0, 1]) >= 1 during first every 2\n"
                              "expect best_loss < 100\n"
                              "stage first { train a; adam(rate = 1e-2); epochs 5; batch 7 of train }\n"
                              "stage second { train net; lm(); epochs 4; rounds 2; kick 0.01 }\n"
                              "stage third { train net; lbfgs(memory = 3); epochs 5; patience 4 }\n"
                              "stage fourth { train net; adam(rate = 1e-3); epochs 4; keep best }\n";

enum { MAX_SEEDS = 64, SECONDS = 60 };

static const char *kind = "";
static long mutant;

static void say_which(const char *what) {
  char text[200];
  int n = snprintf(text, sizeof text, "mutants: %s, %s mutant %ld\n", what, kind, mutant);
  if (n > 0) (void)!write(2, text, (size_t)n);
}

static void on_alarm(int number) {
  (void)number;
  say_which("no end of");
  _exit(3);
}

static _Noreturn void fail(const char *what) {
  say_which(what);
  exit(1);
}

/* ---- damage */

static uint64_t state;
static uint64_t draw(uint64_t n) { /* below n */
  state = state * 6364136223846793005u + 1442695040888963407u;
  return n ? (state >> 33) % n : 0;
}

typedef struct Bytes {
  unsigned char *at;
  size_t n;
} Bytes;

static Bytes copy(const void *at, size_t n) {
  Bytes b = {malloc(n ? n : 1), n};
  if (!b.at) abort();
  if (n) memcpy(b.at, at, n);
  return b;
}

/* `cut` bytes at `where` go, `n` others come. */
static void splice(Bytes *b, size_t where, size_t cut, const void *in, size_t n) {
  Bytes to = {malloc(b->n - cut + n + 1), b->n - cut + n};
  if (!to.at) abort();
  if (where) memcpy(to.at, b->at, where);
  if (n) memcpy(to.at + where, in, n);
  memcpy(to.at + where + n, b->at + where + cut, b->n - where - cut);
  free(b->at);
  *b = to;
}

static const char *const words[] = {"\"",
                                    ",",
                                    "\n",
                                    "\r\n",
                                    "\"\"",
                                    "1e999",
                                    "-",
                                    "0x1p3",
                                    "nan",
                                    "inf",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    ":",
                                    "null",
                                    "-1",
                                    "18446744073709551616",
                                    "9223372036854775807",
                                    "1e400",
                                    "\"data_offsets\"",
                                    "\"shape\"",
                                    "\"F64\"",
                                    "'descr'",
                                    "'<f8'",
                                    "'>i2'",
                                    "(3,)",
                                    "True",
                                    "\xef\xbb\xbf",
                                    "\xff",
                                    "",
                                    "0",
                                    "4294967296",
                                    "2147483648"};
static const int64_t numbers[] = {
    0, 1, -1, 2, 7, 255, 256, INT32_MAX, INT32_MIN, (int64_t)1 << 32, INT64_MAX, INT64_MIN, (int64_t)1 << 40, 4096};

/* in_place: of a form in which nothing may move without being found out. */
static void damage_once(Bytes *b, bool in_place) {
  static const uint64_t staying[] = {0, 1, 7, 8};
  size_t at = draw(b->n + 1), left = b->n - at, run = draw(left + 1);
  switch (in_place ? staying[draw(4)] : draw(10)) {
    case 0:
      if (left) b->at[at] ^= (unsigned char)(1u << draw(8));
      break;
    case 1:
      if (left) b->at[at] = (unsigned char)draw(256);
      break;
    case 2: b->n = at; break;
    case 3: splice(b, at, draw(2) ? run : draw(left < 9 ? left + 1 : 9), "", 0); break;
    case 4: { /* a piece twice */
      if (run > 4096) run = 4096;
      Bytes piece = copy(b->at + at, run);
      splice(b, at, 0, piece.at, piece.n);
      free(piece.at);
      break;
    }
    case 5:
    case 6: { /* a word in, or in the place of another */
      const char *w = words[draw(sizeof words / sizeof *words)];
      splice(b, at, draw(2) && left ? draw(left < 12 ? left + 1 : 12) : 0, w, strlen(w));
      break;
    }
    case 7:
    case 8: { /* a number in the place of another */
      int64_t v = numbers[draw(sizeof numbers / sizeof *numbers)];
      size_t size = draw(2) ? 8 : 4;
      if (draw(2)) at -= at % 8;
      if (b->n - at >= size) memcpy(b->at + at, &v, size);
      break;
    }
    case 9: {
      unsigned char more[64];
      size_t n = draw(sizeof more) + 1;
      for (size_t k = 0; k < n; k++) more[k] = (unsigned char)draw(256);
      splice(b, draw(2) ? b->n : at, 0, more, n);
      break;
    }
  }
}

/* A mutant of one of the originals. Exactly as much memory as it has bytes. */
static Bytes damaged(const Bytes *from, size_t n, bool in_place) {
  const Bytes *original = &from[draw(n)];
  Bytes b = copy(original->at, original->n), exact;
  for (uint64_t times = 1 + draw(4); times > 0; times--) damage_once(&b, in_place);
  exact = copy(b.at, b.n);
  free(b.at);
  return exact;
}

/* ---- the program, and what it leaves */

typedef struct Kept {
  Bytes states[MAX_SEEDS], shown;
  size_t n;
  const TwRtProgram *p;
} Kept;

static void on_save(void *context, const TwRtSaved *s) {
  Kept *k = context;
  if (s->bytes && k->n < MAX_SEEDS) k->states[k->n++] = copy(s->bytes, s->n);
  free(s->bytes);
}

static TwBuild compile_program(TwUnit *u) {
  TwBuild b = {
      .unit = u, .file = tw_source_add(&u->sources, "mutants.tw", program, sizeof program - 1), .what = TW_LOWER_TRAIN};
  if (tw_build(&b, TW_PHASE_CODE)) return b;
  tw_diags_render(&u->diags, stderr, (TwDiagStyle){0});
  exit(2);
}

static void train_once(Kept *k) {
  uint64_t seed = 5;
  TwRtOptions o = {.seeds = &seed, .n_seeds = 1, .threads = 1, .save = on_save, .context = k, .save_seconds = 0};
  TwRtResult *r = tw_rt_train(k->p, &o);
  if (r->error || k->n < 4) fail("nothing was saved by");
  TwRtStText text = {"triwave.program", "mutants"};
  k->shown.at = tw_rt_stored_encode(k->p, r->seeds[0].shown, &text, 1, &k->shown.n);
  tw_rt_result_free(k->p, r);
}

/* ---- one mutant of each kind: was it read? */

static volatile double seen; /* so that what is read is read */

static bool one_safetensors(const Kept *k) {
  Bytes b = damaged(&k->shown, 1, draw(3) == 0);
  TwRtSt file;
  char *error = NULL;
  bool ok = tw_rt_st_decode(b.at, b.n, &file, &error);
  if (ok) {
    for (size_t t = 0; t < file.n_tensors; t++)
      for (uint64_t i = 0; tw_rt_st_has_reals(&file.tensors[t]) && i < file.tensors[t].count; i++)
        seen += tw_rt_st_real(&file.tensors[t], i);
    double *shown = calloc(k->p->n_shown + 1, sizeof *shown);
    ok = shown && tw_rt_stored_decode(k->p, &file, shown, &error);
    free(shown);
    tw_rt_st_free(&file);
  }
  if (!ok && !error) fail("no reason for");
  free(error);
  free(b.at);
  return ok;
}

typedef struct Resumed {
  Bytes b;
  int epochs;
} Resumed;

static const void *on_load(void *context, uint32_t seed_index, size_t *n) {
  Resumed *r = context;
  (void)seed_index;
  *n = r->b.n;
  return r->b.at;
}

static void on_epoch(void *context, const TwRtEpoch *e) {
  Resumed *r = context;
  (void)e;
  if (++r->epochs > 1000) fail("more epochs than there are of");
}

static bool one_state(const Kept *k) {
  Resumed r = {.b = damaged(k->states, k->n, draw(4) != 0)};
  uint64_t seed = 5;
  TwRtOptions o = {
      .seeds = &seed, .n_seeds = 1, .threads = 1, .load = on_load, .watch = on_epoch, .watch_every = 1, .context = &r};
  TwRtResult *result = tw_rt_train(k->p, &o);
  bool ok = !result->error;
  for (uint32_t f = 0; ok && f < result->seeds[0].n_failures; f++)
    seen += (double)strlen(result->seeds[0].failures[f].text);
  tw_rt_result_free(k->p, result);
  free(r.b.at);
  return ok;
}

static char path[64];

static void put_file(const void *at, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(at, 1, n, f) != n || fclose(f) != 0) fail("cannot write");
}

static bool one_checkpoint(const Kept *k, const Bytes *whole) {
  Bytes b = damaged(whole, 1, draw(2) == 0);
  if (draw(2) && b.n > TW_RT_DIGEST) tw_rt_digest(b.at, b.n - TW_RT_DIGEST, b.at + b.n - TW_RT_DIGEST);
  put_file(b.at, b.n);
  free(b.at);
  TwRtCheckpoint c;
  char *warning = NULL, *error = NULL;
  if (!tw_rt_checkpoint_init(&c, (uint8_t[TW_RT_DIGEST]){1}, 3)) abort();
  bool ok = tw_rt_checkpoint_read(&c, path, &warning, &error);
  if (!ok && !error) fail("no reason for");
  for (uint32_t s = 0; ok && s < 3; s++) {
    if (!c.seeds[s].bytes) continue;
    Resumed r = {.b = {c.seeds[s].bytes, c.seeds[s].n}};
    uint64_t seed = 5;
    TwRtOptions o = {.seeds = &seed,
                     .n_seeds = 1,
                     .threads = 1,
                     .load = on_load,
                     .watch = on_epoch,
                     .watch_every = 1,
                     .context = &r};
    tw_rt_result_free(k->p, tw_rt_train(k->p, &o));
  }
  tw_rt_checkpoint_free(&c);
  free(warning);
  free(error);
  return ok;
}

static void look_at(const double *rows, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    if (!isfinite(rows[i])) fail("a number that is not finite came of");
    seen += rows[i];
  }
}

static bool one_npy(const Bytes *from, size_t n) {
  Bytes b = damaged(from, n, draw(4) == 0);
  put_file(b.at, b.n);
  free(b.at);
  TwRtNpy a;
  bool ok = tw_rt_npy_read(path, &a);
  if (ok) look_at(a.rows, (uint64_t)a.n_rows * a.n_columns);
  else if (!a.error) fail("no reason for");
  tw_rt_npy_free(&a);
  return ok;
}

static bool one_csv(const Bytes *from, size_t n) {
  static const char *const columns[] = {"x", "y"};
  Bytes b = damaged(from, n, draw(4) == 0);
  put_file(b.at, b.n);
  free(b.at);
  TwRtCsv c;
  bool ok = tw_rt_csv_read(path, columns, 2, &c);
  if (ok) look_at(c.rows, (uint64_t)c.n_rows * 2);
  else if (!c.error) fail("no reason for");
  char *error = NULL;
  TwRtCsvStream *s = tw_rt_csv_open(path, columns, 2, false, &error);
  int64_t got, rows = 0;
  double some[2 * 7];
  while (s && (got = tw_rt_csv_next(s, 7, some)) > 0) look_at(some, 2 * (uint64_t)got), rows += got;
  bool streamed = s && got == 0;
  if (s && got < 0 && !tw_rt_csv_error(s)) fail("no reason for");
  if (ok && (!streamed || rows != c.n_rows)) fail("the stream differs for");
  tw_rt_csv_close(s);
  free(error);
  tw_rt_csv_free(&c);
  return ok;
}

/* ---- originals */

static Bytes an_npy(const char *descr, bool fortran, const char *shape, size_t bytes) {
  Bytes b = copy("\x93NUMPY\1\0", 8);
  char head[118 + 1], dict[100];
  snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, fortran ? "True" : "False",
           shape);
  snprintf(head, sizeof head, "%-117s\n", dict);
  splice(&b, b.n, 0, "\x76\0", 2);
  splice(&b, b.n, 0, head, 118);
  for (size_t k = 0; k < bytes; k++) splice(&b, b.n, 0, &(unsigned char){(unsigned char)(k * 7 % 64)}, 1);
  return b;
}

static Bytes a_csv(const char *text) { return copy(text, strlen(text)); }

static Bytes a_checkpoint(const Kept *k) {
  TwRtCheckpoint c;
  char *error, *bytes;
  Bytes b;
  if (!tw_rt_checkpoint_init(&c, (uint8_t[TW_RT_DIGEST]){1}, 3)) abort();
  for (uint32_t s = 0; s < 3; s++) {
    const Bytes *of = &k->states[s * (k->n - 1) / 2];
    tw_rt_checkpoint_put(
        &c, &(TwRtSaved){
                .seed_index = s, .done = s == 2, .stage = s, .epoch = 1, .bytes = copy(of->at, of->n).at, .n = of->n});
  }
  if (!tw_rt_checkpoint_write(&c, path, &error) || !tw_rt_file_read(path, &bytes, &b.n, &error)) fail("cannot write");
  b.at = (unsigned char *)bytes;
  tw_rt_checkpoint_free(&c);
  return b;
}

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 200, first = argc > 4 ? atol(argv[4]) : 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  const char *only = argc > 3 ? argv[3] : NULL;
  snprintf(path, sizeof path, "%s/tw-mutant-%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
  signal(SIGALRM, on_alarm);
  TwUnit *u = tw_unit_new(&(TwOptions){.precision = TW_F32});
  TwBuild build = compile_program(u);
  static Kept k;
  k.p = build.rt;
  train_once(&k);
  Bytes checkpoint = a_checkpoint(&k);
  Bytes npy[] = {an_npy("<f8", false, "(5, 3)", 120), an_npy("<f4", true, "(5, 3)", 60),
                 an_npy(">i2", false, "(9,)", 18), an_npy("|b1", false, "(4,)", 4)};
  Bytes csv[] = {a_csv("x,y\n0,1\n0.5,2.25\n1e-3,-7\n"),
                 a_csv("\xef\xbb\xbfname,\"y\",x\r\n\"a, \"\"b\"\"\",3,4\r\nc,5e2,+6\r\n\r\n"),
                 a_csv("x,z,y\r1,\"2\r2\",3\r4,,6\r")};
  static const char *const kinds[] = {"safetensors", "state", "checkpoint", "npy", "csv"};
  for (int which = 0; which < 5; which++) {
    kind = kinds[which];
    if (only && strcmp(only, kind) != 0) continue;
    long read = 0;
    for (mutant = first; mutant < n; mutant++) {
      state = seed * 1000003 + (uint64_t)mutant * 2654435761u + (uint64_t)which * 97;
      draw(1);
      alarm(SECONDS);
      read += which == 0   ? one_safetensors(&k)
              : which == 1 ? one_state(&k)
              : which == 2 ? one_checkpoint(&k, &checkpoint)
              : which == 3 ? one_npy(npy, sizeof npy / sizeof *npy)
                           : one_csv(csv, sizeof csv / sizeof *csv);
    }
    printf("%s: %ld mutants, %ld read, %ld refused\n", kind, n - first, read, n - first - read);
    fflush(stdout);
    mutant = n;
    if (n - first >= 200 && (read == 0 || read == n - first))
      fail("all are alike to the reader, up to"); /* it does not look */
  }
  alarm(0);
  unlink(path);
  for (size_t s = 0; s < k.n; s++) free(k.states[s].at);
  for (size_t s = 0; s < 4; s++) free(npy[s].at);
  for (size_t s = 0; s < 3; s++) free(csv[s].at);
  free(k.shown.at);
  free(checkpoint.at);
  tw_build_free(&build);
  tw_unit_free(u);
  return 0;
}
