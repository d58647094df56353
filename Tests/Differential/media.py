"""The images both machines get copies of, made from a seed."""

import os
import random


class Medium:
    """`path` is None for a CD drive without a disc."""

    def __init__(self, path, is_cd=False):
        self.path = path
        self.is_cd = is_cd
        self.size = os.path.getsize(path) if path else 0

    @property
    def blocks(self):
        return self.size // (2048 if self.is_cd else 512)


def make(path, size, seed):
    """A file of random bytes whose every sector differs."""
    with open(path, "wb") as file:
        file.write(random.Random(seed).randbytes(size))
    return path


def media(directory):
    """Disks of odd numbers of sectors, a CD and a drive without a disc."""
    return {
        "disk": Medium(make(os.path.join(directory, "disk"), 512 * 20_011, 1)),
        "small": Medium(make(os.path.join(directory, "small"), 512 * 1_009, 2)),
        "cd": Medium(make(os.path.join(directory, "cd"), 2048 * 1_203, 3), is_cd=True),
        "empty": Medium(None, is_cd=True),
    }


# {slot: name of a medium}; the first is the one most episodes get.
ARRANGEMENTS = (
    {0: "disk", 2: "cd"},
    {0: "disk", 1: "small", 2: "cd", 3: "disk"},
    {0: "cd", 1: "disk"},
    {1: "small", 2: "empty"},
    {0: "small", 3: "cd"},
)
DISKS_ONLY = (
    {0: "disk"},
    {0: "disk", 1: "small"},
    {1: "small", 2: "disk"},
    {0: "small", 3: "disk"},
)
