/* test_mutate.c: no text makes the parser crash or fail without saying where: tokens of the programs
 * deleted, doubled, swapped and replaced, files cut short, random tokens and random bytes. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ast/token.h"
#include "tests/parse/util.h"

typedef struct Pieces {
  TwToken *at; /* comments too; the last is the end */
  uint32_t n;
} Pieces;

static Pieces scan(const char *text, size_t len) {
  TwScan s = {(const unsigned char *)text, (uint32_t)len};
  Pieces p = {malloc((len + 2) * sizeof(TwToken)), 0};
  for (uint32_t i = 0;;) {
    TwToken t = tw_scan(&s, i);
    p.at[p.n++] = t;
    if (t.kind == 0) return p;
    i = t.end;
  }
}

typedef struct Text {
  char *at;
  size_t len;
} Text;

static void add(Text *t, const char *s, size_t n) {
  if (n) memcpy(t->at + t->len, s, n);
  t->len += n;
}

static void mutate(const File *f, const Pieces *p, uint32_t i, int how, Text *out) {
  TwToken a = p->at[i], b = p->at[i + 1];
  const char *s = f->text;
  out->len = 0;
  add(out, s, a.start);
  switch (how) {
    case 0: break; /* deleted */
    case 1: add(out, s + a.start, a.end - a.start), add(out, " ", 1), add(out, s + a.start, a.end - a.start); break;
    case 2: /* swapped with the next */
      add(out, s + b.start, b.end - b.start);
      add(out, s + a.end, b.start - a.end);
      add(out, s + a.start, a.end - a.start);
      add(out, s + b.end, f->len - b.end);
      return;
    default: { /* replaced */
      static const char *const others[] = {"(",  ")",   "[",  "]",  "{",  "}", ",", "=",
                                           "\n", "let", "fn", "if", "..", "x", "\""};
      const char *o = others[(size_t)(i + (uint32_t)how) % (sizeof others / sizeof *others)];
      add(out, o, strlen(o));
    }
  }
  add(out, s + a.end, f->len - a.end);
}

static uint64_t state = 88172645463325252u;
static uint32_t random_to(uint32_t n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 33) % n;
}

static void mutations(const File *f) {
  Pieces p = scan(f->text, f->len);
  Text out = {malloc(2 * f->len + 64), 0};
  uint32_t step = f->len > 2500 ? 3 : 1; /* the larger programs are many, their tokens much alike */
  for (uint32_t i = 0; i + 1 < p.n; i += step)
    for (int how = 0; how < 5; how++) {
      mutate(f, &p, i, how, &out);
      check_any(f->path, out.at, out.len);
    }
  for (uint32_t i = 0; i + 1 < p.n; i += 3) check_any(f->path, f->text, p.at[i].end); /* cut short */
  free(out.at);
  free(p.at);
}

static void random_texts(const File *files, size_t n_files) {
  char text[400];
  for (int round = 0; round < 2000; round++) {
    size_t len = 0;
    if (round % 2) {
      len = random_to(sizeof text);
      for (size_t i = 0; i < len; i++) text[i] = (char)random_to(256);
    } else { /* tokens of the programs in random order */
      const File *f = &files[random_to((uint32_t)n_files)];
      for (int i = 0; i < 60; i++) {
        uint32_t at = random_to((uint32_t)f->len);
        TwScan s = {(const unsigned char *)f->text, (uint32_t)f->len};
        TwToken t = tw_scan(&s, at);
        size_t size = t.end - t.start;
        if (t.kind == TW_LEX_COMMENT || len + size + 2 > sizeof text) continue;
        memcpy(text + len, f->text + t.start, size);
        len += size;
        text[len++] = random_to(6) ? ' ' : '\n';
      }
    }
    check_any("random", text, len);
  }
}

int main(int argc, char **argv) {
  size_t n;
  File *files = all_programs(argc > 1 ? argv[1] : ".", &n);
  for (size_t i = 0; i < n; i++) mutations(&files[i]);
  random_texts(files, n);
  programs_free(files, n);
  return failures != 0;
}
