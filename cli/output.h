/* output.h: tables of numbers, to a file, whole or not at all, or to stdout. */
#ifndef TW_CLI_OUTPUT_H
#define TW_CLI_OUTPUT_H

#include <cjson/cJSON.h>

#include "cli/cli.h"
#include "plot/plot.h"

/* Calls write, for the file of -o if there is one, else for stdout. false: said why on stderr. */
bool tw_cli_write(const TwCli *c, void (*write)(const void *what, FILE *out), const void *what);
/* Draws into a file, whole or not at all. false: said why on stderr. */
bool tw_cli_draw(const TwPlot *p, const char *path, TwPlotFormat format);
/* The object's text, in lines or as one, and in UTF-8 whatever the names of files in it are; malloc'ed. Frees the
 * object. */
char *tw_cli_json_text(cJSON *j, bool lines);
/* Prints the object and frees it. false: said why. */
bool tw_cli_print_json(cJSON *j);
/* Prints "triwave: " and the text, which it frees; false. */
bool tw_cli_said(char *error);
/* A usage error for an --format that is not one of `forms` (NULL at the end), or npy on a terminal: said so. */
bool tw_cli_format_ok(const TwCli *c, const char *const *forms, const char *list);

#endif
