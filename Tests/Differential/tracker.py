"""What a sequence of operations has asked of the controller, worked out from the writes alone.

The mask file's conditions and the settling of a step look here; the comparison itself never does.
"""

from commands import (
    DIAGNOSTIC, DMA, EXTENDED, LISTED, MEDIA, PACKET, PACKET_READS, PARAMETERS, SEEK, TRIM, sectors)
from layout import (
    BSY, BUS_MASTER, COMMAND, COMMAND_BLOCK, CONTROL, COUNT, DEVICE, DRQ, FEATURES, HIGH, LOW,
    MEMORY_SIZE, MIDDLE, ROM_BASE, ROM_SIZE, START, TO_MEMORY)


class Table:
    """A PRD table as written: `entries` of (address, size word, flags word)."""

    def __init__(self, base, entries):
        self.base = base
        self.entries = []
        self.ended = False
        for index, entry in enumerate(entries):
            if index * 8 >= 4096:  # SFF-8038i, 1.2, and the page: 4096 bytes from the base
                break
            self.entries.append(entry)
            if entry[2] & 0x8000:
                self.ended = True
                break

    @property
    def pieces(self):
        return [(address & ~1, (size & 0xFFFE) or 0x10000) for address, size, _ in self.entries]

    @property
    def total(self):
        return sum(size for _, size in self.pieces)

    @property
    def odd(self):
        return any(address & 1 for address, _, _ in self.entries)

    @property
    def hole(self):
        ends = [(a, a + n) for a, n in self.pieces]
        inside = any(b > 0xA0000 and a < 0xC0000 for a, b in ends)
        return inside or any(b > MEMORY_SIZE for _, b in ends) or self.base + 8 > MEMORY_SIZE

    @property
    def rom(self):
        return any(a < ROM_BASE + ROM_SIZE and a + n > ROM_BASE for a, n in self.pieces)

    @property
    def overlap(self):
        ends = sorted(self.pieces)
        return any(a + n > b for (a, n), (b, _) in zip(ends, ends[1:]))

    def regions(self, limit=1 << 19):
        """The RAM it points at, merged, with 16 bytes on either side as guard."""
        merged = []
        for start, size in sorted(self.pieces):
            start, end = max(start - 16, 0), min(start + size + 16, MEMORY_SIZE)
            if start >= end:
                continue
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([start, end])
        regions = []
        for start, end in merged:
            end = min(end, start + limit)
            limit -= end - start
            if end > start:
                regions.append((start, end - start))
        return regions


EMPTY = Table(0, [])


class Channel:
    """One channel. `drives`: {0 or 1: Medium}."""

    def __init__(self, drives):
        self.drives = drives
        self.registers = [0] * 8
        self.previous = [0] * 8
        self.control = 0
        self.status = 0  # as last sampled
        self.started = False
        self.direction = 0
        self.table = EMPTY
        self.command = -1
        self.cdb = b""
        self.drive = 0
        self.features = self.count = self.lba = 0
        self.was_reset = False
        self.geometry_set = False

    # What the mask file's conditions see.
    @property
    def selected(self):
        return (self.registers[DEVICE] >> 4) & 1

    @property
    def medium(self):
        return self.drives.get(self.drive)

    @property
    def kind(self):
        return "none" if self.medium is None else "cd" if self.medium.is_cd else "disk"

    @property
    def absent(self):
        """Whether the selected drive is not there while the other one is."""
        return bool(self.drives) and self.selected not in self.drives

    @property
    def opcode(self):
        return self.cdb[0] if self.command == PACKET and self.cdb else -1

    @property
    def extended(self):
        return self.command in EXTENDED

    @property
    def outside(self):
        blocks = self.medium.blocks if self.medium else 0
        return not self.chs and self.lba + self.count > blocks

    @property
    def chs(self):
        return not self.registers[DEVICE] & 0x40 and not self.extended

    @property
    def hostile_chs(self):
        """Not an address of the default geometry's tracks, or not of the default geometry."""
        return self.chs and (self.geometry_set or not 1 <= self.registers[LOW] <= 63)

    @property
    def unlisted(self):
        """A command that the page does not name."""
        return self.command not in LISTED

    @property
    def dma(self):
        return self.command in DMA or (self.command == PACKET and bool(self.features & 1))

    def write(self, register, value):
        value &= 0xFF
        if register == COMMAND:
            self._command(value)
        elif register and not self.status & (BSY | DRQ):
            self.previous[register] = self.registers[register]
            self.registers[register] = value

    def _command(self, value):
        if self.status & (BSY | DRQ) and value != 0x08:
            return
        self.command, self.cdb, self.was_reset = value, b"", False
        if value == DIAGNOSTIC:
            self.registers[DEVICE] &= ~0x10
        self.geometry_set |= value == PARAMETERS
        self.drive = self.selected
        now, before = self.registers, self.previous
        self.features = now[FEATURES]
        self.count = sectors(now[COUNT] | (before[COUNT] << 8 if self.extended else 0),
                             self.extended)
        self.lba = now[LOW] | now[MIDDLE] << 8 | now[HIGH] << 16
        if self.extended:
            self.lba |= before[LOW] << 24 | before[MIDDLE] << 32 | before[HIGH] << 40
        else:
            self.lba |= (now[DEVICE] & 15) << 24

    def write_control(self, value):
        if value & 4:
            self.was_reset = True
            self.registers[DEVICE] &= ~0x10
        self.control = value

    def write_bus_master(self, value):
        self.started = bool(value & START)
        self.direction = value & TO_MEMORY

    @property
    def media(self):
        return self.command in MEDIA or self.command == SEEK

    @property
    def bytes(self):
        """Bytes the last command moves, as far as the writes tell."""
        if self.command == PACKET:
            if self.opcode in (0x28, 0xBE):
                return 2048 * int.from_bytes(self.cdb[7:9], "big")
            if self.opcode == 0xA8:
                return 2048 * int.from_bytes(self.cdb[6:10], "big")
            return 0
        return 512 * (self.count & 0xFFFF if self.command == TRIM else self.count)

    @property
    def reads_medium(self):
        return self.opcode in PACKET_READS


def port_writes(operation):
    """(port, value) of every write an operation makes to a port, words and dwords by byte."""
    if operation[0] != "out":
        return
    for i in range(1, len(operation), 3):
        width, port, value = operation[i:i + 3]
        for offset in range({"b": 1, "w": 2, "l": 4}[width]):
            yield port + offset, (value >> 8 * offset) & 0xFF


def follow(channels, operation):
    """Takes an operation into account, before it is performed."""
    if operation[0] == "prd":
        channels[operation[1]].table = Table(operation[2] & ~3, operation[3])
    elif operation[0] == "packet":
        if channels[operation[1]].command == PACKET:
            channels[operation[1]].cdb = bytes.fromhex(operation[2])
    elif operation[0] == "recover":
        if channels[operation[1]].status & (BSY | DRQ):
            channels[operation[1]].write_control(4)
            channels[operation[1]].write_control(channels[operation[1]].control & 2)
    for port, value in port_writes(operation):
        if BUS_MASTER <= port < BUS_MASTER + 16:
            if not (port & 7):
                channels[port >> 3 & 1].write_bus_master(value)
        elif port in CONTROL:
            channels[CONTROL.index(port)].write_control(value)
        elif port & ~7 in COMMAND_BLOCK and port & 7:
            channels[COMMAND_BLOCK.index(port & ~7)].write(port & 7, value)
