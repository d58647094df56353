"""Runs one list of operations on two machines and compares what a guest can see of them."""

from collections import Counter

from commands import DMA_OUT, PACKET, PIO_OUT, TRIM
from layout import (
    BSY, BUFFERS, CONTROL, COMMAND, DEVICE, DRQ, ERR, FEATURES, INTERRUPT, SLOTS, TASK_NAMES,
    bus_master, task_port)
from operations import STATUS_READS, Patience, Runner, channel_of, is_running, settle
from qtest import MachineGone
from tracker import Channel, follow, port_writes

PAGE = 4096
WRITES = PIO_OUT + DMA_OUT
NEIGHBOURS = 8  # sectors before and after those of a write
MOVES = ("out", "packet", "disarm", "recover")  # operations that may begin or end a DMA transfer
# Nothing here changes what the guest would see next. Both channels in turn.
SAMPLE_NAMES = (*TASK_NAMES[1:7], "st", "bm.command", "bm.st", "bm.table")
SAMPLE_READS = [read for reads in zip(*(
    [*(("b", task_port(channel, register)) for register in range(1, 7)), ("b", CONTROL[channel]),
     ("b", bus_master(channel, 0)), ("b", bus_master(channel, 2)), ("l", bus_master(channel, 4))]
    for channel in (0, 1))) for read in reads]
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
        self.samples = []  # of both channels, of both machines: registers after the operation
        self.step = 0
        self.carried = {}  # differences already masked and by what, until either value changes
        self.tainted = []  # (slot, first sector, count) that a masked rule let differ
        self.over = False
        self.checked = [0, 0]  # serials of the commands whose sectors were compared, by channel
        self.copies = False  # guest memory has become different

    def run(self, operations):
        """Raises Mismatch at the first difference that no mask covers."""
        for self.step, operation in enumerate(operations):
            self._perform(operation)
            if self.over:
                break
        if self.over:
            self.figures["ended early"] += 1
        else:
            self._memory(0, [BUFFERS], ["end"])

    def _perform(self, operation):
        self.figures["operations"] += 1
        self.figures["commands"] += sum(
            port in COMMAND_PORTS for port, _ in port_writes(operation))
        follow(self.channels, operation)
        seen = [runner.perform(operation) for runner in self.runners]
        settled = self._observe()
        for state, sample in zip(self.channels, self.samples):
            state.look([side["st"] for side in sample])
        channel = self._channel(operation)
        masked = [[], []]
        masked[channel] += self._values(channel, operation, seen)
        masked[channel] += self._values(
            channel, operation, [[("settled", value)] for value in settled])
        for number in (0, 1):
            masked[number] += self._registers(number, operation)
        if operation[0] in MOVES and self.channels[channel].started:
            masked[channel] += self._memory(
                channel, self.channels[channel].table.regions(), operation)
        for number in (0, 1):
            self._go_on(number, masked[number])
            if not self.over:
                self._written(number, operation)

    @staticmethod
    def _channel(operation):
        if operation[0] in ("in", "out"):
            return channel_of(operation[2])
        return 0 if operation[0] in ("fill", "put") else operation[1]

    def _observe(self):
        """Samples both machines when no command runs; whether that came true, for each."""
        settled, values = [False, False], [None, None]
        patience = Patience()
        while not all(settled):
            waiting = [side for side in (0, 1) if not settled[side]]
            for side in waiting:
                self.runners[side].qtest.ask(STATUS_READS + SAMPLE_READS)
            for side in waiting:
                told = self.runners[side].qtest.told(len(STATUS_READS + SAMPLE_READS))
                # What ends between the first read and the last must not pass for one state.
                settled[side] = not is_running(self.channels, told[:len(STATUS_READS)])
                values[side] = told[len(STATUS_READS):]
            if not all(settled) and patience.ends():
                break
        self.samples = [[self._sample(runner, number, values[side][number::2])
                         for side, runner in enumerate(self.runners)] for number in (0, 1)]
        return settled

    @staticmethod
    def _sample(runner, number, values):
        """The registers of a channel, its line, and how that has changed."""
        sample = dict(zip(SAMPLE_NAMES, values))
        line = INTERRUPT[number]
        sample["irq"] = runner.qtest.levels.get(line, False)
        sample["edges"] = tuple(raised for which, raised in runner.qtest.edges if which == line)
        runner.qtest.edges = [edge for edge in runner.qtest.edges if edge[0] != line]
        return sample

    def _registers(self, number, operation):
        samples = self.samples[number]
        try:
            return self._values(number, operation, [list(sample.items()) for sample in samples])
        except Mismatch as mismatch:
            mismatch.args = (str(mismatch) + "".join(
                f"\n  {name}: " + " ".join(
                    f"{label}={shown(value)}" for label, value in sample.items())
                for name, sample in zip(("qemu", "ours"), samples)),)
            raise

    def _values(self, number, operation, seen):
        """The masks that were needed for the first time."""
        shapes = [tuple(label for label, _ in side) for side in seen]
        if shapes[0] != shapes[1]:
            return self._compare(number, operation, "shape", *shapes)
        masked = []
        for (label, a), (_, b) in zip(*seen):
            masked += self._compare(number, operation, label, a, b)
        return masked

    def _compare(self, number, operation, label, a, b):
        """The mask, if this value needed one and had none before."""
        kind = label.split("[")[0].split(" ")[0]
        kind = "register" if kind in TASK_NAMES or kind.startswith(("bm.", "in")) else kind
        self.figures["compared " + kind] += 1
        key = (number, self.channels[number].selected, label)
        if a == b:
            self.carried.pop(key, None)
            return []
        carried = self.carried.get(key)
        if carried is not None and carried[:2] == (a, b):
            mask = carried[2]
        else:
            mask = self.masks.find(
                label, self.channels[number], operation, a, b, self.samples[number])
            carried = None
        if mask is None:
            raise Mismatch(self.step, f"{'primary' if number == 0 else 'secondary'} {label}", a, b)
        mask.hits += 1
        self.figures["masked " + kind] += 1
        self.carried[key] = (a, b, mask)
        return [mask] if carried is None else []

    def _memory(self, number, regions, operation):
        masked = []
        for start, size in regions:
            a, b = (runner.qtest.read(start, size) for runner in self.runners)
            for offset in range(0, size, PAGE):
                one, other = a[offset:offset + PAGE], b[offset:offset + PAGE]
                if one != other:
                    self.copies = True
                    at = next(i for i, (x, y) in enumerate(zip(one, other)) if x != y)
                    one, other = one[at:at + 8].hex(), other[at:at + 8].hex()
                    masked += self._compare(
                        number, operation, f"memory {start + offset + at:#x}", one, other)
                else:
                    self.figures["compared memory"] += 1
        return masked

    def _written(self, number, operation):
        """The sectors of a write that has ended, and their neighbours, on both images."""
        state = self.channels[number]
        if (state.kind != "disk" or state.command not in WRITES or state.status & (BSY | DRQ)
                or self.checked[number] == state.serial):
            return
        self.checked[number] = state.serial
        slot = number << 1 | state.drive
        start = min(max(state.lba - NEIGHBOURS, 0), state.blocks)
        end = min(state.lba + min(state.count, 2 * PAGE // 512) + NEIGHBOURS, state.blocks)
        contents = []
        for machine in (self.left, self.right):
            with open(machine.images[slot], "rb") as file:
                file.seek(512 * start)
                contents.append(file.read(512 * max(end - start, 0)))
        differing = [start + offset // 512 for offset in range(0, len(contents[0]), 512)
                     if contents[0][offset:offset + 512] != contents[1][offset:offset + 512]]
        self._compare(number, operation, "image", [], differing)

    def _go_on(self, number, masked):
        """What the masks that were used say about the rest of the episode."""
        state = self.channels[number]
        writes_odd = (state.command in DMA_OUT and state.table.odd
                      and not self.samples[number][1]["st"] & DRQ)
        # QEMU has discarded what stands before the range in error.
        half_trimmed = state.command == TRIM and self.samples[number][0]["st"] & ERR
        if writes_odd or half_trimmed or any(mask.after == "end" for mask in masked):
            if state.kind == "disk" and (
                    state.command in PIO_OUT + DMA_OUT + (TRIM,) or state.unlisted):
                vague = state.hostile_chs or state.unlisted or state.command == TRIM
                slot = number << 1 | state.drive
                self.tainted.append((slot, state.lba, None if vague else state.count))
            self.over = True
        elif any(mask.after == "reset" for mask in masked) or state.diagnosed:
            self._resynchronise(number)
        if masked and self.copies:
            start, size = BUFFERS
            self.right.qtest.write(start, self.left.qtest.read(start, size))
            self.copies = False

    def _resynchronise(self, number):
        """Both through SRST to equal registers."""
        state = self.channels[number]
        device = state.registers[DEVICE]
        control, port = CONTROL[number], task_port(number, 0)
        for runner in self.runners:
            runner.perform(["disarm", number])
            runner.perform(["out", "b", bus_master(number, 0), 0, "b", control, 4])
            runner.perform(["out", "b", control, 0])
            settle(runner.machine, self.channels)
            for drive, medium in state.drives.items():
                if medium.is_cd:
                    self._quieten(runner, number, drive)
            writes = ["b", port + DEVICE, device]
            for register in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5):
                writes += ["b", port + register, 0]
            runner.perform(["out", *writes])
            runner.perform(["in", "b", port + COMMAND])
            runner.perform(["out", "b", bus_master(number, 2), 0x06,
                            "b", control, state.control & 2])
            runner.qtest.edges = [
                edge for edge in runner.qtest.edges if edge[0] != INTERRUPT[number]]
        state.write_control(4)
        state.write_control(state.control & 2)
        state.registers = [0] * 6 + [device, 0]
        state.previous = [0] * 8
        state.command, state.started, state.status = -1, False, 0
        state.diagnosed, state.ejected, state.sensed = False, False, -1
        self.figures["resets"] += 1

    def _quieten(self, runner, number, drive):
        """The tray shut, no attention, and the sense data of a packet that no drive knows."""
        shut = [[0x1B, 0, 0, 0, 3], [0], [0]] if self.channels[number].moved else []
        port = task_port(number, 0)
        for start in (*shut, [0xFF]):
            runner.perform(["out", "b", port + DEVICE, 0xA0 | drive << 4, "b", port + FEATURES, 0,
                            "b", port + COMMAND, PACKET])
            runner.perform(["packet", number, bytes(start).ljust(12, b"\0").hex()])
            settle(runner.machine, runner.channels)
            runner.perform(["in", "b", port + COMMAND])

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
        excused = 0
        for start in range(0, max(len(a), len(b)), PAGE):
            if a[start:start + PAGE] != b[start:start + PAGE]:
                if not self._excused(slot, start // 512, PAGE // 512):
                    raise Mismatch(self.step, f"image of {SLOTS[slot]} at {start:#x}",
                                   a[start:start + 16].hex(), b[start:start + 16].hex())
                excused = 1
        self.figures["compared image"] += 1
        self.figures["masked image"] += excused

    def _excused(self, slot, first, count):
        return any(which == slot and (size is None or start < first + count and
                                      first < start + size)
                   for which, start, size in self.tainted)
