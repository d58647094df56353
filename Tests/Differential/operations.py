"""Operations as plain lists, so that a failing sequence can be stored, cut and run again.

    ["out", WIDTH, PORT, VALUE, ...]        writes, one after another without a look in between
    ["in", WIDTH, PORT]                     one read
    ["fill", ADDRESS, SIZE, SEED]           guest memory
    ["put", ADDRESS, HEX]                   guest memory
    ["prd", CHANNEL, BASE, [[ADDRESS, SIZE, FLAGS], ...]]   a table, and the pointer to it
    ["port", CHANNEL, WIDTH, WORDS, SEED]   the data port: reads, or writes when SEED is not null
    ["pump", CHANNEL, WIDTH, BLOCKS, SEED]  the data port while DRQ, at most so many blocks
    ["packet", CHANNEL, HEX]                twelve bytes of a command packet
    ["disarm", CHANNEL]                     ends a DMA command that waits, by a short table
    ["recover", CHANNEL]                    out of a transfer: disarm and SRST, if BSY or DRQ

Every operation works on one machine alone and looks only at that machine's answers.
"""

import random
import time

from commands import IDENTIFY, IDENTIFY_PACKET, PACKET, WRITES_DATA_PORT
from layout import (
    BSY, BUS_MASTER, CONTROL, DRQ, HIGH, MIDDLE, SHORT_BUFFER, SHORT_TABLE, START,
    TASK_NAMES, bus_master, task_port)

SETTLE_SECONDS = 10.0


def channel_of(port):
    return 0 if port & 0x80 or 0xC000 <= port < 0xC008 else 1


def port_name(port):
    if port in CONTROL:
        return "alternate"
    return f"master{port & 7}" if port >= BUS_MASTER else TASK_NAMES[port & 7]


STATUS_READS = [("b", CONTROL[0]), ("b", CONTROL[1]),
                ("b", bus_master(0, 2)), ("b", bus_master(1, 2))]


def is_running(channels, statuses):
    """Whether a command runs on either channel; `statuses`: what STATUS_READS gave."""
    primary, secondary, first, second = statuses
    running = False
    for channel, status, master in zip(channels, (primary, secondary), (first, second)):
        # A packet's DMA that QEMU gave up for want of table leaves D8h there until reset.
        given_up = status & (BSY | DRQ) == BSY | DRQ and not master & START and channel.dma
        running |= bool(status & BSY) and not channel.control & 4 and not given_up
        # QEMU shows 58h while it moves data: armed and running differ in ACTIVE alone.
        waits_for_packet = channel.command == PACKET and not channel.cdb
        running |= (channel.dma and channel.started and not waits_for_packet
                    and bool(status & DRQ and master & START))
    return running


class Patience:
    """Sleeps between looks; `ends` when that has taken too long."""

    def __init__(self):
        self.limit = None

    def ends(self):
        now = time.monotonic()
        self.limit = self.limit or now + SETTLE_SECONDS
        if now > self.limit:
            return True
        time.sleep(0.0002)  # the machines share the processors with us
        return False


def settle(machine, channels):
    """Waits until no command runs; False when that takes too long."""
    patience = Patience()
    while is_running(channels, machine.qtest.inputs(STATUS_READS)):
        if patience.ends():
            return False
    return True


