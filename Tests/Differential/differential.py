#!/usr/bin/env python3
"""Random register operations on QEMU's IDE controller and on ours, compared as they go.

    differential.py --qemu 'PROGRAM ARGS' --ours .build/release/ide-machine --commands 20000
    differential.py --qemu PROGRAM --ours qemu        QEMU against itself: must find nothing
    differential.py --qemu PROGRAM --ours ... --replay FILE [--minimise]

Exit status 0 no mismatch, 1 a mismatch, 2 usage. See docs/differential.md.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from comparison import Comparison, Figures, Mismatch
from generator import Generator
from machine import OurMachine, QEMUMachine
from masks import Masks
from media import ARRANGEMENTS, DISKS_ONLY, media
from minimise import minimise
from qtest import MachineGone
from report import describe, print_figures


class Bench:
    """Starts both machines for an episode and runs operations on them."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.media = media(directory)
        self.masks = Masks(options.masks)
        self.figures = Figures()

    def attempt(self, arrangement, operations):
        """None, or (step, text) of what went wrong."""
        drives = {int(slot): self.media[name] for slot, name in arrangement.items()}
        places = [os.path.join(self.directory, side) for side in ("left", "right")]
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
            os.mkdir(place)
        qemu = shlex.split(self.options.qemu)
        machines, comparison = [], None
        try:
            machines.append(QEMUMachine("qemu", qemu, places[0], drives))
            kind, command = (QEMUMachine, qemu) if self.options.ours == "qemu" else (
                OurMachine, shlex.split(self.options.ours))
            machines.append(kind("ours", command, places[1], drives))
            comparison = Comparison(*machines, self.masks, self.figures)
            comparison.run(operations)
            comparison.finish()
        except Mismatch as mismatch:
            return mismatch.step, str(mismatch), mismatch.label
        except MachineGone as gone:
            words = "; ".join(f"{m.name}: {m.process.poll()} {m.messages()}" for m in machines)
            return comparison.step if comparison else 0, f"machine gone: {gone}: {words}", "gone"
        finally:
            for machine in machines:
                machine.stop()
        return None


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    parser.add_argument("--qemu", required=True, help="command of a QEMU with -accel qtest")
    parser.add_argument("--ours", required=True, help="command of ide-machine, or: qemu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=int, default=5000, help="in all episodes together")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so many; 0: no limit")
    parser.add_argument("--episode", type=int, default=150, help="commands in an episode")
    parser.add_argument("--disks-only", action="store_true")
    parser.add_argument("--drive-options", default="", help="for ours, e.g. engine=threads")
    parser.add_argument("--directory", default=memory, help="where images and sockets are made")
    parser.add_argument("--masks", help="another mask file")
    parser.add_argument("--keep-going", action="store_true", help="collect mismatches")
    parser.add_argument("--failures", default="failures", help="directory for failing sequences")
    parser.add_argument("--replay", help="a file from that directory")
    parser.add_argument("--minimise", action="store_true")
    return parser.parse_args()


def episodes(chosen):
    """(seed, arrangement), without end."""
    arrangements = DISKS_ONLY if chosen.disks_only else ARRANGEMENTS
    seed = chosen.seed
    while True:
        arrangement = arrangements[seed % len(arrangements)]
        yield seed, arrangement
        seed += 1


def fail(chosen, bench, seed, arrangement, operations, failure):
    step, text, label = failure
    print(f"MISMATCH seed {seed} {arrangement}: {text}")
    print(describe(operations[max(step - 6, 0):step + 1], max(step - 6, 0)))
    operations = operations[:step + 1]
    if chosen.minimise:
        counted = bench.figures
        bench.figures = Figures()
        operations = minimise(lambda some: bench.attempt(arrangement, some), operations, label)
        bench.figures = counted
        print(f"minimised to {len(operations)} operations:")
        print(describe(operations, 0))
    os.makedirs(chosen.failures, exist_ok=True)
    path = os.path.join(chosen.failures, f"seed-{seed}.json")
    with open(path, "w") as file:
        json.dump({"arrangement": arrangement, "operations": operations, "text": text}, file)
    print(f"kept in {path}", flush=True)


def main():
    chosen = options()
    if chosen.drive_options:
        OurMachine.extra = "," + chosen.drive_options
    failures, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="differential-", dir=chosen.directory) as directory:
        bench = Bench(chosen, directory)
        print(subprocess.run([*shlex.split(chosen.qemu), "--version"], capture_output=True,
                             text=True).stdout.split("\n")[0])
        if chosen.replay:
            with open(chosen.replay) as file:
                stored = json.load(file)
            failure = bench.attempt(stored["arrangement"], stored["operations"])
            if failure:
                fail(chosen, bench, "replay", stored["arrangement"], stored["operations"], failure)
            failures += failure is not None
        else:
            for seed, arrangement in episodes(chosen):
                late = chosen.seconds and time.monotonic() - began > chosen.seconds
                if bench.figures["commands"] >= chosen.commands or late:
                    break
                drives = {slot: bench.media[name] for slot, name in arrangement.items()}
                operations = Generator(seed, drives).episode(chosen.episode)
                failure = bench.attempt(arrangement, operations)
                if failure:
                    failures += 1
                    fail(chosen, bench, seed, arrangement, operations, failure)
                    if not chosen.keep_going:
                        break
        print_figures(bench, time.monotonic() - began)
    print(f"{failures} mismatches")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
