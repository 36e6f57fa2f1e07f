/* groups.c: which operations on large tensors are one loop: elementwise ones on tensors of one size, and sums of all
 * their elements. An update with its moments reads and writes each of them once.
 *
 * A concat may be a member: the gradient of all parameters, of which each tensor's is a part. It is nowhere in memory:
 * the loop runs part by part, and only chunks that a part does not have alone are put together first.
 *
 * requires: varies, uses and users.
 * provides: group, groups and unstored. A group is emitted where its last member is (compiler/llvm/groups.c). So no
 *           other instruction in between may need a member, but one that is lazy and read by a member, or a scalar that
 *           no member needs: it is late, which means emitted behind the group. */
#include "compiler/plan/internal.h"

enum { WORTH = 4096 };

typedef struct Search {
  TwArena *arena;
  TwPlFacts *x;
  TwPlGroup open;
  bool *needs; /* per ref: it is a member of the open group, or made of one */
  bool *late;  /* per ref: it is made of something that is emitted behind the open group */
} Search;

static bool is_elements(const TwPlFacts *x, TwRef r) {
  const TwTyInfo *t = tw_info(x->fn, r);
  return !x->varies[r] && t->rank > 0 && t->dtype == TW_REAL && t->count >= WORTH;
}

static bool is_line_of_parts(const TwPlFacts *x, TwRef r) {
  return tw_op(x->fn, r) == TW_OP_concat && is_elements(x, r) && tw_info(x->fn, r)->rank == 1;
}

static bool is_whole_sum(const TwPlFacts *x, TwRef r) {
  return tw_op(x->fn, r) == TW_OP_sum && tw_info(x->fn, r)->rank == 0 && is_elements(x, tw_arg(x->fn, r, 0));
}

/* The concat that alone reads r, as it is or reshaped: by the numbers of its elements in row-major order. 0: none. */
static TwRef line_of(const TwPlFacts *x, TwRef r) {
  TwRef u = x->user[r];
  if (x->uses[r] != 1 || x->last[r] == UINT32_MAX || !u) return 0;
  if (tw_op(x->fn, u) == TW_OP_concat) return u;
  return tw_op(x->fn, u) == TW_OP_reshape ? line_of(x, u) : 0;
}

static bool is_part(const TwPlFacts *x, TwRef r) {
  TwRef line = line_of(x, r);
  return line && is_line_of_parts(x, line);
}

/* Elements of the loop that r would be in; 0: in none. */
static int64_t loop_of(const TwPlFacts *x, TwRef r) {
  if (is_whole_sum(x, r)) return tw_info(x->fn, tw_arg(x->fn, r, 0))->count;
  bool member = tw_pl_is_elementwise(tw_op(x->fn, r)) && is_elements(x, r) && !tw_pl_read_once(x, r) && !is_part(x, r);
  return member || is_line_of_parts(x, r) ? tw_info(x->fn, r)->count : 0;
}

/* Every user of r is a member of group g, or lazy and read by one. */
static bool stays_inside(const TwPlFacts *x, TwRef r, uint32_t g) {
  const TwFn *f = x->fn;
  for (uint32_t k = 0; k < f->results.len; k++)
    if (f->results.at[k] == r) return false;
  for (TwRef u = r + 1; u < f->insts.len; u++)
    for (uint32_t k = 0; x->uses[u] && k < tw_inst(f, u)->n_args; k++) {
      if (tw_arg(f, u, k) != r || x->group[u] == g) continue;
      bool lazy = tw_pl_is_elementwise(tw_op(f, u)) && tw_pl_read_once(x, u);
      if (!lazy || !stays_inside(x, u, g)) return false;
    }
  return true;
}

