#!/usr/bin/env python3
"""autograd.py CASES [--programs N] [--seed S]: gradients of random programs against PyTorch's autograd.

CASES is the executable autograd_cases (bench/autograd_cases.c), which prints random programs in the text form of the
IR, points, and Triwave's gradients there. This script reads that text form and runs it with torch tensors, loops
unrolled, so that torch.autograd differentiates it: nothing of Triwave's derivatives is used. The bounds are
|a - b| <= 1e-12 max|g| in f64 and 1e-5 max|g| in f32, over all parameters of a program; what is not finite fails.

A point does not count, and the program's next point is tried, where the comparison would be about rounding:
  * a kink or a jump (relu, abs, sign, floor, a comparison, min, max, …) is nearer than 1e-9 in f64, 1e-4 in f32,
    relative, without being met exactly. A tie that is exact counts: it has a documented derivative (docs/ad.md). It is
    exact if it is one in f32, in f64, and in f64 at three points within 1e-9; else rounding made it.
  * f32 only: PyTorch's own f32 gradient is off its f64 gradient by more than 2e-6 max|g|, here or, if the bound is not
    kept, at one of eight points within a few roundings of here, or here in one of sixteen runs in which each result is
    rounded at random, up to one unit in the last place away: the program amplifies rounding. (A program with an exact
    tie is not run with random rounding, which would break the tie.)
Where PyTorch's gradient is all zero, the loss takes the place of max|g| in the bound: the function is constant, and what
cancels in one order of operations may leave a rounding in another. How many programs had no point that counts, and how
often each rule was used, is printed. Exit code 1 on any disagreement, or if more than a fifth of the
programs had no point in f64. Needs Debian's python3-torch. Never part of ./dev test."""
import argparse, math, os, re, subprocess, sys, time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch

torch.set_num_threads(1)
BOUND = {"f32": 1e-5, "f64": 1e-12}
NEAR = {"f32": 1e-4, "f64": 1e-9}
AMPLIFIED = 2e-6
OPS_DEF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../compiler/ir/ops.def")
DTYPE = {"f32": torch.float32, "f64": torch.float64}

# ---- the text form (docs/ir.md)

TYPE = re.compile(r"(real|int|bool|tuple)(?:\[([\d, ]*)\])?")
HEAD = re.compile(r"fn (\S+)\((.*)\) -> \((.*)\) \{$")
INST = re.compile(r"%(\d+) = (\w+)(.*) : ((?:real|int|bool|tuple)(?:\[[\d, ]*\])?)$")
BODIES = re.compile(r"@(\S+)")


class Type:
    def __init__(self, text):
        kind, sizes = TYPE.fullmatch(text).groups()
        self.kind, self.sizes = kind, [int(s) for s in sizes.split(",")] if sizes else []


class Inst:
    def __init__(self, text):
        number, self.op, rest, type_text = INST.match(text).groups()
        self.to, self.type = int(number), Type(type_text)
        self.bodies = BODIES.findall(rest)
        if self.op == "const":
            word = rest.strip()
            self.literal = {"true": True, "false": False}.get(word)
            if self.literal is None:
                self.literal = float.fromhex(word) if self.type.kind == "real" else int(word)
            self.args, self.attrs = [], []
            return
        groups = rest[rest.index("("):rest.rindex(")")].split(";") if "(" in rest else [rest.split("[")[0]]
        self.groups = [[int(r) for r in re.findall(r"%(\d+)", g)] for g in groups]
        self.args = [r for g in self.groups for r in g]
        if self.op == "cond":
            self.pred = int(re.match(r" %(\d+)", rest).group(1))
        if self.bodies:
            tail = rest[rest.rindex(")"):]
            numbers = [int(n) for n in re.findall(r"\d+", tail)]
            self.trip, self.sums = (numbers + [0, 0])[:2]
            self.reverse = "reverse" in tail
            self.attrs = []
        else:
            found = re.search(r"\[([-\d ]*)\]", rest)
            self.attrs = [int(a) for a in found.group(1).split()] if found else []


