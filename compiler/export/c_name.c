/* c_name.c: what the function of an exported file may be called: not as C, C++, the C library or the file itself calls
 * something. The standard reserves the names of all functions of its library, whatever headers a file includes.
 *
 * The words are written down, not taken from the headers of the machine that builds this: the name of an exported
 * function is part of the program that calls it, and must not depend on where it was exported. A test exports under
 * every word that the headers of its machine declare, and compiles what comes out, so that a word that is missing here
 * fails. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/export/export.h"
#include "runtime/text.h"

static const char words[] = /* C up to C23, C++, and what GNU's dialect adds */
    " alignas alignof asm auto bool break case char class complex concept const consteval constexpr constinit continue "
    "decltype default delete do double else enum explicit export extern false float for friend goto if imaginary "
    "inline int long mutable namespace new noexcept noreturn nullptr operator private protected public register "
    "requires restrict return short signed sizeof static static_assert struct switch template this thread_local throw "
    "true try typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile while and "
    "and_eq bitand bitor compl not not_eq or or_eq xor xor_eq const_cast dynamic_cast reinterpret_cast static_cast "
    "co_await co_return co_yield linux unix I main "
    /* names of the file at its outermost level */
    "real values block slope_block sum_of largest_of least_of logistic within floor_div to_int ";

static const char plain[] = /* functions of C's library, and what its headers declare beside them */
    " fpclassify isfinite isgreater isgreaterequal isinf isless islessequal islessgreater isnan isnormal isunordered "
    "signbit lgamma_r lgammaf_r lgammal_r math_errhandling signgam memccpy memchr memcmp memcpy memmove memset stpcpy "
    "stpncpy strcasecmp strcasecmp_l strcat strchr strcmp strcoll strcoll_l strcpy strcspn strdup strerror strerror_l "
    "strerror_r strlen strncasecmp strncasecmp_l strncat strncmp strncpy strndup strnlen strpbrk strrchr strsep "
    "strsignal strspn strstr strtok strtok_r strxfrm strxfrm_l bcmp bcopy bzero explicit_bzero ffs ffsl ffsll index "
    "rindex offsetof assert errno fexcept feclearexcept fegetexceptflag feraiseexcept fesetexceptflag fetestexcept "
    "fegetround fesetround fegetenv feholdexcept fesetenv feupdateenv imaxabs imaxdiv strtoimax strtoumax wcstoimax "
    "wcstoumax isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit "
    "tolower toupper setlocale localeconv setjmp _setjmp longjmp jmp_buf signal raise va_list va_start va_arg va_end "
    "va_copy remove rename L_tmpnam tmpfile tmpnam fclose fflush fopen freopen setbuf setvbuf fprintf fscanf printf "
    "scanf snprintf sprintf sscanf vfprintf vfscanf vprintf vscanf vsnprintf vsprintf vsscanf fgetc fgets fputc fputs "
    "getc getchar gets putc putchar puts ungetc fread fwrite fgetpos fseek fsetpos ftell rewind clearerr feof ferror "
    "perror stdin stdout stderr atof atoi atol atoll strtod strtof strtold strtol strtoll strtoul strtoull rand srand "
    "calloc free malloc realloc aligned_alloc abort at_quick_exit atexit exit quick_exit getenv system bsearch qsort "
    "abs labs llabs div ldiv lldiv mblen mbtowc wctomb mbstowcs wcstombs alloca clock difftime mktime time asctime "
    "ctime gmtime localtime strftime timespec_get fwprintf fwscanf swprintf swscanf vfwprintf vfwscanf vswprintf "
    "vswscanf vwprintf vwscanf wprintf wscanf fgetwc fgetws fputwc fputws fwide getwc getwchar putwc putwchar ungetwc "
    "wcstod wcstof wcstold wcstol wcstoll wcstoul wcstoull wcscpy wcsncpy wmemcpy wmemmove wcscat wcsncat wcscmp "
    "wcscoll wcsncmp wcsxfrm wmemcmp wcschr wcscspn wcspbrk wcsrchr wcsspn wcsstr wcstok wmemchr wcslen wmemset "
    "wcsftime btowc wctob mbsinit mbrlen mbrtowc wcrtomb mbsrtowcs wcsrtombs iswalnum iswalpha iswblank iswcntrl "
    "iswdigit iswgraph iswlower iswprint iswpunct iswspace iswupper iswxdigit iswctype wctype towlower towupper "
    "towctrans wctrans ";

static const char of_reals[] = /* functions that there are with f and l behind them, too */
    " acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh drem erf erfc exp exp2 exp10 pow10 expm1 fabs "
    "fdim finite floor fma fmax fmin fmod frexp gamma hypot ilogb isinf isnan j0 j1 jn ldexp lgamma llrint llround "
    "log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter nexttoward pow remainder remquo rint round "
    "scalb scalbln scalbn significand sin sincos sinh sqrt tan tanh tgamma trunc y0 y1 yn cacos cacosh carg casin "
    "casinh catan catanh ccos ccosh cexp cabs cimag clog conj cpow cproj creal csin csinh csqrt ctan ctanh ";

static bool is_in(const char *list, const char *name, size_t n) {
  for (const char *at = list; (at = strchr(at, ' ')) && at[1];)
    if (strncmp(++at, name, n) == 0 && at[n] == ' ') return true;
  return false;
}

/* Names that begin with two underscores, or one and a capital, are the compiler's; those in capitals alone are macros'.
 */
static bool is_taken(const char *name) {
  size_t n = strlen(name), capitals = 0, small = 0;
  for (size_t k = 0; k < n; k++)
    capitals += isupper((unsigned char)name[k]) != 0, small += islower((unsigned char)name[k]) != 0;
  if (name[0] == '_' && (name[1] == '_' || isupper((unsigned char)name[1]))) return true;
  if (capitals > 1 && !small) return true;
  if (strncmp(name, "PRI", 3) == 0 || strncmp(name, "SCN", 3) == 0) return true; /* of inttypes.h */
  if (n > 2 && strcmp(name + n - 2, "_t") == 0) return true;
  bool real = is_in(of_reals, name, n) || (n > 1 && strchr("fl", name[n - 1]) && is_in(of_reals, name, n - 1));
  return real || is_in(words, name, n) || is_in(plain, name, n);
}

char *tw_export_c_name(const char *path) {
  const char *slash = strrchr(path, '/'), *start = slash ? slash + 1 : path;
  size_t n = strcspn(start, ".");
  char *name = n ? strndup(start, n) : strdup("model"); /* of ".net.c" */
  for (char *c = name; c && *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  if (name && isdigit((unsigned char)*name)) *name = '_';
  if (!name || !is_taken(name)) return name;
  char *longer = tw_rt_textf("%s_model", name);
  free(name);
  return longer;
}

bool tw_export_c_includes(const char *path) {
  const char *slash = strrchr(path, '/'), *start = slash ? slash + 1 : path;
  for (const char *c = start; *c; c++)
    if (strchr("\"'\\", *c) || iscntrl((unsigned char)*c) || (c[0] == '?' && c[1] == '?')) return false;
  return true;
}
