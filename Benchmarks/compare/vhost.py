#!/usr/bin/env python3
"""Runs `blockio vhost-user-blk` beside qemu-storage-daemon, with libblkio's blkio-bench as the front end of both.

    Benchmarks/compare/vhost.py [--targets tmpfs,ext4] [--engines io_uring,libaio,threads]
        [--patterns randread,randwrite] [--depths 1,32] [--rounds 7] [--seconds 1] [--size MIB] [--directory DIR]
        [--poll-microseconds N] [--daemon PATH] [--bench PATH] [--json FILE]

Both servers have the same file, engine and caching (O_DIRECT), and one queue. In each round blkio-bench runs on each of
them once, in turn. The figures are the ratios of IOPS, and of the CPU time of the server for each request: the time
of all its threads, those of the kernel for it included. The standard output has the tables, in Markdown; each setting has
a line on the standard error when it is done.

Needs root for ext4, a release build of the product `blockio`, and qemu-storage-daemon and blkio-bench, which
Benchmarks/compare/vhost-peers gets.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import host
import targets

HERE = pathlib.Path(__file__).resolve().parent
BLOCKIO = HERE.parent.parent / ".build" / "release" / "blockio"
# The directory of vhost-peers.
PEERS = pathlib.Path.home() / ".cache" / "blockio-guest" / "vhost-peers"
# QEMU's word for an engine.
AIO = {"io_uring": "io_uring", "libaio": "native", "threads": "threads"}
BLOCK_SIZE = 4096
# Geometric means of the ratios of IOPS that are the goals of the server, and the least ratio of a setting.
GOAL_OF_ALL, GOAL_OF_DEPTH_1, GOAL_OF_EACH = 1.05, 1.1, 0.93
COUNTERS = re.compile(r"(\w+)=(\d+)")


class Server:
    """A server process that listens at a socket. Its CPU time is that of all its threads."""

    def __init__(self, words, socket, log):
        self.socket, self.log = socket, log
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    def wait_until_listening(self):
        for _ in range(200):
            if os.path.exists(self.socket):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"{self.process.args[0]} does not listen\n{self.text()}")

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def cpu_ns(self):
        # clock_getcpuclockid(3): the clock of a process, CPUCLOCK_SCHED.
        return time.clock_gettime_ns(~self.process.pid << 3 | 2)

    def stop(self):
        """A qemu-storage-daemon that has had a front end does not always end on SIGTERM."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def serving(name, words, directory):
    server = Server(words, directory / f"{name}.sock", directory / f"{name}.log")
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.stop()


def our_words(path, engine, socket, options):
    return [options.blockio, "vhost-user-blk", "--socket-path", socket, "--blk-file", path, "--engine", engine,
            "--poll-microseconds", options.poll_microseconds]


def daemon_words(path, engine, socket, options):
    """With a thread of its own for the queue, as ours has. Both servers would lock the file against each other."""
    return [options.daemon, "--object", "iothread,id=thread",
            "--blockdev", f"driver=file,node-name=disk,filename={path},cache.direct=on,aio={AIO[engine]},locking=off",
            "--export", "type=vhost-user-blk,id=export,node-name=disk,iothread=thread,writable=on,"
            f"addr.type=unix,addr.path={socket}"]


def bench(server, pattern, depth, options):
    """One run: IOPS, CPU time of the server and of the front end for each request."""
    words = [options.bench, f"--iodepth={depth}", f"--readwrite={pattern}", f"--blocksize={BLOCK_SIZE}",
             f"--runtime={options.seconds}", "virtio-blk-vhost-user", f"path={server.socket}"]
    server_before, before = server.cpu_ns(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=options.seconds + 60)
    server_after, after = server.cpu_ns(), resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}\n{server.text()}")
    iops = json.loads(done.stdout)["aggregate"]["kiops"] * 1000
    requests = max(iops * options.seconds, 1)
    front_end = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {
        "iops": iops, "cpu_ns": (server_after - server_before) / requests,
        "front_end_cpu_ns": front_end * 1e9 / requests}


def counters(text):
    """Of the last line that our server has printed: messages, requests, failures, kicks and calls."""
    lines = [line for line in text.splitlines() if line.startswith("messages=")]
    return {name: int(value) for name, value in COUNTERS.findall(lines[-1])}


def measure(path, engine, pattern, depth, options):
    """Runs of both servers, which begin a round in turn, and the counters of ours."""
    runs = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory(prefix="blockio-vhost-") as made:
        directory = pathlib.Path(made)
        with contextlib.ExitStack() as stack:
            servers = {}
            for name, words in (("theirs", daemon_words), ("ours", our_words)):
                servers[name] = stack.enter_context(
                    serving(name, words(path, engine, directory / f"{name}.sock", options), directory))
            for number in range(options.rounds):
                for name in sorted(servers, reverse=number % 2 == 1):
                    runs[name].append(bench(servers[name], pattern, depth, options))
        counted = counters(servers["ours"].text())
    return runs, counted


