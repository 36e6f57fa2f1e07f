/* report.c: saying what is wrong, at the place that can be mended.
 *
 * An error inside a module of the stdlib that shows while a call is elaborated is reported at the
 * call in the user's source, with a note at the place in the stdlib. Errors in bodies that were
 * elaborated for a call get a note at the call. */
#include <string.h>

#include "compiler/ast/layout.h"
#include "compiler/sema/check.h"

bool tw_sm_is_std(const TwSema *s, uint32_t file) {
  if (file == 0 || file == s->main->file) return false;
  return strncmp(tw_source(&s->u->sources, file)->path, "<std>", 5) == 0;
}

const char *tw_sm_text(TwSema *s, TwSpan span) { return span.file ? tw_span_text(&s->u->sources, span, 40) : ""; }

/* Mistakes that the value of a const may have made. */
static bool of_numbers(TwDiagId id) {
  return id == TW_E0404 || id == TW_E0407 || id == TW_E0411 || id == TW_E0502 || id == TW_E0607 || id == TW_E0717 ||
         id == TW_E0902;
}

/* One value given by -D makes many mistakes: the first is said, with the value, and no other. */
static void blame_defines(TwSema *s, TwDiagId id, TwDiag *d) {
  if (!of_numbers(id)) return;
  for (uint32_t k = 0; k < s->main->entries.len; k++) {
    const TwSmEntry *e = s->main->entries.at[k];
    TwSpan span = e->decl->kind == TW_DE_CONST && e->used ? tw_sm_define_span(s, e->name) : (TwSpan){0};
    if (!span.file || span.file == d->span.file) continue;
    tw_diag_note(&s->u->diags, d, span, "const '%s' is %s", e->name, tw_sm_text(s, span));
    s->too_large = true;
  }
}

/* Whether it may come of a mistake that was told: one in the syntax of the same line, or any at the very same place. */
static bool comes_of_another(TwSema *s, TwSpan at) {
  const TwDiags *all = &s->u->diags;
  if (!at.file || tw_sm_many(s)) return false;
  uint32_t line = tw_place(all->sources, at.file, at.start).line;
  for (uint32_t k = 0; k < all->list.len; k++) {
    const TwDiag *d = all->list.at[k];
    if (d->severity != TW_SEV_error || d->span.file != at.file) continue;
    if (d->span.start == at.start && d->span.end == at.end) return true;
    if (d->id <= TW_E0119 && tw_place(all->sources, at.file, d->span.start).line == line) return true;
  }
  return false;
}

static TwDiag *add(TwSema *s, TwDiagId id, TwSpan span, const char *text) {
  const TwSmFrame *f = s->frame;
  TwSpan at = span;
  while (f && tw_sm_is_std(s, at.file)) {
    at = f->call;
    f = f->caller;
  }
  if (tw_sm_is_std(s, at.file)) at = span, f = s->frame;
  if (comes_of_another(s, at)) return TW_NEW(s->a, TwDiag);
  TwDiag *d = tw_diag(&s->u->diags, id, at, "%s", text);
  if (at.file != span.file || at.start != span.start) tw_diag_note(&s->u->diags, d, span, "it shows here");
  for (uint32_t k = 0; f && k < 3; f = f->caller, k++) {
    if (f->sample && f->with)
      tw_diag_note(&s->u->diags, d, f->call, "in '%s', checked with the sample sizes %s", f->name, f->with);
    if (!f->sample) tw_diag_note(&s->u->diags, d, f->call, "in '%s', called here", f->name);
  }
  if (s->u->options.n_defines) blame_defines(s, id, d);
  return d;
}

TwDiag *tw_sm_error(TwSema *s, TwDiagId id, TwSpan span, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = tw_arena_vprintf(s->a, fmt, ap);
  va_end(ap);
  s->errors++;
  /* So many mistakes: this is no program, and looking at the rest of it helps nobody. */
  if (s->u->diags.errors > TW_MANY_ERRORS) s->too_large = true;
  return add(s, id, span, text);
}

