#!/usr/bin/env python3
"""Compares two queues of an image, each with a thread of its own, with one queue, by the program queuescale.

    Benchmarks/compare/queues.py [--targets tmpfs,zram,loop,ext4,/dev/nvme0n1]
        [--engines io_uring,libaio,threads] [--queues 1,2] [--depths 32] [--shared]
        [--rounds 7] [--seconds 1] [--size MIB] [--directory DIR] [--allow-write]
        [--json FILE] [--page FILE]

Reads and writes 4 KiB at random places. Prints the rows of the table `queues` of docs/benchmarks.md: the ratio
of the requests a second, and of the processor time of a request, of each number of queues to the first one;
median, and lowest and highest round. --shared also measures writes that share their list, as where blocks of the
host are larger than sectors. --page is a Markdown page whose table is replaced, and --json keeps each figure.

Two queues need two idle processors: on a machine that others use, the rows say little. Needs root for the targets
that it makes, and a release build of Benchmarks.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

import contenders
import host
import tables
import targets

ENGINES = ["io_uring", "libaio", "threads"]
HEADER = [
    "| target | engine | requests | depth | queues | requests a second | processor time of a request |",
    "|---|---|---|---|---|---|---|",
]


def measure(place, engine, kind, depth, options):
    """The report of queuescale. `kind` is read, write or shared write."""
    words = [
        contenders.BUILT / "queuescale", place.path, "--engine", engine, "--format", "json",
        "--queues", ",".join(str(number) for number in options.queues), "--depth", depth,
        "--seconds", options.seconds, "--rounds", options.rounds]
    if kind != "read":
        words.append("--write")
    if kind == "shared write":
        words.append("--share")
    result = subprocess.run(
        [str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout)


def ratios(report, field):
    """Number of queues, and its ratios to the first number, round by round."""
    first, *others = report["runs"]
    for run in others:
        yield run["queues"], [a / max(b, 1) for a, b in zip(run[field], first[field])]


def text(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def rows(case):
    """Of one case: a line for each number of queues but the first."""
    report = case["report"]
    first = report["runs"][0]["queues"]
    times = dict(ratios(report, "cpu_ns_per_io"))
    for number, rates in ratios(report, "iops"):
        yield (
            f"| {case['target']} | {report['engine']} | {case['kind']} | {report['depth']} "
            f"| {number} to {first} | {text(rates)} | {text(times[number])} |")


def arguments():
    def chosen(value):
        words = value.split(",")
        for word in words:
            if word not in ENGINES:
                raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(ENGINES)}")
        return words

    def numbers(value):
        return [int(word) for word in value.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targets.add_options(parser, list(targets.MADE))
    parser.add_argument("--engines", type=chosen, default=ENGINES, metavar="LIST")
    parser.add_argument("--queues", type=numbers, default=[1, 2], metavar="LIST", help="(default: 1,2)")
    parser.add_argument("--depths", type=numbers, default=[32], metavar="LIST", help="(default: 32)")
    parser.add_argument("--shared", action="store_true", help="writes that share their list too")
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    parser.add_argument("--seconds", type=float, default=1, help="of each turn (default: 1)")
    parser.add_argument("--json", help="where to keep every figure")
    parser.add_argument("--page", type=pathlib.Path, help="whose table is replaced")
    options = parser.parse_args()
    if options.offset or options.range:
        parser.error("queuescale uses all of a target")
    if len(options.queues) < 2:
        parser.error("--queues needs two numbers to compare")
    return options


def main():
    options = arguments()
    if os.geteuid() != 0 and any(name in targets.MADE for name in options.targets):
        sys.exit("queues.py makes loop and zram devices: run it as root")
    # An exception, so that the targets go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kinds = ["read", "write"] + (["shared write"] if options.shared else [])
    cases, lines = [], list(HEADER)
    print("\n".join(HEADER), flush=True)
    for target in options.targets:
        with targets.opened(target, options) as place:
            for engine in options.engines:
                for depth in options.depths:
                    for kind in kinds:
                        if kind != "read" and not place.is_writable:
                            continue
                        report = measure(place, engine, kind, depth, options)
                        case = {"target": target, "kind": kind, "report": report}
                        cases.append(case)
                        for line in rows(case):
                            print(line, flush=True)
                            lines.append(line)
        # After each target: what was measured is kept if the next one fails.
        if options.json:
            keep(options.json, cases)
    if options.page:
        options.page.write_text(tables.replaced(options.page.read_text(), "queues", lines))


def keep(path, cases):
    with open(path, "w") as file:
        json.dump(
            {"schema": 1, "host": host.current(), "command": sys.argv, "cases": cases}, file)


if __name__ == "__main__":
    main()