static void close_group(Search *q) {
  TwPlFacts *x = q->x;
  TwPlGroup g = q->open;
  q->open = (TwPlGroup){0};
  for (TwRef r = 1; r < x->fn->insts.len; r++) q->needs[r] = q->late[r] = false;
  if (g.members.len < 2) return;
  tw_vec_push(q->arena, &x->groups, g);
  for (uint32_t k = 0; k < g.members.len; k++) x->group[g.members.at[k]] = x->groups.len;
  for (uint32_t k = 0; k < g.late.len; k++) x->late[g.late.at[k]] = g.late.at[k] < g.last;
  for (uint32_t k = 0; k < g.members.len; k++) {
    TwRef r = g.members.at[k];
    x->unstored[r] = !is_whole_sum(x, r) && stays_inside(x, r, x->groups.len);
  }
}

static bool any_arg(const TwFn *f, TwRef r, const bool *is) {
  for (uint32_t k = 0; k < tw_inst(f, r)->n_args; k++)
    if (is[tw_arg(f, r, k)]) return true;
  return false;
}

static bool needs_group(const Search *q, TwRef r) { return any_arg(q->x->fn, r, q->needs); }

static bool may_join(const Search *q, TwRef r, int64_t count) {
  const TwPlFacts *x = q->x;
  if (q->open.members.len && (q->open.count != count || any_arg(x->fn, r, q->late))) return false;
  if (is_whole_sum(x, r)) return q->open.members.len > 0 && q->open.n_sums < TW_PL_MAX_SUMS;
  return !is_line_of_parts(x, r) || (!q->open.concat && !needs_group(q, r));
}

static void join(Search *q, TwRef r, int64_t count) {
  q->open.count = count;
  q->open.last = r;
  q->open.n_sums += is_whole_sum(q->x, r);
  if (is_line_of_parts(q->x, r)) q->open.concat = r;
  tw_vec_push(q->arena, &q->open.members, r);
  q->needs[r] = true;
}

void tw_pl_find_groups(TwArena *arena, TwPlFacts *x) {
  const TwFn *f = x->fn;
  Search q = {.arena = arena, .x = x, .needs = TW_NEW_N(arena, bool, f->insts.len)};
  q.late = TW_NEW_N(arena, bool, f->insts.len);
  for (TwRef r = 1; r < f->insts.len && x->role == TW_PL_TOP; r++) {
    if (!x->uses[r] || tw_op(f, r) == TW_OP_param) continue;
    int64_t count = loop_of(x, r);
    if (count && may_join(&q, r, count)) {
      join(&q, r, count);
    } else if (needs_group(&q, r)) {
      bool simple = tw_pl_is_elementwise(tw_op(f, r)), scalar = tw_info(f, r)->rank == 0;
      if (simple && (scalar || tw_pl_read_once(x, r))) {
        q.needs[r] = true;
        q.late[r] = scalar || any_arg(f, r, q.late);
        if (scalar) tw_vec_push(arena, &q.open.late, r);
      } else {
        close_group(&q);
        if (count && may_join(&q, r, count)) join(&q, r, count);
      }
    }
  }
  close_group(&q);
}

bool tw_pl_read_flat(const TwPlFacts *x, TwRef r) {
  TwRef line = line_of(x, r);
  return line && x->group[line];
}

bool tw_pl_is_in_strips(const TwPlFacts *x, TwRef get, int64_t columns) {
  const TwFn *f = x->fn;
  int64_t from = 0;
  if (columns % TW_CHUNK || x->uses[get] != 1) return false;
  for (TwRef r = get, u = x->user[r];; r = u, u = x->user[r]) {
    if (!u || x->uses[r] != 1 || x->group[r]) return false;
    if (tw_op(f, u) == TW_OP_concat) {
      for (uint32_t k = 0; tw_arg(f, u, k) != r; k++) from += tw_info(f, tw_arg(f, u, k))->count;
      if (x->group[u]) return from % TW_CHUNK == 0;
      if (tw_info(f, u)->rank != 1 || x->lazy[u] != TW_PL_INTO) return false; /* else it is put together in memory */
    } else if (tw_op(f, u) != TW_OP_reshape && !(tw_pl_is_elementwise(tw_op(f, u)) && x->lazy[u] == TW_PL_BY_ELEMENT)) {
      return false;
    }
  }
}
