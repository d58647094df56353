"""What a sequence of operations has asked of the controller, worked out from the writes alone.

The mask file's conditions and the settling of a step look here; the comparison itself never does.
"""

from commands import (
    DIAGNOSTIC, DMA, EXTENDED, LISTED, MEDIA, PACKET, PACKET_READS, PARAMETERS, PIO_OUT, SEEK,
    SET_FEATURES, TRIM, sectors)
from layout import (
    BSY, BUS_MASTER, COMMAND, COMMAND_BLOCK, CONTROL, COUNT, DEVICE, DRQ, ERR, FEATURES, HIGH, LOW,
    MEMORY_SIZE, MIDDLE, ROM_BASE, ROM_SIZE, START, TO_MEMORY)

HEADS, SECTORS = 16, 63  # the translation both machines choose for the media


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
        self.command_registers = [0] * 8
        self.serial = 0  # of the last command
        self.moved_table = False  # the pointer was written after START
        self.was_second = False  # device 1 was selected before the last reset or diagnostic
        self.was_reset = False
        self.diagnosed = False  # QEMU shows the signature of one device only
        self.ejected = False  # a packet has opened the tray
        self.moved = False  # a packet has opened or closed the tray; events outlive resets
        self.sensed = -1  # the packet that failed last
        self.geometry_set = False
        self.modes_set = set()  # devices whose SET FEATURES changed something
        self.touched = set()  # devices that have had a command or a reset

    def look(self, statuses):
        """Takes what both machines show into account."""
        self.status = statuses[0] | statuses[1]
        if self.cdb and self.status & ERR:
            self.sensed = self.opcode

    # What the mask file's conditions see.
    @property
    def selected(self):
        return (self.registers[DEVICE] >> 4) & 1

    @property
    def untouched(self):
        return self.selected not in self.touched

    @property
    def blocks(self):
        return self.medium.blocks if self.medium else 0

    @property
    def selected_kind(self):
        return self._kind(self.drives.get(self.selected))

    @property
    def medium(self):
        return self.drives.get(self.drive)

    @property
    def kind(self):
        return self._kind(self.medium)

    @staticmethod
    def _kind(medium):
        return "none" if medium is None else "cd" if medium.is_cd else "disk"

    @property
    def absent(self):
        """Whether the selected drive is not there while the other one is."""
        return bool(self.drives) and self.selected not in self.drives

    @property
    def opcode(self):
        return self.cdb[0] if self.command == PACKET and self.cdb else -1

    @property
    def limit(self):
        """The byte-count limit of the last PACKET."""
        return self.command_registers[MIDDLE] | self.command_registers[HIGH] << 8

    @property
    def allocation(self):
        """The allocation length of a packet that has one."""
        if self.opcode in (0x03, 0x12, 0x1A):
            return self.cdb[4]
        place = 8 if self.opcode in (0xAD, 0xBD) else 7
        return int.from_bytes(self.cdb[place:place + 2], "big")

    @property
    def extended(self):
        return self.command in EXTENDED

    @property
    def outside(self):
        count = 1 if self.command == SEEK else self.count
        return not self.hostile_chs and self.lba + count > self.blocks

    @property
    def chs(self):
        return not self.registers[DEVICE] & 0x40 and not self.extended

    @property
    def hostile_chs(self):
        """Not an address of the default geometry's tracks, or not of the default geometry."""
        return self.chs and (self.geometry_set or not 1 <= self.registers[LOW] <= SECTORS)

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
        if self.status & (BSY | DRQ) and value != 0x08 or self.absent and self.selected == 1:
            return
        self.command, self.cdb, self.was_reset = value, b"", False
        self.serial += 1
        self.command_registers = list(self.registers)
        if value == DIAGNOSTIC:
            self.diagnosed = True
            self.was_second = self.selected == 1
            self.registers[DEVICE] &= ~0x10
        self.drive = self.selected
        self.touched |= {0, 1} if value == DIAGNOSTIC else {self.drive}
        now, before = self.registers, self.previous
        if value == PARAMETERS and (now[COUNT], now[DEVICE] & 15) != (SECTORS, HEADS - 1):
            self.geometry_set = True
        self.features = now[FEATURES]
        if value == SET_FEATURES and self.features in (0x02, 0x03, 0x55, 0x82, 0xAA):
            self.modes_set.add(self.drive)
        self.count = sectors(now[COUNT] | (before[COUNT] << 8 if self.extended else 0),
                             self.extended)
        self.lba = now[LOW] | now[MIDDLE] << 8 | now[HIGH] << 16
        if self.extended:
            self.lba |= before[LOW] << 24 | before[MIDDLE] << 32 | before[HIGH] << 40
        elif now[DEVICE] & 0x40:
            self.lba |= (now[DEVICE] & 15) << 24
        else:
            cylinder = now[MIDDLE] | now[HIGH] << 8
            self.lba = (cylinder * HEADS + (now[DEVICE] & 15)) * SECTORS + now[LOW] - 1

    def write_control(self, value):
        if value & 4:
            self.was_reset = True
            self.was_second = self.selected == 1
            self.touched = {0, 1}
            self.registers[DEVICE] &= ~0x10
        self.control = value

    def write_pointer(self):
        self.moved_table = self.started

    def write_bus_master(self, value):
        if value & START and not self.started:
            self.moved_table = False
        self.started = bool(value & START)
        self.direction = value & TO_MEMORY

    pio_out = PIO_OUT

    @property
    def media(self):
        return self.command in MEDIA or self.command == SEEK

    @property
    def low(self):
        return self.command_registers[LOW]

    @property
    def short(self):
        """A table for less than the command moves."""
        return self.dma and self.table.total < self.bytes

    @property
    def raw(self):
        """READ CD that asks for more than user data."""
        return self.opcode == 0xBE and self.cdb[9] & 0xF8 not in (0x10, 0)

    @property
    def bytes(self):
        """Bytes the last command moves, as far as the writes tell."""
        if self.command == PACKET:
            if self.opcode == 0x28:
                return 2048 * int.from_bytes(self.cdb[7:9], "big")
            if self.opcode == 0xBE:
                return (2352 if self.raw else 2048) * int.from_bytes(self.cdb[6:9], "big")
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
        channels[operation[1]].write_pointer()
    elif operation[0] == "packet":
        channel = channels[operation[1]]
        if channel.command == PACKET and not channel.cdb:
            channel.cdb = bytes.fromhex(operation[2])
            if channel.opcode == 0x1B and channel.cdb[4] & 2:
                channel.ejected, channel.moved = not channel.cdb[4] & 1, True
    elif operation[0] in ("disarm", "recover"):
        if operation[0] == "recover" and channels[operation[1]].status & (BSY | DRQ):
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
