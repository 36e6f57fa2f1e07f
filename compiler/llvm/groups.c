/* groups.c: elementwise operations on large tensors of one size, and sums of all their elements, in one loop.
 *
 *   for each chunk of 512 elements
 *     for each sixteen of the chunk: all members, in registers; what is wanted outside is stored
 *     the sums' partial sums are folded and enter their trees
 *
 * requires: a group of the plan (compiler/plan/groups.c); the scope at its last member. */
#include "compiler/llvm/ll.h"

enum { LARGE_PART = 64 * TW_CHUNK, MAX_LARGE = 8, MAX_SUMS = TW_PL_MAX_SUMS };

typedef struct Part { /* of the line: a value that has its elements at from … from + n - 1 */
  TwRef r;
  int64_t from, n;
} Part;

typedef struct Group {
  TwLlScope *s;
  const TwPlGroup *g;
  TwVec(Part) parts;
  TwLlTree tree[MAX_SUMS];
  LLVMValueRef totals[MAX_SUMS]; /* of chunks, which may come in any order; NULL: they come in theirs */
  uint32_t totals_block[MAX_SUMS];
  TwVec(TwRef) reads; /* tensors in memory that members read */
  bool streams;       /* results are too large to be of use in a cache */
} Group;

/* A part that is made strip by strip. */
typedef struct StripSum {
  TwRef get;
  const TwLlOuter *o;
  LLVMValueRef buffer; /* of a strip of it */
} StripSum;
typedef struct Strips {
  Group *q;
  const Part *part;
  const TwLlVal *to;
  TwVec(StripSum) sums;   /* that it is made of, at least one, of one shape: */
  int64_t rows, row;      /* row: elements from one to the next */
  int64_t columns, tiles; /* of a strip */
  uint32_t height;        /* rows of a tile */
} Strips;

/* Where the elements of the line come from in a stretch of the loop. */
typedef struct Source {
  TwRef part; /* element number i - from of it; 0: of `line` */
  int64_t from;
  TwLlVal line;
} Source;

/* Makes it readable as if it were one axis. */
static void make_flat(TwLlScope *s, TwRef r) {
  if (tw_ll_flat_ok(s, r)) return;
  if (s->val[r].kind == TW_LL_VIEW) {
    TwLlVal c = tw_ll_new_tensor(s->l, tw_info(s->fn, r), false);
    tw_ll_own(s, c.block, s->facts->last[r]);
    tw_ll_copy(s->l, &s->val[r], &c);
    s->val[r] = c;
    return;
  }
  TwOp op = tw_op(s->fn, r);
  if (op == TW_OP_reshape) {
    make_flat(s, tw_arg(s->fn, r, 0));
    if (s->val[tw_arg(s->fn, r, 0)].kind == TW_LL_VIEW) tw_ll_shape_op(s, r);
    return;
  }
  for (uint32_t k = 0; tw_pl_is_elementwise(op) && k < tw_inst(s->fn, r)->n_args; k++)
    make_flat(s, tw_arg(s->fn, r, k));
  if (!tw_ll_flat_ok(s, r)) tw_ll_materialize(s, r);
}

/* What member r reads, members excepted. */
static void make_operands(Group *q, TwRef r) {
  TwLlScope *s = q->s;
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
    TwRef a = tw_arg(s->fn, r, k);
    if (s->facts->group[a] && &s->facts->groups.at[s->facts->group[a] - 1] == q->g && s->val[a].kind == TW_LL_NONE)
      continue;
    if (s->val[a].kind == TW_LL_LAZY && tw_pl_is_elementwise(tw_op(s->fn, a))) {
      make_operands(q, a);
      continue;
    }
    make_flat(s, a);
    if (s->val[a].kind == TW_LL_VIEW) tw_vec_push(s->l->arena, &q->reads, a);
  }
}

/* The sums in strips that r, a part of the line, is made of: all of which tw_pl_is_in_strips says so, by the same way
 * back. */
