"""What is compared: each answers one short run with requests per second and CPU per request."""

import dataclasses
import functools
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE.parent / ".build" / "release"


@dataclasses.dataclass(frozen=True)
class Case:
    """One kind of work. The caller waits in the queue, or sleeps in epoll."""

    engine: str
    pattern: str
    block_size: str
    depth: int
    vectors: int = 1
    caller: str = "waiting"
    threading: str = "owned"

    def on(self, engine):
        return dataclasses.replace(self, engine=engine)

    @property
    def bytes(self):
        sizes = {"k": 1024, "m": 1 << 20}
        return int(self.block_size[:-1]) * sizes[self.block_size[-1]]

    @property
    def writes(self):
        return "write" in self.pattern

    @property
    def name(self):
        pieces = f" in {self.vectors}" if self.vectors > 1 else ""
        how = f" epoll, {self.threading}" if self.caller == "epoll" else ""
        return f"{self.engine} {self.pattern} {self.block_size}{pieces} depth {self.depth}{how}"


def strings(values):
    return [os.fspath(v) if isinstance(v, os.PathLike) else str(v) for v in values]


def run(words):
    """The program's output, and its CPU time: all threads, the kernel's workers for it included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, seconds


def part(place):
    """As blockbench and eventloop have it."""
    words = ["--offset", place.offset] if place.offset else []
    return words + (["--range", place.range] if place.range else [])


def blockbench_report(case, place, seconds, more=()):
    """Again with more time while a round of a contender has completed nothing: a ratio to it is none."""
    while True:
        output, _ = run(strings([
            BUILT / "blockbench", place.path, "--engine", case.engine, "--pattern", case.pattern,
            "--block-size", case.block_size, "--depth", case.depth, "--vectors", case.vectors,
            "--seconds", seconds, "--format", "json", *part(place),
            *(["--allow-write"] if case.writes else []), *more,
        ]))
        report = json.loads(output)
        if all(all(entry["iops"]["rounds"]) for entry in report["runs"]) or seconds > 1000:
            return report
        seconds *= 4


def blockbench(case, place, seconds, more=()):
    result = blockbench_report(case, place, seconds, ["--rounds", 1, *more])["runs"][-1]
    return {
        "iops": result["iops"]["median"], "cpu_ns": result["cpu_ns_per_io"],
        "engine": result["engine"], "latency_us": result["latency_us"]}


def describe(place):
    """What the target is: size, file system, and the settings of its device."""
    case = Case("threads", "randread", "4k", 1)
    return blockbench_report(case, place, 0.01, ["--rounds", 1])["targets"][0]


def baseline(case, name, place, seconds):
    """The list emulated, instead of one request for the list."""
    return blockbench(case, place, seconds, ["--baseline", name])


def fio(case, place, seconds, batch):
    """The same engine and settings; threads are fio's psync jobs, one for each request in flight."""
    patterns = {"seqread": "read", "seqwrite": "write"}
    words = [
        "fio", "--name=compare", f"--filename={place.path}", "--direct=1", "--output-format=json",
        f"--rw={patterns.get(case.pattern, case.pattern)}", f"--bs={case.block_size}",
        "--randrepeat=0", "--norandommap", "--group_reporting", "--thread", "--disable_slat=1",
        "--disable_bw_measurement=1",
        # blockbench writes the same random bytes again and again, which a compressor likes.
        "--scramble_buffers=0",
    ]
    if place.offset:
        words.append(f"--offset={place.offset}")
    if place.range:
        words.append(f"--size={place.range}")
    if case.engine == "threads":
        words += ["--ioengine=psync", f"--numjobs={case.depth}"]
    else:
        words += [f"--ioengine={case.engine}", f"--iodepth={case.depth}"]
        words += [f"--iodepth_batch_submit={batch}", f"--iodepth_batch_complete_max={case.depth}"]
        if case.engine == "io_uring":
            words += ["--registerfiles"]
    output, cpu = run(words + ["--time_based", f"--runtime={round(seconds * 1000)}ms"])
    job = json.loads(output[output.index("{"):])["jobs"][0]
    kind = "write" if case.writes else "read"
    # What it takes to start does not count for blockbench either.
    cpu -= start_of(tuple(words))
    return {"iops": job[kind]["iops"], "cpu_ns": cpu * 1e9 / max(job[kind]["total_ios"], 1)}


