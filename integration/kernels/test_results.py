#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kernel matrix can fail: each row plants one fault into a good run and must be noticed."""
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian_kernel  # noqa: E402
import matrix  # noqa: E402
import results  # noqa: E402

EXPECTED = [["6.12", "exec_done", "tp_btf/exec", "yes", "1000"], ["6.12", "open", "lsm/open", "no", "0"]]
SKIPS = [["6.12", "test_kernel_b", "no such thing"]]


def output(a_code=0, b_body="SKIP: no such thing\n", b_code=77, verified=1000, works=True, hook="tp_btf/exec",
           extra=()):
    programs = [{"program": "exec_done", "hook": hook, "works": works, "verified": verified, "why": ""},
                {"program": "open", "hook": "lsm/open", "works": False, "verified": 0, "why": "EPERM"}]
    report = json.dumps({"kernel": "6.12.1", "programs": programs + list(extra)})
    return (f"::begin probe\n{report}\n::end probe 0\n"
            f"::begin test_kernel_a\n[       OK ] one\n[  FAILED  ] two\n::end test_kernel_a {a_code}\n"
            f"::begin test_kernel_b\n{b_body}::end test_kernel_b {b_code}\n")


def problems(text, tests=("test_kernel_a", "test_kernel_b")):
    observed = results.Observed("6.12", text)
    found = results.test_problems(observed, tests, SKIPS) + results.program_problems(observed, EXPECTED)
    return [f"{name}: {what}" for name, what in found]


class Faults(unittest.TestCase):
    def test_a_good_run_has_no_problem(self):
        self.assertEqual(problems(output()), [])

    def test_each_planted_fault_is_named(self):
        rows = [
            (output(a_code=1), "test_kernel_a: exit 1: two"),
            (output(a_code=139), "test_kernel_a: exit 139"),
            (output(b_body="SKIP: another reason\n"), "not expected here: another reason"),
            (output(b_body="", b_code=77), "gave no reason"),
            (output(b_body="[  SKIPPED ] three\n", b_code=0), "not expected here: three"),
            (output(verified=1101), "more than 10 %"),
            (output(works=False), "works: no, expected yes"),
            (output(hook="tp_btf/other"), "hook tp_btf/other"),
            (output(extra=[{"program": "new", "hook": "lsm/x", "works": True, "verified": 1, "why": ""}]),
             "new: is not in programs.tsv"),
            ("", "test_kernel_a: no result"),
            ("", "probe: no result"),
            (output().replace("::end test_kernel_b 77\n", ""), "test_kernel_b: no result"),
            (output().replace('"open"', '"gone"'), "open: is in programs.tsv and not in the collector"),
        ]
        for text, words in rows:
            with self.subTest(words):
                self.assertTrue(any(words in p for p in problems(text)), problems(text))

    def test_within_ten_percent_and_below_is_no_problem(self):
        self.assertEqual(problems(output(verified=1100)), [])
        self.assertEqual(problems(output(verified=10)), [])

    def test_a_renewed_table_expects_what_was_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            rows = [["6.12", "exec_done", "tp_btf/exec", "yes", 7]]
            results.write_table("programs.tsv", "head", rows, folder)
            self.assertEqual(results.read_table("programs.tsv", folder),
                             [["6.12", "exec_done", "tp_btf/exec", "yes", "7"]])


class Levels(unittest.TestCase):
    def test_a_level_leaves_out_only_the_other_one_of_those_that_have_both(self):
        tests = [("test_kernel_path", "p", 1), ("test_kernel_path@a", "p", 1), ("test_kernel_churn", "c", 1)]
        self.assertEqual(matrix.tests_at(tests, None), tests)
        self.assertEqual([t[0] for t in matrix.tests_at(tests, "a")], ["test_kernel_path@a", "test_kernel_churn"])
        self.assertEqual([t[0] for t in matrix.tests_at(tests, "b")], ["test_kernel_path", "test_kernel_churn"])


class Images(unittest.TestCase):
    def test_what_is_no_kernel_image_is_refused_with_words(self):
        for image in (b"\0" * 4096, b"\x7fELF" + b"\0" * 4096):
            with self.assertRaises(debian_kernel.Unavailable):
                debian_kernel.vmlinux_of(image)

    def test_versions_are_compared_by_number(self):
        newest = max(["6.9.1+deb13", "6.12.117+deb13", "6.12.9+deb13"], key=debian_kernel.version_key)
        self.assertEqual(newest, "6.12.117+deb13")


if __name__ == "__main__":
    unittest.main(verbosity=2)
