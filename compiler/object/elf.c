/* elf.c: relocatable ELF objects for x86-64 -> memory.
 *
 * Three stretches of pages in one mapping: code and stubs (executable), constants (read-only), data
 * (writable). Calls out go through a stub, for the callee may lie anywhere and a call reaches 2 GiB; an
 * address that code wants from the GOT gets a slot among the constants. Every offset, size and index is
 * checked before it is used. */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compiler/object/object.h"

typedef enum Stretch { CODE, CONSTANTS, DATA, STRETCHES } Stretch;
enum { STUB_BYTES = 16, MAX_SECTIONS = 65536, MAX_ALIGN = 4096 };

typedef struct Symbol {
  char *name;
  void *at;
} Symbol;

struct TwObject {
  uint8_t *memory;
  size_t size;
  Symbol *symbols;
  size_t n_symbols;
};

/* One file: its parts within bounds. */
typedef struct File {
  const uint8_t *bytes;
  size_t size;
  const Elf64_Shdr *sections;
  size_t n_sections;
  const Elf64_Sym *symbols;
  size_t n_symbols;
  const char *names; /* of symbols; ends with a NUL */
  size_t names_size;
  size_t *offset;     /* per section: in its stretch */
  uint8_t **at;       /* per section: in memory; NULL: not loaded */
  size_t *got, *stub; /* per symbol: 1 + number of its slot; 0: none */
} File;

typedef struct Loader {
  File *files;
  size_t n;
  TwObject *o;
  size_t stretch[STRETCHES]; /* bytes */
  uint8_t *base[STRETCHES];
  size_t n_stubs, n_got;
  uint8_t *stubs, *got;
  char **error;
} Loader;

static bool fail(Loader *l, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!*l->error && vasprintf(l->error, format, args) < 0) *l->error = NULL;
  va_end(args);
  return false;
}

static bool within(const File *f, uint64_t at, uint64_t size) { return at <= f->size && size <= f->size - at; }

static void *zeroed(size_t n, size_t each) { return calloc(n ? n : 1, each); }

/* ---- reading the headers */

static bool read_symbols(Loader *l, File *f, const Elf64_Shdr *s) {
  if (f->symbols) return fail(l, "two symbol tables");
  if (s->sh_entsize != sizeof(Elf64_Sym) || s->sh_offset % 8 || s->sh_size % sizeof(Elf64_Sym) ||
      s->sh_link >= f->n_sections)
    return fail(l, "a malformed symbol table");
  const Elf64_Shdr *names = &f->sections[s->sh_link];
  if (names->sh_type != SHT_STRTAB || !within(f, names->sh_offset, names->sh_size) || names->sh_size == 0 ||
      f->bytes[names->sh_offset + names->sh_size - 1] != 0)
    return fail(l, "a malformed table of names");
  f->symbols = (const Elf64_Sym *)(const void *)(f->bytes + s->sh_offset);
  f->n_symbols = s->sh_size / sizeof(Elf64_Sym);
  f->names = (const char *)f->bytes + names->sh_offset;
  f->names_size = names->sh_size;
  f->got = zeroed(f->n_symbols, sizeof *f->got);
  f->stub = zeroed(f->n_symbols, sizeof *f->stub);
  return (f->got && f->stub) || fail(l, "out of memory");
}

static Stretch stretch_of(const Elf64_Shdr *s) {
  if (s->sh_flags & SHF_EXECINSTR) return CODE;
  /* .data.rel.ro asks to be written by the loader only, and has SHF_WRITE for that: it is constant here,
   * as is all that the code generator writes but .data and .bss. */
  return s->sh_flags & SHF_WRITE ? DATA : CONSTANTS;
}

static const char *section_name(const File *f, const Elf64_Ehdr *h, const Elf64_Shdr *s) {
  if (h->e_shstrndx >= f->n_sections) return "";
  const Elf64_Shdr *names = &f->sections[h->e_shstrndx];
  if (!within(f, names->sh_offset, names->sh_size) || s->sh_name >= names->sh_size) return "";
  const char *name = (const char *)f->bytes + names->sh_offset + s->sh_name;
  return memchr(name, 0, names->sh_size - s->sh_name) ? name : "";
}