static bool find_strips(Group *q, TwRef r, Strips *out) {
  TwLlScope *s = q->s;
  TwOp op = tw_op(s->fn, r);
  if (s->strips[r]) {
    if (out) tw_vec_push(s->l->arena, &out->sums, ((StripSum){.get = r, .o = s->strips[r]}));
    return true;
  }
  if (op != TW_OP_reshape && !(tw_pl_is_elementwise(op) && s->val[r].kind == TW_LL_LAZY)) return false;
  bool any = false;
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) any |= find_strips(q, tw_arg(s->fn, r, k), out);
  return any;
}

static void collect_parts(Group *q, TwRef r, int64_t *at) {
  TwLlScope *s = q->s;
  for (uint32_t k = 0; k < tw_inst(s->fn, r)->n_args; k++) {
    TwRef a = tw_arg(s->fn, r, k);
    int64_t n = tw_info(s->fn, a)->count;
    if (n == 0) continue;
    if (tw_op(s->fn, a) == TW_OP_concat && s->val[a].kind == TW_LL_LAZY) {
      collect_parts(q, a, at);
      continue;
    }
    if (s->val[a].kind == TW_LL_LAZY && s->facts->lazy[a] == TW_PL_INTO) tw_ll_materialize(s, a);
    make_flat(s, a);
    tw_vec_push(s->l->arena, &q->parts, (Part){a, *at, n});
    *at += n;
  }
}

static void begin_group(Group *q) {
  TwLlScope *s = q->s;
  TwLl *l = s->l;
  uint64_t bytes = 0;
  for (uint32_t k = 0; k < q->g->members.len; k++) {
    TwRef r = q->g->members.at[k];
    int64_t at = 0;
    if (r == q->g->concat) collect_parts(q, r, &at);
    else make_operands(q, r);
  }
  bool in_strips = false;
  for (uint32_t k = 0; k < q->parts.len; k++) in_strips |= find_strips(q, q->parts.at[k].r, NULL);
  for (uint32_t k = 0, sum = 0; k < q->g->members.len; k++) {
    TwRef r = q->g->members.at[k];
    if (tw_info(s->fn, r)->rank == 0) {
      int64_t chunks = (q->g->count + TW_CHUNK - 1) / TW_CHUNK;
      q->tree[sum] = tw_ll_tree(l, TW_REAL, false, 1, chunks);
      if (in_strips) {
        q->totals_block[sum] = tw_ll_alloc(l, (uint64_t)chunks * tw_ll_bytes(l, TW_REAL, false));
        q->totals[sum] = tw_ll_block_ptr(l, q->totals_block[sum]);
      }
      sum++;
    } else if (!s->facts->unstored[r]) {
      bytes += (uint64_t)q->g->count * tw_ll_bytes(l, TW_REAL, false);
    }
  }
  q->streams = (int64_t)bytes > l->m.beyond;
}

/* Elements e … e + n - 1; adds to acc[]. */
static void sixteen(Group *q, const Source *from, const TwLlVal *to, LLVMValueRef e, uint32_t n, LLVMValueRef *acc) {
  TwLlScope *s = q->s;
  TwLl *l = s->l;
  TwLlAt at = {.flat = true, .run = 0, .n = n, .i = {e}};
  for (uint32_t k = 0, sum = 0; k < q->g->members.len; k++) {
    TwRef r = q->g->members.at[k];
    LLVMValueRef x;
    if (tw_info(s->fn, r)->rank == 0) {
      x = tw_ll_fadd(l, TW_REAL, acc[sum], tw_ll_splat(l, tw_ll_element(s, tw_arg(s->fn, r, 0), &at)));
      if (n < TW_LANES) {
        LLVMValueRef mask[TW_LANES];
        for (uint32_t j = 0; j < TW_LANES; j++) mask[j] = LLVMConstInt(l->i1, j < n, false);
        x = tw_ll_select(l, LLVMConstVector(mask, TW_LANES), x, acc[sum]);
      }
      acc[sum++] = x;
      continue;
    }
    if (r == q->g->concat) {
      TwLlAt in = at;
      in.i[0] = tw_ll_add(l, e, tw_ll_i64(l, -from->from));
      x = from->part ? tw_ll_element(s, from->part, &in) : tw_ll_view_load(l, &from->line, &in);
    } else {
      x = tw_ll_compute_element(s, r, &at);
    }
    s->val[r] = (TwLlVal){.kind = TW_LL_SCALAR, .dtype = TW_REAL, .v = x};
    if (s->facts->unstored[r]) continue;
    LLVMValueRef p = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), to[k].ptr, e);
    if (q->streams && n == TW_LANES) tw_ll_stream_run(l, x, p);
    else tw_ll_store_run(l, TW_REAL, x, p, n);
  }
}

