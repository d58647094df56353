"""The rules of docs/ide-rules.md, the tests that it names, and the mutations of mutations.txt.

A rule is a line of a table: `| id | rule | tests |`, tests by name as in `ResetTests.testSRST`, with
the module before it when that is not IDETests. A mutation is a paragraph:

    TF-1 TaskFileTests.testRegisterWritesReachBothDrives
    Sources/IDE/Channel/IDEChannel+Registers.swift
    @ func write(
    - for device in 0..<2 {
    + for device in 0..<1 {

The line with the minus, indentation aside, occurs once in the file. Where it does not, the line with the
@ names a piece of text that does, and the first such line behind that is meant.
"""

import os
import re
from typing import NamedTuple

DEFAULT_MODULE = "IDETests"
TABLE = "docs/ide-rules.md"
MUTATIONS = "Tests/Mutation/mutations.txt"
ROW = re.compile(r"^\| *([A-Z]+-\d+[a-z]?) *\| *(.*?) *\| *([^|]*?) *\|$")
NAME = re.compile(r"`((?:\w+\.)?\w+\.test\w+)`")


class Disagreement(Exception):
    def __init__(self, complaints):
        super().__init__("\n".join(complaints))


class Test(NamedTuple):
    module: str
    suite: str
    method: str

    @classmethod
    def named(cls, text):
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 else cls(DEFAULT_MODULE, *parts)

    def __str__(self):
        prefix = "" if self.module == DEFAULT_MODULE else self.module + "."
        return f"{prefix}{self.suite}.{self.method}"


class Mutation(NamedTuple):
    rule: str
    test: Test
    file: str
    anchor: str
    old: str
    new: str
    line: int

    @property
    def place(self):
        return f"{self.file}: {self.old}"

    def apply(self, text):
        """The file with the line changed; ValueError when it is not there exactly once."""
        lines = text.split("\n")
        begin, end = 0, len(lines)
        if self.anchor:
            anchors = [n for n, line in enumerate(lines) if self.anchor in line]
            if len(anchors) != 1:
                raise ValueError(f"{len(anchors)} lines have {self.anchor!r}")
            begin = anchors[0] + 1
        found = [n for n in range(begin, end) if lines[n].strip() == self.old]
        if not found or len(found) > 1 and not self.anchor:
            raise ValueError(f"{len(found)} lines are {self.old!r}")
        old = lines[found[0]]
        lines[found[0]] = old[:len(old) - len(old.lstrip())] + self.new
        return "\n".join(lines)


class Rules:
    def __init__(self, root):
        self.root = root
        self.complaints = []
        self.lines = {}
        self.tests = self._read_table()
        self.mutations = self._read_mutations()
        self._check_tests()
        self._check_mutations()
        if self.complaints:
            raise Disagreement(self.complaints)

    @property
    def summary(self):
        tests = {test for named in self.tests.values() for test in named}
        count = sum(map(len, self.mutations.values()))
        return (f"{len(self.tests)} rules, {len(tests)} tests; "
                f"{count} mutations of {len(self.mutations)} rules")

    def _read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def _complain(self, path, line, text):
        self.complaints.append(f"{path}:{line}: {text}")

    def _read_table(self):
        found = {}
        for number, line in enumerate(self._read(TABLE).split("\n"), 1):
            row = ROW.match(line)
            if not row:
                if re.match(r"\| *[A-Z]+-\d", line):
                    self._complain(TABLE, number, "this is no rule")
                continue
            rule, _, names = row.groups()
            self.lines[rule] = number
            if rule in found:
                self._complain(TABLE, number, f"{rule} is there twice")
            found[rule] = [Test.named(name) for name in NAME.findall(names)]
            if not found[rule] or NAME.sub("", names).strip(" ,"):
                self._complain(TABLE, number, f"{rule} does not name tests: {names}")
        if not found:
            self._complain(TABLE, 1, "there are no rules")
        return found

    def _read_mutations(self):
        found, paragraph, start = {}, [], 0
        lines = self._read(MUTATIONS).split("\n") + [""]
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):
                continue
            if line.strip():
                start = start if paragraph else number
                paragraph.append(line.strip())
            elif paragraph:
                mutation = self._mutation(paragraph, start)
                if mutation:
                    found.setdefault(mutation.rule, []).append(mutation)
                paragraph = []
        return found

    def _mutation(self, paragraph, number):
        kinds = "".join(line[0] for line in paragraph[2:])
        head = paragraph[0].split()
        if kinds not in ("-+", "@-+") or len(head) != 2:
            return self._complain(MUTATIONS, number, "this is no mutation")
        texts = [line[1:].strip() for line in paragraph[2:]]
        anchor = texts[0] if kinds[0] == "@" else ""
        return Mutation(
            head[0], Test.named(head[1]), paragraph[1], anchor, texts[-2], texts[-1], number)

    def _check_tests(self):
        known = set()
        for module in sorted({test.module for tests in self.tests.values() for test in tests}):
            for directory, _, names in os.walk(os.path.join(self.root, "Tests", module)):
                for name in names:
                    if name.endswith(".swift"):
                        known |= self._tests_in(module, os.path.join(directory, name))
        for rule, tests in self.tests.items():
            for test in tests:
                if test not in known:
                    self._complain(TABLE, self.lines[rule], f"{rule}: there is no {test}")

    def _tests_in(self, module, path):
        suite, found = None, set()
        for line in self._read(path).split("\n"):
            declared = re.match(r"(?:final )?class (\w+): \w*TestCase", line)
            suite = declared.group(1) if declared else suite
            method = re.match(r"    func (test\w+)\(\)", line)
            if method and suite:
                found.add(Test(module, suite, method.group(1)))
        return found

    def _check_mutations(self):
        for mutations in self.mutations.values():
            for mutation in mutations:
                for complaint in self._complaints(mutation):
                    self._complain(MUTATIONS, mutation.line, f"{mutation.rule}: {complaint}")

    def _complaints(self, mutation):
        if mutation.rule not in self.tests:
            yield "there is no such rule"
        elif mutation.test not in self.tests[mutation.rule]:
            yield f"the table does not name {mutation.test}"
        if not mutation.file.startswith("Sources/"):
            yield f"{mutation.file} is no code"
            return
        try:
            text = self._read(mutation.file)
            if mutation.apply(text) == text:
                yield "nothing changes"
        except (OSError, ValueError) as error:
            yield f"{mutation.file}: {error}"
