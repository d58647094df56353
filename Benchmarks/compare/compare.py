#!/usr/bin/env python3
"""Runs blockbench beside its peers: rounds interleaved, medians, ratios, everything kept as JSON.

    Benchmarks/compare/compare.py [--targets tmpfs,zram,loop,ext4]
        [--engines io_uring,libaio,threads,auto] [--peers fio,c,qemu-img,baselines]
        [--rounds 7] [--seconds 2] [--size MIB] [--json FILE]

Needs root (it makes and removes its targets), fio, qemu-utils, and a release build of Benchmarks.
The peers of auto are the engines.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys

import contenders
import targets
from contenders import Case


ENGINES = ["io_uring", "libaio", "threads"]


def cases(engines):
    for engine in engines:
        for depth in (1, 32):
            for pattern, size in (("randread", "4k"), ("randwrite", "4k"), ("seqread", "128k")):
                if engine != "auto" or pattern == "randread":
                    yield Case(engine, pattern, size, depth)
        if engine != "auto":
            yield Case(engine, "randread", "1m", 4, vectors=256)


def peers_of(case, names):
    """The peers that can do the case: name and function of path and seconds."""
    if case.engine == "auto":
        for engine in ENGINES:
            yield engine, lambda path, time, engine=engine: contenders.blockbench(
                case.on(engine), path, time)
        return
    if "fio" in names and case.vectors == 1:
        name = "fio, psync jobs" if case.engine == "threads" else "fio, batch 1"
        yield name, lambda path, time: contenders.fio(case, path, time, 1)
        if case.depth > 1 and case.engine != "threads":
            yield f"fio, batch {case.depth}", lambda path, time: contenders.fio(
                case, path, time, case.depth)
    if "c" in names and case.engine != "threads" and case.pattern == "randread":
        yield "C loop", lambda path, time: contenders.c_loop(case, path, time)
    if "qemu-img" in names and case.vectors == 1 and case.pattern == "seqread":
        yield "qemu-img bench", lambda path, time: contenders.qemu_img(case, path, time)
    if "baselines" in names and case.vectors > 1 and case.engine == "libaio":
        for name in ("scalar", "lio_listio"):
            yield name, lambda path, time, name=name: contenders.baseline(case, name, path, time)


def measure(case, path, options):
    """Every contender once a round, in turn."""
    runs = {"blockbench": []}
    turns = [("blockbench", lambda path, time: contenders.blockbench(case, path, time))]
    turns += peers_of(case, options.peers)
    if len(turns) == 1:
        return None
    for number in range(options.rounds):
        # Another one begins each round, so that none has the best place.
        shift = number % len(turns)
        for name, turn in turns[shift:] + turns[:shift]:
            runs.setdefault(name, []).append(turn(path, options.seconds))
    return runs


def ratios(runs):
    """Of blockbench to each peer, round by round."""
    ours = runs["blockbench"]
    for name, theirs in runs.items():
        if name != "blockbench":
            rate = [a["iops"] / b["iops"] for a, b in zip(ours, theirs)]
            cpu = [a["cpu_ns"] / b["cpu_ns"] for a, b in zip(ours, theirs)]
            yield name, rate, cpu


def report(target, case, runs, out):
    for name, rate, cpu in ratios(runs):
        print(
            f"{target:6} {case.name:36} / {name:15} IOPS {statistics.median(rate):5.2f}"
            f" ({min(rate):.2f} to {max(rate):.2f})   CPU {statistics.median(cpu):5.2f}",
            flush=True)
        out.append(
            {
                "target": target, "engine": case.engine, "pattern": case.pattern,
                "block_size": case.block_size, "depth": case.depth, "vectors": case.vectors,
                "peer": name, "iops_ratio": rate, "cpu_ratio": cpu,
                "ours": runs["blockbench"], "theirs": runs[name],
            })


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return "unknown"


def main():
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--targets", type=words, default=list(targets.ALL))
    parser.add_argument("--engines", type=words, default=ENGINES + ["auto"])
    parser.add_argument("--peers", type=words, default=["fio", "c", "qemu-img", "baselines"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--size", type=int, default=256, help="of a target, in MiB")
    parser.add_argument("--json", help="where to keep every figure")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("compare.py makes loop and zram devices: run it as root")
    # An exception, so that the targets go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    for target in options.targets:
        with targets.ALL[target](options.size << 20) as path:
            for case in cases(options.engines):
                runs = measure(case, path, options)
                if runs:
                    report(target, case, runs, results)
        # After each target: what was measured is kept if the next one fails.
        if options.json:
            keep(options.json, results)


def keep(path, results):
    host = {
        "kernel": platform.release(), "machine": platform.machine(), "processor": processor(),
        "cpus": os.cpu_count()}
    with open(path, "w") as file:
        json.dump({"schema": 1, "host": host, "command": sys.argv, "cases": results}, file)


if __name__ == "__main__":
    main()
