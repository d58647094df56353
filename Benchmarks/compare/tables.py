"""The tables of what compare.py and vectored.py have measured, over several files and machines.

A file is a run. A figure of a run is the median of its rounds; over runs it is the median of these, and the
worst and the best run stand beside it.
"""

import dataclasses
import statistics

MEDIAN = statistics.median
# Of issue and page: IOPS, and CPU time of a request, compared with fio.
GOAL = 0.97
CPU_GOAL = {"threads": 1.15}


def machine_of(document):
    host = document["host"]
    return f"{host['processor']}, {host['cpus']} processors, Linux {host['kernel']}"


@dataclasses.dataclass(frozen=True)
class Work:
    """What was done, against whom, and on which machine."""

    machine: str
    target: str
    engine: str
    pattern: str
    block_size: str
    depth: int
    vectors: int
    caller: str
    threading: str
    peer: str

    @property
    def label(self):
        pieces = f" in {self.vectors}" if self.vectors > 1 else ""
        return f"{self.target} {self.pattern} {self.block_size}{pieces}, depth {self.depth}"

    @property
    def without_peer(self):
        return dataclasses.replace(self, peer="")


class Row:
    """A work with all its runs."""

    def __init__(self, work):
        self.work, self.cases = work, []

    def of_runs(self, field):
        return [MEDIAN(case[field]) for case in self.cases]

    def middle(self, field="iops_ratio"):
        return MEDIAN(self.of_runs(field))

    def worst(self, field="iops_ratio"):
        return (max if field == "cpu_ratio" else min)(self.of_runs(field))

    def rounds(self, field="iops_ratio"):
        return [value for case in self.cases for value in case[field]]

    def peer_rate(self):
        return MEDIAN([MEDIAN([run["iops"] for run in case["theirs"]]) for case in self.cases])

    def calls(self, side, kind):
        """Of "ours" or "theirs": "wakeups" of a request, or "calls" of a request or of a "wakeup"."""
        if kind == "wakeups":
            return MEDIAN([MEDIAN([run["wakeups_per_request"] for run in case[side]])
                           for case in self.cases])
        calls = [case["system_calls"][side] for case in self.cases]
        if kind == "calls":
            return MEDIAN([call["all_per_request"] for call in calls])
        return MEDIAN([call["all_per_request"] / call["wakeups_per_request"] for call in calls])


def rows_of(documents):
    """Rows by work, of the files of compare.py."""
    rows = {}
    for document in documents:
        for case in document["cases"]:
            work = Work(
                machine_of(document), case["target"], case["engine"], case["pattern"],
                case["block_size"], case["depth"], case["vectors"], case.get("caller", "waiting"),
                case.get("threading", "owned"), case["peer"])
            rows.setdefault(work, Row(work)).cases.append(case)
    return list(rows.values())


def against_fio(rows):
    """Of the two batch sizes of fio, the one with the higher rate, for each work."""
    best = {}
    for row in rows:
        if not row.work.peer.startswith("fio"):
            continue
        key = row.work.without_peer
        if key not in best or row.peer_rate() > best[key].peer_rate():
            best[key] = row
    return list(best.values())


def in_epoll(rows):
    return [row for row in rows if row.work.caller == "epoll"]


def others(rows):
    return [row for row in rows if row.work.caller == "waiting" and row.work.engine != "auto"
            and not row.work.peer.startswith("fio")]


def of_auto(rows):
    """The row of the best peer engine, for each work of auto."""
    best = {}
    for row in rows:
        if row.work.engine != "auto" or row.work.peer.startswith("C "):
            continue
        key = row.work.without_peer
        if key not in best or row.middle() < best[key].middle():
            best[key] = row
    return list(best.values())


def spread(row, field):
    """"1.02 (0.97 to 1.05)": over runs, and over rounds where there is one run."""
    values = row.of_runs(field) if len(row.cases) > 1 else row.rounds(field)
    return f"{row.middle(field):.2f} ({min(values):.2f} to {max(values):.2f})"


