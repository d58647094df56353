"""Makes lists of operations from a seed: commands, plausible and hostile, and noise."""

import random

from commands import (
    DMA, DMA_IN, DMA_OUT, EXTENDED, FUA, IDENTIFY, PACKET, PARAMETERS, PIO_IN, PIO_OUT, READ_BUFFER,
    SET_FEATURES, SET_MULTIPLE, SIMPLE, SMART, TRIM, WRITE_BUFFER, sectors)
from layout import (
    COMMAND, CONTROL, COUNT, DEVICE, FEATURES, HIGH, LOW, MIDDLE, START, TO_MEMORY, bus_master,
    task_port)
from packets import random_packet
from tables import leaves_memory, random_table


class Generator:
    """`drives`: {slot: Medium}."""

    def __init__(self, seed, drives):
        self.random = random.Random(seed)
        self.drives = drives
        self.operations = []

    def episode(self, commands):
        """The operations of so many commands, with noise between them."""
        self.operations.append(["fill", 0x200000, 0x200000, self.random.getrandbits(30)])
        for slot, medium in self.drives.items():
            if not medium.is_cd:
                self._reverting(slot)
        for _ in range(commands):
            self._command()
            while self.random.random() < 0.35:
                self._noise()
        return self.operations

    def _reverting(self, slot):
        """SET FEATURES CCh: a software reset sets back what can be set, as QEMU does always."""
        channel = slot >> 1
        self._add("out", *self._ports(channel, [
            DEVICE, self._device(slot, True), FEATURES, 0xCC, COMMAND, SET_FEATURES]))
        self._add("in", "b", task_port(channel, COMMAND))

    def _add(self, *operation):
        self.operations.append(list(operation))

    def chance(self, share):
        return self.random.random() < share

    def _command(self):
        present = [slot for slot, _ in self.drives.items()]
        slot = self.random.choice(present) if self.chance(0.96) else self.random.randrange(4)
        channel, medium = slot >> 1, self.drives.get(slot)
        if self.chance(0.93):
            self._add("recover", channel)
            self._add("in", "b", task_port(channel, COMMAND))
        if self.chance(0.5):
            self._add("out", "b", bus_master(channel, 2), 0x06)
        if medium is not None and medium.is_cd and self.chance(0.9):
            self._packet(channel, slot, medium)
        else:
            self._ata(channel, slot, medium)

    def _device(self, slot, lba):
        return (slot & 1) << 4 | (0x40 if lba else 0) | self.random.choice((0xA0, 0xA0, 0xE0, 0))

    def _ata(self, channel, slot, medium):
        pick = self.random.random()
        if pick < 0.22:
            code, after = self.random.choice(PIO_IN), "pump"
        elif pick < 0.36:
            code, after = self.random.choice(PIO_OUT), "pump"
        elif pick < 0.66:
            code, after = self.random.choice(DMA_IN + DMA_OUT), "dma"
        elif pick < 0.69:
            return self._trim(channel, slot, medium)
        elif pick < 0.75:
            code, after = IDENTIFY, "pump"
            if self.chance(0.05):
                code = self.random.choice((READ_BUFFER, WRITE_BUFFER))
        elif pick < 0.97:
            code, after = self.random.choice(SIMPLE), "pump"
        else:
            code, after = self.random.randrange(256), "pump"
        if code in FUA and self.chance(0.97):
            code = 0x39 if after == "pump" else 0x35  # QEMU knows none of the durable writes
        writes, count = self._task_file(channel, slot, medium, code)
        if after == "dma":
            return self._dma(channel, writes, code in DMA_IN, 512 * count)
        self._add("out", *writes)
        self._pump(channel)
        if code == SET_FEATURES:
            self._reverting(slot)

    def _pump(self, channel):
        blocks = 300 if self.chance(0.9) else self.random.randrange(3)
        self._add("pump", channel, self.random.choice("wwl"), blocks, self.random.getrandbits(30))

    def _task_file(self, channel, slot, medium, code):
        """The writes of a command, and how many sectors it asks for."""
        extended = code in EXTENDED
        count = self.random.choice((1, 1, 2, 3, 5, 8, 16, 17, self.random.randrange(64)))
        if code in DMA and self.chance(0.1):
            count = self.random.choice((0, 128, 255))
        if extended and self.chance(0.02):
            count = 0
        whole = sectors(count, extended)
        blocks = max(medium.blocks, 1) if medium is not None and not medium.is_cd else 1000
        low_end = max(blocks - whole, 0)
        where = self.random.random()
        if where < 0.85:
            lba = self.random.randint(0, low_end)
        elif where < 0.97:
            lba = low_end
        else:
            lba = self.random.choice(
                (low_end + 1, blocks - 1, blocks, blocks + 7, (1 << 28) - 1,
                 self.random.getrandbits(48), (1 << 48) - 1))
        chs = not extended and self.chance(0.12)
        device = self._device(slot, not chs)
        features = self.random.randrange(256) if self.chance(0.1) else 0
        middle, high = lba >> 8 & 0xFF, lba >> 16 & 0xFF
        if code == SET_FEATURES:
            features, count = self._feature()
        elif code == SMART:
            features = self.random.choice((0xD0, 0xD1, 0xD2, 0xD4, 0xD5, 0xD8, 0xD9, 0xDA, 0xDB))
            middle, high = (0x4F, 0xC2) if self.chance(0.9) else (0x4F, 0)
            lba = self.random.choice((0, 1, 2, 3, 6, 9, 0x7F, 0x81))
            if features == 0xD2:  # QEMU looks at LBA Low, the specification at the count
                count = lba = self.random.choice((0, 0xF1, 5))
            elif features == 0xD5:
                count = 1 if self.chance(0.9) else count
        elif code == PARAMETERS and self.chance(0.9):
            count = 63  # QEMU takes no notice of a geometry
        elif code == SET_MULTIPLE:
            count = self.random.choice((0, 1, 2, 4, 8, 16, 16, 16, 32, 3, 128))
        if code == PARAMETERS and count == 63:
            device |= 15
        elif chs and code not in (SMART,):
            device = device & ~0x4F | self.random.randrange(16)
            lba = self.random.choice((1, 1, 2, 5, 9, 17, 20, 33, 40, 62, 63, 63))
            if self.chance(0.05):
                lba = self.random.choice((0, 64))
            middle = self.random.choice((0, 0, 1, 5, 15, 255))
            high = self.random.choice((0,) * 9 + (1,))
        elif not extended:
            device = device & ~0x0F | (lba >> 24 & 15 if device & 0x40 else 0)
        writes = [DEVICE, device, FEATURES, features]
        if extended:
            writes += [COUNT, count >> 8, LOW, lba >> 24 & 0xFF,
                       MIDDLE, lba >> 32 & 0xFF, HIGH, lba >> 40 & 0xFF]
        writes += [COUNT, count & 0xFF, LOW, lba & 0xFF, MIDDLE, middle, HIGH, high, COMMAND, code]
        return self._ports(channel, writes), whole

    def _feature(self):
        return self.random.choice(
            ((0x02, 0), (0x82, 0), (0xAA, 0), (0x55, 0), (0x66, 0), (0xCC, 0), (0x03, 0x00),
             (0x03, 0x08), (0x03, 0x0C), (0x03, 0x20), (0x03, 0x22), (0x03, 0x42), (0x03, 0x45),
             (0x03, 0x47), (0x03, 0x99), (0x10, 0), (0x99, 0), (0x05, 0x80), (0x85, 0)))

    @staticmethod
    def _ports(channel, writes):
        return [part for i in range(0, len(writes), 2)
                for part in ("b", task_port(channel, writes[i]), writes[i + 1] & 0xFF)]

    def _dma(self, channel, writes, reads, size):
        base, entries = random_table(self.random, size, reads)
        self._prd(channel, base, entries)
        start = ["b", bus_master(channel, 0), START | (TO_MEMORY if reads else 0)]
        if self.chance(0.02):
            start[2] ^= TO_MEMORY
        stop = ["b", bus_master(channel, 0), start[2] & TO_MEMORY]
        order = self.random.random()
        if order >= 0.9 and any(leaves_memory(entry) for entry in entries):
            order = 0  # QEMU dies of a stop while it looks for memory that is not there
        if order < 0.5:
            self._add("out", *writes, *start)
        elif order < 0.7:
            self._add("out", *start, *writes)
        elif order < 0.9:
            self._add("out", *writes)
            if self.chance(0.3):
                self._noise()
            self._add("out", *start)
        else:
            self._add("out", *writes, *start, *(stop if self.chance(0.6) else start))
        if self.chance(0.1):
            self._add("out", *start)
        self._add("in", "b", task_port(channel, COMMAND))
        if self.chance(0.9):
            self._add("out", *stop)
        if self.chance(0.8):
            self._add("out", "b", bus_master(channel, 2), self.random.choice((6, 6, 4, 2, 0x66)))

    def _prd(self, channel, base, entries):
        """Most of the time with the bus master stopped: QEMU keeps the table that START saw."""
        if self.chance(0.97):
            self._add("out", "b", bus_master(channel, 0), 0)
        self._add("prd", channel, base, entries)

    def _trim(self, channel, slot, medium):
        blocks = max(medium.blocks, 1) if medium is not None else 1000
        count = self.random.choice((1, 1, 1, 2))
        ranges = b""
        for _ in range(self.random.choice((1, 2, 5, 64))):
            # Whole pages: what becomes of a part of one is the host's business.
            length = 8 * self.random.randrange(1, 6)
            first = 8 * self.random.randrange(max((blocks - length) // 8, 1))
            ranges += (first | length << 48).to_bytes(8, "little")
        if self.chance(0.05):
            ranges += (blocks | 1 << 48).to_bytes(8, "little")
        data = ranges.ljust(512 * count, b"\0")[:512 * count]
        self._add("put", 0x300000, data.hex())
        base, entries = 0x100000, [[0x300000, 512 * count, 0x8000]]
        self._prd(channel, base, entries)
        writes = self._ports(channel, [
            DEVICE, self._device(slot, True), FEATURES, 1 if self.chance(0.95) else 0,
            COUNT, 0, COUNT, count, LOW, 0, MIDDLE, 0, HIGH, 0, COMMAND, TRIM])
        self._add("out", *writes, "b", bus_master(channel, 0), START)
        self._add("in", "b", task_port(channel, COMMAND))
        self._add("out", "b", bus_master(channel, 0), 0)

    def _packet(self, channel, slot, medium):
        cdb, size = random_packet(self.random, medium.blocks)
        dma = size > 0 and self.chance(0.4) or self.chance(0.05)
        limit = self.random.choice((0xFFFF, 0xFFFE, 0x8000, 2048, 2048, 512, 64, 36, 8, 2, 7, 513))
        if self.chance(0.02):
            limit = 0
        if not dma and size // max(limit, 1) > 250:
            limit = 2048
        writes = self._ports(channel, [
            DEVICE, self._device(slot, False), FEATURES, 1 if dma else 0, COUNT, 0, LOW, 0,
            MIDDLE, limit & 0xFF, HIGH, limit >> 8, COMMAND, PACKET])
        if not dma:
            self._add("out", *writes)
            self._add("packet", channel, cdb.hex())
            self._pump(channel)
            return
        base, entries = random_table(self.random, size or 2048, True)
        self._prd(channel, base, entries)
        start = ["b", bus_master(channel, 0), START | TO_MEMORY]
        before = self.chance(0.3)
        self._add("out", *(start if before else []), *writes)
        self._add("packet", channel, cdb.hex())
        if not before:
            self._add("out", *start)
        self._add("in", "b", task_port(channel, COMMAND))
        if self.chance(0.9):
            self._add("out", "b", bus_master(channel, 0), TO_MEMORY)

    def _some_device(self, channel):
        """The device bit of a drive that is there, if any is."""
        devices = [slot & 1 for slot in self.drives if slot >> 1 == channel]
        return self.random.choice(devices or [0]) << 4

    def _noise(self):
        """Single register accesses at random, on either channel."""
        channel = self.random.randrange(2) if self.chance(0.3) else next(iter(self.drives)) >> 1
        kind = self.random.randrange(12)
        control = CONTROL[channel]
        if kind < 3:
            register, value = self.random.randint(FEATURES, DEVICE), self.random.randrange(256)
            if register == DEVICE:
                value = value & ~0x10 | self._some_device(channel)
            self._add("out", "b", task_port(channel, register), value)
        elif kind < 5:
            self._add("in", "b", task_port(channel, self.random.randint(FEATURES, COMMAND)))
        elif kind == 5:
            self._add("out", "b", control, 0x80)
            self._add("out", "b", control, 0)
        elif kind == 6:
            self._add("out", "b", control, 2 if self.chance(0.5) else 0)
        elif kind == 7:
            if self.chance(0.4):
                self._add("disarm", channel)
                self._add("out", "b", control, 4, "b", control, 0)
            elif self.chance(0.5):
                self._add("disarm", channel)
                self._add("out", "b", task_port(channel, COMMAND), self.random.choice((0x90, 0x08)))
        elif kind == 8:
            self._add("out", "b", bus_master(channel, 2), self.random.randrange(256))
        elif kind == 9:
            self._add("in", "b", bus_master(channel, self.random.randrange(8)))
            if self.chance(0.1):
                self._add("in", self.random.choice("wl"), bus_master(channel, 4))
        elif kind == 10:
            self._add("out", "b", task_port(channel, DEVICE), self.random.choice((0xA0, 0xB0)))
            self._add("out", "b", task_port(channel, DEVICE), 0xA0 | self._some_device(channel))
        elif self.chance(0.3):
            write = self.random.getrandbits(30) if self.chance(0.3) else None
            self._add("port", channel, self.random.choice("wwlb"), self.random.randint(1, 4), write)
        else:
            self._add("out", "b", bus_master(channel, 0), self.random.randrange(256) & ~START)
