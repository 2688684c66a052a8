#!/usr/bin/env python3
"""Proves that the simulator and the tests of the storage find real bugs: each mutant of mutants.toml has to
be killed.

    python3 Tests/Mutants/mutants.py                    all mutants, five seed bases each
    python3 Tests/Mutants/mutants.py --only M02,M11     some of them
    python3 Tests/Mutants/mutants.py --check            is every original text still there? (no build)

A copy of the sources gets all mutants at once, as switches that the environment variable LATCHD_MUTANT
turns on one at a time, and is built once. Then each mutant runs seeds with the ordinary swarm settings, from
several disjoint bases, until an oracle fires or the limit of its class is reached; in one base at least it
must be an oracle that the mutant names. The simulator does not use the storage: a mutant of it runs the
storage's tests, and one of the suites that its oracle names has to fall. The same build without a mutant must
pass the same seeds and the same tests. Exit status: 0 all killed, 1 not, 2 the catalogue or the build is
broken.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIMITS = {"A": 100, "B": 500, "C": 2000}
# Far from each other, and from the seeds that everyday runs use.
BASES = [100_000_000 * number + 1 for number in range(1, 100)]
# Nothing in a seed waits for anything: one that needs so long never ends.
SECONDS_PER_SEED = 60
# Of all tests of the storage, of which a minute is usual.
SECONDS_OF_TESTS = 900


def fail(text):
    print(f"mutants: {text}", file=sys.stderr)
    sys.exit(2)


# --- the catalogue ------------------------------------------------------------------------------------------

class Mutant:
    def __init__(self, number, entry):
        self.number = number
        self.id = entry["id"]
        self.title = entry["title"]
        self.is_of_storage = entry.get("judge") == "storage"
        self.kind = None if self.is_of_storage else entry["class"]
        self.limit = LIMITS.get(self.kind)
        self.oracle = entry["oracle"]
        # Suites, or oracles by name, or "trap".
        self.expected = set(self.oracle.split(", "))
        self.compares = entry.get("compare", False)
        self.edits = entry.get("edit") or [entry]


def read_catalogue():
    with open(os.path.join(HERE, "mutants.toml"), "rb") as file:
        entries = tomllib.load(file)["mutant"]
    mutants = [Mutant(number, entry) for number, entry in enumerate(entries, 1)]
    ids = [mutant.id for mutant in mutants]
    for name in {name for name in ids if ids.count(name) > 1}:
        fail(f"{name} occurs twice in the catalogue")
    return mutants


def placed_edits(mutants):
    """The edits by file, each with its place; says what does not fit."""
    texts, places, problems = {}, {}, []
    for mutant in mutants:
        for edit in mutant.edits:
            path, original = edit["file"], edit["original"]
            if path not in texts:
                try:
                    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                        texts[path] = file.read()
                except OSError as error:
                    problems.append(f"{mutant.id}: {path}: {error.strerror}")
                    continue
            count = texts[path].count(original)
            if count != 1:
                problems.append(f"{mutant.id}: its original text occurs {count} times in {path}")
                continue
            if f'mutant("{mutant.id}")' not in edit["replacement"]:
                problems.append(f'{mutant.id}: a replacement does not ask mutant("{mutant.id}")')
            start = texts[path].index(original)
            places.setdefault(path, []).append((start, start + len(original), mutant, edit["replacement"]))
    for path, edits in places.items():
        edits.sort(key=lambda edit: edit[0])
        for one, other in zip(edits, edits[1:]):
            if other[0] < one[1]:
                problems.append(f"{one[2].id} and {other[2].id} replace the same text in {path}")
    return texts, places, problems


def mutated(text, edits):
    for start, end, mutant, replacement in reversed(edits):
        replacement = replacement.replace(f'mutant("{mutant.id}")', f"isMutant({mutant.number})")
        text = text[:start] + replacement + text[end:]
    return text


# --- the copy -----------------------------------------------------------------------------------------------

SWITCH = """\
#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The one mutant that this process is, by its place in the catalogue; 0 is none.
private let active: Int = getenv("LATCHD_MUTANT").flatMap { Int(String(cString: $0)) } ?? 0

@inline(__always)
func isMutant(_ number: Int) -> Bool { active == number }
"""

# Leaves latchsim, the tests of the storage, and what they need, of the package that this is appended to.
ONLY_THE_JUDGES = """