def runs_of(rows):
    return max((len(row.cases) for row in rows), default=0)


def table(rows):
    yield "| target and work | engine | against | IOPS ratio | lowest round | CPU ratio |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row.work.label} | {row.work.engine} | {row.work.peer} | {spread(row, 'iops_ratio')} "
            f"| {min(row.rounds()):.2f} | {spread(row, 'cpu_ratio')} |")


def fio_summary(rows):
    """One line for each engine: how often the goal is met, and how bad the worst is."""
    yield (
        f"| engine | cases with a median of at least {GOAL} of fio's IOPS | in its worst run | median of "
        "all cases (by run) | lowest case | lowest case of any run | CPU time: median of all cases "
        "| cases within the limit of CPU time |")
    yield "|---|---|---|---|---|---|---|---|"
    for engine in sorted({row.work.engine for row in rows}):
        mine = [row for row in rows if row.work.engine == engine]
        limit = CPU_GOAL.get(engine, 1.05)
        middles = []
        for number in range(runs_of(mine)):
            run = [MEDIAN(row.cases[number]["iops_ratio"]) for row in mine if number < len(row.cases)]
            middles.append(MEDIAN(run))
        lowest = min(mine, key=Row.middle)
        worst = min(mine, key=Row.worst)
        cpu = sum(row.middle("cpu_ratio") <= limit for row in mine)
        yield (
            f"| {engine} | {sum(row.middle() >= GOAL for row in mine)} of {len(mine)} "
            f"| {sum(row.worst() >= GOAL for row in mine)} of {len(mine)} "
            f"| {MEDIAN([row.middle() for row in mine]):.2f} ({min(middles):.2f} to {max(middles):.2f}) "
            f"| {lowest.middle():.2f}, {lowest.work.label} | {worst.worst():.2f}, {worst.work.label} "
            f"| {MEDIAN([row.middle('cpu_ratio') for row in mine]):.2f} | {cpu} of {len(mine)} (at most {limit}) |")


def loop_summary(rows):
    """Random reads of each engine against the C loop over the same interface of the kernel."""
    yield "| engine | cases | IOPS ratio: median of cases (by case) | CPU time: median of cases |"
    yield "|---|---|---|---|"
    loops = [row for row in rows if row.work.peer == "C loop" and row.work.caller == "waiting"]
    for engine in sorted({row.work.engine for row in loops}):
        mine = [row for row in loops if row.work.engine == engine]
        each = ", ".join(f"{row.work.label} {row.middle():.2f}" for row in mine)
        yield (
            f"| {engine} | {len(mine)} | {MEDIAN([row.middle() for row in mine]):.2f} ({each}) "
            f"| {MEDIAN([row.middle('cpu_ratio') for row in mine]):.2f} |")


def variation(rows):
    """How much the same comparison differs from run to run, and from round to round of a run."""
    yield (
        "| caller | runs | cases | lowest to highest run of a case: median | largest "
        "| lowest to highest round of a run: median | largest |")
    yield "|---|---|---|---|---|---|---|"
    for caller in ("waiting", "epoll"):
        mine = [row for row in rows if row.work.caller == caller]
        if not mine:
            continue
        runs = {row: max(row.of_runs("iops_ratio")) - min(row.of_runs("iops_ratio")) for row in mine}
        rounds = {
            (row, number): max(case["iops_ratio"]) - min(case["iops_ratio"])
            for row in mine for number, case in enumerate(row.cases)}
        run, (row, _) = max(runs, key=runs.get), max(rounds, key=rounds.get)
        yield (
            f"| {caller} | {runs_of(mine)} | {len(mine)} | {MEDIAN(runs.values()):.2f} "
            f"| {runs[run]:.2f}, {described(run)} | {MEDIAN(rounds.values()):.2f} "
            f"| {max(rounds.values()):.2f}, {described(row)} |")


