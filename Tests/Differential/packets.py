"""Command packets: SFF-8020i, 10.8, and MMC-5, 6."""

READ_10, READ_12, READ_CD, READ_CD_MSF = 0x28, 0xA8, 0xBE, 0xB9


def random_packet(random, blocks):
    """Twelve bytes, and how many bytes of the medium they ask for (0 for other commands)."""
    cdb = bytearray(12)
    if random.random() < 0.45:
        return _read(random, cdb, max(blocks, 1))
    choice = random.random()
    size = random.choice((0, 4, 8, 18, 20, 24, 32, 36, 64, 96, 128, 255))
    long = random.choice((size, size, 8, 512, 4096, 0xFFFF))
    if choice < 0.12:
        cdb[0], cdb[4] = 0x03, size
    elif choice < 0.24:
        cdb[0], cdb[4] = 0x12, size
        if random.random() < 0.4:
            cdb[1], cdb[2] = 1, random.choice((0, 0x80, 0x83, 0x55))
    elif choice < 0.36:
        cdb[0], cdb[2] = 0x5A, random.choice((1, 0x0E, 0x2A, 0x3F, 0x4E, 0x6A, 0x05))
        cdb[7:9] = long.to_bytes(2, "big")
    elif choice < 0.5:
        cdb[0], cdb[1] = 0x43, random.choice((0, 2))
        cdb[2] = random.choice((0, 0, 1, 2, 3))
        cdb[6] = random.choice((0, 0, 1, 2, 0xAA))
        cdb[7:9] = long.to_bytes(2, "big")
        if not cdb[2] and random.random() < 0.2:
            cdb[9] = random.choice((0x40, 0x80))
    elif choice < 0.6:
        cdb[0], cdb[1] = 0x46, random.choice((0, 1, 2))
        cdb[7:9] = long.to_bytes(2, "big")
    elif choice < 0.7:
        cdb[0], cdb[1] = 0x4A, random.choice((1, 1, 1, 0))
        cdb[4] = random.choice((0x10, 0x10, 0xFF))
        cdb[7:9] = long.to_bytes(2, "big")
    elif choice < 0.74:
        cdb[0] = 0x51
        cdb[7:9] = long.to_bytes(2, "big")
    elif choice < 0.78:
        cdb[0], cdb[7] = 0xAD, random.choice((0, 1, 2, 3, 4))
        cdb[8:10] = long.to_bytes(2, "big")
    elif choice < 0.82:
        cdb[0] = 0xBD
        cdb[8:10] = long.to_bytes(2, "big")
    elif choice < 0.86:
        cdb[0], cdb[1], cdb[2], cdb[3] = 0x42, random.choice((0, 2)), 0x40, random.choice((1, 2, 3))
        cdb[7:9] = long.to_bytes(2, "big")
    elif choice < 0.98:
        cdb[0] = random.choice((0x00, 0x00, 0x25, 0x25, 0x1E, 0x1B, 0xBB, 0x2B))
        if cdb[0] == 0x1E:
            cdb[4] = random.randrange(2)
        if cdb[0] == 0x1B:
            cdb[4] = random.choice((0, 1, 2, 3, 3))
        if cdb[0] == 0x2B:
            cdb[2:6] = random.randrange(max(blocks, 1)).to_bytes(4, "big")
    else:
        cdb[0] = random.choice((0x1A, 0x52, 0x55, 0xB9, 0x5D, 0xFF, random.randrange(256)))
    return bytes(cdb), 0


def _read(random, cdb, blocks):
    count = random.choice((0, 1, 1, 2, 3, 7, 16, 32))
    count = min(count, blocks)
    lba = random.randint(0, blocks - count)
    if random.random() < 0.04:
        lba = random.choice((blocks, blocks - count + 1, 0xFFFFFFFF, 0x7FFFFFFF))
    cdb[0] = random.choice((READ_10, READ_10, READ_12, READ_CD))
    cdb[2:6] = (lba & 0xFFFFFFFF).to_bytes(4, "big")
    size = 2048 * count
    if cdb[0] == READ_10:
        cdb[7:9] = count.to_bytes(2, "big")
    elif cdb[0] == READ_12:
        cdb[6:10] = count.to_bytes(4, "big")
    else:
        cdb[6:9] = count.to_bytes(3, "big")
        cdb[9] = random.choice((0x10, 0x10, 0x10, 0xF8, 0x00, 0x50))
        size = count * {0x10: 2048, 0xF8: 2352, 0: 0}.get(cdb[9], 2048)
    return bytes(cdb), size