class Function:
    def __init__(self, lines):
        _, params, results = HEAD.match(lines[0]).groups()
        self.params = [(int(n), Type(t)) for n, t in re.findall(r"%(\d+): ((?:real|int|bool)(?:\[[\d, ]*\])?)", params)]
        self.result_types = [Type(m.group(0)) for m in TYPE.finditer(results)]
        self.insts = [Inst(l.strip()) for l in lines[1:-1] if "=" in l]
        self.results = [int(r) for r in re.findall(r"%(\d+)", lines[-1])]


def parse(text):
    """{name: function}, and the last one."""
    functions, lines, last = {}, [], None
    for line in text:
        if line.startswith("fn "):
            lines = [line]
        elif line == "}":
            last = Function(lines)
            functions[HEAD.match(lines[0]).group(1)] = last
        elif line:
            lines.append(line)
    return functions, last


# ---- the counter-based generator behind `draw` (Philox 4x32-10)

def uniform(seed, key, counter):
    mask = 0xFFFFFFFF
    c = [counter & mask, counter >> 32 & mask, key & mask, key >> 32 & mask]
    k0, k1 = seed & mask, seed >> 32 & mask
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & mask, (p0 >> 32) ^ c[3] ^ k1, p0 & mask]
        k0, k1 = k0 + 0x9E3779B9 & mask, k1 + 0xBB67AE85 & mask
    u = ((c[1] << 32 | c[0]) >> 11) + 0.5
    return min(math.ldexp(u, -53), 1 - 2.0 ** -53)


# ---- the operations

