/* form.c: sizes in the user's names: `n + 1`, `2 * depth - 1`, and types that are shown with them.
 *
 * requires: size expressions that were read without a mistake.   provides: their forms; nothing is reported.
 * A form is a sum of names times numbers; what is not one (2 ^ depth) counts as a name, as it is written.
 * Sizes are compared as numbers; a form is only what a message shows. */
#include <string.h>

#include "compiler/sema/check.h"

TwSizeForm *tw_size_int(TwArena *a, int64_t n) {
  TwSizeForm *f = TW_NEW(a, TwSizeForm);
  f->c0 = n;
  return f;
}

static TwSizeForm *atom(TwArena *a, const char *name) {
  TwSizeForm *f = tw_size_int(a, 0);
  f->n = 1;
  f->term[0].name = name;
  f->term[0].c = 1;
  return f;
}

/* x + k * y; NULL if it has too many names. */
TwSizeForm *tw_size_sum(TwArena *a, const TwSizeForm *x, const TwSizeForm *y, int64_t k) {
  if (!x || !y) return NULL;
  TwSizeForm *f = TW_NEW(a, TwSizeForm);
  *f = *x;
  int64_t c;
  if (__builtin_mul_overflow(k, y->c0, &c) || __builtin_add_overflow(f->c0, c, &f->c0)) return NULL;
  for (uint32_t j = 0; j < y->n; j++) {
    uint32_t i = 0;
    while (i < f->n && strcmp(f->term[i].name, y->term[j].name) != 0) i++;
    if (i == TW_FORM_TERMS) return NULL;
    if (i == f->n) f->term[f->n++] = (TwSizeTerm){y->term[j].name, 0};
    if (__builtin_mul_overflow(k, y->term[j].c, &c) || __builtin_add_overflow(f->term[i].c, c, &f->term[i].c))
      return NULL;
  }
  uint32_t n = 0;
  for (uint32_t i = 0; i < f->n; i++)
    if (f->term[i].c) f->term[n++] = f->term[i];
  f->n = n;
  return f;
}

static const TwSizeForm *product(TwArena *a, const TwSizeForm *x, const TwSizeForm *y) {
  if (!x || !y || (x->n && y->n)) return NULL;
  return x->n ? tw_size_sum(a, tw_size_int(a, 0), x, y->c0) : tw_size_sum(a, tw_size_int(a, 0), y, x->c0);
}

const TwSizeForm *tw_sm_form(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  const TwSizeForm *f = NULL;
  if (e->kind == TW_EX_INT) return tw_size_int(s->a, e->integer);
  if (e->kind == TW_EX_NAME) {
    const TwSmBind *b = tw_sm_bound(scope, e->name);
    return b && b->value.kind == TW_V_LIN && b->value.lin->form ? b->value.lin->form : atom(s->a, e->name);
  }
  if (e->kind == TW_EX_BINARY && e->op == TW_BI_MUL)
    f = product(s->a, tw_sm_form(s, scope, e->a), tw_sm_form(s, scope, e->b));
  if (e->kind == TW_EX_BINARY && (e->op == TW_BI_ADD || e->op == TW_BI_SUB))
    f = tw_size_sum(s->a, tw_sm_form(s, scope, e->a), tw_sm_form(s, scope, e->b), e->op == TW_BI_ADD ? 1 : -1);
  return f ? f : atom(s->a, tw_sm_text(s, e->span));
}

const TwSizeForm *tw_dim_form(TwArena *a, const TwDim *d) { return d->form ? d->form : tw_size_int(a, d->n); }

/* ---- text */

static const char *term_text(TwArena *a, const char *text, const char *name, int64_t c) {
  const char *sign = c < 0 ? (*text ? " - " : "-") : (*text ? " + " : "");
  if (c < 0) c = -c;
  return c == 1 ? tw_arena_printf(a, "%s%s%s", text, sign, name)
                : tw_arena_printf(a, "%s%s%lld * %s", text, sign, (long long)c, name);
}

const char *tw_size_text(TwArena *a, const TwSizeForm *f) {
  const char *text = "";
  for (int negative = 0; negative < 2; negative++)
    for (uint32_t k = 0; k < f->n; k++)
      if ((f->term[k].c < 0) == negative) text = term_text(a, text, f->term[k].name, f->term[k].c);
  if (f->c0 == 0 && *text) return text;
  if (!*text) return tw_arena_printf(a, "%lld", (long long)f->c0);
  return tw_arena_printf(a, "%s %c %lld", text, f->c0 < 0 ? '-' : '+', (long long)(f->c0 < 0 ? -f->c0 : f->c0));
}

const char *tw_sm_dim_text(TwSema *s, const TwDim *d) {
  if (!d->form || !d->form->n) return tw_arena_printf(s->a, "%lld", (long long)d->n);
  return tw_arena_printf(s->a, "%s = %lld", tw_size_text(s->a, d->form), (long long)d->n);
}

static const char *dims_text(TwSema *s, const TwDim *dims, uint32_t n) {
  const char *text = "";
  for (uint32_t k = 0; k < n; k++)
    text = tw_arena_printf(s->a, "%s%s%s", text, k ? ", " : "", tw_sm_dim_text(s, &dims[k]));
  return n ? tw_arena_printf(s->a, "[%s]", text) : "";
}

const char *tw_sm_shown(TwSema *s, const TwType *t) {
  if (t->kind == TW_TY_TENSOR)
    return tw_arena_printf(s->a, "%s%s", tw_type_text(s->a, tw_sm_scalar(s, t->dtype)), dims_text(s, t->dims, t->rank));
  if (t->kind == TW_TY_ARRAY) return tw_arena_printf(s->a, "%s%s", tw_sm_shown(s, t->elem), dims_text(s, t->dims, 1));
  if (t->kind == TW_TY_RECORD && t->decl)
    return tw_arena_printf(s->a, "%s%s", t->decl->name.name, dims_text(s, t->shape_args.at, t->shape_args.len));
  return tw_type_text(s->a, t);
}
