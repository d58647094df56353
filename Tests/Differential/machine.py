"""The two machines under comparison: QEMU's `pc` with `piix3-ide`, and `ide-machine`.

Both get the same RAM, the same zero-filled ROM below 1 MiB and copies of the same images, and
the same set-up of the PCI function 00:01.1: bus-master ports at BUS_MASTER, I/O and mastering on.
"""

import os
import shutil
import signal
import subprocess

from layout import BUS_MASTER, MEMORY_MIB, ROM_BASE, ROM_SIZE, SLOTS
from qtest import MachineGone, Qtest

FUNCTION = 0x80000900  # PCI 2.1, 3.2.2.3.2: enable, bus 0, device 1, function 1
SERIAL, FIRMWARE, MODEL = "DIFF0001", "1.0", "SWIFT-BLOCKIO DISK"


class Machine:
    """A running process and its qtest connection. `drives`: {slot: Medium}, see media.py."""

    def __init__(self, name, command, directory, drives):
        self.name = name
        self.directory = directory
        self.images = {}
        for slot, medium in drives.items():
            if medium.path is None:
                self.images[slot] = None
                continue
            self.images[slot] = os.path.join(directory, SLOTS[slot])
            shutil.copyfile(medium.path, self.images[slot])
        self.drives = drives
        self.log = open(os.path.join(directory, "log"), "w+b")
        self.qtest = Qtest(os.path.join(directory, "qtest"))
        self.process = subprocess.Popen(
            self.arguments(command), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.qtest.accept()
            self._enable()
        except MachineGone as gone:
            self.stop()
            raise MachineGone(f"{name}: {gone}: {self.messages()}") from None

    def messages(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def _enable(self):
        self.qtest.run(["irq_intercept_in ioapic"])
        for register, width, value in ((0x20, "l", BUS_MASTER | 1), (0x04, "w", 0x0005)):
            self.qtest.out("l", 0xCF8, FUNCTION | register)
            self.qtest.out(width, 0xCFC, value)
        # A PC's interrupt lines idle high or low as its other devices leave them; only IDE's count.
        self.qtest.take_edges()

    def stop(self):
        """Ends the process; its exit status. The images are complete afterwards."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.qtest.close()
        return status


class QEMUMachine(Machine):
    def arguments(self, command):
        rom = os.path.join(self.directory, "rom")
        with open(rom, "wb") as file:
            file.write(bytes(ROM_SIZE))
        words = list(command) + [
            "-M", "pc", "-nodefaults", "-display", "none", "-m", str(MEMORY_MIB), "-bios", rom,
            "-accel", "qtest", "-qtest", "unix:" + self.qtest.path, "-qtest-log", "/dev/null"]
        for slot, medium in self.drives.items():
            place = f"bus=ide.{slot >> 1},unit={slot & 1}"
            if medium.is_cd:
                if self.images[slot] is None:
                    words += ["-device", f"ide-cd,{place},serial={SERIAL}{slot}"]
                    continue
                words += [
                    "-drive", f"if=none,id=d{slot},format=raw,readonly=on,media=cdrom,"
                    f"file={self.images[slot]}",
                    "-device", f"ide-cd,{place},drive=d{slot},serial={SERIAL}{slot}"]
            else:
                words += [
                    "-drive", f"if=none,id=d{slot},format=raw,discard=unmap,"
                    f"file={self.images[slot]}",
                    "-device", f"ide-hd,{place},drive=d{slot},serial={SERIAL}{slot},"
                    f"ver={FIRMWARE},model={MODEL}"]
        return words


class OurMachine(Machine):
    extra = ""

    def arguments(self, command):
        words = list(command) + [
            "--memory", str(MEMORY_MIB), "--hole", "0xA0000+0x20000",
            "--rom", f"{ROM_BASE:#x}+{ROM_SIZE:#x}", "--qtest", "unix:" + self.qtest.path]
        for slot, medium in self.drives.items():
            text = f"{SLOTS[slot]}={self.images[slot] or ''}"
            if medium.is_cd:
                text += ",media=cdrom"
            text += f",serial={SERIAL}{slot}"
            if not medium.is_cd:
                text += f",firmware={FIRMWARE}"
            words += ["--drive", text + OurMachine.extra]
        return words
