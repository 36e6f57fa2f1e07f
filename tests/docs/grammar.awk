# grammar.awk: the rules that `lemon -g lang/grammar.y` prints -> EBNF for people.
#
# usage: awk -f grammar.awk lang/tokens.def rules.txt
# Tokens stand as they are written. Rules of one use, optional parts and lists go where they are used;
# rules that only recover from mistakes are left out.

function word(s) { return s ~ /^[A-Z]/ ? (s in token ? token[s] : s) : s }

# ---- reading
FILENAME ~ /tokens\.def$/ {
  if (match($0, /^TW_TOKEN\([A-Z_]+, "[^"]*"/)) {
    entry = substr($0, RSTART, RLENGTH)
    name = substr(entry, 10, index(entry, ",") - 10)
    show = substr(entry, index(entry, "\"") + 1)
    sub(/"$/, "", show)
    if (show ~ /^'.*'$/) token[name] = "\"" substr(show, 2, length(show) - 2) "\""
  }
  next
}
/^[a-z_]+ ::=/ && !/ error\./ && !/EXPR_START/ && !/^line ::= CUSTOM/ {
  rule = $1
  text = $0
  sub(/^[a-z_]+ ::= ?/, "", text)
  sub(/\.[^.]*$/, "", text)
  if (rule == "line") sub(/ rules$/, "", text) # read there so that they are refused in words
  if (!(rule in count)) order[++n_rules] = rule
  alternative[rule, ++count[rule]] = text
}

# ---- what a rule is
# The alternatives but the empty one; empties[rule] tells of that one.
function take_empty(rule,   k, j) {
  for (k = 1; k <= count[rule]; k++)
    if (alternative[rule, k] == "") {
      empties[rule] = 1
      for (j = k; j < count[rule]; j++) alternative[rule, j] = alternative[rule, j + 1]
      count[rule]--
      k--
    }
}

function first(text) { return text ~ / / ? substr(text, 1, index(text, " ") - 1) : text }
function rest(text) { return text ~ / / ? substr(text, index(text, " ") + 1) : "" }

# rule = base | rule step | …, where every step begins with the rule itself.
function is_list(rule,   k) {
  if (rule == "expr") return 0
  for (k = 2 - empties[rule]; k <= count[rule]; k++)
    if (first(alternative[rule, k]) != rule) return 0
  return count[rule] + empties[rule] > 1 && first(alternative[rule, 1]) == (empties[rule] ? rule : first(alternative[rule, 1]))
}

# rule = a | b | rule sep a | rule sep b: lines of several kinds.
function is_lines(rule,   n, k) {
  n = count[rule] / 2
  if (n < 2 || n != int(n)) return 0
  for (k = 1; k <= n; k++)
    if (alternative[rule, n + k] != rule " SEP " alternative[rule, k]) return 0
  return 1
}

function uses(rule,   r, k, n, i, m, w) {
  n = 0
  for (r = 1; r <= n_rules; r++)
    for (k = 1; k <= count[order[r]]; k++) {
      m = split(alternative[order[r], k], w, " ")
      for (i = 1; i <= m; i++) if (w[i] == rule && order[r] != rule) n++
    }
  return n
}

# ---- writing
function symbols(text,   w, n, k, out) {
  n = split(text, w, " ")
  out = ""
  for (k = 1; k <= n; k++) out = out (k > 1 ? " " : "") symbol(w[k])
  return out
}

function symbol(s) {
  if (s in plain) return plain[s]
  if (s ~ /^[A-Z]/) return word(s)
  if (inline[s]) return right(s)
  return s
}

function alternatives(rule, from, drop,   k, out, text) {
  out = ""
  for (k = from; k <= count[rule]; k++) {
    text = alternative[rule, k]
    out = out (k > from ? " | " : "") symbols(drop ? rest(text) : text)
  }
  return out
}

# The right side of a rule as one text.
function right(rule,   n, one) {
  if (is_lines(rule)) {
    n = count[rule]
    count[rule] = n / 2
    one = "( " alternatives(rule, 1, 0) " )"
    count[rule] = n
    return one " { sep " one " }"
  }
  if (is_list(rule)) {
    if (empties[rule]) return "{ " alternatives(rule, 1, 1) " }"
    return symbols(alternative[rule, 1]) " { " alternatives(rule, 2, 1) " }"
  }
  if (empties[rule]) return "[ " unwrap(alternatives(rule, 1, 0)) " ]"
  return alternatives(rule, 1, 0)
}

# [ [ x ] ] is [ x ].
function unwrap(text) {
  return text ~ /^\[ [^\[\]]* \]$/ ? substr(text, 3, length(text) - 4) : text
}

function wrap(head, text,   w, n, k, line, indent) {
  n = split(text, w, " ")
  indent = sprintf("%16s", "")
  line = sprintf("%-13s %s", head, "=")
  for (k = 1; k <= n; k++) {
    if (length(line) + 1 + length(w[k]) > 104) {
      print line
      line = indent w[k]
    } else line = line " " w[k]
  }
  print line
}

function print_choices(rule,   k, head) {
  head = sprintf("%-13s =", rule)
  for (k = 1; k <= count[rule]; k++) {
    line = head " " symbols(alternative[rule, k])
    while (length(line) > 104) {
      cut = 104
      while (substr(line, cut, 1) != " ") cut--
      print substr(line, 1, cut - 1)
      line = sprintf("%19s", "") substr(line, cut + 1)
    }
    print line
    head = sprintf("%15s", "|")
  }
}

# expr op expr: the operators of one line.
function print_expr(   k, w, n, ops, pre, kept) {
  kept = 0
  for (k = 1; k <= count["expr"]; k++) {
    n = split(alternative["expr", k], w, " ")
    if (n == 3 && w[1] == "expr" && w[3] == "expr") ops = ops (ops ? " | " : "") word(w[2])
    else if (n == 2 && w[2] == "expr") pre = pre (pre ? " | " : "") word(w[1])
    else alternative["expr", ++kept] = alternative["expr", k]
  }
  count["expr"] = kept
  print_choices("expr")
  print "              | ( " pre " ) expr"
  print "              | expr binary expr"
  wrap("binary", ops)
}

END {
  plain["ID"] = "name"; plain["INT"] = "integer"; plain["REAL"] = "real"; plain["STRING"] = "string"
  plain["SEP"] = "sep"; plain["comma_opt"] = "[ \",\" ]"
  for (r = 1; r <= n_rules; r++) {
    empties[order[r]] = 0
    take_empty(order[r])
  }
  for (r = 1; r <= n_rules; r++) {
    rule = order[r]
    once = uses(rule) == 1
    inline[rule] = empties[rule] || (once && (count[rule] == 1 || is_list(rule) || is_lines(rule)))
    if (rule == "start" || rule == "file" || rule == "body" || rule == "opt_body" || rule == "postfix") inline[rule] = 0
  }
  for (r = 1; r <= n_rules; r++) # long optional parts of many uses have a name
    if (empties[order[r]] && uses(order[r]) > 1 && length(right(order[r])) > 24) inline[order[r]] = 0
  wrap("file", right("file"))
  for (r = 1; r <= n_rules; r++) {
    rule = order[r]
    if (inline[rule] || rule == "file" || rule == "start" || rule == "comma_opt") continue
    if (rule == "expr") print_expr()
    else if (is_list(rule) || count[rule] == 1 || empties[rule]) wrap(rule, right(rule))
    else if (length(right(rule)) < 88) wrap(rule, right(rule))
    else print_choices(rule)
  }
}
