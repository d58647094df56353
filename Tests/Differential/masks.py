"""The written mask: where the specification page departs from QEMU, and what that hides.

A line of masks.txt is `name | rule of ide-semantics.md | labels | condition`. Labels are shell
patterns for a value's name; the condition is a Python expression over the last command of the
value's channel (`c`, see tracker.Channel), the table (`t`), the two values (`qemu`, `ours`) and the
operation (`op`). A difference that no line covers is a mismatch.
"""

import fnmatch
import os


class Mask:
    def __init__(self, line):
        self.name, self.rule, labels, self.condition = [part.strip() for part in line.split("|", 3)]
        self.labels = labels.split()
        self.code = compile(self.condition, self.name, "eval")
        self.hits = 0

    def covers(self, label, channel, operation, qemu, ours):
        if not any(fnmatch.fnmatchcase(label, pattern) for pattern in self.labels):
            return False
        names = {"c": channel, "t": channel.table, "op": operation, "qemu": qemu, "ours": ours,
                 "label": label}
        return bool(eval(self.code, {"__builtins__": {"any": any, "len": len}}, names))


class Masks:
    def __init__(self, path=None):
        path = path or os.path.join(os.path.dirname(os.path.abspath(__file__)), "masks.txt")
        with open(path) as file:
            lines = [line.strip() for line in file]
        self.masks = [Mask(line) for line in lines if line and not line.startswith("#")]

    def find(self, *what):
        for mask in self.masks:
            if mask.covers(*what):
                mask.hits += 1
                return mask
        return None
