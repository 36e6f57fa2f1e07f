/* load.c: load("w.safetensors"): params and weights that start from a file.
 *
 * The file has a tensor for each leaf, or for each element of an array of records, named as runtime/stored.h says;
 * a second argument is the name that the file has for the whole, "" if its tensors begin with the fields. What is
 * read goes to TwProgram.loaded; the path is relative to the program's folder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/sema/data.h"
#include "compiler/sema/sema.h"
#include "runtime/stored.h"

typedef struct Load {
  TwSema *s;
  const TwExpr *e;
  const char *path;
  TwSpan path_span, decl;
  const char *declared; /* the name */
  TwRtSt file;
  bool *used; /* of its tensors */
} Load;

bool tw_sm_is_load(TwSema *s, const TwSmScope *scope, const TwExpr *e) {
  if (!e || e->kind != TW_EX_CALL || e->a->kind != TW_EX_NAME || strcmp(e->a->name, "load") != 0) return false;
  TwSmValue f = tw_sm_lookup(s, scope, e->a->name, e->a->span);
  return f.kind == TW_V_BUILTIN && strcmp(tw_sm_builtin_name(f.index), "load") == 0;
}

/* The arguments: texts without names. */
static bool check_args(TwSema *s, const TwExpr *e) {
  if (e->args.len < 1 || e->args.len > 2) {
    tw_sm_error(s, e->args.len ? TW_E0302 : TW_E0303, e->span,
                "'load' takes a file and, if it is another, the name that the file has for this");
    return false;
  }
  for (uint32_t k = 0; k < e->args.len; k++) {
    const TwArg *a = &e->args.at[k];
    if (a->value->kind == TW_EX_ERROR) return s->errors++, false;
    if (a->name.name) return tw_sm_error(s, TW_E0207, a->name.span, "the arguments of 'load' have no names"), false;
    if (a->value->kind == TW_EX_STRING) continue;
    TwDiag *d = tw_sm_error(s, TW_E0307, a->value->span, "%s",
                            k ? "the name in the file is a text in quotes" : "the file is named by a text in quotes");
    tw_sm_help(s, d, "write load(\"w.safetensors\")");
    return false;
  }
  return true;
}

static bool lacks(Load *l, const char *name) {
  TwSema *s = l->s;
  TwDiag *d = tw_sm_error(s, TW_E0611, l->path_span, "%s has no tensor '%s'", l->path, name);
  tw_sm_note(s, d, l->decl, "'%s' needs it", l->declared);
  TwNames names = {0};
  for (size_t k = 0; k < l->file.n_tensors && k < 1000; k++)
    tw_vec_push(s->a, &names, tw_intern_z(&s->u->names, l->file.tensors[k].name));
  if (!tw_sm_suggest(s, d, tw_intern_z(&s->u->names, name), names.at, names.len) && names.len)
    tw_sm_help(s, d, "it has '%s'%s", names.at[0], names.len > 1 ? " and others" : " only");
  return false;
}

static bool another_shape(Load *l, const TwRtStTensor *t, const TwRtStored *want, const TwType *leaf) {
  char *has = tw_rt_stored_shape(t->rank, t->dims), *wants = tw_rt_stored_shape(want->rank, want->dims);
  TwDiag *d = tw_sm_error(l->s, TW_E0612, l->path_span, "'%s' is %s in %s and %s here", t->name, has ? has : "",
                          l->path, wants ? wants : "");
  free(has);
  free(wants);
  tw_sm_note(l->s, d, l->decl, "the type of '%s'", l->declared);
  for (uint32_t k = 0; k < leaf->rank && leaf->rank == t->rank; k++)
    if (t->dims[k] != leaf->dims[k].n && leaf->dims[k].from.file && !tw_sm_is_std(l->s, leaf->dims[k].from.file))
      tw_sm_note(l->s, d, leaf->dims[k].from, "this makes it %lld", (long long)leaf->dims[k].n);
  return false;
}

