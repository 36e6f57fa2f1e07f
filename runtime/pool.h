/* pool.h: threads that share the large loops of one caller (TwRtPool in program.h). */
#ifndef TW_RUNTIME_POOL_H
#define TW_RUNTIME_POOL_H

#include "runtime/program.h"

/* The caller and `threads` - 1 others, each of these with a work buffer of work_bytes. NULL if threads is below 2,
 * or neither memory nor threads are to be had: then the caller does all. For one caller at a time. */
TwRtPool *tw_rt_pool_new(uint32_t threads, uint64_t work_bytes);
void tw_rt_pool_free(TwRtPool *p); /* NULL: nothing. Waits for the threads to end */

#endif
