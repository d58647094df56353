#!/usr/bin/env python3
"""User instructions of a request as the depth grows, and of an element as lists do, by callgrind.

    Benchmarks/compare/curves.py [--json FILE]

Each figure is the difference between two runs of other length. Needs valgrind, binutils, and a release
build of Benchmarks.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

BUILT = pathlib.Path(__file__).resolve().parent.parent / ".build" / "release"
DEPTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
VECTORS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


def instructions(program, image, engine, depth, batches, vectors):
    done = subprocess.run(
        [
            "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, image, engine,
            str(depth), str(batches), "--vectors", str(vectors),
        ],
        check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def slope(program, image, engine, depth, vectors):
    """Of one request."""
    batches = max(20, 1024 // depth // vectors)
    few, many = (
        instructions(program, image, engine, depth, count, vectors)
        for count in (batches, 2 * batches))
    return (many - few) / (batches * depth)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="where to keep the figures")
    options = parser.parse_args()
    curves = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        program, image = f"{directory}/requestcost", f"{directory}/image"
        # valgrind cannot read the debug information of Swift's compiler.
        subprocess.run(["strip", "-g", "-o", program, BUILT / "requestcost"], check=True)
        pathlib.Path(image).write_bytes(bytes(1 << 20))
        for engine in ("io_uring", "libaio"):
            by_depth = [slope(program, image, engine, depth, 1) for depth in DEPTHS]
            by_vectors = [slope(program, image, engine, 1, count) for count in VECTORS]
            curves[engine] = {
                "depth": dict(zip(DEPTHS, by_depth)),
                "element": {n: cost / n for n, cost in zip(VECTORS, by_vectors)},
            }
            for name, curve in curves[engine].items():
                print(engine, name, {n: round(cost, 1) for n, cost in curve.items()}, flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"schema": 1, "curves": curves}, file, indent=1)


if __name__ == "__main__":
    main()