static bool place_section(Loader *l, File *f, const Elf64_Ehdr *h, size_t k) {
  const Elf64_Shdr *s = &f->sections[k];
  f->offset[k] = SIZE_MAX;
  if (!(s->sh_flags & SHF_ALLOC)) return true;
  uint64_t align = s->sh_addralign ? s->sh_addralign : 1;
  if (align & (align - 1) || align > MAX_ALIGN || s->sh_size > (1u << 30)) return fail(l, "a malformed section");
  if (s->sh_flags & SHF_TLS) return fail(l, "a section of thread-local data");
  Stretch t = stretch_of(s);
  if (t == DATA && strncmp(section_name(f, h, s), ".data.rel.ro", 12) == 0) t = CONSTANTS;
  size_t at = (l->stretch[t] + align - 1) / align * align;
  f->offset[k] = at;
  l->stretch[t] = at + s->sh_size;
  f->at[k] = (uint8_t *)(uintptr_t)(t + 1); /* for now */
  return l->stretch[t] < (1u << 30) || fail(l, "too large");
}

static bool read_file(Loader *l, File *f) {
  const Elf64_Ehdr *h = (const Elf64_Ehdr *)(const void *)f->bytes;
  if (f->size < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
      h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_type != ET_REL || h->e_machine != EM_X86_64)
    return fail(l, "not an object file for this processor");
  if (h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shoff % 8 || h->e_shnum == 0 ||
      !within(f, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr)))
    return fail(l, "a malformed object file");
  f->sections = (const Elf64_Shdr *)(const void *)(f->bytes + h->e_shoff);
  f->n_sections = h->e_shnum;
  f->offset = zeroed(f->n_sections, sizeof *f->offset);
  f->at = zeroed(f->n_sections, sizeof *f->at);
  if (!f->offset || !f->at) return fail(l, "out of memory");
  for (size_t k = 0; k < f->n_sections; k++) {
    const Elf64_Shdr *s = &f->sections[k];
    if (s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL && !within(f, s->sh_offset, s->sh_size))
      return fail(l, "a section beyond the end of the file");
    if (s->sh_type == SHT_SYMTAB && !read_symbols(l, f, s)) return false;
    if (!place_section(l, f, h, k)) return false;
  }
  return f->symbols ? true : fail(l, "no symbol table");
}

/* ---- relocations: two walks, the first to count stubs and slots, the second to apply */

static const char *symbol_name(const File *f, const Elf64_Sym *s) {
  return s->st_name < f->names_size ? f->names + s->st_name : "";
}

static void *find(const TwObject *o, const char *name) {
  for (size_t k = 0; k < o->n_symbols; k++)
    if (strcmp(o->symbols[k].name, name) == 0) return o->symbols[k].at;
  return NULL;
}

/* Address of symbol number k of a file; sections are placed. */
static uint8_t *address(Loader *l, File *f, size_t k) {
  const Elf64_Sym *s = &f->symbols[k];
  if (s->st_shndx == SHN_UNDEF) {
    const char *name = symbol_name(f, s);
    void *p = find(l->o, name);
    if (!p) p = tw_object_call(name);
    if (!p) fail(l, "it calls a function that is not on the list: %s", name);
    return p;
  }
  if (s->st_shndx >= f->n_sections || !f->at[s->st_shndx] || s->st_value > f->sections[s->st_shndx].sh_size) {
    fail(l, "a symbol that is nowhere");
    return NULL;
  }
  return f->at[s->st_shndx] + s->st_value;
}

static bool is_external(const File *f, size_t k) { return f->symbols[k].st_shndx == SHN_UNDEF; }

static bool is_got(uint32_t type) {
  return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX || type == R_X86_64_REX_GOTPCRELX;
}

static uint8_t *got_slot(Loader *l, File *f, size_t k, uint8_t *to) {
  uint8_t *slot = l->got + 8 * (f->got[k] - 1);
  memcpy(slot, &to, 8);
  return slot;
}

