/* archive.h: a static library with one object in it, written without ar. */
#ifndef TW_CLI_ARCHIVE_H
#define TW_CLI_ARCHIVE_H

#include <stddef.h>
#include <stdio.h>

/* Writes the archive (System V form, with an index of the one symbol). Errors are the stream's. */
void tw_cli_archive(FILE *out, const char *symbol, const void *object, size_t size);

#endif
