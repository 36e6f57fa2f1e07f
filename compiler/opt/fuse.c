/* fuse.c: loops over the same thing become one.
 *
 * requires: a sealed function.
 * provides: the same function with fewer loops, at any depth of bodies. Bits are unchanged.
 *   samples  Two of equal trip are joined if the later one needs nothing of the earlier but what that writes
 *            for each sample and this reads for the same sample: then the value passes inside the body and
 *            its array is gone unless somebody else wants it. This is how the backward loop of a loss meets
 *            its forward one.
 *   scan     Two of equal trip and direction are joined, under the same condition, if they start from a
 *            common value: a loss and its derivative run through the layers of a net alike. Carries that
 *            start alike and go on alike are one (carries.c).
 *
 * Groups are grown in instruction order; a region joins the first group that does not close a cycle. Then the
 * function is emitted with a group where its last member was, after all that the members need. */
#include "compiler/opt/internal.h"

typedef struct Group {
  TwRef *member; /* in order */
  uint32_t n;
  TwOp op;
  int64_t trip;
  bool reverse;
  TwRef region;                  /* emitted, 0 before */
  uint32_t *first_sum, *first_y; /* per member: its first sum and y among the group's (after n_sums) */
  uint32_t n_sums, n_ys;
} Group;

typedef struct Fuse {
  TwPass *p;
  const TwFn *f;
  TwFn *g;
  TwRef *map;
  Group *group;
  uint32_t n_groups;
  uint32_t *group_of; /* per ref: number + 1 of the group of a loop */
} Fuse;

static bool is_loop(const TwFn *f, TwRef r) { return tw_op(f, r) == TW_OP_samples || tw_op(f, r) == TW_OP_scan; }

/* Number of the first operand that is read row by row. */
static uint32_t first_x(const TwFn *f, TwRef r) {
  const TwRegion *s = tw_region(f, r);
  return s->n_consts + (tw_op(f, r) == TW_OP_scan ? s->n_carry : 0);
}

/* Whether r is a array that a member of group q writes row by row. */
static bool is_y_of(const Fuse *z, TwRef r, uint32_t q) {
  if (tw_op(z->f, r) != TW_OP_get) return false;
  TwRef from = tw_arg(z->f, r, 0);
  return z->group_of[from] == q + 1 && (uint32_t)tw_attr(z->f, r, 0) >= tw_region(z->f, from)->n_carry;
}

/* Does r reach group q, other than as an x that q writes? Marks what it has seen. */
static bool reaches(const Fuse *z, TwRef r, uint32_t q) {
  TwVec(TwRef) todo = {0};
  bool *seen = TW_NEW_N(&z->p->scratch, bool, z->f->insts.len);
  for (uint32_t k = 0; k < tw_inst(z->f, r)->n_args; k++)
    if (k < first_x(z->f, r) || !is_y_of(z, tw_arg(z->f, r, k), q))
      tw_vec_push(&z->p->scratch, &todo, tw_arg(z->f, r, k));
  while (todo.len) {
    TwRef x = todo.at[--todo.len];
    if (seen[x]) continue;
    seen[x] = true;
    if (z->group_of[x] == q + 1) return true;
    for (uint32_t k = 0; k < tw_inst(z->f, x)->n_args; k++) tw_vec_push(&z->p->scratch, &todo, tw_arg(z->f, x, k));
    if (!z->group_of[x]) continue;
    const Group *h = &z->group[z->group_of[x] - 1];
    for (uint32_t m = 0; m < h->n; m++) tw_vec_push(&z->p->scratch, &todo, h->member[m]);
  }
  return false;
}

static bool start_alike(const TwFn *f, TwRef a, TwRef b) {
  const TwRegion *s = tw_region(f, a), *t = tw_region(f, b);
  for (uint32_t j = 0; j < s->n_carry; j++)
    for (uint32_t k = 0; k < t->n_carry; k++) {
      TwRef x = tw_arg(f, a, s->n_consts + j);
      if (x == tw_arg(f, b, t->n_consts + k) && tw_op(f, x) != TW_OP_const) return true;
    }
  return false;
}

static bool may_join(const Fuse *z, TwRef r, uint32_t q) {
  const Group *h = &z->group[q];
  const TwRegion *s = tw_region(z->f, r);
  if (h->op != tw_op(z->f, r) || h->trip != s->trip || h->reverse != s->reverse) return false;
  bool alike = h->op == TW_OP_samples;
  for (uint32_t m = 0; m < h->n && !alike; m++) alike = start_alike(z->f, h->member[m], r);
  return alike && !reaches(z, r, q);
}

