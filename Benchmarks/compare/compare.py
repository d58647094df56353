#!/usr/bin/env python3
"""Runs this library beside its peers: rounds interleaved, medians, ratios, everything kept as JSON.

    Benchmarks/compare/compare.py [--targets tmpfs,zram,loop,ext4,/dev/nvme0n1]
        [--engines io_uring,libaio,threads,auto] [--callers waiting,epoll] [--peers fio,c,qemu-img,baselines]
        [--patterns LIST --block-sizes LIST --depths LIST]
        [--rounds 7] [--seconds 2] [--size MIB] [--directory DIR]
        [--offset BYTES] [--range BYTES] [--allow-write] [--json FILE]

A waiting caller waits in the queue: it is blockbench, and its peers are fio, a C loop, qemu-img bench and
the baselines of blockbench. A caller that sleeps in epoll, as emulators do, is the program eventloop, with
both threadings of a queue; its peers are C programs over liburing and libaio, which are compiled first. For
these the JSON has wake-ups of a request, which the programs count (calls of epoll_wait that returned), and
system calls of a request, counted in short runs of their own by strace -c -f.

The peers of auto are the engines, and in epoll the C programs too. Needs root for the targets that it
makes, and fio, qemu-utils, strace, a C compiler, and a release build of Benchmarks for what uses them.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile

import contenders
import host
import targets
from contenders import Case


ENGINES = ["io_uring", "libaio", "threads"]
# Reads of each of the two traced runs, for each read in flight.
TRACED = 100


def waiting_cases(options):
    for engine in options.engines:
        if options.works:
            for pattern, size, depth in options.works:
                yield Case(engine, pattern, size, depth)
            continue
        for depth in (1, 32):
            for pattern, size in (("randread", "4k"), ("randwrite", "4k"), ("seqread", "128k")):
                if engine != "auto" or pattern == "randread":
                    yield Case(engine, pattern, size, depth)
        if engine != "auto":
            yield Case(engine, "randread", "1m", 4, vectors=256)


def epoll_cases(options):
    works = options.works or [("randread", "4k", 1), ("randread", "4k", 32), ("randread", "128k", 32)]
    for engine in options.engines:
        for threading in ("owned", "shared"):
            for pattern, size, depth in works:
                if pattern == "randread":
                    yield Case(
                        engine, pattern, size, depth, caller="epoll", threading=threading)


def cases(options):
    if "waiting" in options.callers:
        yield from waiting_cases(options)
    if "epoll" in options.callers:
        yield from epoll_cases(options)


def ours(case):
    if case.caller == "epoll":
        return "eventloop", contenders.event_loop(case)
    return "blockbench", lambda place, time: contenders.blockbench(case, place, time)


def peers_of(case, names, programs, place):
    """The peers that can do the case: name and function of place and seconds."""
    if case.engine == "auto":
        for engine in ENGINES:
            yield engine, ours(case.on(engine))[1]
    if case.caller == "epoll":
        for name, program in programs.items():
            yield name, contenders.c_event_loop(case, program)
        return
    if case.engine == "auto":
        return
    if "fio" in names and case.vectors == 1:
        name = "fio, psync jobs" if case.engine == "threads" else "fio, batch 1"
        yield name, lambda place, time: contenders.fio(case, place, time, 1)
        if case.depth > 1 and case.engine != "threads":
            yield f"fio, batch {case.depth}", lambda place, time: contenders.fio(
                case, place, time, case.depth)
    if "c" in names and case.engine != "threads" and case.pattern == "randread":
        yield "C loop", lambda place, time: contenders.c_loop(case, place, time)
    # It cannot be kept within a part of a target.
    if "qemu-img" in names and case.vectors == 1 and case.pattern == "seqread" and not place.is_part:
        yield "qemu-img bench", lambda place, time: contenders.qemu_img(case, place, time)
    if "baselines" in names and case.vectors > 1 and case.engine == "libaio":
        for name in ("scalar", "serial", "bounce", "lio_listio"):
            yield name, lambda place, time, name=name: contenders.baseline(case, name, place, time)


def measure(case, place, options, programs):
    """Every contender once a round, in turn; and for event loops the system calls of each."""
    turns = [ours(case), *peers_of(case, options.peers, programs, place)]
    if len(turns) == 1:
        return None, {}
    runs = {}
    for number in range(options.rounds):
        # Another one begins each round, so that none has the best place.
        shift = number % len(turns)
        for name, turn in turns[shift:] + turns[:shift]:
            runs.setdefault(name, []).append(turn(place, options.seconds))
    calls = {
        name: turn.system_calls(place, TRACED * case.depth)
        for name, turn in turns if isinstance(turn, contenders.EventLoop)}
    return runs, calls


def ratios(runs, own):
    """Of our own program to each peer, round by round."""
    for name, theirs in runs.items():
        if name != own:
            rate = [a["iops"] / b["iops"] for a, b in zip(runs[own], theirs)]
            cpu = [a["cpu_ns"] / max(b["cpu_ns"], 1) for a, b in zip(runs[own], theirs)]
            yield name, [round(r, 4) for r in rate], [round(c, 4) for c in cpu]


def wakeups(runs):
    return statistics.median(run["wakeups_per_request"] for run in runs)


def report(target, case, runs, calls, out):
    own = ours(case)[0]
    for name, rate, cpu in ratios(runs, own):
        entry = {
            "target": target, "engine": case.engine, "pattern": case.pattern,
            "block_size": case.block_size, "depth": case.depth, "vectors": case.vectors,
            "caller": case.caller, "threading": case.threading,
            "peer": name, "iops_ratio": rate, "cpu_ratio": cpu,
            "ours": runs[own], "theirs": runs[name],
        }
        slept = ""
        if calls:
            entry["system_calls"] = {"ours": calls[own], "theirs": calls[name]}
            slept = (
                f"   wake-ups {wakeups(runs[own]):.3f} / {wakeups(runs[name]):.3f}   system calls "
                f"{calls[own]['all_per_request']:.2f} / {calls[name]['all_per_request']:.2f}")
        print(
            f"{target:6} {case.name:36} / {name:15} IOPS {statistics.median(rate):5.2f}"
            f" ({min(rate):.2f} to {max(rate):.2f})   CPU {statistics.median(cpu):5.2f}{slept}",
            flush=True)
        out.append(entry)


def arguments():
    words = lambda text: text.split(",")
    chosen = lambda known: lambda text: [checked(word, known) for word in text.split(",")]

    def checked(word, known):
        if word not in known:
            raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(known)}")
        return word

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targets.add_options(parser, list(targets.MADE))
    parser.add_argument(
        "--engines", type=chosen(ENGINES + ["auto"]), default=ENGINES + ["auto"], metavar="LIST")
    parser.add_argument(
        "--callers", type=chosen(["waiting", "epoll"]), default=["waiting", "epoll"], metavar="LIST",
        help="of waiting, epoll (default: both)")
    parser.add_argument(
        "--peers", type=chosen(["fio", "c", "qemu-img", "baselines"]), metavar="LIST",
        default=["fio", "c", "qemu-img", "baselines"], help="of a waiting caller (default: all)")
    parser.add_argument("--patterns", type=words, metavar="LIST", help="instead of the usual work")
    parser.add_argument("--block-sizes", type=words, metavar="LIST", help="such as 4k,1m")
    parser.add_argument("--depths", type=lambda text: [int(n) for n in text.split(",")], metavar="LIST")
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    parser.add_argument("--seconds", type=float, default=2, help="of each run (default: 2)")
    parser.add_argument("--json", help="where to keep every figure")
    options = parser.parse_args()
    parts = [options.patterns, options.block_sizes, options.depths]
    if any(parts) and not all(parts):
        parser.error("--patterns, --block-sizes and --depths go together")
    options.works = [
        (pattern, size, depth) for depth in options.depths or () for size in options.block_sizes or ()
        for pattern in options.patterns or ()]
    return options


def main():
    options = arguments()
    if os.geteuid() != 0 and any(name in targets.MADE for name in options.targets):
        sys.exit("compare.py makes loop and zram devices: run it as root")
    # An exception, so that the targets go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results, described = [], {}
    with tempfile.TemporaryDirectory() as directory:
        programs = contenders.compile_event_loops(directory) if "epoll" in options.callers else {}
        for target in options.targets:
            with targets.opened(target, options) as place:
                described[target] = contenders.describe(place)
                for case in cases(options):
                    if case.writes and not place.is_writable:
                        continue
                    runs, calls = measure(case, place, options, programs)
                    if runs:
                        report(target, case, runs, calls, results)
            # After each target: what was measured is kept if the next one fails.
            if options.json:
                keep(options.json, described, results)


def keep(path, described, results):
    with open(path, "w") as file:
        json.dump(
            {
                "schema": 2, "host": host.current(), "command": sys.argv, "targets": described,
                "cases": results,
            }, file)


if __name__ == "__main__":
    main()