// Appended by mutants.py.
var neededTargets = ["latchsim", "RaftStorageTests", "PowerCutTests"]
var neededPackages: Set<String> = []
var position = 0
while position < neededTargets.count {
    let target = package.targets.first { $0.name == neededTargets[position] }
    position += 1
    for dependency in target?.dependencies ?? [] {
        switch dependency {
        case .targetItem(let name, _), .byNameItem(let name, _):
            if !neededTargets.contains(name) { neededTargets.append(name) }
        case .productItem(_, let package, _, _): neededPackages.insert(package ?? "")
        @unknown default: break
        }
    }
}
package.products = []
package.targets.removeAll { !neededTargets.contains($0.name) }
package.dependencies.removeAll {
    guard case .sourceControl(_, let location, _) = $0.kind else { return false }
    return !neededPackages.contains { location.hasSuffix("/\\($0).git") }
}
// Its tests are optimised like everything else, and look into it.
package.targets.first { $0.name == "RaftStorage" }?.swiftSettings?.append(
    .unsafeFlags(["-enable-testing"]))
"""


def write(path, data, written):
    """Writes only what has changed, so that a second build is short."""
    written.add(path)
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except OSError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def copy_sources(folder, texts, places):
    written = set()
    sources = ["Sources"] + ["Tests/" + name for name in (
        "RaftSimulation", "HistoryChecker", "latchsim", "SeededRandom", "FaultyDisk", "RaftStorageTests",
        "PowerCutTests")]
    for source in sources:
        for parent, _, names in os.walk(os.path.join(ROOT, source)):
            for name in names:
                path = os.path.join(parent, name)
                relative = os.path.relpath(path, ROOT)
                if relative in places:
                    data = mutated(texts[relative], places[relative]).encode()
                else:
                    with open(path, "rb") as file:
                        data = file.read()
                write(os.path.join(folder, relative), data, written)
    for target in {"/".join(path.split("/")[:2]) for path in places}:
        write(os.path.join(folder, target, "ActiveMutant.swift"), SWITCH.encode(), written)
    with open(os.path.join(ROOT, "Package.swift"), encoding="utf-8") as file:
        write(os.path.join(folder, "Package.swift"), (file.read() + ONLY_THE_JUDGES).encode(), written)
    for source in sources:
        for parent, _, names in os.walk(os.path.join(folder, source)):
            for path in (os.path.join(parent, name) for name in names):
                if path not in written:
                    os.remove(path)
    resolved = os.path.join(ROOT, "Package.resolved")
    if os.path.exists(resolved) and not os.path.exists(os.path.join(folder, "Package.resolved")):
        shutil.copy(resolved, folder)


def build(folder, options):
    command = ["swift", "build", "-c", "release", "--build-tests", "--package-path", folder]
    if subprocess.run(command + options).returncode != 0:
        fail("the mutated sources do not build")


# --- running ------------------------------------------------------------------------------------------------

class Run:
    """What became of one range of seeds: the seed and oracle of the first failure, if any."""

    def __init__(self, seed=None, oracle=None, detail="", traces=None):
        self.seed, self.oracle, self.detail, self.traces = seed, oracle, detail, traces


def environment(number, **more):
    """Of a process in which this mutant runs; 0 is none."""
    variables = dict(os.environ, LATCHD_MUTANT=str(number), SWIFT_BACKTRACE="enable=no", **more)
    variables.pop("SWIFT_DETERMINISTIC_HASHING", None)
    return variables


def simulate(program, number, first, count):
    command = [program, "--quiet", "--threads", "1", "--first", str(first), "--seeds", str(count)]
    try:
        done = subprocess.run(
            command, env=environment(number), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", timeout=SECONDS_PER_SEED + count)
    except subprocess.TimeoutExpired:
        if count == 1:
            return Run(first, "a seed never ends")
        half = count // 2
        run = simulate(program, number, first, half)
        return run if run.oracle else simulate(program, number, first + half, count - half)
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode == 0:
        traces = re.search(r"traces ([0-9a-f]+)", done.stdout)
        return Run(traces=traces and traces[1])
    last = re.match(r"violation: (.*) seed (\d+)$", lines[-1])
    if last:
        told = next((line for line in reversed(lines[:-1]) if line.startswith(last[1] + ":")), "")
        return Run(int(last[2]), last[1], told)
    if done.returncode < 0:
        seed = re.search(r"latchsim --seed (\d+)", done.stderr)
        text = re.search(r"(?:Fatal error|Precondition failed): (.*)", done.stderr)
        reason = text[1].split(" (")[0].split(":")[0] if text else ""
        return Run(
            int(seed[1]) if seed else first, f"trap {reason or signal.Signals(-done.returncode).name}",
            done.stderr.strip())
    fail(f"latchsim ended with {done.returncode}: {done.stderr.strip() or lines[-1]}")


def attempt(program, number, first, count, compares):
    """The seeds in one process; if traces are compared, also in another, whose hash seeds are its own."""
    run = simulate(program, number, first, count)
    if compares and not run.oracle and simulate(program, number, first, count).traces != run.traces:
        return Run(first, "I21 determinism, two processes")
    return run


def hunt(program, mutant, base, until):
    """Seeds from `base` on, until one fails. Chunks grow: most mutants die at once."""
    first, chunk = base, 1 if mutant.compares else 10
    while first < base + mutant.limit and time.monotonic() < until:
        chunk = min(chunk, base + mutant.limit - first)
        run = attempt(program, mutant.number, first, chunk, mutant.compares)
        if run.oracle:
            return run.seed - base + 1, run
        first += chunk
        chunk = chunk if mutant.compares else chunk * 3
    return None, Run(detail="" if first >= base + mutant.limit else "out of time")


class Table:
    """One row for each mutant as soon as all its bases have ended."""

    def __init__(self, mutants, bases):
        self.lock = threading.Lock()
        self.bases = bases
        self.results = {mutant.id: {} for mutant in mutants}
        self.survivors = []
        self.surprises = []
        print(f"{'':4} {'':5} {'seeds to kill':{6 * len(bases)}}  median   max  oracle", flush=True)

    def note(self, mutant, base, seeds, run):
        with self.lock:
            results = self.results[mutant.id]
            results[base] = (seeds, run)
            if len(results) == len(self.bases):
                self.print(mutant, [results[base] for base in self.bases])

    def print(self, mutant, results):
        counts = [seeds for seeds, _ in results]
        cells = " ".join(f"{count if count else '-':>5}" for count in counts)
        if None in counts:
            self.survivors.append(mutant)
            summary = f"{'-':>6} {'-':>5}  SURVIVES {mutant.limit} seeds"
            if any(run.detail == "out of time" for seeds, run in results if not seeds):
                summary += " (or the time that it had)"
        else:
            summary = f"{statistics.median(counts):>6g} {max(counts):>5} "
        fired = {}
        for _, run in results:
            if run.oracle:
                fired[run.oracle] = fired.get(run.oracle, 0) + 1
        names = ", ".join(sorted(fired, key=fired.get, reverse=True))
        if fired and not any(name.startswith(known) for name in fired for known in mutant.expected):
            self.surprises.append(mutant)
            names += f"; NOT AS EXPECTED: {mutant.oracle}"
        print(f"{mutant.id:4} {mutant.kind:5} {cells}   {summary} {names}", flush=True)
        print(f"{'':11}{mutant.title}", flush=True)


def run_seeds(program, mutants, bases, jobs, minutes):
    """Whether the simulator kills them all; prints a row for each, and which survive."""
    table = Table(mutants, bases)
    until = time.monotonic() + 60 * minutes
    failures = []

    def one(mutant, base):
        seeds, run = hunt(program, mutant, base, until)
        table.note(mutant, base, seeds, run)

    def unmutated(first, count, compares):
        run = attempt(program, 0, first, count, compares)
        if run.oracle:
            failures.append(f"without a mutant, seed {run.seed} fails: {run.oracle} {run.detail}")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        work = [pool.submit(one, mutant, base) for mutant in mutants for base in bases]
        for future in work:
            future.result()
        needed = {}
        for mutant in mutants:
            for base, (seeds, _) in table.results[mutant.id].items():
                place = (base, mutant.compares)
                needed[place] = max(needed.get(place, 0), seeds or mutant.limit)
        print(f"the same seeds without a mutant: {sum(needed.values())}", flush=True)
        pieces = [
            (base + start, min(100, count - start), compares)
            for (base, compares), count in needed.items() for start in range(0, count, 100)]
        for future in [pool.submit(unmutated, *piece) for piece in pieces]:
            future.result()
    failures += run_kept(program, mutants)
    for failure in failures:
        print(failure)
    if table.surprises:
        print("found by none of the oracles that they name: "
              + ", ".join(mutant.id for mutant in table.surprises))
    return report(mutants, table.survivors) and not failures and not table.surprises


def run_kept(program, mutants):
    """The seeds of Kept.txt that are to fail with a mutant, but do not."""
    problems = []
    with open(os.path.join(ROOT, "Tests", "SimulationTests", "Kept.txt")) as file:
        lines = [[part.strip() for part in line.split("|", 3)] for line in file if not line.startswith("#")]
    numbers = {mutant.id: mutant.number for mutant in mutants}
    for seed, without, name, _ in lines:
        if name not in numbers:
            continue
        done = subprocess.run(
            [program, "--seed", seed, "--without", without], env=environment(numbers[name]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            problems.append(f"kept seed {seed} passes with {name}: its story is another one now")
    return problems


def report(mutants, survivors):
    """Whether none survives; says how many were killed."""
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants killed", end="")
    names = ", ".join(mutant.id for mutant in survivors)
    print(f"; survivors: {names}" if names else "", flush=True)
    return not survivors


# --- the tests of the storage -------------------------------------------------------------------------------

def fallen_tests(program, number):
    """The tests that fall, by suite and function; or how their process died."""
    with tempfile.TemporaryDirectory() as folder:
        results = os.path.join(folder, "results.xml")
        command = [program, "--testing-library", "swift-testing", "--xunit-output", results]
        try:
            done = subprocess.run(
                command, env=environment(number, LATCH_KILLS="12"), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SECONDS_OF_TESTS)
        except subprocess.TimeoutExpired:
            return ["the tests never end"]
        if done.returncode == 0:
            return []
        if done.returncode < 0:
            text = re.search(r"(?:Fatal error|Precondition failed): (.*)", done.stdout)
            return [f"trap {text[1] if text else signal.Signals(-done.returncode).name}"]
        try:
            cases = list(xml.etree.ElementTree.parse(results).iter("testcase"))
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            fail(f"the tests of the storage ended with {done.returncode}, and no results: {error}")
    fallen = [case for case in cases if case.find("failure") is not None]
    names = [f"{case.get('classname').split('.')[-1]}.{case.get('name').split('(')[0]}" for case in fallen]
    return names or [f"the tests end with {done.returncode}"]


def run_tests(program, mutants, jobs):
    """Whether the tests of the storage kill them all; prints a row for each, and which survive."""
    survivors = []
    print(f"{'':4}  tests of the storage that fall", flush=True)

    def one(number):
        return fallen_tests(program, number)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        unmutated = pool.submit(one, 0)
        for mutant, fallen in zip(mutants, pool.map(one, [mutant.number for mutant in mutants])):
            # Those that are to find it first; another may fall for a reason of its own.
            fallen.sort(key=lambda test: (test.split(".")[0] not in mutant.expected, test))
            more = f" and {len(fallen) - 4} more" if len(fallen) > 4 else ""
            is_killed = bool(fallen) and (
                fallen[0].split(".")[0] in mutant.expected or fallen[0].startswith("trap "))
            if not is_killed:
                survivors.append(mutant)
            verdict = "" if is_killed else f"SURVIVES {mutant.oracle}; what falls: "
            print(f"{mutant.id:4}  {verdict}{', '.join(fallen[:4]) or 'nothing'}{more}", flush=True)
            print(f"{'':6}{mutant.title}", flush=True)
        failures = unmutated.result()
    if failures:
        print(f"without a mutant, tests of the storage fall: {', '.join(failures)}")
    return report(mutants, survivors) and not failures


def main():
    parser = argparse.ArgumentParser(description="Runs the mutants of mutants.toml.")
    parser.add_argument("--check", action="store_true", help="only look whether the originals are there")
    parser.add_argument("--only", default="", help="ids, with commas between them")
    parser.add_argument("--bases", type=int, default=5, help="disjoint seed bases (default: 5)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    parser.add_argument("--minutes", type=float, default=600, help="begin no more seeds after this long")
    parser.add_argument("--folder", default=os.path.join(ROOT, ".build", "mutants"), help="of the copy")
    parser.add_argument("--swift", default="", help="more arguments for swift build")
    parser.add_argument("--skip-build", action="store_true", help="run what was built before")
    options = parser.parse_args()

    mutants = read_catalogue()
    texts, places, problems = placed_edits(mutants)
    for problem in problems:
        print(problem)
    if problems:
        fail("the catalogue does not fit the sources")
    if options.check:
        print(f"{len(mutants)} mutants fit the sources")
        return
    wanted = [name for name in options.only.split(",") if name]
    for name in wanted:
        if name not in {mutant.id for mutant in mutants}:
            fail(f"there is no mutant {name}")
    if not 1 <= options.bases <= len(BASES):
        fail(f"--bases is 1 to {len(BASES)}")
    if not options.skip_build:
        copy_sources(options.folder, texts, places)
        build(options.folder, options.swift.split())
    built = os.path.join(options.folder, ".build", "release")
    chosen = [mutant for mutant in mutants if not wanted or mutant.id in wanted]
    of_storage = [mutant for mutant in chosen if mutant.is_of_storage]
    of_simulator = [mutant for mutant in chosen if not mutant.is_of_storage]
    bases = BASES[:options.bases]
    all_killed = True
    if of_storage:
        all_killed &= run_tests(os.path.join(built, "latchdPackageTests.xctest"), of_storage, options.jobs)
    if of_simulator:
        all_killed &= run_seeds(
            os.path.join(built, "latchsim"), of_simulator, bases, options.jobs, options.minutes)
    sys.exit(0 if all_killed else 1)


if __name__ == "__main__":
    main()
