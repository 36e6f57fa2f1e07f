/* cache.c: triwave cache [clear]: code kept from earlier runs. */
#include <string.h>

#include "cli/cli.h"

int tw_cli_cache(const TwCli *c) {
  bool clear = c->n_files == 1 && strcmp(c->files[0], "clear") == 0;
  if (c->n_files == 1 && !clear) {
    fprintf(stderr, "triwave: cache knows 'clear', not '%s'\n", c->files[0]);
    return TW_EXIT_USAGE;
  }
  TwCache *cache = tw_cache_open(0);
  if (!cache) {
    fprintf(stderr, "triwave: there is no cache: neither $XDG_CACHE_HOME/triwave nor ~/.cache/triwave is a folder of "
                    "yours alone\n");
    return clear ? TW_EXIT_OK : TW_EXIT_WRONG;
  }
  TwCacheUse u = clear ? tw_cache_clear(cache) : tw_cache_use(cache);
  printf("%s: %llu program%s, %.1f MiB%s\n", tw_cache_folder(cache), (unsigned long long)u.programs,
         u.programs == 1 ? "" : "s", (double)u.bytes / (1 << 20), clear ? " removed" : "");
  tw_cache_close(cache);
  return tw_cli_stdout_ok() ? TW_EXIT_OK : TW_EXIT_WRONG;
}