class Runner:
    """Runs operations on one machine. `perform` answers with a list of (name, value)."""

    def __init__(self, machine, channels):
        self.machine = machine
        self.qtest = machine.qtest
        self.channels = channels
        self.serials = [0, 0]  # of the commands that `words` is about
        self.words = [0, 0]  # of each channel, read from the data port since the last command

    def perform(self, operation):
        return getattr(self, "_" + operation[0])(*operation[1:])

    def _out(self, *writes):
        self.qtest.run([f"out{writes[i]} 0x{writes[i + 1]:x} 0x{writes[i + 2]:x}"
                        for i in range(0, len(writes), 3)])
        return []

    def _in(self, width, port):
        return [("in." + port_name(port), self.qtest.inputs([(width, port)])[0])]

    def _fill(self, address, size, seed):
        self.qtest.write(address, random.Random(seed).randbytes(size))
        return []

    def _put(self, address, text):
        self.qtest.write(address, bytes.fromhex(text))
        return []

    def _prd(self, channel, base, entries):
        table = b"".join(address.to_bytes(4, "little") + size.to_bytes(2, "little")
                         + flags.to_bytes(2, "little") for address, size, flags in entries)
        self.qtest.write(base & ~3, table)
        return self._out("l", bus_master(channel, 4), base)

    def _port(self, channel, width, words, seed):
        port = task_port(channel, 0)
        if seed is None:
            return self._values(channel, width, self.qtest.inputs([(width, port)] * words))
        bits = {"b": 8, "w": 16, "l": 32}[width]
        values = random.Random(seed)
        self.qtest.run([f"out{width} 0x{port:x} 0x{values.getrandbits(bits):x}"
                        for _ in range(words)])
        return []

    def _values(self, channel, width, values):
        """Words of IDENTIFY and of packet replies count one by one, sectors as a block."""
        state = self.channels[channel]
        if self.serials[channel] != state.serial:
            self.serials[channel], self.words[channel] = state.serial, 0
        first = self.words[channel]
        self.words[channel] += len(values) * (2 if width == "l" else 1)
        if width == "b":
            return [("bytes", tuple(values))]
        single = state.command in (IDENTIFY, IDENTIFY_PACKET) or (
            state.command == PACKET and not state.reads_medium)
        if not single:
            return [("block", tuple(values))]
        if width == "l":
            values = [half for value in values for half in (value & 0xFFFF, value >> 16)]
        return [(f"data[{first + index}]", value) for index, value in enumerate(values)]

    def _pump(self, channel, width, blocks, seed):
        state, seen = self.channels[channel], []
        if state.dma:
            return seen
        writes = state.command in WRITES_DATA_PORT
        for block in range(blocks):
            if not settle(self.machine, self.channels):
                return seen + [("settled", False)]
            status, middle, high = self.qtest.inputs(
                [("b", CONTROL[channel]), ("b", task_port(channel, MIDDLE)),
                 ("b", task_port(channel, HIGH))])
            line = self.qtest.levels.get(14 + channel, False)
            seen += [("pump st", status), ("pump irq", line)]
            if not status & DRQ:
                return seen
            size = 512
            if state.command == PACKET:
                size = max(2, min(middle | high << 8, 0x10000))
            words = (size + 3) // 4 if width == "l" and size % 4 == 0 else (size + 1) // 2
            chosen = "l" if width == "l" and size % 4 == 0 else "w"
            seen += self._port(channel, chosen, words, seed + block if writes else None)
            if block % 3 == 0 and settle(self.machine, self.channels):
                seen += self._in("b", task_port(channel, 7))
        return seen

    def _packet(self, channel, text):
        data = bytes.fromhex(text)
        port = task_port(channel, 0)
        self.qtest.run([f"outw 0x{port:x} 0x{data[i] | data[i + 1] << 8:x}"
                        for i in range(0, len(data), 2)])
        return []

    def _disarm(self, channel):
        """QEMU keeps a command armed over a reset, and dies of the next START."""
        status, master = self.qtest.inputs(
            [("b", CONTROL[channel]), ("b", bus_master(channel, 2))])
        if not (self.channels[channel].dma and status & DRQ) or master & START:
            return []
        table = self.qtest.inputs([("l", bus_master(channel, 4))])[0]
        self._out("b", bus_master(channel, 0), 0)
        self._prd(channel, SHORT_TABLE, [[SHORT_BUFFER, 2, 0x8000]])
        self._out("b", bus_master(channel, 0), START)
        settle(self.machine, self.channels)
        return self._out("b", bus_master(channel, 0), 0, "l", bus_master(channel, 4), table)

    def _recover(self, channel):
        status = self.qtest.inputs([("b", CONTROL[channel])])[0]
        if status & (BSY | DRQ):
            self._disarm(channel)
            control = self.channels[channel].control & 2
            self._out("b", CONTROL[channel], 4 | control, "b", CONTROL[channel], control)
        return [("recover st", status)]
