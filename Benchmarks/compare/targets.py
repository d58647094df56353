"""The targets of a comparison: made for it and gone afterwards, or a file or device that is there."""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import subprocess
import tempfile
import time

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Place:
    """A file or device, and the part of it that is measured. A range of 0 ends with it."""

    path: str
    offset: int = 0
    range: int = 0
    is_writable: bool = True

    @property
    def is_part(self):
        return self.offset != 0 or self.range != 0


def call(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def fill(path, size):
    """Real data: a hole is read without touching a medium."""
    with open(path, "r+b" if os.path.exists(path) else "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def scratch(directory):
    with tempfile.TemporaryDirectory(dir=directory, prefix="blockio-compare-") as made:
        yield pathlib.Path(made)


@contextlib.contextmanager
def tmpfs(size, _):
    with scratch("/dev/shm") as directory:
        fill(directory / "image", size)
        yield Place(str(directory / "image"))


@contextlib.contextmanager
def loop(size, directory):
    """A direct loop device with 512-byte sectors over a file of its own."""
    with scratch(directory) as made:
        fill(made / "backing", size)
        device = call("losetup", "--find", "--show", "--direct-io=on", made / "backing")
        try:
            yield Place(device)
        finally:
            call("losetup", "--detach", device)


@contextlib.contextmanager
def ext4(size, directory):
    """A file on ext4 on a direct loop device."""
    with scratch(directory) as made:
        backing, mount = made / "backing", made / "mount"
        fill(backing, size + 64 * MIB)
        device = call("losetup", "--find", "--show", "--direct-io=on", backing)
        try:
            call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", device)
            mount.mkdir()
            call("mount", device, mount)
            try:
                fill(mount / "image", size)
                yield Place(str(mount / "image"))
            finally:
                call("umount", mount)
        finally:
            call("losetup", "--detach", device)


@contextlib.contextmanager
def zram(size, _):
    """zramctl(8) takes a free device and sets its size."""
    device = call("zramctl", "--find", "--size", str(size))
    try:
        fill(device, size)
        yield Place(device)
    finally:
        reset(device)


def reset(device):
    """The kernel frees a ring, and the files registered with it, some time after its process ends."""
    for _ in range(50):
        if subprocess.run(["zramctl", "--reset", device], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    call("zramctl", "--reset", device)


MADE = {"tmpfs": tmpfs, "zram": zram, "loop": loop, "ext4": ext4}


@contextlib.contextmanager
def opened(name, options):
    """The target of a name, or the part of the file or device at a path, which stays as it is unless
    `options` allow writing."""
    if "/" in name:
        yield Place(name, options.offset, options.range, options.allow_write)
    else:
        with MADE[name](options.size << 20, options.directory) as place:
            yield place


def name(text):
    """For argparse: the name of a target, or a path, which has a slash."""
    if text not in MADE and "/" not in text:
        raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(MADE)}, and no path with a slash")
    return text


def bytes_of(text):
    """For argparse: "4096", "4k", "1m", "16g"."""
    shifts = {"k": 10, "m": 20, "g": 30}
    shift = shifts.get(text[-1:].lower(), 0)
    digits = text[:-1] if shift else text
    if not digits.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of bytes, such as 4096, 4k or 16g")
    return int(digits) << shift


def add_options(parser, default):
    """What every script that measures on targets understands."""
    def names(text):
        return [name(word) for word in text.split(",")]

    parser.add_argument(
        "--targets", type=names, default=default, metavar="LIST",
        help=f"of {', '.join(MADE)}, and paths of files or devices (default: {','.join(default)})")
    parser.add_argument(
        "--size", type=int, default=256, metavar="MIB", help="of a target that is made (default: 256)")
    parser.add_argument(
        "--directory", default="/dev/shm", metavar="DIR",
        help="where the file behind loop and ext4 is made (default: /dev/shm, a tmpfs)")
    parser.add_argument(
        "--offset", type=bytes_of, default=0, metavar="BYTES",
        help="first byte of the part of a path that is measured (default: 0)")
    parser.add_argument(
        "--range", type=bytes_of, default=0, metavar="BYTES",
        help="bytes of that part, such as 16g (default: up to the end)")
    parser.add_argument(
        "--allow-write", action="store_true", help="write to the paths too, which destroys their data")
