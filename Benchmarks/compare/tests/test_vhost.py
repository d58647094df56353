"""The pure parts of the comparison of vhost-user servers."""

import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import vhost


def runs(*figures):
    return [{"iops": iops, "cpu_ns": cpu, "front_end_cpu_ns": 1} for iops, cpu in figures]


def case(depth=1, iops=((110, 50),), theirs=((100, 100),), requests=100, kicks=100, calls=90):
    counted = {"messages": 40, "requests": requests, "failures": 0, "kicks": kicks, "calls": calls}
    return vhost.entry_of(
        "tmpfs", "libaio", "randread", depth, {"ours": runs(*iops), "theirs": runs(*theirs)}, counted)


class CaseTests(unittest.TestCase):
    def test_ratios_are_of_ours_to_theirs_in_the_same_round(self):
        entry = case(iops=((110, 50), (50, 300)), theirs=((100, 100), (100, 200)))
        self.assertEqual(entry["iops_ratio"], [1.1, 0.5])
        self.assertEqual(entry["cpu_ratio"], [0.5, 1.5])

    def test_notifications_are_of_a_request(self):
        entry = case(requests=200, kicks=50, calls=10)
        self.assertEqual((entry["kicks_per_request"], entry["calls_per_request"]), (0.25, 0.05))

    def test_the_last_line_of_counters_counts(self):
        text = "messages=1 requests=2 failures=0 kicks=3 calls=4\na warning\n" \
            "messages=5 requests=6 failures=1 kicks=7 calls=8\n"
        self.assertEqual(
            vhost.counters(text), {"messages": 5, "requests": 6, "failures": 1, "kicks": 7, "calls": 8})


class TableTests(unittest.TestCase):
    def test_the_mean_is_the_geometric_mean_of_medians(self):
        cases = [case(1, iops=((200, 1), (100, 1), (900, 1)), theirs=((100, 1),) * 3), case(32, iops=((50, 1),))]
        self.assertTrue(math.isclose(vhost.mean_of(cases, "iops_ratio"), 1))
        self.assertTrue(math.isclose(vhost.mean_of(cases, "iops_ratio", 32), 0.5))

    def test_each_setting_and_each_mean_has_a_row(self):
        text = vhost.tables([case(1), case(32, iops=((90, 150),))])
        self.assertIn("| tmpfs, libaio | randread | 1 | 1.10 (1.10 to 1.10) | 0.50 | 1.00, 0.90 |", text)
        self.assertIn("| tmpfs, libaio | randread | 32 | 0.90 (0.90 to 0.90) | 1.50 | 1.00, 0.90 |", text)
        self.assertIn("| all settings | 0.995 | 1.05 | 0.866 | 1.00 |", text)
        self.assertIn("| depth 1 | 1.100 | 1.10 | 0.500 |  |", text)
        self.assertIn("below 0.93: 1 of 2.", text)


if __name__ == "__main__":
    unittest.main()
