"""Where everything is: ports, guest memory, slots. Both machines are set up alike."""

SLOTS = ("primary-master", "primary-slave", "secondary-master", "secondary-slave")

# ATA/ATAPI-6, 7.1 and the PIIX3 datasheet, 2.2.1: the legacy ports of both channels.
COMMAND_BLOCK = (0x1F0, 0x170)
CONTROL = (0x3F6, 0x376)
INTERRUPT = (14, 15)
DATA, FEATURES, COUNT, LOW, MIDDLE, HIGH, DEVICE, COMMAND = range(8)
TASK_NAMES = ("data", "er", "count", "low", "middle", "high", "device", "st")

# SFF-8038i, 2: eight ports a channel; the base is what BAR4 is set to.
BUS_MASTER = 0xC000
START, TO_MEMORY = 0x01, 0x08

BSY, DRDY, DF, DSC, DRQ, ERR = 0x80, 0x40, 0x20, 0x10, 0x08, 0x01

MEMORY_MIB = 16
MEMORY_SIZE = MEMORY_MIB << 20
ROM_BASE, ROM_SIZE = 0xE0000, 0x20000  # what a PC shows of a BIOS of 128 KiB
HOLES = ((MEMORY_SIZE, 0x1000000),)
TABLES = (0x100000, 0x20000)  # PRD tables live here
SHORT_TABLE, SHORT_BUFFER = 0x130000, 0x130800
BUFFERS = (0x200000, 0x200000)  # and what they point at here


def bus_master(channel, offset):
    return BUS_MASTER + 8 * channel + offset


def task_port(channel, register):
    return COMMAND_BLOCK[channel] + register
