/* lexer.re: source bytes -> one token. Longest match; no counting, copying or conversion here.
 *
 * requires: text with a NUL after its last byte.   provides: tw_scan of compiler/ast/token.h.
 * Works on bytes: whether the bytes of names, strings and comments are UTF-8 is checked by the
 * token driver. Rules for other languages' spellings exist only to give advice. */
#include "compiler/ast/token.h"
#include "grammar.h"

static TwToken token(const TwScan *s, const unsigned char *start, const unsigned char *end, int kind,
                     bool newline) {
  unsigned char next = end < s->text + s->len ? *end : '\n';
  bool blank = next == ' ' || next == '\t' || next == '\n' || next == '\r' || next == '/';
  return (TwToken){(uint16_t)kind, newline, blank, (uint32_t)(start - s->text), (uint32_t)(end - s->text)};
}

TwToken tw_scan(const TwScan *s, uint32_t at) {
  const unsigned char *YYCURSOR = s->text + at, *YYLIMIT = s->text + s->len;
  const unsigned char *YYMARKER = YYCURSOR, *YYCTXMARKER = YYCURSOR, *start;
  bool newline = false;
  (void)YYMARKER;
  (void)YYCTXMARKER;
#define IS(k) return token(s, start, YYCURSOR, (k), newline)
  for (;;) {
    start = YYCURSOR;
    /*!re2c
      re2c:define:YYCTYPE = "unsigned char";
      re2c:yyfill:enable = 0;
      re2c:eof = 0;

      digit  = [0-9];
      letter = [A-Za-z_];
      exp    = [eE] [+-]? digit+;

      $                 { IS(0); }
      "\n"              { newline = true; continue; }
      [ \t\r]+          { continue; }
      "//" [^\n\x00]*   { IS(TW_LEX_COMMENT); }

      "or"         { IS(TW_T_OR); }
      "and"        { IS(TW_T_AND); }
      "not"        { IS(TW_T_NOT); }
      "fn"         { IS(TW_T_FN); }
      "let"        { IS(TW_T_LET); }
      "if"         { IS(TW_T_IF); }
      "then"       { IS(TW_T_THEN); }
      "else"       { IS(TW_T_ELSE); }
      "for"        { IS(TW_T_FOR); }
      "in"         { IS(TW_T_IN); }
      "import"     { IS(TW_T_IMPORT); }
      "const"      { IS(TW_T_CONST); }
      "type"       { IS(TW_T_TYPE); }
      "optimizer"  { IS(TW_T_OPTIMIZER); }
      "domain"     { IS(TW_T_DOMAIN); }
      "data"       { IS(TW_T_DATA); }
      "param"      { IS(TW_T_PARAM); }
      "weights"    { IS(TW_T_WEIGHTS); }
      "model"      { IS(TW_T_MODEL); }
      "loss"       { IS(TW_T_LOSS); }
      "measure"    { IS(TW_T_MEASURE); }
      "stage"      { IS(TW_T_STAGE); }
      "ensure"     { IS(TW_T_ENSURE); }
      "expect"     { IS(TW_T_EXPECT); }
      "variant"    { IS(TW_T_VARIANT); }
      "skip"       { IS(TW_T_SKIP); }
      "custom"     { IS(TW_T_CUSTOM); }
      "derivative" { IS(TW_T_DERIVATIVE); }
      "state"      { IS(TW_T_STATE); }
      "by"         { IS(TW_T_BY); }
      "during"     { IS(TW_T_DURING); }
      "every"      { IS(TW_T_EVERY); }
      "stop"       { IS(TW_T_STOP); }
      "train"      { IS(TW_T_TRAIN); }
      "epochs"     { IS(TW_T_EPOCHS); }
      "batch"      { IS(TW_T_BATCH); }
      "of"         { IS(TW_T_OF); }
      "keep"       { IS(TW_T_KEEP); }
      "best"       { IS(TW_T_BEST); }
      letter (letter | digit)* { IS(TW_T_ID); }

      digit+                          { IS(TW_T_INT); }
      digit+ / ".."                   { IS(TW_T_INT); }
      digit+ "." digit+ exp?          { IS(TW_T_REAL); }
      digit+ exp                      { IS(TW_T_REAL); }
      digit+ "."                      { IS(TW_LEX_BAD_NUMBER); }
      "." digit+ exp?                 { IS(TW_LEX_BAD_NUMBER); }
      digit+ ("." digit*)? [eE] [+-]? { IS(TW_LEX_BAD_NUMBER); }
      digit+ ("." digit*)? exp? letter (letter | digit)* { IS(TW_LEX_BAD_NUMBER); }

      ["] ([^"\\\n\x00] | "\\" [^\n\x00])* ["]  { IS(TW_T_STRING); }
      ["] ([^"\\\n\x00] | "\\" [^\n\x00])* "\\"? { IS(TW_LEX_OPEN_STRING); }
      ['] [^'\n\x00]* [']                       { IS(TW_LEX_SINGLE_QUOTED); }

      "=="  { IS(TW_T_EQ); }
      "!="  { IS(TW_T_NE); }
      "<"   { IS(TW_T_LT); }
      "<="  { IS(TW_T_LE); }
      ">"   { IS(TW_T_GT); }
      ">="  { IS(TW_T_GE); }
      "+"   { IS(TW_T_PLUS); }
      "-"   { IS(TW_T_MINUS); }
      "*"   { IS(TW_T_STAR); }
      "/"   { IS(TW_T_SLASH); }
      "%"   { IS(TW_T_PERCENT); }
      "@"   { IS(TW_T_AT); }
      "^"   { IS(TW_T_CARET); }
      "("   { IS(TW_T_LPAREN); }
      ")"   { IS(TW_T_RPAREN); }
      "["   { IS(TW_T_LBRACK); }
      "]"   { IS(TW_T_RBRACK); }
      "{"   { IS(TW_LEX_OPEN_BRACE); }
      "}"   { IS(TW_LEX_CLOSE_BRACE); }
      ","   { IS(TW_T_COMMA); }
      ";"   { IS(TW_LEX_SEMICOLON); }
      ":"   { IS(TW_T_COLON); }
      "="   { IS(TW_T_ASSIGN); }
      "->"  { IS(TW_T_ARROW); }
      "~"   { IS(TW_T_TILDE); }
      "."   { IS(TW_T_DOT); }
      ".."  { IS(TW_T_DOTDOT); }

      "**"  { IS(TW_LEX_STAR_STAR); }
      "&&"  { IS(TW_LEX_AND_AND); }
      "||"  { IS(TW_LEX_OR_OR); }
      "!"   { IS(TW_LEX_BANG); }
      "=>"  { IS(TW_LEX_FAT_ARROW); }
      ("+=" | "-=" | "*=" | "/=" | ":=" | "++") { IS(TW_LEX_ASSIGN_OP); }
      "#" [^\n\x00]* { IS(TW_LEX_HASH_COMMENT); }
      "/*" ([^*\x00] | "*"+ [^*/\x00])* "*"+ "/" { IS(TW_LEX_BLOCK_COMMENT); }

      [\x80-\xff]+ { IS(TW_LEX_BAD_CHAR); }
      *            { IS(TW_LEX_BAD_CHAR); }
    */
  }
#undef IS
}

typedef struct Info {
  const char *kind, *show;
  TwTokenClass class;
} Info;

static const Info table[] = {
    [0] = {"END", "end of file", TW_TC_LAYOUT},
#define TW_TOKEN(kind, show, class) [TW_T_##kind] = {#kind, show, TW_TC_##class},
#include "lang/tokens.def"
#undef TW_TOKEN
};

static const Info *info(int kind) {
  static const Info none = {"?", "?", TW_TC_NONE};
  return kind >= 0 && (size_t)kind < sizeof table / sizeof *table && table[kind].kind ? &table[kind] : &none;
}

const char *tw_token_show(int kind) { return info(kind)->show; }
const char *tw_token_kind(int kind) { return info(kind)->kind; }
TwTokenClass tw_token_class(int kind) { return info(kind)->class; }
