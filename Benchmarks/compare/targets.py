"""The targets of a comparison: each is made for it and gone afterwards."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

MIB = 1 << 20


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
def tmpfs(size):
    with scratch("/dev/shm") as directory:
        fill(directory / "image", size)
        yield str(directory / "image")


@contextlib.contextmanager
def loop(size):
    """A direct loop device with 512-byte sectors over a file of its own."""
    with scratch("/var/tmp") as directory:
        fill(directory / "backing", size)
        device = call("losetup", "--find", "--show", "--direct-io=on", directory / "backing")
        try:
            yield device
        finally:
            call("losetup", "--detach", device)


@contextlib.contextmanager
def ext4(size):
    """A file on ext4 on a direct loop device."""
    with scratch("/var/tmp") as directory:
        backing, mount = directory / "backing", directory / "mount"
        fill(backing, size + 64 * MIB)
        device = call("losetup", "--find", "--show", "--direct-io=on", backing)
        try:
            call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", device)
            mount.mkdir()
            call("mount", device, mount)
            try:
                fill(mount / "image", size)
                yield str(mount / "image")
            finally:
                call("umount", mount)
        finally:
            call("losetup", "--detach", device)


@contextlib.contextmanager
def zram(size):
    """zramctl(8) takes a free device and sets its size."""
    device = call("zramctl", "--find", "--size", str(size))
    try:
        fill(device, size)
        yield device
    finally:
        reset(device)


def reset(device):
    """The kernel frees a ring, and the files registered with it, some time after its process ends."""
    for _ in range(50):
        if subprocess.run(["zramctl", "--reset", device], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    call("zramctl", "--reset", device)


ALL = {"tmpfs": tmpfs, "zram": zram, "loop": loop, "ext4": ext4}
