"""Runs one list of operations on two machines and compares what a guest can see of them."""

from collections import Counter

from commands import DMA_OUT, PIO_OUT, TRIM
from layout import (
    BUFFERS, CONTROL, COMMAND, DEVICE, DRQ, INTERRUPT, SLOTS, TASK_NAMES, bus_master, task_port)
from operations import Runner, channel_of, settle
from qtest import MachineGone
from tracker import Channel, follow, port_writes

PAGE = 4096
COMMAND_PORTS = [task_port(channel, COMMAND) for channel in (0, 1)]


class Mismatch(Exception):
    def __init__(self, step, label, left, right):
        super().__init__(f"step {step}: {label}: {shown(left)} against {shown(right)}")
        self.step, self.label, self.left, self.right = step, label, left, right


def shown(value):
    if isinstance(value, bool) or not isinstance(value, int):
        text = repr(value)
        return text if len(text) < 200 else text[:200] + "..."
    return f"{value:02x}"


class Figures(Counter):
    """Values compared, by what they are; `masked ...` those that a mask line hid."""

    @property
    def compared(self):
        return sum(n for name, n in self.items() if name.startswith("compared "))

    @property
    def masked(self):
        return sum(n for name, n in self.items() if name.startswith("masked "))


class Comparison:
    """`left` is QEMU, `right` the machine under test."""

    def __init__(self, left, right, masks, figures):
        self.left, self.right = left, right
        self.masks, self.figures = masks, figures
        drives = left.drives
        self.channels = [Channel({s & 1: m for s, m in drives.items() if s >> 1 == channel})
                         for channel in (0, 1)]
        self.runners = [Runner(machine, self.channels) for machine in (left, right)]
        self.step = 0
        self.carried = {}  # differences already masked, until either value changes
        self.tainted = []  # (slot, first sector, count) that a masked rule let differ
        self.over = False

    def run(self, operations):
        """Raises Mismatch at the first difference that no mask covers."""
        for self.step, operation in enumerate(operations):
            self._perform(operation)
            if self.over:
                break
        self._memory(0, [BUFFERS], ["end"])

    def _perform(self, operation):
        self.figures["operations"] += 1
        self.figures["commands"] += sum(
            port in COMMAND_PORTS for port, _ in port_writes(operation))
        follow(self.channels, operation)
        seen = [runner.perform(operation) for runner in self.runners]
        settled = [settle(runner.machine, self.channels) for runner in self.runners]
        channel = self._channel(operation)
        masked = [False, False]
        masked[channel] = self._values(channel, operation, seen)
        masked[channel] |= self._values(
            channel, operation, [[("settled", value)] for value in settled])
        for number in (0, 1):
            masked[number] |= self._registers(number, operation)
        if operation[0] == "out" and self.channels[channel].started:
            if self._memory(channel, self.channels[channel].table.regions(), operation):
                self._copy_memory()
        for number in (0, 1):
            if masked[number]:
                self._resynchronise(number)

    @staticmethod
    def _channel(operation):
        if operation[0] in ("in", "out"):
            return channel_of(operation[2])
        return operation[1] if operation[0] in ("port", "pump", "packet", "recover", "prd") else 0

    def _registers(self, number, operation):
        """Samples one channel: nothing here changes what the guest would see next."""
        reads = [("b", task_port(number, register)) for register in range(1, 7)]
        reads += [("b", CONTROL[number]), ("b", bus_master(number, 0)),
                  ("b", bus_master(number, 2)), ("l", bus_master(number, 4))]
        names = [*TASK_NAMES[1:7], "st", "bm.command", "bm.st", "bm.table"]
        samples = []
        for runner in self.runners:
            values = list(zip(names, runner.qtest.inputs(reads)))
            line = INTERRUPT[number]
            values.append(("irq", runner.qtest.levels.get(line, False)))
            edges = [raised for which, raised in runner.qtest.edges if which == line]
            runner.qtest.edges = [edge for edge in runner.qtest.edges if edge[0] != line]
            values.append(("edges", tuple(edges)))
            samples.append(values)
        self.channels[number].status = samples[0][6][1] | samples[1][6][1]
        try:
            return self._values(number, operation, samples)
        except Mismatch as mismatch:
            mismatch.args = (str(mismatch) + "".join(
                f"\n  {name}: " + " ".join(f"{label}={shown(value)}" for label, value in sample)
                for name, sample in zip(("qemu", "ours"), samples)),)
            raise

    def _values(self, number, operation, seen):
        left, right = seen
        masked = False
        for index in range(max(len(left), len(right))):
            a = left[index] if index < len(left) else ("nothing", None)
            b = right[index] if index < len(right) else ("nothing", None)
            label = a[0]
            if a[0] != b[0]:
                a, b = (label, a), (label, b)
            masked |= self._compare(number, operation, label, a[1], b[1])
        return masked

    def _compare(self, number, operation, label, a, b):
        """Whether this value was newly masked."""
        kind = label.split("[")[0].split(" ")[0]
        kind = "register" if kind in TASK_NAMES or kind.startswith(("bm.", "in")) else kind
        self.figures["compared " + kind] += 1
        key = (number, label)
        if a == b:
            self.carried.pop(key, None)
            return False
        if self.carried.get(key) == (a, b):
            self.figures["masked " + kind] += 1
            return False
        mask = self.masks.find(label, self.channels[number], operation, a, b)
        if mask is None:
            raise Mismatch(self.step, f"{'primary' if number == 0 else 'secondary'} {label}", a, b)
        self.figures["masked " + kind] += 1
        self.carried[key] = (a, b)
        return True

    def _memory(self, number, regions, operation):
        masked = False
        for start, size in regions:
            a, b = (runner.qtest.read(start, size) for runner in self.runners)
            for offset in range(0, size, PAGE):
                one, other = a[offset:offset + PAGE], b[offset:offset + PAGE]
                if one != other:
                    at = next(i for i, (x, y) in enumerate(zip(one, other)) if x != y)
                    one, other = one[at:at + 8].hex(), other[at:at + 8].hex()
                    masked |= self._compare(
                        number, operation, f"memory {start + offset + at:#x}", one, other)
                else:
                    self.figures["compared memory"] += 1
        return masked

    def _copy_memory(self):
        start, size = BUFFERS
        self.right.qtest.write(start, self.left.qtest.read(start, size))

    def _resynchronise(self, number):
        """After a masked difference: both through SRST to equal registers, or the episode ends."""
        state = self.channels[number]
        code = state.command
        if state.kind == "disk" and (code in PIO_OUT + DMA_OUT + (TRIM,) or state.unlisted):
            slot = number << 1 | state.drive
            vague = code == TRIM or state.chs or state.unlisted
            self.tainted.append((slot, state.lba, None if vague else state.count))
            self.over = True
            return
        device = state.registers[DEVICE]
        control, port = CONTROL[number], task_port(number, 0)
        for runner in self.runners:
            runner.perform(["out", "b", bus_master(number, 0), 0, "b", control, 4])
            runner.perform(["out", "b", control, 0])
            settle(runner.machine, self.channels)
            writes = ["b", port + DEVICE, device]
            for register in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5):
                writes += ["b", port + register, 0]
            runner.perform(["out", *writes])
            runner.perform(["in", "b", port + COMMAND])
            runner.perform(["out", "b", bus_master(number, 2), 0x06, "b", control, state.control & 2])
            runner.qtest.edges = [
                edge for edge in runner.qtest.edges if edge[0] != INTERRUPT[number]]
        state.write_control(4)
        state.write_control(state.control & 2)
        state.registers = [0] * 6 + [device, 0]
        state.previous = [0] * 8
        state.command, state.started, state.status = -1, False, 0

    def finish(self):
        """Ends both machines; compares their images. Raises Mismatch."""
        statuses = [machine.stop() for machine in (self.left, self.right)]
        if statuses[1] != 0:
            raise MachineGone(f"exit status {statuses[1]}: {self.right.messages()}")
        for slot, medium in self.left.drives.items():
            if medium.path is not None and not medium.is_cd:
                self._image(slot)

    def _image(self, slot):
        a, b = (open(machine.images[slot], "rb").read() for machine in (self.left, self.right))
        for start in range(0, max(len(a), len(b)), PAGE):
            if a[start:start + PAGE] == b[start:start + PAGE]:
                self.figures["compared image"] += 1
            elif self._excused(slot, start // 512, PAGE // 512):
                self.figures["compared image"] += 1
                self.figures["masked image"] += 1
            else:
                raise Mismatch(self.step, f"image of {SLOTS[slot]} at {start:#x}",
                               a[start:start + 16].hex(), b[start:start + 16].hex())

    def _excused(self, slot, first, count):
        return any(which == slot and (size is None or start < first + count and
                                      first < start + size)
                   for which, start, size in self.tainted)