static uint8_t *stub(Loader *l, File *f, size_t k, const uint8_t *to) {
  static const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp *0(%rip): to the address that follows */
  uint8_t *at = l->stubs + STUB_BYTES * (f->stub[k] - 1);
  memcpy(at, jump, sizeof jump);
  memcpy(at + sizeof jump, &to, 8);
  return at;
}

static bool apply(Loader *l, File *f, uint8_t *place, uint64_t room, const Elf64_Rela *r) {
  uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);
  size_t k = ELF64_R_SYM(r->r_info);
  uint8_t *to = address(l, f, k);
  if (!to) return false;
  if (room < (type == R_X86_64_64 || type == R_X86_64_PC64 ? 8u : 4u))
    return fail(l, "a relocation beyond its section");
  if (type == R_X86_64_64 || type == R_X86_64_PC64) {
    uint64_t v = (uint64_t)(uintptr_t)to + (uint64_t)r->r_addend -
                 (type == R_X86_64_PC64 ? (uint64_t)(uintptr_t)place : 0);
    memcpy(place, &v, 8);
    return true;
  }
  if (is_got(type)) to = got_slot(l, f, k, to);
  else if (is_external(f, k)) to = stub(l, f, k, to);
  int64_t v = (int64_t)((uint64_t)(uintptr_t)to + (uint64_t)r->r_addend - (uint64_t)(uintptr_t)place);
  int32_t low = (int32_t)v;
  if (low != v) return fail(l, "a relocation out of reach");
  memcpy(place, &low, 4);
  return true;
}

static bool count(Loader *l, File *f, const Elf64_Rela *r) {
  uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);
  size_t k = ELF64_R_SYM(r->r_info);
  switch (type) {
    case R_X86_64_64:
    case R_X86_64_PC64: return true;
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
      if (is_external(f, k) && !f->stub[k]) f->stub[k] = ++l->n_stubs;
      return true;
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX:
      if (!f->got[k]) f->got[k] = ++l->n_got;
      return true;
    default: return fail(l, "a relocation of kind %u", type);
  }
}

static bool each_relocation(Loader *l, bool applying) {
  for (size_t i = 0; i < l->n; i++) {
    File *f = &l->files[i];
    for (size_t k = 0; k < f->n_sections; k++) {
      const Elf64_Shdr *s = &f->sections[k];
      if (s->sh_type == SHT_REL) return fail(l, "relocations without addends");
      if (s->sh_type != SHT_RELA) continue;
      if (s->sh_info >= f->n_sections || s->sh_offset % 8 || s->sh_entsize != sizeof(Elf64_Rela))
        return fail(l, "malformed relocations");
      if (!f->at[s->sh_info]) continue; /* of a section that is not loaded */
      const Elf64_Rela *r = (const Elf64_Rela *)(const void *)(f->bytes + s->sh_offset);
      uint64_t size = f->sections[s->sh_info].sh_size;
      for (size_t j = 0; j < s->sh_size / sizeof *r; j++) {
        if (r[j].r_offset > size || ELF64_R_SYM(r[j].r_info) >= f->n_symbols) return fail(l, "malformed relocations");
        if (!(applying ? apply(l, f, f->at[s->sh_info] + r[j].r_offset, size - r[j].r_offset, &r[j])
                       : count(l, f, &r[j])))
          return false;
      }
    }
  }
  return true;
}

/* ---- memory */

static size_t pages(size_t n) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (n + page - 1) / page * page;
}