/* Chunks first … first + count - 1, or the last one, of `rest` elements, alone. */
static void chunks(Group *q, const Source *from, const TwLlVal *to, LLVMValueRef first, LLVMValueRef count,
                   int64_t rest) {
  TwLl *l = q->s->l;
  LLVMValueRef acc[MAX_SUMS], phi[MAX_SUMS];
  int64_t full = (rest ? rest : TW_CHUNK) / TW_LANES;
  TwLlLoop chunk = tw_ll_loop(l, count);
  LLVMValueRef number = tw_ll_add(l, first, chunk.i), begin = tw_ll_mul(l, number, tw_ll_i64(l, TW_CHUNK));
  for (uint32_t k = 0; k < q->g->n_sums; k++) acc[k] = tw_ll_zero(l, TW_REAL, true);
  if (full) {
    TwLlLoop run = tw_ll_loop(l, tw_ll_i64(l, full));
    for (uint32_t k = 0; k < q->g->n_sums; k++) acc[k] = phi[k] = tw_ll_loop_phi(l, &run, acc[k]);
    LLVMValueRef e = tw_ll_add(l, begin, tw_ll_mul(l, run.i, tw_ll_i64(l, TW_LANES)));
    sixteen(q, from, to, e, TW_LANES, acc);
    for (uint32_t k = 0; k < q->g->n_sums; k++) tw_ll_loop_next(l, phi[k], acc[k]);
    tw_ll_loop_end(l, &run);
  }
  if (rest % TW_LANES)
    sixteen(q, from, to, tw_ll_add(l, begin, tw_ll_i64(l, full * TW_LANES)), (uint32_t)(rest % TW_LANES), acc);
  for (uint32_t k = 0; k < q->g->n_sums; k++) {
    LLVMValueRef total = tw_ll_fold_halves(l, TW_REAL, acc[k]);
    if (q->totals[k]) {
      tw_ll_store(l, TW_REAL, total, tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->totals[k], number));
      continue;
    }
    tw_ll_store(l, TW_REAL, total, q->tree[k].cur);
    tw_ll_tree_push(l, &q->tree[k], number);
  }
  tw_ll_loop_end(l, &chunk);
}

/* Elements begin … end - 1, whole chunks unless it is the end. */
static void stretch(Group *q, const Source *from, const TwLlVal *to, int64_t begin, int64_t end) {
  TwLl *l = q->s->l;
  int64_t first = begin / TW_CHUNK, full = (end - begin) / TW_CHUNK, rest = (end - begin) % TW_CHUNK;
  if (full) chunks(q, from, to, tw_ll_i64(l, first), tw_ll_i64(l, full), 0);
  if (rest) chunks(q, from, to, tw_ll_i64(l, first + full), tw_ll_i64(l, 1), rest);
}

typedef struct PartEnv {
  TwLlScope *s;
  TwRef r;
  int64_t skip;
} PartEnv;

static LLVMValueRef part_gen(void *env, const TwLlAt *at) {
  PartEnv *e = env;
  TwLlAt in = *at;
  in.i[0] = tw_ll_add(e->s->l, in.i[0], tw_ll_i64(e->s->l, e->skip));
  return tw_ll_element(e->s, e->r, &in);
}