def load_table(documents):
    """Each run with the load of its machine: 1 is one busy processor, and the programs compared are 1 to 3."""
    yield "| run | machine | targets | rounds of each case | load average of the last 15 minutes |"
    yield "|---|---|---|---|---|"
    for number, document in enumerate(documents):
        load = document["host"].get("load_average")
        names = dict.fromkeys(case["target"] for case in document["cases"])
        rounds = max((len(case["iops_ratio"]) for case in document["cases"]), default=0)
        yield (
            f"| {number + 1} | {machine_of(document)} | {', '.join(names)} | {rounds} "
            f"| {f'{load[2]:.1f}' if load else 'not recorded'} |")


def described(row):
    how = f", {row.work.threading}" if row.work.caller == "epoll" else ""
    return f"{row.work.engine}{how}, {row.work.label}, against {row.work.peer}"


def epoll_table(rows):
    yield (
        "| target and work | engine, threading | against | IOPS ratio | CPU ratio | wake-ups of a request, "
        "ours and theirs | system calls of a wake-up, ours and theirs |")
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        work = row.work
        wakeups = [f"{row.calls(side, 'wakeups'):.3f}" for side in ("ours", "theirs")]
        calls = [f"{row.calls(side, 'wakeup'):.1f}" for side in ("ours", "theirs")]
        yield (
            f"| {work.label} | {work.engine}, {work.threading} | {work.peer} "
            f"| {spread(row, 'iops_ratio')} | {spread(row, 'cpu_ratio')} "
            f"| {' and '.join(wakeups)} | {' and '.join(calls)} |")


def epoll_summary(rows):
    """Each engine and threading against the C program over the same interface; threads against both."""
    yield (
        "| engine, threading | against | IOPS ratio: median of cases | lowest case | lowest case of any run "
        "| cases with at most the C program's wake-ups |")
    yield "|---|---|---|---|---|---|"
    libraries = {"io_uring": ["liburing"], "libaio": ["libaio"]}
    for engine, threading in sorted({(row.work.engine, row.work.threading) for row in rows}):
        for library in libraries.get(engine, ["liburing", "libaio"]):
            mine = [
                row for row in rows
                if (row.work.engine, row.work.threading) == (engine, threading)
                and row.work.peer == f"C event loop, {library}"]
            if not mine:
                continue
            # A wake-up in a thousand more is noise.
            few = sum(
                row.calls("ours", "wakeups") <= row.calls("theirs", "wakeups") + 0.001 for row in mine)
            lowest, worst = min(mine, key=Row.middle), min(mine, key=Row.worst)
            yield (
                f"| {engine}, {threading} | {library} | {MEDIAN([row.middle() for row in mine]):.2f} "
                f"| {lowest.middle():.2f}, {lowest.work.label} | {worst.worst():.2f}, {worst.work.label} "
                f"| {few} of {len(mine)} |")


def auto_table(rows):
    yield "| target and work | caller | engine taken | best engine | IOPS ratio to the best |"
    yield "|---|---|---|---|---|"
    for row in of_auto(rows):
        taken = sorted({run["engine"] for case in row.cases for run in case["ours"]})
        caller = "waiting" if row.work.caller == "waiting" else f"epoll, {row.work.threading}"
        yield (
            f"| {row.work.label} | {caller} | {', '.join(taken)} | {row.work.peer} "
            f"| {spread(row, 'iops_ratio')} |")


def targets_table(documents):
    yield (
        "| machine | target | what it is | device | scheduler, nr_requests | write cache "
        "| logical and physical block |")
    yield "|---|---|---|---|---|---|---|"
    seen = set()
    for document in documents:
        for name, target in document.get("targets", {}).items():
            system = f" on {target['file_system']}" if "file_system" in target else ""
            part = ""
            if target["range"] != target["size"]:
                part = f", {target['range']} bytes from {target['offset']}"
            line = (
                f"| {machine_of(document)} | {name} | {target['kind']} of {target['size'] >> 20} MiB{system}"
                f"{part} | " + " | ".join(device_cells(target.get("device", {}))) + " |")
            # A made device has another number in each run.
            if (machine_of(document), name) not in seen:
                seen.add((machine_of(document), name))
                yield line


