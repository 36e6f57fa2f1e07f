/* seal.c: the end of building.
 *
 * requires: results are set.
 * provides: a function without dead instructions, without results, carries and operands of regions
 *           that nothing uses, without bundles; parameters come first; it never changes again.
 * breaks:   refs into the function that were taken before. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/internal.h"

typedef struct Seal {
  TwFn *f;
  uint8_t *live;
  bool **used;     /* per region: which results are */
  uint32_t **into; /* per narrowed region: new numbers of its results */
} Seal;

static void use_arg(Seal *s, TwRef r, uint32_t k) { s->live[tw_arg(s->f, r, k)] = 1; }

static void use_get(Seal *s, TwRef r) {
  TwRef of = tw_arg(s->f, r, 0);
  s->live[of] = 1;
  if (!tw_is_region_op(tw_op(s->f, of))) return;
  if (!s->used[of]) s->used[of] = tw_scratch(tw_region_results(tw_region(s->f, of), tw_op(s->f, of)), sizeof(bool));
  s->used[of][tw_attr(s->f, r, 0)] = true;
}

/* Puts what tw_narrow_run found in the place of the region. */
static void replace(Seal *s, TwRef r, const TwNarrow *n) {
  TwFn *f = s->f;
  TwInst *i = &f->insts.at[r];
  i->n_args = n->n_args;
  memcpy(f->args.at + i->args, n->args, n->n_args * sizeof *n->args);
  f->regions.at[i->region] = n->region;
}

static void narrow_region(Seal *s, TwRef r) {
  bool unused = false, again = true;
  uint32_t n_results = tw_region_results(tw_region(s->f, r), tw_op(s->f, r));
  for (uint32_t k = 0; k < n_results; k++) unused |= !s->used[r][k];
  if (!unused || s->f->plain) return;
  uint32_t *into = s->into[r] = tw_scratch(n_results, sizeof *into);
  for (uint32_t k = 0; k < n_results; k++) into[k] = k;
  bool *want = tw_scratch(n_results, sizeof *want);
  memcpy(want, s->used[r], n_results * sizeof *want);
  while (again) { /* a narrower body may need fewer operands still */
    TwProto p = tw_proto_of(s->f, r);
    TwNarrow n;
    tw_narrow_init(&n, s->f, &p);
    memcpy(n.want, want, n.n_results * sizeof *want);
    again = tw_narrow_unused(&n);
    for (uint32_t k = 0; k < n.n_results; k++) again |= !n.want[k];
    if (again) {
      tw_narrow_run(&n);
      replace(s, r, &n);
      for (uint32_t k = 0; k < n_results; k++)
        if (s->used[r][k]) into[k] = n.into[into[k]];
      uint32_t left = 0;
      for (uint32_t k = 0; k < n.n_results; k++)
        if (n.want[k]) want[left++] = want[k];
    }
    tw_narrow_free(&n);
  }
  free(want);
}

static void find_live(Seal *s) {
  TwFn *f = s->f;
  for (uint32_t k = 0; k < f->results.len; k++) s->live[f->results.at[k]] = 1;
  for (TwRef r = f->insts.len; r-- > 1;) {
    if (!s->live[r]) continue;
    if (tw_op(f, r) == TW_OP_get) {
      use_get(s, r);
      continue;
    }
    if (tw_is_region_op(tw_op(f, r)) && s->used[r]) narrow_region(s, r);
    for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++) use_arg(s, r, k);
  }
  for (uint32_t k = 0; k < f->params.len; k++) s->live[f->params.at[k]] = 1;
}

static void move_inst(const Seal *s, TwFn *to, TwRef r, TwRef *map) {
  const TwFn *f = s->f;
  TwProto p = tw_proto_of(f, r);
  int64_t number;
  if (p.op == TW_OP_get && s->into[p.args[0]]) {
    number = s->into[p.args[0]][p.attrs[0]];
    p.attrs = &number;
  }
  to->at = tw_inst(f, r)->span;
  map[r] = tw_append(to, &p);
  TwRef *args = to->args.at + to->insts.at[map[r]].args;
  for (uint32_t k = 0; k < p.n_args; k++) args[k] = map[args[k]];
}

/* Copies what is live into arrays of its own, parameters first. */
static void compact(const Seal *s) {
  TwFn *f = s->f, to = {.module = f->module, .name = f->name};
  uint32_t n = 1;
  TwRef *map = tw_scratch(f->insts.len, sizeof *map);
  for (TwRef r = 1; r < f->insts.len; r++) n += s->live[r];
  to.insts.at = TW_NEW_N(f->module->arena, TwInst, n);
  to.insts.cap = n;
  to.insts.len = 1;
  for (uint32_t k = 0; k < f->params.len; k++) move_inst(s, &to, f->params.at[k], map);
  for (TwRef r = 1; r < f->insts.len; r++)
    if (s->live[r] && tw_op(f, r) != TW_OP_param) move_inst(s, &to, r, map);
  for (uint32_t k = 0; k < f->params.len; k++) f->params.at[k] = map[f->params.at[k]];
  for (uint32_t k = 0; k < f->results.len; k++) f->results.at[k] = map[f->results.at[k]];
  memcpy(&f->insts, &to.insts, sizeof to.insts);
  memcpy(&f->args, &to.args, sizeof to.args);
  memcpy(&f->attrs, &to.attrs, sizeof to.attrs);
  memcpy(&f->regions, &to.regions, sizeof to.regions);
  free(map);
}

const TwFn *tw_fn_seal(TwFn *f) {
  if (f->sealed) tw_ir_bug(f, NULL, "a function is sealed twice");
  uint32_t n = f->insts.len;
  Seal s = {
      .f = f, .live = tw_scratch(n, 1), .used = tw_scratch(n, sizeof *s.used), .into = tw_scratch(n, sizeof *s.into)};
  find_live(&s);
  compact(&s);
  f->sealed = true;
  f->slots = NULL;
  f->slot_cap = f->n_slots = 0;
  f->hash = tw_fn_hash(f);
  for (uint32_t r = 0; r < n; r++) {
    free(s.used[r]);
    free(s.into[r]);
  }
  free(s.used);
  free(s.into);
  free(s.live);
  return f;
}