/* The same of a stretch in which parts meet: it is put together first. */
static void mixed(Group *q, const TwLlVal *to, int64_t begin, int64_t end) {
  TwLlScope *s = q->s;
  TwLl *l = s->l;
  if (begin == end) return;
  TwTyInfo t = {.dtype = TW_REAL, .rank = 1, .dims = {end - begin}, .count = end - begin};
  Source from = {.from = begin, .line = tw_ll_new_tensor(l, &t, false)};
  for (uint32_t k = 0; k < q->parts.len; k++) {
    const Part *p = &q->parts.at[k];
    int64_t lo = p->from > begin ? p->from : begin, hi = p->from + p->n < end ? p->from + p->n : end;
    if (lo >= hi) continue;
    TwTyInfo some = {.dtype = TW_REAL, .rank = 1, .dims = {hi - lo}, .count = hi - lo};
    TwLlVal dest = tw_ll_contiguous(
        &some, tw_ll_at(l, tw_ll_type(l, TW_REAL, false), from.line.ptr, tw_ll_i64(l, lo - begin)), false);
    PartEnv env = {s, p->r, lo - p->from};
    /* not by single elements, of which a flat index is no place */
    tw_ll_fill_flat(l, &dest, part_gen, &env);
  }
  stretch(q, &from, to, begin, end);
  tw_ll_release(l, &from.line);
}

/* ---- a part that is made strip by strip */

/* What the members read at a tile comes into the second-level cache while its sums are made: a row with each partial
 * sum. */
static void fetch_row(void *env, LLVMValueRef tile, LLVMValueRef column, LLVMValueRef number) {
  enum { LINE = 64 };
  const Strips *z = env;
  const TwLlOuter *o = z->sums.at[0].o;
  TwLlScope *s = z->q->s;
  TwLl *l = s->l;
  LLVMTypeRef t = tw_ll_type(l, TW_REAL, false);
  int64_t row_bytes = o->vectors * o->lanes * (int64_t)tw_ll_bytes(l, TW_REAL, false);
  LLVMBasicBlockRef some = tw_ll_new_block(l, "fetch"), done = tw_ll_new_block(l, "fetched");
  LLVMValueRef rows = tw_ll_i64(l, o->tile_rows);
  LLVMBuildCondBr(l->b, LLVMBuildICmp(l->b, LLVMIntULT, number, rows, ""), some, done);
  tw_ll_place(l, some);
  LLVMValueRef row = tw_ll_add(l, tw_ll_mul(l, tile, rows), number);
  LLVMValueRef at = tw_ll_add(l, tw_ll_mul(l, row, tw_ll_i64(l, z->row)), column);
  at = tw_ll_add(l, at, tw_ll_i64(l, z->part->from));
  for (uint32_t k = 0; k < z->q->reads.len; k++) {
    LLVMValueRef p = tw_ll_at(l, t, s->val[z->q->reads.at[k]].ptr, at);
    for (int64_t b = 0; b < row_bytes; b += LINE) tw_ll_prefetch(l, tw_ll_byte_at(l, p, (uint64_t)b));
  }
  tw_ll_go(l, done);
}

/* Says where a sum's elements are, `first` the number of the one at the start of its buffer; also to what reshapes it
 * on the way to the part. */
static void place_sum(const Strips *z, const StripSum *sum, LLVMValueRef first) {
  TwLlScope *s = z->q->s;
  TwLl *l = s->l;
  LLVMValueRef back = LLVMBuildSub(l->b, tw_ll_i64(l, 0), first, "");
  s->val[sum->get].ptr = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), sum->buffer, back);
  for (TwRef r = sum->get; r != z->part->r;) {
    r = s->facts->user[r];
    if (tw_op(s->fn, r) == TW_OP_reshape && s->val[r].kind == TW_LL_VIEW) tw_ll_shape_op(s, r);
  }
}

