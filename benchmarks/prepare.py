"""What `sklar prepare mimic3` costs beside DuckDB alone: python benchmarks/prepare.py --stays 500 1000 2000 --rounds 3

Three things are timed in turn, each in a process of its own, with the same memory limit and threads for DuckDB:

- count: `count(*)` of the files that prepare reads;
- pass: DuckDB writes the columns that prepare needs of the same files, typed, to Parquet, one table after another;
- prepare: all of it, the 17 variables' events, all five tasks, hashes and checks.

On simulated files of so many stays (about 3,900 chart events a stay: 5,300 stays are 20 million), and with --raw on
files of one's own, such as the MIMIC-III demo. Printed: medians over rounds, prepare stage by stage as a multiple of
the pass, peak memory (resident set), and for three or more sizes the exponent with which time grows in chart events.
Seconds are the processor's, so that a busy machine disturbs them little, and count from the first query on.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

KINDS = ("count", "pass", "prepare")
READY = "ready"
SHOWN = 0.02  # stages of at least such a share of prepare have a line


@dataclass
class Cost:
    """One run: processor seconds of its parts in order, seconds from the first query on, and peak memory in GB."""

    parts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    memory: float = 0.0

    @property
    def start(self) -> float:
        """Processor seconds until the first query."""
        return self.parts[READY]

    @property
    def work(self) -> float:
        """Processor seconds from there on."""
        return sum(self.parts.values()) - self.start


def child(kind: str, raw: Path, out: Path, memory: str, threads: int) -> None:
    """What a process does; a line on stderr ends each part."""
    from sklar.clinical.mimic3 import prepare_mimic3
    from sklar.clinical.mimic3.engine import open_engine
    from sklar.clinical.mimic3.raw import find_tables, read_header
    from sklar.clinical.mimic3.tables import COLUMNS

    say(READY)
    if kind == "prepare":
        prepare_mimic3(raw, out, memory=memory, threads=threads)
        return
    out.mkdir()
    connection = open_engine(out / "spill", memory, threads)
    for table, file in find_tables(raw).items():
        kinds = ", ".join(f"'{name}': '{COLUMNS[table].get(name.upper(), 'VARCHAR')}'" for name in read_header(file))
        reading = f"read_csv('{file}', auto_detect = false, header = true, columns = {{{kinds}}})"
        if kind == "count":
            connection.execute(f"SELECT count(*) FROM {reading}").fetchall()
        else:
            names = ", ".join(COLUMNS[table])
            connection.execute(f"COPY (SELECT {names} FROM {reading}) TO '{out / table}.parquet'")
        say(table)


def say(part: str) -> None:
    """Tell the parent that a part is done, in prepare's words."""
    print(f"[-] {part}: done", file=sys.stderr, flush=True)


def used(process: int) -> float:
    """Processor seconds of a process so far, of all its threads; where no /proc tells them, seconds."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return time.perf_counter()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(kind: str, raw: Path, scratch: Path, memory: str, threads: int) -> Cost:
    """Run a child and time its parts."""
    out = scratch / "out"
    command = [sys.executable, __file__, "--child", kind, str(raw), str(out), "--memory", memory]
    cost, said, began = Cost(), [], time.perf_counter()
    with subprocess.Popen([*command, "--threads", str(threads)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = Path("/proc/self/stat").exists()
        last = 0.0 if told else began
        for line in process.stderr:
            said.append(line)
            if line.startswith("["):
                now, name = used(process.pid), line.split("] ", 1)[1].split(":")[0]
                began = time.perf_counter() if name == READY else began
                name = f"folder {name}" if name in cost.parts else name  # a list and its dataset folder share a name
                cost.parts[name], last = now - last, now
        _, status, resources = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("".join(said))
    cost.parts["end"] = (resources.ru_utime + resources.ru_stime if told else time.perf_counter()) - last
    cost.seconds, cost.memory = time.perf_counter() - began, resources.ru_maxrss * 1024 / 1e9
    shutil.rmtree(out)
    return cost


def simulate(folder: Path, stays: int) -> Path:
    """Simulated files, made in another process: a parent's memory would count as its children's."""
    code = "import sys; from sklar.clinical.mimic3_simulation import simulate_mimic3 as make; "
    code += "make(sys.argv[1], stays=int(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, folder, str(stays)], check=True, stdout=subprocess.DEVNULL)
    return folder


def middle(costs: list[Cost]) -> Cost:
    """Medians of runs, part by part."""
    parts = {name: median(cost.parts[name] for cost in costs) for name in costs[0].parts}
    return Cost(parts, median(cost.seconds for cost in costs), max(cost.memory for cost in costs))


def events_of(raw: Path) -> int:
    """Rows of CHARTEVENTS."""
    import gzip

    [file] = [path for path in raw.iterdir() if path.name.lower().startswith("chartevents.csv")]
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b"")) - 1


def show_stages(name: str, costs: dict[str, Cost]) -> None:
    """Prepare's stages as multiples of the pass."""
    whole, beside = costs["prepare"], costs["pass"]
    print(f"\n{name}: prepare, stage by stage\n\n| stage | s | of the pass |\n|---|---|---|")
    rest, count = 0.0, 0
    for part, seconds in whole.parts.items():
        if part == READY:
            continue
        if seconds < SHOWN * whole.work:
            rest, count = rest + seconds, count + 1
            continue
        print(f"| {part} | {seconds:.2f} | {seconds / beside.work:.2f} |")
    print(f"| {count} others | {rest:.2f} | {rest / beside.work:.2f} |")
    print(f"| **all** | {whole.work:.2f} | {whole.work / beside.work:.2f} |")