@functools.cache
def start_of(words):
    """CPU time of a fio that does one request for each job."""
    return run([*words, "--number_ios=1"])[1]


def c_loop(case, place, seconds):
    output, _ = run(strings([
        BUILT / "cloop", case.engine, place.path, case.bytes, case.depth, seconds, case.vectors,
        place.offset, place.range]))
    result = json.loads(output)
    return {"iops": result["iops"], "cpu_ns": result["cpu_ns_per_io"]}


def qemu_img(case, place, seconds):
    """qemu-img bench counts requests, not time: as many as ours would do is close enough."""
    aio = {"io_uring": "io_uring", "libaio": "native", "threads": "threads"}[case.engine]
    count = max(int(seconds * 20000), 1000)
    words = [
        "qemu-img", "bench", "-f", "raw", "-t", "none", "-i", aio, "-c", str(count),
        "-d", str(case.depth), "-s", case.block_size,
    ] + (["-w"] if case.writes else []) + [place.path]
    output, cpu = run(words)
    elapsed = float(output.split("completed in ")[1].split()[0])
    return {"iops": count / elapsed, "cpu_ns": cpu * 1e9 / count}


class EventLoop:
    """A program whose caller sleeps in epoll: `words` for seconds, or for a number of reads."""

    def __init__(self, words_for_seconds, words_for_count):
        self.words_for_seconds, self.words_for_count = words_for_seconds, words_for_count

    def __call__(self, place, seconds):
        result = json.loads(run(strings(self.words_for_seconds(place, seconds)))[0])
        return {
            "iops": result["iops"], "cpu_ns": result["cpu_ns_per_io"], "engine": result["engine"],
            "wakeups_per_request": result["wakeups"] / result["requests"]}

    def traced(self, place, count):
        """Calls by name and the program's own result, of a run of `count` reads under strace."""
        with tempfile.NamedTemporaryFile("r") as trace:
            output, _ = run(strings(
                ["strace", "-c", "-f", "-o", trace.name, *self.words_for_count(place, count)]))
            return calls_of(trace.read()), json.loads(output)

    def system_calls(self, place, count):
        """System calls, and wake-ups, of a request: the difference between a run of `count` reads and one
        of twice as many, so that start and end do not count. strace makes each call slower, so that more
        reads complete before a wake-up than without it; calls of a wake-up change less."""
        few, few_result = self.traced(place, count)
        many, many_result = self.traced(place, 2 * count)
        calls = {
            name: (number - few.get(name, 0)) / count
            for name, number in many.items() if number > few.get(name, 0)}
        return {
            "per_request": calls, "all_per_request": sum(calls.values()),
            "wakeups_per_request": (many_result["wakeups"] - few_result["wakeups"]) / count}


def calls_of(summary):
    """Calls by name, of the table that strace -c prints."""
    calls = {}
    for line in summary.splitlines():
        words = line.split()
        # The column of errors is empty where there were none.
        if len(words) in (5, 6) and words[3].isdecimal() and words[-1] != "total":
            calls[words[-1]] = int(words[3])
    return calls


def event_loop(case):
    """Ours, on the case's engine and threading."""
    words = [BUILT / "eventloop", case.engine, case.threading]

    def arguments(place):
        return [*words, place.path, case.bytes, case.depth, *part(place)]

    return EventLoop(
        lambda place, seconds: [*arguments(place), "--seconds", seconds],
        lambda place, count: [*arguments(place), "--count", count])


def c_event_loop(case, program):
    def arguments(place, amount):
        return [
            program, case.threading, place.path, case.bytes, case.depth, amount, place.offset,
            place.range]

    return EventLoop(arguments, lambda place, count: arguments(place, -count))


def compiler():
    """CC, or the first that there is: the toolchain of Swift brings clang."""
    names = [os.environ["CC"]] if "CC" in os.environ else ["cc", "clang"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise SystemExit(f"there is no C compiler: none of {', '.join(names)}")
    return found


def compile_event_loops(directory):
    """The C programs beside this file: name and program."""
    programs = {}
    for name, library in (("uring", "uring"), ("aio", "aio")):
        program = pathlib.Path(directory) / f"event_loop_{name}"
        run(strings([
            compiler(), "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, HERE / f"event_loop_{name}.c",
            f"-l{library}"]))
        programs[f"C event loop, lib{library}"] = program
    return programs
