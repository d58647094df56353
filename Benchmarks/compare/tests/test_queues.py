"""The pure parts of queues.py: `python3 -m unittest discover -s Benchmarks/compare/tests`."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import queues


def report(**runs):
    return {
        "engine": "libaio", "depth": 32, "runs": [
            {"queues": int(name[1:]), "iops": rates, "cpu_ns_per_io": times}
            for name, (rates, times) in runs.items()]}


class RowTests(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        # The second round had half of the machine.
        both = report(q1=([100, 50, 100], [10, 20, 10]), q2=([200, 100, 180], [20, 20, 10]))
        self.assertEqual(list(queues.ratios(both, "iops")), [(2, [2, 2, 1.8])])
        self.assertEqual(list(queues.ratios(both, "cpu_ns_per_io")), [(2, [2, 1, 1])])

    def test_each_number_but_the_first_has_a_row(self):
        three = report(q1=([100], [10]), q2=([150], [10]), q4=([300], [30]))
        case = {"target": "tmpfs", "kind": "read", "report": three}
        self.assertEqual(list(queues.rows(case)), [
            "| tmpfs | libaio | read | 32 | 2 to 1 | 1.50 (1.50 to 1.50) | 1.00 (1.00 to 1.00) |",
            "| tmpfs | libaio | read | 32 | 4 to 1 | 3.00 (3.00 to 3.00) | 3.00 (3.00 to 3.00) |"])

    def test_the_page_of_the_repository_has_a_place_for_the_table(self):
        page = pathlib.Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"
        lines = queues.tables.replaced(page.read_text(), "queues", ["a", "b"]).splitlines()
        place = lines.index("<!-- table: queues -->")
        self.assertEqual(lines[place + 2:place + 4], ["a", "b"])


if __name__ == "__main__":
    unittest.main()