class Machine:
    """Runs functions at one precision; `near` becomes the distance to the nearest kink that is not met. With a generator
    of random numbers, what an operation gives is rounded at random."""

    def __init__(self, functions, precision, random=None):
        self.functions, self.real, self.random = functions, DTYPE[precision], random
        self.near, self.ties = math.inf, 0

    def rounded(self, op, a):
        """f32 only. The factor is a constant to autograd, so the way back is rounded at random as well."""
        if not self.random or op in EXACT or not a.dtype.is_floating_point:
            return a
        return a * (1 + 2.0 ** -23 * torch.randint(-1, 2, a.shape, generator=self.random).to(a.dtype))

    def split(self, a, b):
        """Notes how far apart two values are that are compared."""
        if not a.dtype.is_floating_point:
            return
        a, b = a.detach(), b.detach()
        d = (a - b).abs() / (1 + torch.maximum(a.abs(), b.abs()))
        d, met = d[d != 0], d[d == 0]
        self.ties += met.numel()
        if d.numel():
            self.near = min(self.near, float(d.min()))

    def zero(self, a):
        return torch.zeros_like(a)

    def lesser(self, a, b):
        self.split(a, b)
        return torch.where(b < a, b, a)

    def greater(self, a, b):
        self.split(a, b)
        return torch.where(b > a, b, a)

    def fronted(self, a, axes):
        """The reduced axes in front, as one."""
        others = [k for k in range(a.dim()) if k not in axes]
        return a.permute(*axes, *others).reshape([-1] + [a.shape[k] for k in others]), others

    def reduce(self, i, a, better):
        rows, _ = self.fronted(a, i.attrs)
        best = rows[0]
        for row in rows[1:]:
            best = better(best, row)
        return best.reshape(i.type.sizes)

    def sum(self, i, a):
        """In the order of docs/architecture.md, so that what is compared later is rounded alike."""
        if not i.attrs:
            return a
        rows, _ = self.fronted(a, i.attrs)
        rows = list(rows)
        parts = rows[:16]
        if len(rows) > 16:
            for k, row in enumerate(rows[16:]):
                parts[k % 16] = parts[k % 16] + row
            while len(parts) > 1:
                half = len(parts) // 2
                parts = [parts[k] + parts[k + half] for k in range(half)]
        total = parts[0]
        for row in parts[1:]:
            total = total + row
        return total.reshape(i.type.sizes)

    def argmask(self, i, a):
        axes = i.attrs[1:]
        rows, others = self.fronted(a.detach(), axes)
        best, where = rows[0], torch.zeros(rows[0].shape, dtype=torch.int64)
        for k in range(1, rows.shape[0]):
            self.split(rows[k], best)
            wins = rows[k] < best if i.attrs[0] else rows[k] > best
            best, where = torch.where(wins, rows[k], best), torch.where(wins, torch.full_like(where, k), where)
        mask = torch.stack([where == k for k in range(rows.shape[0])])
        mask = mask.reshape([a.shape[k] for k in axes] + [a.shape[k] for k in others])
        order = list(axes) + others
        return mask.permute([order.index(k) for k in range(a.dim())])

    def lattice(self, i, sizes):
        return tuple(slice(i.attrs[2 * k], i.attrs[2 * k] + i.attrs[2 * k + 1] * (n - 1) + 1, i.attrs[2 * k + 1])
                     for k, n in enumerate(sizes))

    def broadcast(self, i, a):
        order = sorted(range(a.dim()), key=lambda k: i.attrs[k])
        sizes = [1] * len(i.type.sizes)
        for k in range(a.dim()):
            sizes[i.attrs[k]] = a.shape[k]
        return a.permute(order).reshape(sizes).expand(i.type.sizes)

    def integer(self, a):
        if a.dtype.is_floating_point:
            a = a.detach()
            self.split(a, torch.round(a))
            return torch.trunc(a).to(torch.int64)
        return a.to(torch.int64)

    def place(self, t, i):
        return min(max(int(i), 0), t.shape[0] - 1)

    def add_at(self, t, i, v):
        out = t.clone()
        out[self.place(t, i)] = t[self.place(t, i)] + v
        return out

    def pad(self, i, a):
        out = torch.zeros(i.type.sizes, dtype=a.dtype)
        out[self.lattice(i, a.shape)] = a
        return out

    def stepwise(self, a, function):
        self.split(a, torch.round(a) if function is torch.floor else self.zero(a))
        return function(a.detach())

    def compare(self, a, b, function):
        self.split(a, b)
        return function(a.detach(), b.detach())

    def kinked(self, a, function):
        self.split(a, self.zero(a))
        return function(a)

    def divide(self, a, b):
        return a / b if a.dtype.is_floating_point else torch.where(b == 0, self.zero(a), torch.div(a, b + (b == 0), rounding_mode="floor"))

    def modulo(self, a, b):
        return torch.where(b == 0, a, torch.remainder(a, b + (b == 0)))

    def draw(self, i, seed, offset):
        n = math.prod(i.type.sizes)
        u = [uniform(int(seed), i.attrs[0], int(offset) + e) for e in range(n)]
        return torch.tensor(u, dtype=torch.float64).to(self.real).reshape(i.type.sizes)

    def const(self, i):
        dtype = {"real": self.real, "int": torch.int64, "bool": torch.bool}[i.type.kind]
        return torch.full(i.type.sizes, i.literal, dtype=dtype)

    # ---- regions

    def stack(self, rows, type, n):
        if n:
            return torch.stack(rows)
        dtype = {"real": self.real, "int": torch.int64, "bool": torch.bool}[type.kind]
        return torch.zeros([0] + type.sizes, dtype=dtype)

    def scan(self, i, v):
        consts, carries, xs = ([v[r] for r in g] for g in i.groups)
        body, n = self.functions[i.bodies[0]], i.trip
        ys = [[None] * n for _ in body.results[len(carries):]]
        for t in reversed(range(n)) if i.reverse else range(n):
            out = self.run(body, [torch.tensor(t)] + consts + carries + [x[t] for x in xs])
            carries = out[:len(carries)]
            for y, value in zip(ys, out[len(carries):]):
                y[t] = value
        types = body.result_types[len(carries):]
        return carries + [self.stack(y, t, n) for y, t in zip(ys, types)]

    def samples(self, i, v):
        consts, xs = ([v[r] for r in g] for g in i.groups)
        body = self.functions[i.bodies[0]]
        rows = [self.run(body, consts + [x[t] for x in xs]) for t in range(i.trip)]
        columns = [self.stack([r[k] for r in rows], t, i.trip) for k, t in enumerate(body.result_types)]
        return [c.sum(0) if k < i.sums else c for k, c in enumerate(columns)]

    def cond(self, i, v):
        body = self.functions[i.bodies[0 if bool(v[i.pred]) else 1]]
        return self.run(body, [v[r] for r in i.groups[-1]])

    def run(self, f, args):
        v = {r: a for (r, _), a in zip(f.params, args)}
        for i in f.insts:
            a = [v[r] for r in i.args]
            if i.op in REGIONS:
                v[i.to] = REGIONS[i.op](self, i, v)
            else:
                v[i.to] = self.rounded(i.op, OPS[i.op](self, i, *a))
        return [v[r] for r in f.results]


