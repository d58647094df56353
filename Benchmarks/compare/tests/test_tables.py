"""The pure parts of the comparison: `python3 -m unittest discover -s Benchmarks/compare/tests`."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import contenders
import tables
import targets


def case(peer, ratios, rates=(100, 100, 100), cpu=(1, 1, 1), **more):
    return {
        "target": "tmpfs", "engine": "libaio", "pattern": "randread", "block_size": "4k", "depth": 1,
        "vectors": 1, "peer": peer, "iops_ratio": list(ratios), "cpu_ratio": list(cpu),
        "ours": [{"iops": 1, "engine": "libaio"}], "theirs": [{"iops": rate} for rate in rates], **more}


def document(*cases, kernel="6.1", **more):
    return {
        "host": {"processor": "Xeon", "cpus": 2, "kernel": kernel}, "cases": list(cases), **more}


def slept(ratio, ours, theirs, **more):
    def run(wakeups):
        return {"iops": 1, "engine": "libaio", "wakeups_per_request": wakeups}

    return case(
        "C event loop, libaio", [ratio], caller="epoll", threading="shared", **more) | {
        "ours": [run(ours)], "theirs": [run(theirs)],
        "system_calls": {
            "ours": {"all_per_request": 1, "wakeups_per_request": 0.25},
            "theirs": {"all_per_request": 2, "wakeups_per_request": 0.5}}}


class RowTests(unittest.TestCase):
    def test_files_of_one_machine_are_runs_of_one_row(self):
        rows = tables.rows_of([
            document(case("fio, batch 1", [0.9, 1.0, 1.1])),
            document(case("fio, batch 1", [0.7, 0.8, 1.2])),
            document(case("fio, batch 1", [1.2, 1.2, 1.2]))])
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0].of_runs("iops_ratio"), [1.0, 0.8, 1.2])
        self.assertEqual(rows[0].middle(), 1.0)
        self.assertEqual(rows[0].worst(), 0.8)
        self.assertEqual(min(rows[0].rounds()), 0.7)

    def test_the_worst_run_of_cpu_time_is_the_highest(self):
        rows = tables.rows_of([
            document(case("fio, batch 1", [1], cpu=[1.1])),
            document(case("fio, batch 1", [1], cpu=[1.3]))])
        self.assertEqual(rows[0].worst("cpu_ratio"), 1.3)

    def test_machines_are_kept_apart(self):
        rows = tables.rows_of([
            document(case("fio, batch 1", [1])), document(case("fio, batch 1", [1]), kernel="6.18")])
        self.assertEqual(len(rows), 2)

    def test_threadings_are_kept_apart_and_the_first_schema_has_waiting_callers(self):
        rows = tables.rows_of([document(
            case("C loop", [1]), slept(1, 1, 1), slept(1, 1, 1) | {"threading": "owned"})])
        self.assertEqual(
            [(row.work.caller, row.work.threading) for row in rows],
            [("waiting", "owned"), ("epoll", "shared"), ("epoll", "owned")])

    def test_the_better_batch_of_fio_counts(self):
        rows = tables.rows_of([document(
            case("fio, batch 1", [2], rates=[50]), case("fio, batch 32", [1], rates=[100]),
            case("C loop", [3], rates=[900]))])
        self.assertEqual([row.work.peer for row in tables.against_fio(rows)], ["fio, batch 32"])

    def test_the_best_engine_counts_for_auto(self):
        rows = tables.rows_of([document(
            *(case(peer, [ratio], engine="auto") for peer, ratio in (
                ("threads", 0.99), ("libaio", 1.2), ("C event loop, libaio", 0.5))))])
        self.assertEqual([row.work.peer for row in tables.of_auto(rows)], ["threads"])


class TableTests(unittest.TestCase):
    def test_the_summary_shows_the_worst_run(self):
        rows = tables.rows_of([
            document(case("fio, batch 1", [1.0]), case("fio, batch 1", [0.98], depth=32)),
            document(case("fio, batch 1", [1.2]), case("fio, batch 1", [0.5], depth=32)),
            document(case("fio, batch 1", [1.1]), case("fio, batch 1", [0.99], depth=32))])
        line = list(tables.fio_summary(tables.against_fio(rows)))[-1]
        self.assertEqual(
            line,
            "| libaio | 2 of 2 | 1 of 2 | 1.04 (0.85 to 1.04) | 0.98, tmpfs randread 4k, depth 32 "
            "| 0.50, tmpfs randread 4k, depth 32 | 1.00 | 2 of 2 (at most 1.05) |")

    def test_with_one_run_the_spread_is_of_its_rounds(self):
        row = tables.rows_of([document(case("fio, batch 1", [0.9, 1.0, 1.1]))])[0]
        self.assertEqual(tables.spread(row, "iops_ratio"), "1.00 (0.90 to 1.10)")

    def test_with_several_runs_the_spread_is_of_their_medians(self):
        row = tables.rows_of([
            document(case("fio, batch 1", [0.1, 1.0, 1.1])),
            document(case("fio, batch 1", [0.2, 0.9, 9]))])[0]
        self.assertEqual(tables.spread(row, "iops_ratio"), "0.95 (0.90 to 1.00)")

    def test_the_variation_is_of_runs_and_of_rounds(self):
        rows = tables.rows_of([
            document(case("fio, batch 1", [0.9, 1.0, 1.1]), case("C loop", [1, 1, 1])),
            document(case("fio, batch 1", [1.4, 1.5, 1.6]), case("C loop", [1, 1, 3]))])
        self.assertEqual(
            list(tables.variation(rows))[2:],
            ["| waiting | 2 | 2 | 0.25 | 0.50, libaio, tmpfs randread 4k, depth 1, against fio, batch 1 "
             "| 0.20 | 2.00, libaio, tmpfs randread 4k, depth 1, against C loop |"])

    def test_the_load_of_each_run_is_shown(self):
        busy = document(case("C loop", [1, 1]))
        busy["host"]["load_average"] = [1, 2, 3.04]
        self.assertEqual(
            list(tables.load_table([busy, document()]))[2:],
            ["| 1 | Xeon, 2 processors, Linux 6.1 | tmpfs | 2 | 3.0 |",
             "| 2 | Xeon, 2 processors, Linux 6.1 |  | 0 | not recorded |"])

    def test_wakeups_are_compared(self):
        rows = tables.rows_of([document(slept(0.9, 0.5, 0.4), slept(1.1, 0.3, 0.4, depth=32))])
        self.assertEqual(
            list(tables.epoll_summary(rows))[-1],
            "| libaio, shared | libaio | 1.00 | 0.90, tmpfs randread 4k, depth 1 "
            "| 0.90, tmpfs randread 4k, depth 1 | 1 of 2 |")
        self.assertIn("| 0.500 and 0.400 | 4.0 and 4.0 |", list(tables.epoll_table(rows))[2])

    def test_a_target_without_a_device_has_none(self):
        lines = list(tables.targets_table([document(targets={
            "tmpfs": {"kind": "file", "size": 64 << 20, "file_system": "tmpfs", "offset": 0,
                      "range": 64 << 20},
            "/dev/sda": {
                "kind": "block device", "size": 1 << 30, "offset": 512, "range": 1024,
                "device": {"name": "sda", "model": "Disk", "rotational": True, "scheduler": "none",
                           "nr_requests": 64, "write_cache": "write back", "logical_block_size": 512,
                           "physical_block_size": 4096}}})]))
        self.assertIn("| file of 64 MiB on tmpfs | none | - | - | - |", lines[2])
        self.assertIn(
            "| block device of 1024 MiB, 1024 bytes from 512 | sda, Disk, rotational | none, 64 "
            "| write back | 512, 4096 |", lines[3])

    def test_emulation_is_compared_with_the_best_engine(self):
        def entry(name, iops, cpu):
            return {"target": "tmpfs", "block_size": "1m", "vectors": 256, "depth": 1,
                    "contender": name, "iops": iops, "cpu_ns": cpu}

        lines = list(tables.vectored_table({"lists": [
            entry("libaio", [100, 100], 10), entry("threads", [200, 200], 10),
            entry("serial", [20, 60], 50)]}))
        self.assertEqual(
            lines[2], "| tmpfs 1m in 256, depth 1 | threads | refused | 0.20 (5.0) | refused | refused |")

    def test_read_dma_is_compared_with_direct(self):
        def entry(mode, rates, cpu, requests):
            return {"target": "tmpfs", "engine": "libaio", "mode": mode, "commands_per_second": rates,
                    "cpu_ns": cpu, "host_requests_per_command": requests}

        lines = list(tables.dma_table({
            "instructions": [{"engine": "libaio", "mode": "direct", "instructions": 5000},
                             {"engine": "libaio", "mode": "bounce 512", "instructions": 500000}],
            "read_dma": [entry("direct", [100, 200], [9, 11], 1),
                         entry("bounce 512", [1, 4], [400, 500], 256)]}))
        self.assertEqual(lines[2], "| libaio | direct | 5,000 | 1 | 1.000 (1.0) |")
        self.assertEqual(lines[3], "| libaio | bounce 512 | 500,000 | 256 | 0.015 (45.0) |")


class PageTests(unittest.TestCase):
    PAGE = "a\n<!-- table: fio -->\nold\n<!-- end of table -->\nb\n<!-- end of table -->\n"

    def test_only_the_table_changes(self):
        self.assertEqual(
            tables.replaced(self.PAGE, "fio", ["| new |"]),
            "a\n<!-- table: fio -->\n\n| new |\n\n<!-- end of table -->\nb\n<!-- end of table -->\n")

    def test_replacing_again_changes_nothing(self):
        once = tables.replaced(self.PAGE, "fio", ["| new |"])
        self.assertEqual(tables.replaced(once, "fio", ["| new |"]), once)

    def test_a_page_without_the_table_is_refused(self):
        for name, page in (("auto", self.PAGE), ("fio", "<!-- table: fio -->\n")):
            with self.assertRaises(SystemExit):
                tables.replaced(page, name, [])


class ToolTests(unittest.TestCase):
    def test_the_summary_of_strace_is_read(self):
        self.assertEqual(contenders.calls_of(
            "% time     seconds  usecs/call     calls    errors syscall\n"
            "------ ----------- ----------- --------- --------- ----------------\n"
            " 85.27    0.001615           5       300           io_uring_enter\n"
            "  7.87    0.000149           0       202         2 read\n"
            "------ ----------- ----------- --------- --------- ----------------\n"
            "100.00    0.001894           2       502         2 total\n"),
            {"io_uring_enter": 300, "read": 202})

    def test_sizes_are_read(self):
        self.assertEqual([targets.bytes_of(t) for t in ("512", "4k", "1M", "2g")],
                         [512, 4096, 1 << 20, 2 << 30])
        for text in ("", "k", "-1", "1.5g", "4kb"):
            with self.assertRaises(Exception):
                targets.bytes_of(text)

    def test_a_target_is_a_name_or_a_path(self):
        self.assertEqual(targets.name("tmpfs"), "tmpfs")
        self.assertEqual(targets.name("/dev/sda"), "/dev/sda")
        with self.assertRaises(Exception):
            targets.name("sda")

    def test_a_part_is_passed_on(self):
        self.assertEqual(contenders.part(targets.Place("x")), [])
        self.assertEqual(
            contenders.part(targets.Place("x", 512, 1024)), ["--offset", 512, "--range", 1024])


if __name__ == "__main__":
    unittest.main()