static void find_groups(Fuse *z) {
  uint32_t n = 0;
  for (TwRef r = 1; r < z->f->insts.len; r++) n += is_loop(z->f, r);
  z->group = TW_NEW_N(&z->p->scratch, Group, n);
  for (TwRef r = 1; r < z->f->insts.len; r++) {
    if (!is_loop(z->f, r)) continue;
    uint32_t q = 0;
    while (q < z->n_groups && !may_join(z, r, q)) q++;
    if (q == z->n_groups) {
      z->group[q].op = tw_op(z->f, r);
      z->group[q].trip = tw_region(z->f, r)->trip;
      z->group[q].reverse = tw_region(z->f, r)->reverse;
      z->group[q].member = TW_NEW_N(&z->p->scratch, TwRef, n);
      z->n_groups++;
    }
    z->group[q].member[z->group[q].n++] = r;
    z->group_of[r] = q + 1;
  }
}

typedef TwVec(TwRef) Refs;
static uint32_t place(TwPass *p, Refs *refs, TwRef r) {
  for (uint32_t k = 0; k < refs->len; k++)
    if (refs->at[k] == r) return k;
  tw_vec_push(&p->scratch, refs, r);
  return refs->len - 1;
}

/* Number of member m whose region r is. */
static uint32_t member_number(const Group *q, TwRef r) {
  uint32_t m = 0;
  while (q->member[m] != r) m++;
  return m;
}

/* The operands of a group: consts and xs once, carries of every member. */
typedef struct Operands {
  Refs consts, carries, xs;
} Operands;

typedef struct Params {
  TwRef counter, *consts, *carries, *xs;
} Params;

static TwRef *add_params(TwPass *p, TwFn *to, const TwFn *g, const Refs *refs, bool rows) {
  TwRef *out = TW_NEW_N(&p->scratch, TwRef, refs->len);
  for (uint32_t k = 0; k < refs->len; k++) {
    TwTy t = tw_type(g, refs->at[k]);
    out[k] = tw_param(to, rows ? tw_ty_tail(p->m, t) : t);
  }
  return out;
}

/* The body of member m, pasted; *carry: how many carries came before, updated. */
static TwRef *paste(Fuse *z, const Group *q, uint32_t m, TwFn *b, Operands *o, const Params *in, TwRef *const *out,
                    uint32_t *carry) {
  TwRef r = q->member[m];
  const TwRegion s = *tw_region(z->f, r);
  uint32_t lead = q->op == TW_OP_scan, x_at = first_x(z->f, r), index = z->group_of[r] - 1;
  TwRef *map = TW_NEW_N(&z->p->scratch, TwRef, s.body->insts.len);
  if (lead) map[s.body->params.at[0]] = in->counter;
  for (uint32_t k = 0; k < tw_inst(z->f, r)->n_args; k++) {
    TwRef a = tw_arg(z->f, r, k), *to = &map[s.body->params.at[lead + k]];
    if (k < s.n_consts) *to = in->consts[place(z->p, &o->consts, z->map[a])];
    else if (k < x_at) *to = in->carries[(*carry)++];
    else if (is_y_of(z, a, index)) *to = out[member_number(q, tw_arg(z->f, a, 0))][tw_attr(z->f, a, 0)];
    else *to = in->xs[place(z->p, &o->xs, z->map[a])];
  }
  for (TwRef x = 1; x < s.body->insts.len; x++)
    if (tw_op(s.body, x) != TW_OP_param) map[x] = tw_opt_copy(b, s.body, x, map);
  TwRef *results = TW_NEW_N(&z->p->scratch, TwRef, s.body->results.len);
  for (uint32_t k = 0; k < s.body->results.len; k++) results[k] = map[s.body->results.at[k]];
  return results;
}

static const TwFn *joint_body(Fuse *z, Group *q, Operands *o) {
  TwPass *p = z->p;
  TwFn *b = tw_fn_new(p->m, tw_region(z->f, q->member[0])->body->name);
  Params in = {.counter = q->op == TW_OP_scan ? tw_param(b, tw_ty_scalar(p->m, TW_INT)) : 0};
  in.consts = add_params(p, b, z->g, &o->consts, false);
  in.carries = add_params(p, b, z->g, &o->carries, false);
  in.xs = add_params(p, b, z->g, &o->xs, true);
  TwRef **out = TW_NEW_N(&p->scratch, TwRef *, q->n);
  uint32_t carry = 0;
  for (uint32_t m = 0; m < q->n; m++) out[m] = paste(z, q, m, b, o, &in, out, &carry);
  for (uint32_t m = 0; m < q->n; m++) {
    q->first_sum[m] = b->results.len;
    for (uint32_t k = 0; k < tw_region(z->f, q->member[m])->n_carry; k++) tw_result(b, out[m][k]);
  }
  q->n_sums = b->results.len;
  for (uint32_t m = 0; m < q->n; m++) {
    const TwRegion *s = tw_region(z->f, q->member[m]);
    q->first_y[m] = b->results.len;
    for (uint32_t k = 0; k < s->n_ys; k++) tw_result(b, out[m][s->n_carry + k]);
  }
  q->n_ys = b->results.len - q->n_sums;
  return tw_fn_seal(b);
}

