#!/usr/bin/env python3
"""User instructions of a READ DMA over qtest: ide-machine beside QEMU.

    Benchmarks/compare/ide_dma.py --qemu PROGRAM [--ours PROGRAM] [--engines libaio,io_uring,threads]
        [--commands 500] [--json FILE]

One client drives both, each under callgrind: commands of 128 KiB into 32 pieces of 4 KiB, and the same
number of lines that read and write a register of no effect. Each figure is the difference between two
runs of other length, so that start and end do not count, and what the lines alone cost is subtracted:
lines of the same kinds, and as many lines that read. The client sends nothing while it waits for the
interrupt.

QEMU is refused io_uring, as in a container: its main loop would wait in it, which valgrind 3.19 does not
get through. So its drives are aio=native and aio=threads.

Needs valgrind, a QEMU with -accel qtest (7.2 of Debian 12 has none), and a release build of ide-machine.
"""

import argparse
import ctypes
import json
import os
import re
import shlex
import socket
import struct
import subprocess
import sys
import tempfile

TABLE, DATA, PIECES, PIECE = 0x1000, 0x100000, 32, 4096
BUS_MASTER = 0xC000
SET_UP = [
    "irq_intercept_in ioapic",
    "outl 0xcf8 0x80000920", f"outl 0xcfc {BUS_MASTER}",
    "outl 0xcf8 0x80000904", "outw 0xcfc 5",
    *(f"writeq {TABLE + 8 * n} {DATA + 2 * PIECE * n | PIECE << 32 | (n == PIECES - 1) << 63}"
      for n in range(PIECES)),
    f"outl {BUS_MASTER + 4} {TABLE}",
    "outb 0x3f6 0",
]
# As a driver does it: the task file, the command, the start; then, after the interrupt, its handler.
COMMAND = [
    f"outb {BUS_MASTER + 2} 6",
    "outb 0x1f6 0xe0", "outb 0x1f2 0", "outb 0x1f3 0", "outb 0x1f4 0", "outb 0x1f5 0",
    "outb 0x1f7 0xc8", f"outb {BUS_MASTER} 9",
]
HANDLER = [f"inb {BUS_MASTER + 2}", f"outb {BUS_MASTER} 0", "inb 0x1f7"]
# As many lines, of the same kinds, that do nothing.
HARMLESS = ["inb 0x3f6" if line.startswith("in") else "outb 0x1f1 0" for line in COMMAND + HANDLER]
LINES = len(HARMLESS)
READS = ["inb 0x3f6"] * LINES


def refuse_io_uring():
    """seccomp(2): io_uring_setup answers EPERM, here and in what is executed."""
    load, equal, answer = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K of bpf(4)
    io_uring_setup, allow, refuse = 425, 0x7FFF0000, 0x00050000 | 1
    code = b"".join(struct.pack("HBBI", *words) for words in (
        (load, 0, 0, 0), (equal, 0, 1, io_uring_setup), (answer, 0, 0, refuse),
        (answer, 0, 0, allow)))
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, and PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


