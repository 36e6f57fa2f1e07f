/* memory.c: the work buffer. Its layout is decided while code is emitted: emission follows the order
 * of execution, so a block that is free now is free when this code runs. First fit, 64-byte units.
 *
 * A block holds whole runs of sixteen elements, so code may read and write up to the next multiple. */
#include "compiler/llvm/ll.h"

static uint64_t rounded(uint64_t bytes) { return bytes == 0 ? 64 : (bytes + 63) / 64 * 64; }

/* Blocks are kept in order of address; a hole is a free block between two others. Numbers of blocks
 * must not change, so the order is a search over all of them: there are few at a time. */
static uint64_t first_fit(const TwLl *l, uint64_t bytes) {
  uint64_t at = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (uint32_t k = 1; k < l->blocks.len; k++) {
      const TwLlBlock *b = &l->blocks.at[k];
      if (b->used && b->at < at + bytes && at < b->at + b->bytes) {
        at = b->at + b->bytes;
        moved = true;
      }
    }
  }
  return at;
}

static uint32_t add_block(TwLl *l, TwLlBlock b) {
  if (b.at + b.bytes > l->work_bytes) l->work_bytes = b.at + b.bytes;
  if (l->blocks.len == 0) tw_vec_push(l->arena, &l->blocks, (TwLlBlock){0});
  for (uint32_t k = 1; k < l->blocks.len; k++)
    if (!l->blocks.at[k].used) {
      l->blocks.at[k] = b;
      return k;
    }
  tw_vec_push(l->arena, &l->blocks, b);
  return l->blocks.len - 1;
}

uint32_t tw_ll_alloc(TwLl *l, uint64_t bytes) {
  uint64_t size = rounded(bytes);
  return add_block(l, (TwLlBlock){.at = first_fit(l, size), .bytes = size, .used = true});
}

uint32_t tw_ll_alloc_fresh(TwLl *l, uint64_t bytes) {
  return add_block(l, (TwLlBlock){.at = l->work_bytes, .bytes = rounded(bytes), .used = true});
}

void tw_ll_free(TwLl *l, uint32_t block) {
  if (!block) return;
  tw_ll_assert(l, l->blocks.at[block].used);
  l->blocks.at[block].used = false;
}

LLVMValueRef tw_ll_block_ptr(TwLl *l, uint32_t block) { return tw_ll_byte_at(l, l->work, l->blocks.at[block].at); }

TwLlVal tw_ll_new_tensor(TwLl *l, const TwTyInfo *t, bool lanes) {
  uint64_t each = tw_ll_bytes(l, t->dtype, lanes), count = (uint64_t)t->count;
  if (!lanes) count = (count + TW_LANES - 1) / TW_LANES * TW_LANES;
  uint32_t block = tw_ll_alloc(l, count * each);
  TwLlVal v = tw_ll_contiguous(t, tw_ll_block_ptr(l, block), lanes);
  v.block = block;
  v.padded = true;
  return v;
}

void tw_ll_release(TwLl *l, const TwLlVal *v) {
  if (v->kind == TW_LL_VIEW) tw_ll_free(l, v->block);
}