def entry_of(target, engine, pattern, depth, runs, counted):
    pairs = list(zip(runs["ours"], runs["theirs"]))
    requests = max(counted["requests"], 1)
    return {
        "target": target, "engine": engine, "pattern": pattern, "block_size": BLOCK_SIZE, "depth": depth,
        "iops_ratio": [round(a["iops"] / b["iops"], 4) for a, b in pairs],
        "cpu_ratio": [round(a["cpu_ns"] / max(b["cpu_ns"], 1), 4) for a, b in pairs],
        "kicks_per_request": round(counted["kicks"] / requests, 4),
        "calls_per_request": round(counted["calls"] / requests, 4),
        "failures": counted["failures"], "messages": counted["messages"],
        "ours": runs["ours"], "theirs": runs["theirs"]}


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def mean_of(cases, field, depth=None):
    """Geometric mean of the medians, of all settings or of those with a depth."""
    return geometric_mean([statistics.median(case[field]) for case in cases if depth in (None, case["depth"])])


def cells(case):
    ratios = case["iops_ratio"]
    iops = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return iops, f"{statistics.median(case['cpu_ratio']):.2f}"


def tables(cases):
    """A row for each setting, and the geometric means, in Markdown."""
    lines = [
        "| target, engine | work | depth | IOPS: median (lowest to highest round) | server CPU time of a request |"
        " kicks, calls of a request |", "|---|---|---|---|---|---|"]
    for case in cases:
        iops, cpu = cells(case)
        lines.append(
            f"| {case['target']}, {case['engine']} | {case['pattern']} | {case['depth']} | {iops} | {cpu} |"
            f" {case['kicks_per_request']:.2f}, {case['calls_per_request']:.2f} |")
    lines += [
        "", "| geometric mean of the medians | IOPS | goal | server CPU time of a request | goal |",
        "|---|---|---|---|---|"]
    depths = sorted({case["depth"] for case in cases})
    for depth in [None] + depths:
        name = "all settings" if depth is None else f"depth {depth}"
        goal = {None: f"{GOAL_OF_ALL:.2f}", 1: f"{GOAL_OF_DEPTH_1:.2f}"}.get(depth, "")
        iops, cpu = mean_of(cases, "iops_ratio", depth), mean_of(cases, "cpu_ratio", depth)
        lines.append(f"| {name} | {iops:.3f} | {goal} | {cpu:.3f} | {'1.00' if depth is None else ''} |")
    low = [case for case in cases if statistics.median(case["iops_ratio"]) < GOAL_OF_EACH]
    lines += ["", f"Settings with a median below {GOAL_OF_EACH}: {len(low)} of {len(cases)}."]
    return "\n".join(lines)


def arguments():
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=words, default=["tmpfs", "ext4"], metavar="LIST")
    parser.add_argument("--engines", type=words, default=list(AIO), metavar="LIST")
    parser.add_argument("--patterns", type=words, default=["randread", "randwrite"], metavar="LIST")
    parser.add_argument(
        "--depths", type=lambda text: [int(n) for n in text.split(",")], default=[1, 32], metavar="LIST")
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    parser.add_argument("--seconds", type=int, default=1, help="of each run (default: 1)")
    parser.add_argument("--size", type=int, default=128, metavar="MIB", help="of the file (default: 128)")
    parser.add_argument(
        "--directory", default="/dev/shm", metavar="DIR", help="of the file behind ext4 (default: /dev/shm)")
    parser.add_argument(
        "--poll-microseconds", type=int, default=32, metavar="N", help="of our server (default: 32)")
    parser.add_argument("--blockio", default=BLOCKIO, metavar="PATH")
    parser.add_argument("--daemon", default=PEERS / "qemu-storage-daemon", metavar="PATH")
    parser.add_argument("--bench", default=PEERS / "blkio-bench", metavar="PATH")
    parser.add_argument("--json", help="where to keep every figure")
    options = parser.parse_args()
    for name, known in (("targets", ("tmpfs", "ext4")), ("engines", AIO), ("patterns", ("randread", "randwrite"))):
        for word in getattr(options, name):
            if word not in known:
                parser.error(f"--{name}: '{word}' is none of {', '.join(known)}")
    return options


def main():
    options = arguments()
    # An exception, so that the servers and the targets go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cases = []
    for target in options.targets:
        with targets.MADE[target](options.size << 20, options.directory) as place:
            for engine in options.engines:
                for pattern in options.patterns:
                    for depth in options.depths:
                        measured = measure(place.path, engine, pattern, depth, options)
                        case = entry_of(target, engine, pattern, depth, *measured)
                        cases.append(case)
                        iops, cpu = cells(case)
                        print(f"{target:6} {engine:8} {pattern:9} depth {depth:2}   IOPS {iops}   CPU {cpu}",
                              file=sys.stderr, flush=True)
        # After each target: what was measured is kept if the next one fails.
        if options.json:
            keep(options, cases)
    print(tables(cases))


def keep(options, cases):
    version = subprocess.run([options.daemon, "--version"], capture_output=True, text=True, check=True).stdout
    with open(options.json, "w") as file:
        json.dump({
            "schema": 1, "host": host.current(), "command": sys.argv, "peer": version.splitlines()[0],
            "cases": cases}, file)


if __name__ == "__main__":
    main()