/* One tensor of the file, appended to what is loaded. */
static bool take(Load *l, const char *name, const TwRtStored *want, const TwType *leaf) {
  TwSema *s = l->s;
  const TwRtStTensor *t = tw_rt_st_find(&l->file, name);
  if (!t) return lacks(l, name);
  l->used[t - l->file.tensors] = true;
  bool same = t->rank == want->rank;
  for (uint32_t k = 0; same && k < t->rank; k++) same = t->dims[k] == want->dims[k];
  if (!same) return another_shape(l, t, want, leaf);
  if (!tw_rt_st_has_reals(t))
    return tw_sm_error(s, TW_E0612, l->path_span, "'%s' has the dtype %s in %s; F32 and F64 can be loaded", name,
                       t->dtype, l->path),
           false;
  for (uint64_t i = 0; i < t->count; i++) {
    double v = tw_rt_st_real(t, i);
    if (!isfinite(v))
      return tw_sm_error(s, TW_E0609, l->path_span, "element %llu of '%s' in %s is %s", (unsigned long long)i, name,
                         l->path, isnan(v) ? "not a number" : "infinite"),
             false;
    if (s->u->options.precision == TW_F32 && isinf((float)v))
      return tw_sm_error(s, TW_E0609, l->path_span, "element %llu of '%s' in %s is %.9g, which is too large for f32",
                         (unsigned long long)i, name, l->path, v),
             false;
    tw_vec_push(s->a, &s->p->loaded, v);
  }
  return true;
}

/* The leaves of t in order; `lead`: the axes of the arrays around it. */
static bool take_leaves(Load *l, const TwType *t, uint32_t n_lead, int64_t *lead, const char ***stored) {
  if (t->kind == TW_TY_ARRAY) {
    lead[n_lead] = t->dims[0].n;
    return take_leaves(l, t->elem, n_lead + 1, lead, stored);
  }
  if (t->kind != TW_TY_TENSOR) {
    for (uint32_t k = 0; k < t->fields.len; k++)
      if (!take_leaves(l, t->fields.at[k].type, n_lead, lead, stored)) return false;
    return true;
  }
  const char *name = *(*stored)++;
  for (uint32_t k = 0; k < t->rank; k++) lead[n_lead + k] = t->dims[k].n;
  TwRtStored want = tw_rt_stored_of(name, n_lead + t->rank, lead);
  bool ok = true;
  for (uint64_t k = 0; k < want.n && ok; k++) {
    char *one = tw_rt_stored_name(name, lead, k);
    ok = one && take(l, one, &want, t);
    free(one);
  }
  return ok;
}

/* A net of three layers is not the first three of four: what the file has under the name must all be wanted. */
static bool no_others(Load *l, const char *prefix) {
  size_t n = strlen(prefix);
  for (size_t k = 0; k < l->file.n_tensors; k++) {
    const char *name = l->file.tensors[k].name;
    if (l->used[k] || strncmp(name, prefix, n) != 0 || (n && name[n] != '.')) continue;
    TwDiag *d = tw_sm_error(l->s, TW_E0612, l->path_span, "%s has a tensor '%s', which '%s' has not", l->path, name,
                            l->declared);
    tw_sm_note(l->s, d, l->decl, "the type of '%s'", l->declared);
    return false;
  }
  return true;
}

TwTx *tw_sm_load_file(TwSema *s, const TwExpr *e, const TwType *type, const char *name, TwSpan decl) {
  if (!check_args(s, e)) return tw_sm_bad(s, e->span);
  Load l = {.s = s,
            .e = e,
            .path = e->args.at[0].value->string,
            .path_span = e->args.at[0].value->span,
            .decl = decl,
            .declared = name};
  const char *file = tw_sm_data_path(s, l.path);
  char *error;
  if (!tw_rt_st_read(file, &l.file, &error)) {
    tw_sm_error(s, TW_E0601, l.path_span, "%s", error ? error : "out of memory");
    free(error);
    return tw_sm_bad(s, e->span);
  }
  /* Whoever watches what a program read finds the file even if it does not fit. */
  tw_vec_push(s->a, &s->p->loads, ((TwLoad){l.path, file, tw_sm_digest(s, l.file.digest), l.path_span}));
  const char *prefix = e->args.len > 1 ? e->args.at[1].value->string : name;
  const char **stored = TW_NEW_N(s->a, const char *, tw_sm_parts(type, TW_SM_MAX_PARTS) + 1), **next = stored;
  uint32_t n = tw_stored_names(s->a, type, prefix, stored);
  for (uint32_t k = 0; k < n && !*prefix; k++) stored[k] += stored[k][0] == '.';
  TwTx *t = tw_sm_node(s, TW_TX_LOADED, type, e->span);
  t->integer = s->p->loaded.len;
  int64_t lead[TW_MAX_RANK];
  l.used = TW_NEW_N(s->a, bool, l.file.n_tensors + 1);
  bool ok = take_leaves(&l, type, 0, lead, &next) && no_others(&l, prefix);
  tw_rt_st_free(&l.file);
  return ok ? t : tw_sm_bad(s, e->span);
}