class Client:
    """The side that listens. One line at a time, so that both machines do the same in turn."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(120)

    def accept(self):
        peer, _ = self.listener.accept()
        peer.settimeout(120)
        self.stream = peer.makefile("rw")
        self.raised = False

    def line(self):
        words = self.stream.readline().split()
        if not words:
            raise RuntimeError("the machine is gone")
        if words[0] == "IRQ":
            self.raised = words[1] == "raise" and words[2] == "14"
        return words

    def run(self, text):
        self.stream.write(text + "\n")
        self.stream.flush()
        while (words := self.line())[0] == "IRQ":
            pass
        if words[0] != "OK":
            raise RuntimeError(f"{text}: {words}")
        return words[-1]

    def transfer(self):
        for text in COMMAND:
            self.run(text)
        while not self.raised:
            self.line()
        answers = [self.run(text) for text in HANDLER]
        if [int(answers[n], 16) for n in (0, 2)] != [4, 0x50]:
            raise RuntimeError(f"READ DMA ended with {answers}")
        self.raised = False


def collected(command, transfers, idle, work, harmless=HARMLESS):
    """Instructions of a machine that does so much."""
    path, log = os.path.join(work, "qtest.sock"), os.path.join(work, "log")
    if os.path.exists(path):
        os.unlink(path)
    client = Client(path)
    valgrind = [
        "valgrind", "--tool=callgrind", "--trace-children=yes", f"--log-file={log}.%p",
        "--callgrind-out-file=/dev/null",
    ]
    with open(os.path.join(work, "output"), "w") as output:
        machine = subprocess.Popen(
            valgrind + [text.replace("SOCKET", path) for text in command],
            stdout=output, stderr=output,
            preexec_fn=refuse_io_uring if "-accel" in command else None)
    try:
        client.accept()
        for text in SET_UP:
            client.run(text)
        for _ in range(transfers):
            client.transfer()
        for _ in range(idle):
            for line in harmless:
                client.run(line)
        machine.terminate()
        machine.wait(timeout=120)
    finally:
        if machine.poll() is None:
            machine.kill()
            print(open(os.path.join(work, "output")).read(), file=sys.stderr)
    figures = re.findall(r"Collected : (\d+)", open(f"{log}.{machine.pid}").read())
    return int(figures[-1])


def measure(name, command, count, work):
    """Instructions of one READ DMA, and of the lines that it takes."""
    # The first ones allocate what is used again.
    base = collected(command, 20, 1, work)
    transfer = (collected(command, 20 + count, 1, work) - base) / count
    lines = (collected(command, 20, 1 + count, work) - base) / count
    few, many = (collected(command, 20, number, work, READS) for number in (1, 1 + count))
    reads = (many - few) / count
    result = {"transfer": transfer, "lines": lines, "net": transfer - lines, "reads": reads}
    print(
        f"{name:24} {transfer:10.0f} {lines:12.0f} {transfer - lines:10.0f}"
        f" {reads:12.0f} {transfer - reads:10.0f}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qemu", required=True, help="command of a QEMU with -accel qtest")
    parser.add_argument("--ours", default=".build/release/ide-machine")
    parser.add_argument("--engines", default="libaio,io_uring,threads")
    parser.add_argument("--commands", type=int, default=500)
    parser.add_argument("--json", help="keep the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as work:
        image = os.path.join(work, "disk.img")
        with open(image, "wb") as file:
            file.write(os.urandom(1 << 20))
        # valgrind cannot read the debug information of Swift's compiler.
        ours = os.path.join(work, "ide-machine")
        subprocess.run(["strip", "-g", "-o", ours, options.ours], check=True)
        machines = {
            f"ide-machine {engine}": [
                ours, "--memory", "64", "--drive", f"primary-master={image},engine={engine}",
                "--qtest", "unix:SOCKET",
            ] for engine in options.engines.split(",")
        }
        for aio in ("native", "threads"):
            machines[f"QEMU aio={aio}"] = shlex.split(options.qemu) + [
                "-M", "pc", "-accel", "qtest", "-m", "64", "-nodefaults", "-display", "none",
                "-drive", f"if=none,id=disk,format=raw,file={image},cache.direct=on,aio={aio}",
                "-device", "ide-hd,drive=disk,bus=ide.0,unit=0", "-qtest", "unix:SOCKET",
            ]
        print(
            f"{'user instructions':24} {'READ DMA':>10} {f'{LINES} lines':>12} {'without':>10}"
            f" {f'{LINES} reads':>12} {'without':>10}")
        figures = {
            name: measure(name, command, options.commands, work)
            for name, command in machines.items()
        }
        reference = figures["QEMU aio=native"]["net"]
        for name, figure in figures.items():
            figure["to_qemu_native"] = figure["net"] / reference
            print(f"{name:24} {figure['to_qemu_native']:.3f} of QEMU's with aio=native")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"schema": 1, "lines": LINES, "machines": figures}, file, indent=2)


if __name__ == "__main__":
    main()