def growth(sizes: list[int], seconds: list[float]) -> float:
    """The slope of log seconds over log sizes by least squares."""
    return linear_regression([math.log(size) for size in sizes], [math.log(second) for second in seconds]).slope


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stays", type=int, nargs="*", default=[500, 1000, 2000])
    parser.add_argument("--raw", type=Path, nargs="*", default=[], help="folders with MIMIC-III's tables")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="2GB", help="of DuckDB")
    parser.add_argument("--threads", type=int, default=1, help="of DuckDB")
    parser.add_argument("--scratch", type=Path, help="where simulated files and results go; by default the system's")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, raw, out = options.child
        child(kind, Path(raw), Path(out), options.memory, options.threads)
        return
    with tempfile.TemporaryDirectory(prefix="sklar-prepare-", dir=options.scratch) as folder:
        scratch = Path(folder)
        data = {raw.name: raw for raw in options.raw}
        data |= {f"{stays:,} stays": simulate(scratch / f"raw{stays}", stays) for stays in options.stays}
        events = {name: events_of(raw) for name, raw in data.items()}
        runs: dict[str, dict[str, list[Cost]]] = {name: {kind: [] for kind in KINDS} for name in data}
        for _ in range(options.rounds):
            for name, raw in data.items():
                for kind in KINDS:
                    runs[name][kind].append(run(kind, raw, scratch, options.memory, options.threads))
    costs = {name: {kind: middle(runs[name][kind]) for kind in KINDS} for name in data}
    print(f"DuckDB: {options.memory}, {options.threads} threads; processor s, medians of {options.rounds} rounds\n")
    print("| data | chart events | count(*) | pass | prepare | prepare / pass | by the clock | Python's start "
          "| peak memory: pass, prepare, GB |")  # fmt: skip
    print("|" + "---|" * 9)
    for name, kinds in costs.items():
        whole, beside = kinds["prepare"], kinds["pass"]
        print(f"| {name} | {events[name]:,} | {kinds['count'].work:.2f} | {beside.work:.2f} | {whole.work:.2f} "
              f"| {whole.work / beside.work:.2f} | {whole.seconds / beside.seconds:.2f} | {whole.start:.1f} "
              f"| {beside.memory:.2f}, {whole.memory:.2f} |", flush=True)  # fmt: skip
    for name, kinds in costs.items():
        show_stages(name, kinds)
    simulated = [f"{stays:,} stays" for stays in options.stays]
    if len(simulated) > 2:
        rows = [events[name] for name in simulated]
        found = {kind: growth(rows, [costs[name][kind].work for name in simulated]) for kind in KINDS}
        print("\nTime grows with chart events to the power of " + ", ".join(f"{v:.2f} ({k})" for k, v in found.items()))


if __name__ == "__main__":
    main()