# What gives its operands' values as they are, or numbers that are exact.
EXACT = set("const iota draw get neg abs sign relu floor min max select stop to_real broadcast reshape transpose reverse slice "
            "pad concat index rmax rmin argmask".split())
REGIONS = {"scan": Machine.scan, "samples": Machine.samples, "cond": Machine.cond}
OPS = {
    "const": lambda m, i: m.const(i),
    "iota": lambda m, i: torch.arange(i.type.sizes[0]),
    "draw": Machine.draw,
    "get": lambda m, i, a: a[i.attrs[0]],
    "neg": lambda m, i, a: -a,
    "abs": lambda m, i, a: m.kinked(a, torch.abs),
    "sign": lambda m, i, a: m.stepwise(a, torch.sign),
    "relu": lambda m, i, a: m.kinked(a, torch.relu),
    "floor": lambda m, i, a: m.stepwise(a, torch.floor),
    "logistic": lambda m, i, a: torch.sigmoid(a),
    "add": lambda m, i, a, b: a + b,
    "sub": lambda m, i, a, b: a - b,
    "mul": lambda m, i, a, b: a * b,
    "mul0": lambda m, i, a, b: a * b,  # all values are finite here, so 0 times anything is 0
    "div": lambda m, i, a, b: m.divide(a, b),
    "mod": lambda m, i, a, b: m.modulo(a, b),
    "pow": lambda m, i, a, b: torch.pow(a, b),
    "atan2": lambda m, i, a, b: torch.atan2(a, b),
    "min": lambda m, i, a, b: m.lesser(a, b),
    "max": lambda m, i, a, b: m.greater(a, b),
    "fma": lambda m, i, a, b, c: a * b + c,
    "stop": lambda m, i, a: a.detach(),
    "along": lambda m, i, a, x, p: a + p.detach() * (x - x.detach()),
    "lt": lambda m, i, a, b: m.compare(a, b, torch.lt),
    "le": lambda m, i, a, b: m.compare(a, b, torch.le),
    "eq": lambda m, i, a, b: m.compare(a, b, torch.eq),
    "ne": lambda m, i, a, b: m.compare(a, b, torch.ne),
    "and": lambda m, i, a, b: a & b,
    "or": lambda m, i, a, b: a | b,
    "not": lambda m, i, a: ~a,
    "select": lambda m, i, c, a, b: torch.where(c, a, b),
    "to_real": lambda m, i, a: a.to(m.real),
    "to_int": lambda m, i, a: m.integer(a),
    "broadcast": Machine.broadcast,
    "reshape": lambda m, i, a: a.reshape(i.type.sizes),
    "transpose": lambda m, i, a: a.permute(i.attrs),
    "reverse": lambda m, i, a: torch.flip(a, i.attrs),
    "slice": lambda m, i, a: a[m.lattice(i, i.type.sizes)],
    "pad": Machine.pad,
    "concat": lambda m, i, *parts: torch.cat(parts, i.attrs[0]),
    "index": lambda m, i, t, k: t[m.place(t, k)],
    "add_at": lambda m, i, t, k, v: m.add_at(t, k, v),
    "sum": Machine.sum,
    "rmax": lambda m, i, a: m.reduce(i, a, m.greater),
    "rmin": lambda m, i, a: m.reduce(i, a, m.lesser),
    "argmask": Machine.argmask,
    "dot": lambda m, i, a, b: torch.tensordot(a, b, (i.attrs[1:1 + i.attrs[0]], i.attrs[1 + i.attrs[0]:])),
}
for name in "sqrt exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh".split():
    OPS[name] = lambda m, i, a, function=getattr(torch, name): function(a)