/* The rows of a strip that has been made, `row0` the first one's number. */
static void update_strip(const Strips *z, LLVMValueRef row0, LLVMValueRef n_rows, LLVMValueRef column0) {
  TwLl *l = z->q->s->l;
  TwLlLoop row = tw_ll_loop(l, n_rows);
  LLVMValueRef at = tw_ll_mul(l, tw_ll_add(l, row0, row.i), tw_ll_i64(l, z->row));
  at = tw_ll_add(l, at, column0);
  LLVMValueRef begin = LLVMBuildSub(l->b, at, tw_ll_mul(l, row.i, tw_ll_i64(l, z->columns)), "");
  for (uint32_t k = 0; k < z->sums.len; k++) place_sum(z, &z->sums.at[k], begin);
  Source from = {.part = z->part->r, .from = z->part->from};
  LLVMValueRef first = LLVMBuildUDiv(l->b, at, tw_ll_i64(l, TW_CHUNK), "");
  first = tw_ll_add(l, first, tw_ll_i64(l, z->part->from / TW_CHUNK));
  chunks(z->q, &from, z->to, first, tw_ll_i64(l, z->columns / TW_CHUNK), 0);
  tw_ll_loop_end(l, &row);
}

/* n tiles of rows, from tile0 on, of the strip's columns. */
static void strip(Strips *z, LLVMValueRef tile0, LLVMValueRef column0, LLVMValueRef n, uint32_t rows) {
  TwLl *l = z->q->s->l;
  LLVMValueRef height = tw_ll_i64(l, z->height);
  for (uint32_t k = 0; k < z->sums.len; k++) {
    TwLlOuterTiles t = {.tile0 = tile0, .n_tiles = n, .rows = rows, .column0 = column0, .n_columns = z->columns};
    t.pitch = z->columns;
    t.out = z->sums.at[k].buffer;
    t.each = k == 0 ? fetch_row : NULL;
    t.env = z;
    tw_ll_outer_tiles(l, z->sums.at[k].o, &t);
  }
  LLVMValueRef n_rows = rows == z->height ? tw_ll_mul(l, n, height) : tw_ll_i64(l, rows);
  update_strip(z, tw_ll_mul(l, tile0, height), n_rows, column0);
}

/* Strips of a few rows and so many columns that the sums are less than a fifth of the second-level cache: an update
 * that reads weights and two moments has all four there. The strips of some columns come one after the other: what is
 * packed of these is read again for each. */
static void in_strips(Strips *z) {
  enum { COLUMNS = 1024 };
  TwLl *l = z->q->s->l;
  const int64_t bytes_of_sums = l->m.core * 3 / 16;
  int64_t each = (int64_t)tw_ll_bytes(l, TW_REAL, false), n = (int64_t)z->sums.len;
  z->rows = z->sums.at[0].o->rows;
  z->row = z->sums.at[0].o->columns;
  z->height = z->sums.at[0].o->tile_rows;
  for (uint32_t k = 0; k < z->sums.len; k++)
    tw_ll_assert(l, z->sums.at[k].o->rows == z->rows && z->sums.at[k].o->columns == z->row);
  z->columns = n > COLUMNS / TW_CHUNK ? TW_CHUNK : COLUMNS / TW_CHUNK / n * TW_CHUNK;
  while (z->row % z->columns) z->columns -= TW_CHUNK;
  z->tiles = bytes_of_sums / (n * z->columns * z->height * each);
  if (z->tiles < 1) z->tiles = 1;
  int64_t bytes = z->tiles * z->height * z->columns * each;
  uint32_t block = tw_ll_alloc(l, (uint64_t)(n * bytes));
  for (int64_t k = 0; k < n; k++)
    z->sums.at[k].buffer = tw_ll_byte_at(l, tw_ll_block_ptr(l, block), (uint64_t)(k * bytes));
  int64_t tiles = z->rows / z->height;
  TwLlLoop part = tw_ll_loop(l, tw_ll_i64(l, z->row / z->columns));
  LLVMValueRef column0 = tw_ll_mul(l, part.i, tw_ll_i64(l, z->columns));
  if (tiles) {
    TwLlLoop strips = tw_ll_loop(l, tw_ll_i64(l, (tiles + z->tiles - 1) / z->tiles));
    LLVMValueRef tile0 = tw_ll_mul(l, strips.i, tw_ll_i64(l, z->tiles)), most = tw_ll_i64(l, z->tiles);
    LLVMValueRef left = LLVMBuildSub(l->b, tw_ll_i64(l, tiles), tile0, "");
    left = tw_ll_select(l, LLVMBuildICmp(l->b, LLVMIntULT, left, most, ""), left, most);
    strip(z, tile0, column0, left, z->height);
    tw_ll_loop_end(l, &strips);
  }
  uint32_t rest = (uint32_t)(z->rows % z->height);
  if (rest) strip(z, tw_ll_i64(l, tiles), column0, tw_ll_i64(l, 1), rest);
  tw_ll_loop_end(l, &part);
  for (uint32_t k = 0; k < z->sums.len; k++) z->q->s->val[z->sums.at[k].get].ptr = tw_ll_nowhere(l);
  tw_ll_free(l, block);
}