def device_cells(device):
    """Four cells: name and model, scheduler, write cache, block sizes. A dash is for what is not known."""
    turning = {True: "rotational", False: "not rotational"}.get(device.get("rotational"))
    cells = [
        [device.get("name", "none"), device.get("model"), turning],
        [device.get("scheduler"), device.get("nr_requests")],
        [device.get("write_cache")],
        [device.get("logical_block_size"), device.get("physical_block_size")],
    ]
    return [", ".join(str(part) for part in cell if part is not None) or "-" for cell in cells]


def emulated(document):
    """For each list: the rate of each contender to the best engine's, as (list, contender, ratio, CPU)."""
    engines = ("io_uring", "libaio", "threads")
    lists = {}
    for entry in document["lists"]:
        key = (entry["target"], entry["block_size"], entry["vectors"], entry["depth"])
        lists.setdefault(key, {})[entry["contender"]] = entry
    for key, entries in lists.items():
        best = max(
            (entries[name] for name in engines if name in entries), key=lambda e: MEDIAN(e["iops"]))
        for name, entry in entries.items():
            pairs = [a / b for a, b in zip(entry["iops"], best["iops"])]
            yield key, name, pairs, entry["cpu_ns"] / max(best["cpu_ns"], 1), best["contender"]


def vectored_table(document):
    yield "| list | engine of the list | scalar | serial | bounce | lio_listio |"
    yield "|---|---|---|---|---|---|"
    by_list = {}
    for key, name, pairs, cpu, best in emulated(document):
        by_list.setdefault(key, (best, {}))[1][name] = f"{MEDIAN(pairs):.2f} ({cpu:.1f})"
    for (target, size, vectors, depth), (best, cells) in by_list.items():
        names = ("scalar", "serial", "bounce", "lio_listio")
        yield (
            f"| {target} {size} in {vectors}, depth {depth} | {best} | "
            + " | ".join(cells.get(name, "refused") for name in names) + " |")


def dma_table(document):
    yield (
        "| engine | transfer | user instructions of a command | host requests of a command | "
        + " | ".join(f"{target}: commands a second (CPU), to direct" for target in dma_targets(document))
        + " |")
    yield "|---|---|---|---|" + "---|" * len(dma_targets(document))
    counts = {(e["engine"], e["mode"]): e["instructions"] for e in document["instructions"]}
    entries = {(e["target"], e["engine"], e["mode"]): e for e in document["read_dma"]}
    for engine, mode in counts:
        cells, requests = [], ""
        for target in dma_targets(document):
            entry, direct = entries[target, engine, mode], entries[target, engine, "direct"]
            requests = f"{entry['host_requests_per_command']:.0f}"
            cpu = MEDIAN(entry["cpu_ns"]) / max(MEDIAN(direct["cpu_ns"]), 1)
            cells.append(f"{dma_ratio(entry, direct):.3f} ({cpu:.1f})")
        yield f"| {engine} | {mode} | {counts[engine, mode]:,.0f} | {requests} | {' | '.join(cells)} |"


def dma_targets(document):
    return list(dict.fromkeys(entry["target"] for entry in document["read_dma"]))


def dma_ratio(entry, direct):
    return MEDIAN([
        a / b for a, b in zip(entry["commands_per_second"], direct["commands_per_second"])])


def replaced(page, name, lines):
    """The page with new lines between the comments `<!-- table: NAME -->` and `<!-- end of table -->`."""
    begin, end = f"<!-- table: {name} -->", "<!-- end of table -->"
    if page.count(begin) != 1:
        raise SystemExit(f"the page has not one '{begin}'")
    before, rest = page.split(begin)
    if end not in rest:
        raise SystemExit(f"the page has no '{end}' after '{begin}'")
    return before + begin + "\n\n" + "\n".join(lines) + "\n\n" + rest[rest.index(end):]