static void emit_group(Fuse *z, uint32_t index) {
  Group *q = &z->group[index];
  TwPass *p = z->p;
  Operands o = {0};
  for (uint32_t m = 0; m < q->n; m++) {
    TwRef r = q->member[m];
    uint32_t n_consts = tw_region(z->f, r)->n_consts, x_at = first_x(z->f, r);
    for (uint32_t k = 0; k < tw_inst(z->f, r)->n_args; k++) {
      TwRef a = tw_arg(z->f, r, k);
      if (k < n_consts) place(p, &o.consts, z->map[a]);
      else if (k < x_at) tw_vec_push(&p->scratch, &o.carries, z->map[a]);
      else if (!is_y_of(z, a, index)) place(p, &o.xs, z->map[a]);
    }
  }
  q->first_sum = TW_NEW_N(&p->scratch, uint32_t, q->n);
  q->first_y = TW_NEW_N(&p->scratch, uint32_t, q->n);
  TwRegion s = {.trip = q->trip, .reverse = q->reverse, .n_consts = o.consts.len, .n_xs = o.xs.len};
  s.body = joint_body(z, q, &o);
  s.n_carry = q->n_sums;
  s.n_ys = q->n_ys;
  uint32_t n = 0;
  TwRef *args = TW_NEW_N(&p->scratch, TwRef, o.consts.len + o.carries.len + o.xs.len);
  for (uint32_t k = 0; k < o.consts.len; k++) args[n++] = o.consts.at[k];
  for (uint32_t k = 0; k < o.carries.len; k++) args[n++] = o.carries.at[k];
  for (uint32_t k = 0; k < o.xs.len; k++) args[n++] = o.xs.at[k];
  z->g->at = tw_inst(z->f, q->member[0])->span;
  q->region = tw_emit_region(z->g, q->op, &s, args, n);
}

static void emit_one(Fuse *z, TwRef r) {
  const TwFn *f = z->f;
  TwRef from = tw_op(f, r) == TW_OP_get ? tw_arg(f, r, 0) : 0;
  if (z->group_of[r]) {
    if (!z->group[z->group_of[r] - 1].region) emit_group(z, z->group_of[r] - 1);
    z->map[r] = z->group[z->group_of[r] - 1].region;
  } else if (from && z->group_of[from]) {
    const Group *q = &z->group[z->group_of[from] - 1];
    uint32_t m = member_number(q, from), k = (uint32_t)tw_attr(f, r, 0), n_sums = tw_region(f, from)->n_carry;
    z->map[r] = tw_get(z->g, q->region, k < n_sums ? q->first_sum[m] + k : q->first_y[m] + k - n_sums);
  } else if (tw_op(f, r) != TW_OP_param) {
    z->map[r] = tw_opt_copy(z->g, f, r, z->map);
  }
}

/* What has to be emitted before r: its operands, and those of its whole group that the group does not make.
 */
static void push_needs(Fuse *z, TwRef r, Refs *todo) {
  const TwFn *f = z->f;
  uint32_t q = z->group_of[r];
  uint32_t n = q ? z->group[q - 1].n : 1;
  for (uint32_t m = n; m-- > 0;) {
    TwRef x = q ? z->group[q - 1].member[m] : r;
    for (uint32_t k = tw_inst(f, x)->n_args; k-- > 0;) {
      TwRef a = tw_arg(f, x, k);
      bool own = q && k >= first_x(f, x) && is_y_of(z, a, q - 1);
      if (!own && !z->map[a]) tw_vec_push(&z->p->scratch, todo, a);
    }
  }
}

static void emit_all(Fuse *z) {
  Refs todo = {0};
  for (TwRef r = 1; r < z->f->insts.len; r++) {
    tw_vec_push(&z->p->scratch, &todo, r);
    while (todo.len) {
      TwRef x = todo.at[todo.len - 1];
      if (z->map[x]) {
        todo.len--;
        continue;
      }
      uint32_t before = todo.len;
      push_needs(z, x, &todo);
      if (todo.len == before) emit_one(z, x);
    }
  }
}

static const TwFn *fuse_fn(TwPass *p, const TwFn *f) {
  f = tw_opt_bodies(p, f, fuse_fn);
  Fuse z = {.p = p, .f = f};
  z.group_of = TW_NEW_N(&p->scratch, uint32_t, f->insts.len);
  find_groups(&z);
  bool any = false;
  for (uint32_t q = 0; q < z.n_groups; q++) any = any || z.group[q].n > 1;
  if (!any) return f;
  z.g = tw_opt_open(p, f, &z.map);
  emit_all(&z);
  return tw_opt_close(z.g, f, z.map);
}

const TwFn *tw_opt_fuse_samples(TwModule *m, const TwFn *f) {
  TwPass p = {.m = m};
  const TwFn *g = tw_merge_carries_fn(&p, fuse_fn(&p, f));
  tw_arena_free(&p.scratch);
  return g;
}
