/* consts.c: constants and -D.
 *
 * A scalar constant is its value wherever it is named; others become globals of the program. A -D
 * definition takes the place of the value in the main module, and must fit the type of what it
 * replaces. */
#include <math.h>
#include <string.h>

#include "compiler/sema/check.h"

static const TwSmCtx const_ctx = {.what = "a constant", .no_params = true, .no_weights = true, .no_data = true};

/* The source of one -D option, made once for the unit. */
static uint32_t define_source(TwSema *s, const TwDefine *d) {
  const char *path = tw_arena_printf(s->a, "-D %s=", d->name);
  for (uint32_t k = 1; k < s->u->sources.files.len; k++) {
    const TwSource *src = &s->u->sources.files.at[k];
    if (strcmp(src->path, path) == 0 && strcmp(src->text, d->value) == 0) return k;
  }
  return tw_source_add(&s->u->sources, path, d->value, strlen(d->value));
}

/* The last -D for a name, or NULL. */
static const TwDefine *define_of(const TwSema *s, TwName name) {
  const TwOptions *o = &s->u->options;
  for (uint32_t k = o->n_defines; k-- > 0;)
    if (strcmp(o->defines[k].name, name) == 0) return &o->defines[k];
  return NULL;
}

TwSpan tw_sm_define_span(TwSema *s, TwName name) {
  const TwDefine *d = define_of(s, name);
  return d ? (TwSpan){define_source(s, d), 0, (uint32_t)strlen(d->value)} : (TwSpan){0};
}

void tw_sm_defines(TwSema *s) {
  const TwOptions *o = &s->u->options;
  for (uint32_t k = 0; k < o->n_defines; k++) {
    TwName name = tw_intern_z(&s->u->names, o->defines[k].name);
    const TwSmEntry *e = tw_sm_find(s->main, name);
    if (e && e->decl->kind == TW_DE_CONST) continue;
    uint32_t file = define_source(s, &o->defines[k]);
    TwSpan span = {file, 0, (uint32_t)strlen(o->defines[k].value)};
    TwDiag *d = tw_sm_error(s, TW_E0211, span, "the program has no const '%s'", name);
    if (e) {
      tw_sm_note(s, d, e->span, "'%s' is not a const", name);
      continue;
    }
    TwNames names = {0};
    for (uint32_t j = 0; j < s->main->entries.len; j++)
      if (s->main->entries.at[j]->decl->kind == TW_DE_CONST) tw_vec_push(s->a, &names, s->main->entries.at[j]->name);
    tw_sm_suggest(s, d, name, names.at, names.len);
  }
}

static TwTx *scalar_const(TwSema *s, const TwType *type, double x, TwSpan span) {
  /* Constant integers stay within 2^53; converting one that an int64_t does not hold would be undefined. */
  if (type->dtype == TW_INT) return tw_sm_int(s, (int64_t)fmin(fmax(x, -0x1p53), 0x1p53), span);
  if (type->dtype == TW_BOOL) return tw_sm_bool(s, x != 0, span);
  return tw_sm_real(s, x, span);
}

/* The value of a -D for a constant whose own value is `own`. */
static TwTx *define_value(TwSema *s, TwSmModule *m, const TwDefine *def, TwTx *own, TwName name) {
  uint32_t file = define_source(s, def);
  TwExpr *e = NULL;
  if (!tw_parse_expr(s->u, file, &e) || !e) {
    s->errors++;
    return tw_sm_bad(s, own->span);
  }
  TwSmScope scope = {m, NULL};
  TwTx *t = tw_sm_tx(s, &scope, e, own->type);
  if (tw_sm_poison(t->type)) return t;
  if (tw_sm_can_coerce(t->type, own->type)) return tw_sm_coerce(s, t, own->type, false, t->span, "the value");
  /* A whole number such as 1e2 or 2.0 will not do for an int: say so. */
  TwDiag *d = tw_sm_error(s, TW_E0215, e->span, "const '%s' is %s, but -D gives it %s", name,
                          tw_type_text(s->a, own->type), tw_type_text(s->a, t->type));
  tw_sm_note(s, d, own->span, "its value in the program");
  return tw_sm_bad(s, own->span);
}

static const char *json_number(TwSema *s, const TwType *type, double x) {
  if (type->dtype == TW_BOOL) return x != 0 ? "true" : "false";
  if (!isfinite(x)) return x > 0 ? "\"inf\"" : "\"-inf\"";
  return tw_arena_printf(s->a, type->dtype == TW_INT ? "%.0f" : "%.17g", x);
}

/* For TwProgram.consts: scalars and vectors. */
static void record(TwSema *s, TwName name, const TwType *type, const TwSmNum *num) {
  if (type->kind != TW_TY_TENSOR || type->rank > 1 || num->n > 1000) return;
  const char *text = type->rank ? "[" : "";
  for (int64_t k = 0; k < num->n; k++)
    text = tw_arena_printf(s->a, "%s%s%s", text, k ? ", " : "", json_number(s, type, num->x[k]));
  tw_vec_push(s->a, &s->p->consts, (TwConstText){name, type->rank ? tw_arena_printf(s->a, "%s]", text) : text});
}

TwSmValue tw_sm_const(TwSema *s, TwSmModule *m, TwSmEntry *e) {
  const TwDecl *d = e->decl;
  TwSmScope scope = {m, NULL};
  s->ctx = const_ctx;
  if (!d->value || d->value->kind == TW_EX_ERROR) return s->errors++, tw_sm_vbad();
  const TwType *want = d->type ? tw_sm_type(s, &scope, d->type) : NULL;
  if (want && tw_sm_poison(want)) return tw_sm_vbad();
  TwTx *t = tw_sm_tx(s, &scope, d->value, want);
  if (want) t = tw_sm_coerce(s, t, want, true, d->value->span, tw_arena_printf(s->a, "const '%s'", e->name));
  if (tw_sm_poison(t->type)) return tw_sm_vbad();
  const TwDefine *def = m->is_main ? define_of(s, e->name) : NULL;
  if (def) t = define_value(s, m, def, t, e->name);
  if (tw_sm_poison(t->type)) return tw_sm_vbad();
  const char *why = NULL;
  const TwSmNum *num = tw_sm_eval(s, t, &why);
  if (!num) {
    if (why) tw_sm_error(s, TW_E0314, t->span, "the value of const '%s' cannot be computed: %s", e->name, why);
    else tw_sm_error(s, TW_E0308, t->span, "the value of const '%s' is not known when compiling", e->name);
    return tw_sm_vbad();
  }
  if (m->is_main) record(s, e->name, t->type, num);
  if (tw_sm_is_scalar(t->type)) {
    if (isnan(num->x[0])) {
      tw_sm_error(s, TW_E0314, t->span, "the value of const '%s' is not a number", e->name);
      return tw_sm_vbad();
    }
    return tw_sm_v(scalar_const(s, t->type, num->x[0], e->span));
  }
  TwTx *use = tw_sm_node(s, TW_TX_GLOBAL, t->type, e->span);
  use->index = s->p->globals.len;
  tw_vec_push(s->a, &s->p->globals, (TwGlobal){e->name, e->span, t});
  return tw_sm_v(use);
}