def gradient(functions, main, numbers, precision, random=None):
    """PyTorch's value and gradients, row major in one f64 vector, and the machine."""
    machine, args, at = Machine(functions, precision, random), [], 0
    for _, type in main.params:
        n = math.prod(type.sizes)
        leaf = torch.tensor(numbers[at:at + n], dtype=machine.real).reshape(type.sizes)
        args.append(leaf.requires_grad_())
        at += n
    value, = machine.run(main, args)
    if value.requires_grad:
        grads = torch.autograd.grad(value, args, allow_unused=True)
    else:
        grads = [None] * len(args)
    flat = [value.detach().reshape(-1)]
    flat += [(torch.zeros_like(a) if g is None else g).reshape(-1) for a, g in zip(args, grads)]
    return torch.cat(flat).double(), machine


def error(a, b):
    """Largest |a - b| of the gradients, relative to the largest of them; inf if anything is not finite."""
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        return math.inf
    largest, d = float(b[1:].abs().max()) or float(b[0].abs()), float((a[1:] - b[1:]).abs().max())
    return d / largest if largest else (0.0 if d == 0 else math.inf)


def nearby(numbers, count, distance, dtype=torch.float64):
    """Points of which each coordinate is within a relative distance."""
    random, here = torch.Generator().manual_seed(1), torch.tensor(numbers, dtype=dtype)
    for _ in range(count):
        yield (here * (1 + distance * (2 * torch.rand(here.shape, generator=random, dtype=dtype) - 1))).double().tolist()


def amplifies(functions, main, numbers, here, ties):
    """Is PyTorch's f32 gradient uncertain by more than AMPLIFIED near this point, where it is `here` in f64?"""
    worst, random = 0.0, torch.Generator().manual_seed(1)
    for there in nearby(numbers, 8, 1e-6, torch.float32):
        f32, f64 = (gradient(functions, main, there, p)[0] for p in ("f32", "f64"))
        worst = max(worst, error(f32, f64))
    for _ in range(0 if ties else 16):
        worst = max(worst, error(gradient(functions, main, numbers, "f32", random)[0], here))
    return worst > AMPLIFIED


# ---- the comparison

class Tally:
    def __init__(self):
        self.ops, self.programs, self.ties = {}, 0, 0
        self.compared, self.near, self.amplified = {"f32": 0, "f64": 0}, {"f32": 0, "f64": 0}, 0
        self.without, self.numbers = {"f32": 0, "f64": 0}, 0
        self.worst, self.failures, self.constant = {}, 0, 0

    def count(self, functions):
        self.programs += 1
        for f in functions.values():
            self.ops["param"] = self.ops.get("param", 0) + len(f.params)
            for i in f.insts:
                self.ops[i.op] = self.ops.get(i.op, 0) + 1

    def judge(self, seed, who, precision, mine, theirs):
        e = error(mine, theirs)
        key = (who, precision)
        if e > self.worst.get(key, (-1, 0))[0]:
            self.worst[key] = (e, seed)
        self.numbers += len(mine) - 1
        if e <= BOUND[precision]:
            return
        self.failures += 1
        if self.failures <= 10:
            k = 1 + int((mine[1:] - theirs[1:]).abs().argmax())
            print(f"program {seed}, {who}, {precision}: entry {k - 1} is {float(mine[k])!r}, PyTorch says {float(theirs[k])!r} "
                  f"(error {e:.3g} of the largest)", file=sys.stderr)


