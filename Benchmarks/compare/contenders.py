"""What is compared: each answers one short run with requests per second and CPU per request."""

import functools
import json
import os
import pathlib
import resource
import subprocess

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
BUILT = PACKAGE / ".build" / "release"


class Case:
    """One kind of work on one target."""

    def __init__(self, engine, pattern, block_size, depth, vectors=1):
        self.engine, self.pattern, self.block_size = engine, pattern, block_size
        self.depth, self.vectors = depth, vectors

    def on(self, engine):
        return Case(engine, self.pattern, self.block_size, self.depth, self.vectors)

    @property
    def name(self):
        pieces = f" in {self.vectors}" if self.vectors > 1 else ""
        return f"{self.engine} {self.pattern} {self.block_size}{pieces} depth {self.depth}"


def run(words):
    """The program's output, and its CPU time: all threads, the kernel's workers for it included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, seconds


def blockbench(case, path, seconds, more=()):
    output, _ = run(
        [
            BUILT / "blockbench", path, "--engine", case.engine, "--pattern", case.pattern,
            "--block-size", case.block_size, "--depth", case.depth, "--vectors", case.vectors,
            "--seconds", seconds, "--rounds", 1, "--format", "json", "--allow-write", *more,
        ]
        | Words()
    )
    result = json.loads(output)["runs"][-1]
    return {
        "iops": result["iops"]["median"], "cpu_ns": result["cpu_ns_per_io"],
        "engine": result["engine"], "latency_us": result["latency_us"]}


def baseline(case, name, path, seconds):
    """One request an element, instead of one for the list."""
    return blockbench(case, path, seconds, ["--baseline", name])


def fio(case, path, seconds, batch):
    """The same engine and settings; threads are fio's psync jobs, one for each request in flight."""
    patterns = {"seqread": "read", "seqwrite": "write"}
    words = [
        "fio", "--name=compare", f"--filename={path}", "--direct=1", "--output-format=json",
        f"--rw={patterns.get(case.pattern, case.pattern)}", f"--bs={case.block_size}",
        "--randrepeat=0", "--norandommap", "--group_reporting", "--thread", "--disable_slat=1",
        "--disable_bw_measurement=1",
        # blockbench writes the same random bytes again and again, which a compressor likes.
        "--scramble_buffers=0",
    ]
    if case.engine == "threads":
        words += ["--ioengine=psync", f"--numjobs={case.depth}"]
    else:
        words += [f"--ioengine={case.engine}", f"--iodepth={case.depth}"]
        words += [f"--iodepth_batch_submit={batch}", f"--iodepth_batch_complete_max={case.depth}"]
        if case.engine == "io_uring":
            words += ["--registerfiles"]
    output, cpu = run(words + ["--time_based", f"--runtime={round(seconds * 1000)}ms"])
    job = json.loads(output[output.index("{"):])["jobs"][0]
    kind = "write" if "write" in case.pattern else "read"
    # What it takes to start does not count for blockbench either.
    cpu -= start_of(tuple(words))
    return {"iops": job[kind]["iops"], "cpu_ns": cpu * 1e9 / max(job[kind]["total_ios"], 1)}


@functools.cache
def start_of(words):
    """CPU time of a fio that does one request for each job."""
    return run([*words, "--number_ios=1"])[1]


def c_loop(case, path, seconds):
    sizes = {"k": 1024, "m": 1 << 20}
    size = int(case.block_size[:-1]) * sizes[case.block_size[-1]]
    output, _ = run([BUILT / "cloop", case.engine, path, size, case.depth, seconds, case.vectors] | Words())
    result = json.loads(output)
    return {"iops": result["iops"], "cpu_ns": result["cpu_ns_per_io"]}


def qemu_img(case, path, seconds):
    """qemu-img bench counts requests, not time: as many as ours would do is close enough."""
    aio = {"io_uring": "io_uring", "libaio": "native", "threads": "threads"}[case.engine]
    count = max(int(seconds * 20000), 1000)
    words = [
        "qemu-img", "bench", "-f", "raw", "-t", "none", "-i", aio, "-c", str(count),
        "-d", str(case.depth), "-s", case.block_size,
    ] + (["-w"] if "write" in case.pattern else []) + [path]
    output, cpu = run(words)
    elapsed = float(output.split("completed in ")[1].split()[0])
    return {"iops": count / elapsed, "cpu_ns": cpu * 1e9 / count}


class Words:
    """Lets a list of mixed values become one of strings: `[...] | Words()`."""

    def __ror__(self, values):
        return [os.fspath(v) if isinstance(v, os.PathLike) else str(v) for v in values]
