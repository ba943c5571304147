#!/usr/bin/env python3
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""report.py on measurements made up here."""

import json
import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).absolute().parent))
import report  # noqa: E402

TIME = {
    "workload": "t1", "unit": "ns", "higher_is_better": False,
    "samples": {"libuv": [30.0, 20.0, 40.0], "limit": [10.0, 20.0, 10.0],
                "qio epoll": [20.0, 30.0, 10.0], "asio": [60.0, 50.0, 70.0]},
}
RATE = {
    "workload": "echo <64>", "unit": "a second", "higher_is_better": True,
    "samples": {"limit": [1000.0], "qio epoll": [500.0], "libuv": [250.0],
                "libevent": [125.0]},
}


class ReportTest(unittest.TestCase):

    def test_the_ratio_is_between_neighbours(self):
        # 2, 1.5 and 1; the ratio of medians would be 2.
        self.assertEqual(report.cost_ratio(TIME, "qio epoll", "limit"), 1.5)

    def test_twice_is_twice_as_slow_whichever_way_the_unit_goes(self):
        self.assertEqual(report.cost_ratio(RATE, "qio epoll", "limit"), 2.0)
        self.assertEqual(report.cost_ratio(RATE, "qio epoll", "libuv"), 0.5)

    def test_neither_limit_nor_ours_is_the_best_peer(self):
        self.assertEqual(report.best_peer(TIME), "libuv")
        self.assertEqual(report.best_peer(RATE), "libuv")
        alone = dict(TIME, samples={"limit": [1.0], "qio epoll": [2.0]})
        self.assertIsNone(report.best_peer(alone))

    def test_a_cell_has_median_spread_and_both_ratios(self):
        self.assertEqual(report.cell(TIME, "qio epoll"), "20 ±50% (1.50, 0.67)")
        self.assertEqual(report.cell(TIME, "libuv"), "30 ±33%")
        self.assertEqual(report.cell(TIME, "qio GLib"), "")

    def test_the_table_has_a_column_for_everybody(self):
        lines = report.markdown([TIME, RATE]).splitlines()
        self.assertEqual(
            lines[0], "| workload | unit | limit | qio epoll | libuv | asio | "
                      "libevent | best peer |")
        self.assertEqual(len(lines), 4)
        self.assertEqual({line.count("|") for line in lines}, {9})
        self.assertEqual(
            lines[3], "| echo <64> | a second | 1,000 ±0% | "
                      "500 ±0% (2.00, 0.50) | 250 ±0% |  | 125 ±0% | libuv |")

    def test_the_text_marks_the_best_peer(self):
        self.assertIn("    libuv            30 ±33% <- best peer\n",
                      report.text([TIME]))

    def test_json_keeps_the_samples(self):
        read = json.loads(report.as_json([TIME], {"processors": 2}))
        self.assertEqual(read["measurements"], [TIME])
        self.assertEqual(read["machine"], {"processors": 2})

    def test_the_picture_is_xml_with_a_bar_each(self):
        picture = report.svg([TIME, RATE], "a & b")
        root = xml.etree.ElementTree.fromstring(picture)
        space = "{http://www.w3.org/2000/svg}"
        bars = [rect for rect in root.iter(space + "rect") if "x" in rect.attrib]
        self.assertEqual(len(bars), 8)
        texts = [text.text for text in root.iter(space + "text")]
        self.assertIn("a & b", texts)
        self.assertIn("echo <64>, a second", texts)
        # Of those of a workload, the longest costs most.
        widths = [float(bar.attrib["width"]) for bar in bars]
        self.assertEqual(max(widths[4:]), widths[7])
        self.assertEqual(min(widths[4:]), widths[4])
        self.assertEqual(picture, report.svg([TIME, RATE], "a & b"))

    def test_nothing_measured_is_an_empty_picture(self):
        xml.etree.ElementTree.fromstring(report.svg([], "nothing"))


if __name__ == "__main__":
    unittest.main()
