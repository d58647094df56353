"""The pictures of what compare.py, curves.py and vectored.py have measured. Needs matplotlib (PyPI)."""

import matplotlib

matplotlib.use("svg")
# The same picture from the same figures, byte for byte.
matplotlib.rcParams["svg.hashsalt"] = "blockio"
import matplotlib.pyplot as plt

import tables

COLOURS = {"io_uring": "tab:blue", "libaio": "tab:orange", "threads": "tab:green", "auto": "tab:red"}
TICKS = [0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8]
WIDE_TICKS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]


def save(figure, path):
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def ratio_axis(axis, goal=None):
    axis.axvline(1, color="black", linewidth=0.8)
    if goal:
        axis.axvline(goal, color="black", linewidth=0.8, linestyle=":")
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    ticks = [tick for tick in (TICKS if low > 0.2 else WIDE_TICKS) if low <= tick <= high]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.grid(axis="x", linewidth=0.3)


def ratios(rows, field, title, path, goal=None):
    """A point for each work and engine: the median over runs; the bar covers all rounds of all runs."""
    machines = sorted({row.work.machine for row in rows})

    def label(row):
        where = f" [{machines.index(row.work.machine) + 1}]" if len(machines) > 1 else ""
        how = f" {row.work.threading}" if row.work.caller == "epoll" else ""
        return row.work.label + how + where

    labels = sorted({label(row) for row in rows}, reverse=True)
    figure, axis = plt.subplots(figsize=(9, 1.7 + 0.27 * len(labels)))
    engines = sorted({row.work.engine for row in rows})
    for number, engine in enumerate(engines):
        shift = (number - (len(engines) - 1) / 2) * 0.22
        mine = [row for row in rows if row.work.engine == engine]
        middle = [row.middle(field) for row in mine]
        axis.errorbar(
            middle, [labels.index(label(row)) + shift for row in mine],
            xerr=[
                [max(0, m - min(row.rounds(field))) for m, row in zip(middle, mine)],
                [max(0, max(row.rounds(field)) - m) for m, row in zip(middle, mine)]],
            fmt="o", markersize=4, elinewidth=0.8, color=COLOURS[engine], label=engine)
    ratio_axis(axis, goal)
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=8)
    places = [f"[{n + 1}] {name}" if len(machines) > 1 else name for n, name in enumerate(machines)]
    figure.text(
        0.01, 0.005,
        f"{'; '.join(places)}; medians of {tables.runs_of(rows)} runs of "
        f"{len(rows[0].cases[0][field])} interleaved rounds, bars over all rounds; compare.py",
        fontsize=7)
    save(figure, path)


def curves(document, path):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    names = {"depth": "requests in a batch", "element": "elements of a list, one request a batch"}
    for axis, (name, words) in zip(axes, names.items()):
        for engine, curve in document["curves"].items():
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


def vectored(document, path):
    """Left: the baselines to the list. Right: READ DMA to the direct transfer."""
    lists = [e for e in tables.emulated(document) if e[1] not in COLOURS]
    labels = [f"{t} {s} in {v}, depth {d}" for t, s, v, d in dict.fromkeys(e[0] for e in lists)][::-1]
    dma = [e for e in document["read_dma"]]
    direct = {(e["target"], e["engine"]): e for e in dma if e["mode"] == "direct"}
    places = [f"{t} {m}" for t in tables.dma_targets(document) for m in ("bounce", "bounce 512")][::-1]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 1.9 + 0.3 * max(len(labels), len(places))))
    marks = {"scalar": "o", "serial": "s", "bounce": "^", "lio_listio": "x"}
    for name, mark in marks.items():
        mine = [e for e in lists if e[1] == name]
        left.plot(
            [tables.MEDIAN(e[2]) for e in mine],
            [labels.index("{} {} in {}, depth {}".format(*e[0])) for e in mine], mark, markersize=5,
            label=name)
    for engine in ("io_uring", "libaio", "threads"):
        mine = [e for e in dma if e["engine"] == engine and e["mode"] != "direct"]
        right.plot(
            [tables.dma_ratio(e, direct[e["target"], engine]) for e in mine],
            [places.index(f"{e['target']} {e['mode']}") for e in mine], "o", markersize=5,
            color=COLOURS[engine], label=engine)
    for axis, names, title in (
            (left, labels, "IOPS of the emulated list to one request for the list"),
            (right, places, "READ DMA of 128 KiB: commands a second to direct")):
        ratio_axis(axis)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.legend(fontsize=7)
    figure.text(
        0.01, 0.005,
        f"{tables.machine_of(document)}; medians of {len(document['lists'][0]['iops'])} interleaved "
        "rounds; vectored.py", fontsize=7)
    save(figure, path)
