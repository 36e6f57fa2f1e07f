/* archive.h: a static library with one object in it, written without ar. */
#ifndef TW_CLI_ARCHIVE_H
#define TW_CLI_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the archive (System V form, with an index of the one symbol) to path. false: errno. */
bool tw_cli_archive(const char *path, const char *symbol, const void *object, size_t size);

#endif
