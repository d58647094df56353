"""The written mask: where the rules of docs/ide-rules.md depart from QEMU, and what that hides.

A line of masks.txt is `name | rule | after | labels | condition`; the rule is one of docs/ide-rules.md, or a section of
a standard where that page has no rule. `after` says how the comparison goes on: `shown`,
nothing but the value differs; `reset`, the channel is reset on both machines; `end`, media may
differ, the episode ends. Labels are shell patterns for a value's name; the condition is a Python
expression over the last command of the value's channel (`c`, see tracker.Channel), its table (`t`),
the operation (`op`), the two values (`qemu`, `ours`), the registers of both machines after the
operation (`q`, `o`), and for `data[...]` the number of the `word`. A difference that no line covers
is a mismatch.
"""

import fnmatch
import os

KNOWN = {"any": any, "len": len, "set": set}


class Mask:
    def __init__(self, line):
        self.name, self.rule, self.after, labels, condition = [
            part.strip() for part in line.split("|", 4)]
        if self.after not in ("shown", "reset", "end"):
            raise ValueError(f"mask {self.name}: after {self.after}")
        self.labels = labels.split()
        self.code = compile(condition, self.name, "eval")
        self.hits = 0

    def covers(self, label, names):
        return any(fnmatch.fnmatchcase(label, pattern) for pattern in self.labels) and bool(
            eval(self.code, {"__builtins__": KNOWN}, names))


class Masks:
    def __init__(self, path=None):
        path = path or os.path.join(os.path.dirname(os.path.abspath(__file__)), "masks.txt")
        with open(path) as file:
            lines = [line.strip() for line in file]
        self.masks = [Mask(line) for line in lines if line and not line.startswith("#")]

    def find(self, label, channel, operation, qemu, ours, registers):
        word = int(label[5:-1]) if label.startswith("data[") else -1
        names = {"c": channel, "word": word, "t": channel.table, "op": operation, "label": label,
                 "qemu": qemu, "ours": ours, "q": registers[0], "o": registers[1]}
        return next((mask for mask in self.masks if mask.covers(label, names)), None)