/* Large parts where they are, all else put together. */
static void part_by_part(Group *q, const TwLlVal *to) {
  int64_t done = 0;
  uint32_t large = 0;
  for (uint32_t k = 0; k < q->parts.len; k++) {
    const Part *p = &q->parts.at[k];
    Strips z = {.q = q, .part = p, .to = to};
    bool strips = find_strips(q, p->r, &z);
    int64_t first = (p->from + TW_CHUNK - 1) / TW_CHUNK * TW_CHUNK, end = (p->from + p->n) / TW_CHUNK * TW_CHUNK;
    if (!strips && (end - first < LARGE_PART || large == MAX_LARGE)) continue;
    mixed(q, to, done, first);
    Source from = {.part = p->r, .from = p->from};
    if (strips) in_strips(&z);
    else stretch(q, &from, to, first, end);
    done = end;
    large++;
  }
  mixed(q, to, done, q->g->count);
}

/* Totals of all chunks, into their tree in order. */
static void enter_totals(Group *q, uint32_t sum) {
  TwLl *l = q->s->l;
  TwLlLoop chunk = tw_ll_loop(l, tw_ll_i64(l, (q->g->count + TW_CHUNK - 1) / TW_CHUNK));
  LLVMValueRef at = tw_ll_at(l, tw_ll_type(l, TW_REAL, false), q->totals[sum], chunk.i);
  tw_ll_store(l, TW_REAL, tw_ll_load(l, TW_REAL, false, at), q->tree[sum].cur);
  tw_ll_tree_push(l, &q->tree[sum], chunk.i);
  tw_ll_loop_end(l, &chunk);
  tw_ll_free(l, q->totals_block[sum]);
}

void tw_ll_group(TwLlScope *s, const TwPlGroup *g) {
  TwLl *l = s->l;
  Group q = {.s = s, .g = g};
  TwLlVal *to = TW_NEW_N(l->arena, TwLlVal, g->members.len);
  begin_group(&q);
  for (uint32_t k = 0; k < g->members.len; k++) {
    TwRef r = g->members.at[k];
    if (tw_info(s->fn, r)->rank == 0 || s->facts->unstored[r]) continue;
    if (s->home[r]) {
      to[k] = *s->home[r];
      to[k].block = 0;
      tw_ll_assert(l, tw_ll_is_contiguous(&to[k]) && to[k].padded); /* a result's buffer, aligned to whole sixteens */
    } else {
      to[k] = tw_ll_new_tensor(l, tw_info(s->fn, r), false);
      tw_ll_own(s, to[k].block, s->facts->last[r]);
    }
  }
  if (g->concat) part_by_part(&q, to);
  else stretch(&q, NULL, to, 0, g->count);
  if (q.streams) tw_ll_end_streams(l);
  for (uint32_t k = 0, sum = 0; k < g->members.len; k++) {
    TwRef r = g->members.at[k];
    if (tw_info(s->fn, r)->rank == 0) {
      if (q.totals[sum]) enter_totals(&q, sum);
      tw_ll_tree_finish(l, &q.tree[sum]);
      s->val[r] = tw_ll_scalar(TW_REAL, tw_ll_load(l, TW_REAL, false, q.tree[sum].cur));
      tw_ll_free(l, q.tree[sum++].block);
    } else {
      s->val[r] = to[k]; /* of kind NONE if nobody outside reads it */
    }
  }
  for (uint32_t k = 0; k < g->late.len; k++)
    if (s->facts->late[g->late.at[k]]) tw_ll_late_inst(s, g->late.at[k]);
}
