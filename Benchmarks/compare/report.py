#!/usr/bin/env python3
"""Draws what compare.py and curves.py have measured: SVG pictures and tables in Markdown.

    Benchmarks/compare/report.py --compare FILE --curves FILE --out DIRECTORY

Needs matplotlib (PyPI).
"""

import argparse
import json
import pathlib
import statistics

import matplotlib

matplotlib.use("svg")
# The same picture from the same figures, byte for byte.
matplotlib.rcParams["svg.hashsalt"] = "blockio"
import matplotlib.pyplot as plt

COLOURS = {"io_uring": "tab:blue", "libaio": "tab:orange", "threads": "tab:green", "auto": "tab:red"}


def save(figure, path):
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def label(case):
    pieces = f" in {case['vectors']}" if case["vectors"] > 1 else ""
    return f"{case['target']} {case['pattern']} {case['block_size']}{pieces}, depth {case['depth']}"


def footer(figure, compare):
    host = compare["host"]
    figure.text(
        0.01, 0.005,
        f"{host['processor']}, {host['cpus']} processors, Linux {host['kernel']}; "
        f"medians of {len(compare['cases'][0]['iops_ratio'])} interleaved rounds, "
        "bars from the lowest to the highest; compare.py",
        fontsize=7)


def better_fio(cases):
    """Of the two batch sizes of fio, the one with the higher rate, for each case."""
    best = {}
    for case in cases:
        if not case["peer"].startswith("fio"):
            continue
        key = (case["engine"], label(case))
        rate = statistics.median(run["iops"] for run in case["theirs"])
        if key not in best or rate > best[key][0]:
            best[key] = (rate, case)
    return [case for _, case in best.values()]


def ratio_picture(compare, cases, field, title, path, goal=None):
    labels = sorted({label(case) for case in cases}, reverse=True)
    figure, axis = plt.subplots(figsize=(9, 1.5 + 0.27 * len(labels)))
    engines = sorted({case["engine"] for case in cases})
    for number, engine in enumerate(engines):
        shift = (number - (len(engines) - 1) / 2) * 0.22
        mine = [case for case in cases if case["engine"] == engine]
        middle = [statistics.median(case[field]) for case in mine]
        axis.errorbar(
            middle, [labels.index(label(case)) + shift for case in mine],
            xerr=[
                [m - min(case[field]) for m, case in zip(middle, mine)],
                [max(case[field]) - m for m, case in zip(middle, mine)]],
            fmt="o", markersize=4, elinewidth=0.8, color=COLOURS[engine], label=engine)
    axis.axvline(1, color="black", linewidth=0.8)
    if goal:
        axis.axvline(goal, color="black", linewidth=0.8, linestyle=":")
    axis.set_xscale("log")
    ticks = [0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.set_title(title, fontsize=10)
    axis.grid(axis="x", linewidth=0.3)
    axis.legend(fontsize=8)
    footer(figure, compare)
    save(figure, path)


def curve_picture(curves, path):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    names = {"depth": "requests in a batch", "element": "elements of a list, one request a batch"}
    for axis, (name, words) in zip(axes, names.items()):
        for engine, curve in curves["curves"].items():
            points = [int(n) for n in curve[name]]
            axis.plot(
                points, curve[name].values(), "o-", markersize=3, color=COLOURS[engine],
                label=engine)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        axis.set_xlabel(words, fontsize=8)
        per = "request" if name == "depth" else "element"
        axis.set_title(f"user instructions a {per}", fontsize=10)
        axis.grid(linewidth=0.3)
        axis.legend(fontsize=8)
    figure.text(0.01, 0.005, "callgrind, difference of two runs; curves.py", fontsize=7)
    save(figure, path)


def interval(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(cases):
    yield "| target and work | engine | against | IOPS ratio | CPU ratio |"
    yield "|---|---|---|---|---|"
    for case in cases:
        yield (
            f"| {label(case)} | {case['engine']} | {case['peer']} "
            f"| {interval(case['iops_ratio'])} | {interval(case['cpu_ratio'])} |")


def auto_table(cases):
    yield "| target and work | engine taken | best engine | of the best |"
    yield "|---|---|---|---|"
    by_label = {}
    for case in cases:
        by_label.setdefault(label(case), []).append(case)
    for name, rows in by_label.items():
        best = min(rows, key=lambda case: statistics.median(case["iops_ratio"]))
        taken = sorted({run["engine"] for run in best["ours"]})
        yield f"| {name} | {', '.join(taken)} | {best['peer']} | {interval(best['iops_ratio'])} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--compare", type=pathlib.Path, required=True)
    parser.add_argument("--curves", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    compare = json.loads(options.compare.read_text())
    curves = json.loads(options.curves.read_text())
    cases = compare["cases"]
    fio = better_fio(cases)
    options.out.mkdir(parents=True, exist_ok=True)
    ratio_picture(
        compare, fio, "iops_ratio", "IOPS of blockbench to fio's", options.out / "fio-iops.svg", 0.97)
    ratio_picture(
        compare, fio, "cpu_ratio", "CPU time a request of blockbench to fio's",
        options.out / "fio-cpu.svg")
    curve_picture(curves, options.out / "curves.svg")
    sections = {
        "fio": table(fio),
        "the C loop, qemu-img bench, scalar emulation and lio_listio": table(
            [c for c in cases if c["engine"] != "auto" and not c["peer"].startswith("fio")]),
        "auto": auto_table([c for c in cases if c["engine"] == "auto"]),
    }
    with open(options.out / "tables.md", "w") as file:
        for name, lines in sections.items():
            file.write(f"## Against {name}\n\n" if name != "auto" else "## The choice of auto\n\n")
            file.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    main()