def compare(tally, seed, functions, main, points):
    open_ = ["f64", "f32"]
    for numbers, mine in points:
        results = {}
        for precision in ("f64", "f32"):
            results[precision] = gradient(functions, main, numbers, precision)
        ties = {machine.ties for _, machine in results.values()}
        if ties != {0}:
            ties.update(gradient(functions, main, there, "f64")[1].ties for there in nearby(numbers, 3, 1e-9))
        for precision in list(open_):
            theirs, machine = results[precision]
            if machine.near < NEAR[precision] or len(ties) > 1:
                tally.near[precision] += 1
                continue
            if precision == "f32" and error(theirs, results["f64"][0]) > AMPLIFIED:
                tally.amplified += 1
                continue
            errors = [error(mine[who, precision], theirs) for who in ("interpreter", "compiled")]
            if precision == "f32" and max(errors) > BOUND["f32"] and amplifies(functions, main, numbers, results["f64"][0], machine.ties):
                tally.amplified += 1
                continue
            tally.constant += not theirs[1:].any()
            for who in ("interpreter", "compiled"):
                tally.judge(seed, who, precision, mine[who, precision], theirs)
            tally.compared[precision] += 1
            tally.ties += machine.ties
            open_.remove(precision)
        if not open_:
            return
    for precision in open_:
        tally.without[precision] += 1


def cases(stream):
    seed, text, points = None, [], []
    for line in stream:
        line = line.rstrip("\n")
        word = line.split(" ", 1)[0]
        if word == "program":
            seed, text, points = int(line.split()[1]), [], []
        elif word == "point":
            points.append(([float.fromhex(w) for w in line.split()[1:]], {}))
        elif word in ("interpreter", "compiled"):
            words = line.split()
            values = torch.tensor([float.fromhex(w) for w in words[2:]], dtype=torch.float64)
            points[-1][1][word, words[1]] = values
        elif word == "end":
            yield seed, text, points
        else:
            text.append(line)


def report(t, seconds):
    print(f"{t.programs} programs in {seconds:.0f} s, {t.numbers} derivatives compared, {t.failures} beyond the bounds")
    for precision in ("f64", "f32"):
        extra = f", {t.amplified} that amplify rounding" if precision == "f32" else ""
        print(f"{precision}: {t.compared[precision]} programs compared, {t.without[precision]} without a point; points passed over: "
              f"{t.near[precision]} near a kink{extra}")
        for who in ("interpreter", "compiled"):
            e, seed = t.worst.get((who, precision), (math.nan, 0))
            print(f"  {who:12s} worst error {e:.3g} of max|g| (program {seed}; bound {BOUND[precision]:g})")
    print(f"exact ties met: {t.ties}; gradients that are all zero: {t.constant}")
    known = re.findall(r"^TW_OP\((\w+),", open(OPS_DEF).read(), re.M)
    print(f"{len([k for k in known if t.ops.get(k)])} of {len(known)} operations met:")
    print(" ".join(f"{k} {t.ops.get(k, 0)}" for k in known))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("cases")
    ap.add_argument("--programs", type=int, default=1000)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    start, tally = time.time(), Tally()
    child = subprocess.Popen([a.cases, str(a.programs), str(a.seed)], stdout=subprocess.PIPE, text=True)
    for seed, text, points in cases(child.stdout):
        functions, last = parse(text)
        tally.count(functions)
        compare(tally, seed, functions, last, points)
    if child.wait():
        sys.exit(f"{a.cases} ended with {child.returncode}")
    report(tally, time.time() - start)
    poor = tally.without["f64"] * 5 > tally.programs
    sys.exit(1 if tally.failures or poor or not tally.programs else 0)


if __name__ == "__main__":
    main()
