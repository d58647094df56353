#!/usr/bin/env python3
"""Draws and tabulates what compare.py, curves.py and vectored.py have measured.

    Benchmarks/compare/report.py [--compare FILE ...] [--curves FILE] [--vectored FILE]
        --out DIRECTORY [--page FILE] [--no-pictures]

Several files of compare.py are several runs: the tables then show the median over runs and the worst run,
separately for each machine. --out gets the SVG pictures and tables.md. --page is a Markdown page whose
tables between the comments `<!-- table: NAME -->` and `<!-- end of table -->` are replaced; NAME is
fio, c-loop, variation, runs, epoll, auto, targets, vectored or dma.

Needs matplotlib (PyPI), unless --no-pictures.
"""

import argparse
import json
import pathlib

import tables


def summaries(rows, documents, vectored):
    """The tables of the page, by name."""
    found = {}
    if rows:
        found["fio"] = tables.fio_summary(tables.against_fio(rows))
        found["epoll"] = tables.epoll_summary(tables.in_epoll(rows))
        found["auto"] = tables.auto_table(rows)
        found["variation"] = tables.variation(rows)
        found["c-loop"] = tables.loop_summary(rows)
        found["runs"] = tables.load_table(documents)
        found["targets"] = tables.targets_table(documents)
    if vectored:
        found["vectored"] = tables.vectored_table(vectored)
        found["dma"] = tables.dma_table(vectored)
    return {name: list(lines) for name, lines in found.items()}


def full_tables(rows, found):
    """tables.md: all cases of each machine."""
    for machine in sorted({row.work.machine for row in rows}):
        mine = [row for row in rows if row.work.machine == machine]
        yield f"# {machine}, {tables.runs_of(mine)} runs\n"
        sections = {
            "Against fio": tables.table(tables.against_fio(mine)),
            "Against the C loop, qemu-img bench and the baselines": tables.table(tables.others(mine)),
            "In an event loop": tables.epoll_table(tables.in_epoll(mine)),
            "The choice of auto": tables.auto_table(mine),
        }
        for name, lines in sections.items():
            yield f"## {name}\n"
            yield from lines
            yield ""
    for name, title in {
            "targets": "Targets", "vectored": "Lists and their emulation", "dma": "READ DMA"}.items():
        if name in found:
            yield f"# {title}\n"
            yield from found[name]
            yield ""


def draw(options, rows, curves, vectored):
    import pictures
    fio, epoll = tables.against_fio(rows), tables.in_epoll(rows)
    if fio:
        pictures.ratios(
            fio, "iops_ratio", "IOPS of blockbench to fio's", options.out / "fio-iops.svg", tables.GOAL)
        pictures.ratios(
            fio, "cpu_ratio", "CPU time a request of blockbench to fio's", options.out / "fio-cpu.svg")
    for library in ("liburing", "libaio"):
        mine = [row for row in epoll if row.work.peer == f"C event loop, {library}"]
        if mine:
            pictures.ratios(
                mine, "iops_ratio", f"IOPS in epoll, to a C event loop over {library}",
                options.out / f"epoll-{library}.svg", tables.GOAL)
    if curves:
        pictures.curves(curves, options.out / "curves.svg")
    if vectored:
        pictures.vectored(vectored, options.out / "vectored.svg")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", type=pathlib.Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--curves", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--vectored", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="DIRECTORY")
    parser.add_argument("--page", type=pathlib.Path, metavar="FILE", help="whose tables are replaced")
    parser.add_argument("--no-pictures", action="store_true", help="only tables")
    options = parser.parse_args()
    documents = [json.loads(path.read_text()) for path in options.compare]
    curves = json.loads(options.curves.read_text()) if options.curves else None
    vectored = json.loads(options.vectored.read_text()) if options.vectored else None
    rows = tables.rows_of(documents)
    options.out.mkdir(parents=True, exist_ok=True)
    found = summaries(rows, documents, vectored)
    if found:
        (options.out / "tables.md").write_text("\n".join(full_tables(rows, found)))
    if options.page:
        page = options.page.read_text()
        for name, lines in found.items():
            page = tables.replaced(page, name, lines)
        options.page.write_text(page)
    if not options.no_pictures:
        draw(options, rows, curves, vectored)


if __name__ == "__main__":
    main()
