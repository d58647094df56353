#!/usr/bin/env python3
"""One request for a list, and the same list emulated: for requests of a caller, and for READ DMA.

    Benchmarks/compare/vectored.py [--targets tmpfs,zram,loop] [--rounds 7] [--seconds 0.5]
        [--directory DIR] [--offset BYTES] [--range BYTES] [--json FILE]

Reads of 128 KiB in 32 elements and of 1 MiB in 256 elements, through each engine and each baseline of
blockbench, in turn. Then READ DMA of 128 KiB in 32 elements through the IDE controller: direct, through the
bounce buffer (bounce), and through the bounce buffer in pieces of 512 bytes (bounce 512), in turn, with the
user instructions of a command by callgrind. Needs valgrind, binutils, and a release build of Benchmarks;
root for the targets that it makes.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile

import contenders
import host
import targets
from contenders import BUILT, Case

ENGINES = ["io_uring", "libaio", "threads"]
BASELINES = ["scalar", "serial", "bounce", "lio_listio"]
LISTS = [("128k", 32), ("1m", 256)]
DEPTHS = [1, 8]
MODES = {
    "direct": [], "bounce": ["--force-bounce"],
    "bounce 512": ["--force-bounce", "--bounce-limit", "512"]}


def lists(target, place, options):
    """All contenders of blockbench, which interleaves their rounds itself."""
    for size, vectors in LISTS:
        for depth in DEPTHS:
            case = Case(",".join(ENGINES), "randread", size, depth, vectors)
            report = contenders.blockbench_report(
                case, place, options.seconds * options.rounds,
                ["--rounds", options.rounds, "--baseline", ",".join(BASELINES)])
            for result in report["runs"]:
                yield {
                    "target": target, "block_size": size, "vectors": vectors, "depth": depth,
                    "contender": result["requested"], "iops": result["iops"]["rounds"],
                    "cpu_ns": result["cpu_ns_per_io"],
                    "kernel_requests_per_request": result["kernel_requests"] / result["requests"]}
            for refusal in report["refused"]:
                print(f"{target} {size} in {vectors}: {refusal['engine']}: {refusal['reason']}")


def commands_for(seconds, engine, place, mode):
    """So many commands that a run takes about `seconds`."""
    few = 4
    return max(few, int(seconds * timed(engine, place, mode, few)["commands_per_second"]))


def timed(engine, place, mode, commands):
    return json.loads(contenders.run(contenders.strings(
        [BUILT / "idecost", place.path, engine, commands, "--timed", *MODES[mode]]))[0])


def read_dma(target, place, options):
    for engine in ENGINES:
        commands = {mode: commands_for(options.seconds, engine, place, mode) for mode in MODES}
        runs = {mode: [] for mode in MODES}
        for number in range(options.rounds):
            shift = number % len(MODES)
            names = list(MODES)
            for mode in names[shift:] + names[:shift]:
                runs[mode].append(timed(engine, place, mode, commands[mode]))
        for mode, results in runs.items():
            yield {
                "target": target, "engine": engine, "mode": mode,
                "commands_per_second": [r["commands_per_second"] for r in results],
                "cpu_ns": [r["cpu_ns_per_command"] for r in results],
                "host_requests_per_command": results[0]["host_requests_per_command"]}


def instructions(program, image, engine, mode, commands):
    done = subprocess.run(
        [
            "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, image, engine,
            str(commands), *MODES[mode],
        ],
        check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def counted():
    """User instructions of a whole command: the difference between two runs of other length."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        program, image = f"{directory}/idecost", f"{directory}/image"
        # valgrind cannot read the debug information of Swift's compiler.
        subprocess.run(["strip", "-g", "-o", program, BUILT / "idecost"], check=True)
        with open(image, "wb") as file:
            file.write(bytes(128 << 10))
        few = 40
        for engine in ENGINES:
            for mode in MODES:
                first, second = (
                    instructions(program, image, engine, mode, n) for n in (few, 2 * few))
                yield {"engine": engine, "mode": mode, "instructions": (second - first) / few}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targets.add_options(parser, ["tmpfs", "zram", "loop"])
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each run (default: 0.5)")
    parser.add_argument("--json", help="where to keep every figure")
    options = parser.parse_args()
    # An exception, so that the targets go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = {
        "schema": 1, "host": host.current(), "command": sys.argv, "targets": {}, "lists": [],
        "read_dma": [], "instructions": list(counted())}
    for entry in result["instructions"]:
        print(f"{entry['engine']} {entry['mode']}: {entry['instructions']:.0f} instructions a command")
    for target in options.targets:
        with targets.opened(target, options) as place:
            result["targets"][target] = contenders.describe(place)
            for entry in lists(target, place, options):
                print(
                    f"{target} {entry['block_size']} in {entry['vectors']} depth {entry['depth']} "
                    f"{entry['contender']}: {sorted(entry['iops'])[len(entry['iops']) // 2]:.0f} IOPS, "
                    f"{entry['cpu_ns'] / 1000:.1f} us", flush=True)
                result["lists"].append(entry)
            # The controller has no part of a disk.
            for entry in read_dma(target, place, options) if not place.is_part else ():
                rates = sorted(entry["commands_per_second"])
                print(
                    f"{target} READ DMA {entry['engine']} {entry['mode']}: "
                    f"{rates[len(rates) // 2]:.0f} commands a second, "
                    f"{entry['host_requests_per_command']:.0f} host requests each", flush=True)
                result["read_dma"].append(entry)
        if options.json:
            with open(options.json, "w") as file:
                json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