static bool map(Loader *l) {
  size_t code = (l->stretch[CODE] + 15) / 16 * 16, constants = (l->stretch[CONSTANTS] + 7) / 8 * 8;
  size_t size[STRETCHES] = {[CODE] = pages(code + STUB_BYTES * l->n_stubs),
                            [CONSTANTS] = pages(constants + 8 * l->n_got),
                            [DATA] = pages(l->stretch[DATA])};
  l->o->size = size[CODE] + size[CONSTANTS] + size[DATA];
  void *m = mmap(NULL, l->o->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m == MAP_FAILED) return fail(l, "out of memory");
  l->o->memory = l->base[CODE] = m;
  l->base[CONSTANTS] = l->base[CODE] + size[CODE];
  l->base[DATA] = l->base[CONSTANTS] + size[CONSTANTS];
  l->stubs = l->base[CODE] + code;
  l->got = l->base[CONSTANTS] + constants;
  for (size_t i = 0; i < l->n; i++) {
    File *f = &l->files[i];
    for (size_t k = 0; k < f->n_sections; k++) {
      if (!f->at[k]) continue;
      const Elf64_Shdr *s = &f->sections[k];
      f->at[k] = l->base[(uintptr_t)f->at[k] - 1] + f->offset[k];
      if (s->sh_type != SHT_NOBITS && s->sh_size) memcpy(f->at[k], f->bytes + s->sh_offset, s->sh_size);
    }
  }
  return true;
}

static bool protect(Loader *l) {
  bool ok = mprotect(l->base[CODE], (size_t)(l->base[CONSTANTS] - l->base[CODE]), PROT_READ | PROT_EXEC) == 0;
  size_t constants = (size_t)(l->base[DATA] - l->base[CONSTANTS]);
  if (ok && constants) ok = mprotect(l->base[CONSTANTS], constants, PROT_READ) == 0;
  return ok || fail(l, "this system does not let a process run code that it has written");
}

static bool collect_symbols(Loader *l) {
  size_t n = 0;
  for (size_t i = 0; i < l->n; i++) n += l->files[i].n_symbols;
  l->o->symbols = zeroed(n, sizeof *l->o->symbols);
  if (!l->o->symbols) return fail(l, "out of memory");
  for (size_t i = 0; i < l->n; i++) {
    File *f = &l->files[i];
    for (size_t k = 1; k < f->n_symbols; k++) {
      const Elf64_Sym *s = &f->symbols[k];
      if (s->st_shndx == SHN_UNDEF || ELF64_ST_BIND(s->st_info) == STB_LOCAL) continue;
      const char *name = symbol_name(f, s);
      if (find(l->o, name)) return fail(l, "the symbol %s is defined twice", name);
      void *at = address(l, f, k);
      char *copy = at ? strdup(name) : NULL;
      if (!copy) return fail(l, "out of memory");
      l->o->symbols[l->o->n_symbols++] = (Symbol){copy, at};
    }
  }
  return true;
}

bool tw_object_supported(void) {
#ifdef __x86_64__
  return true;
#else
  return false;
#endif
}

TwObject *tw_object_load(const TwObjectBytes *objects, size_t n, char **error) {
  *error = NULL;
  Loader l = {.n = n, .error = error, .files = zeroed(n, sizeof *l.files), .o = zeroed(1, sizeof *l.o)};
  bool ok = (l.files && l.o) || fail(&l, "out of memory");
  if (ok && !tw_object_supported()) ok = fail(&l, "objects are loaded on x86-64 only");
  for (size_t i = 0; ok && i < n; i++) {
    l.files[i] = (File){.bytes = objects[i].bytes, .size = objects[i].size};
    ok = read_file(&l, &l.files[i]);
  }
  ok = ok && each_relocation(&l, false) && map(&l) && collect_symbols(&l) && each_relocation(&l, true) && protect(&l);
  for (size_t i = 0; l.files && i < n; i++) {
    free(l.files[i].offset);
    free(l.files[i].at);
    free(l.files[i].got);
    free(l.files[i].stub);
  }
  free(l.files);
  if (ok) return l.o;
  tw_object_free(l.o);
  return NULL;
}

void *tw_object_symbol(const TwObject *o, const char *name) { return find(o, name); }

void tw_object_free(TwObject *o) {
  if (!o) return;
  if (o->memory) munmap(o->memory, o->size);
  for (size_t k = 0; k < o->n_symbols; k++) free(o->symbols[k].name);
  free(o->symbols);
  free(o);
}
