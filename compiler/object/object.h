/* object.h: object files into this process, without a linker and without LLVM.
 *
 * An object is what the code generator writes (ELF, 64 bits, relocatable, this machine's processor): code,
 * constants, tables, and relocations among them. What it may call is a list: SLEEF's functions,
 * tw_rt_uniform, and the C library's fma. */
#ifndef TW_OBJECT_OBJECT_H
#define TW_OBJECT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct TwObjectBytes {
  const void *bytes; /* aligned to 8 bytes */
  size_t size;
} TwObjectBytes;

typedef struct TwObject TwObject; /* owns the memory that code and tables lie in */

/* Can this processor's objects be loaded? If not, tw_object_load always fails. */
bool tw_object_supported(void);

/* Loads n objects as one: each may use the global symbols of the others. The bytes are not needed any more
 * afterwards. Code is not writable, and what was written by nobody but the loader is read-only. NULL and
 * *error (malloc'ed, the caller frees) if an object is malformed, calls what is not on the list, defines a
 * symbol twice, or there is no memory. Safe on any bytes as far as loading goes; running code that nobody
 * vouches for is not. */
TwObject *tw_object_load(const TwObjectBytes *objects, size_t n, char **error);

/* Address of a global symbol, or NULL. */
void *tw_object_symbol(const TwObject *o, const char *name);
void tw_object_free(TwObject *o); /* NULL: nothing */

/* ---- calls.c: address of a function that compiled code may call, or NULL if the name is not on the list. */
void *tw_object_call(const char *name);

#endif