TwDiag *tw_sm_warn(TwSema *s, TwDiagId id, TwSpan span, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = tw_arena_vprintf(s->a, fmt, ap);
  va_end(ap);
  return tw_diag(&s->u->diags, id, span, "%s", text);
}

void tw_sm_note(TwSema *s, TwDiag *d, TwSpan span, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = tw_arena_vprintf(s->a, fmt, ap);
  va_end(ap);
  tw_diag_note(&s->u->diags, d, span, "%s", text);
}

void tw_sm_help(TwSema *s, TwDiag *d, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = tw_arena_vprintf(s->a, fmt, ap);
  va_end(ap);
  tw_diag_help(&s->u->diags, d, "%s", text);
}

bool tw_sm_many(const TwSema *s) { return s->u->diags.errors > 50; }

bool tw_sm_suggest(TwSema *s, TwDiag *d, TwName name, const TwName *candidates, uint32_t n) {
  TwName near = tw_sm_many(s) ? NULL : tw_nearest(name, candidates, n);
  if (!near) return false;
  tw_sm_help(s, d, "did you mean '%s'?", near);
  if (strcmp(tw_sm_text(s, d->span), name) == 0) tw_diag_replace(&s->u->diags, d, d->span, near);
  return true;
}

static bool word_char(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80);
}

bool tw_sm_has_name(const TwSema *s, TwSpan decl) {
  static const char *const words[] = {"import", "const",   "type",  "fn",      "optimizer", "domain", "data",
                                      "param",  "weights", "model", "measure", "stage",     "variant"};
  const TwSource *src = tw_source(&s->u->sources, decl.file);
  uint32_t at = decl.start, end;
  for (uint32_t k = 0; k < sizeof words / sizeof *words; k++) {
    for (end = at; end < src->len && word_char(src->text[end]); end++) {}
    if (strlen(words[k]) != end - at || memcmp(src->text + at, words[k], end - at) != 0) continue;
    while (end < src->len && (src->text[end] == ' ' || src->text[end] == '\t')) end++;
    return end < src->len && word_char(src->text[end]);
  }
  return true;
}

bool tw_sm_in_broken(TwSema *s, TwName name) {
  size_t len = strlen(name);
  for (uint32_t k = 0; k < s->broken.len; k++) {
    TwSpan b = s->broken.at[k];
    const TwSource *src = b.file ? tw_source(&s->u->sources, b.file) : NULL;
    if (!src) return true;
    while (b.start > 0 && b.start <= src->len && src->text[b.start - 1] != '\n') b.start--;
    while (b.end < src->len && src->text[b.end] != '\n') b.end++; /* whole lines: recovery starts late */
    for (uint32_t i = b.start; i + len <= b.end && i + len <= src->len; i++) {
      if (memcmp(src->text + i, name, len) != 0) continue;
      bool left = i == 0 || !word_char(src->text[i - 1]);
      bool right = i + len >= src->len || !word_char(src->text[i + len]);
      if (left && right) return true;
    }
  }
  return false;
}

static const TwDim *dims_of(const TwType *t, uint32_t *n) {
  *n = t->kind == TW_TY_TENSOR || t->kind == TW_TY_ARRAY ? t->rank : 0;
  return t->dims;
}

void tw_sm_note_sizes(TwSema *s, TwDiag *d, const TwType *a, const TwType *b) {
  const TwType *t[2] = {a, b};
  uint32_t n[2];
  const TwDim *dims[2] = {dims_of(a, &n[0]), dims_of(b, &n[1])};
  for (uint32_t k = 0; k < n[0] || k < n[1]; k++) {
    if (k < n[0] && k < n[1] && dims[0][k].n == dims[1][k].n) continue;
    for (uint32_t side = 0; side < 2; side++) {
      if (k >= n[side] || !dims[side][k].from.file) continue;
      TwSpan from = dims[side][k].from;
      if (from.file == d->span.file && from.start >= d->span.start && from.end <= d->span.end) continue;
      tw_sm_note(s, d, from, "the size %s of %s is fixed here", tw_sm_dim_text(s, &dims[side][k]),
                 tw_type_text(s->a, t[side]));
    }
    return;
  }
}
