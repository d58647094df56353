"""PRD tables: exact, short, long, overlapping, unaligned, into holes and ROM. SFF-8038i, 1.2."""

from layout import BUFFERS, MEMORY_SIZE, ROM_BASE, TABLES


def random_table(random, size, reads):
    """The base and the entries [address, size word, flags word] for a command of `size` bytes."""
    base = TABLES[0] + 4 * random.randrange((TABLES[1] - 4096) // 4)
    if random.random() < 0.5:
        base &= ~0xFFF
    pieces = cut(random, size)
    kind = random.random()
    if kind < 0.06:
        pieces.append(random.choice((2, 512, 4096)))
    elif kind < 0.12:
        short(random, pieces)
    entries = place(random, pieces, overlapping=random.random() < 0.06)
    if kind > 0.985:
        spoil(random, entries, reads)
    for entry in entries:
        entry[2] = random.getrandbits(15) if random.random() < 0.1 else 0
        if random.random() < 0.02:
            entry[1] |= 1  # bit 0 of the count is reserved, and 0 in the sum
    if entries:
        entries[-1][2] |= 0x8000
    if random.random() < 0.02 and len(entries) < 500:
        # No end: the rest of the page stands in, filled with entries that point at RAM.
        entries[-1][2] &= 0x7FFF
        entries += [[BUFFERS[0], 2, 0] for _ in range(512 - len(entries))]
    if random.random() < 0.05:
        base |= random.randrange(4)  # bits 0 and 1 read 0
    return base, entries


def cut(random, size):
    """Even piece lengths of at most 64 KiB whose sum is `size`."""
    style = random.random()
    pieces, left = [], size
    while left and len(pieces) < 500:
        if style < 0.4:
            piece = 65536
        elif style < 0.7:
            piece = 4096
        elif style < 0.9:
            piece = 2 * random.randint(1, max(min(left, 65536) // 2, 1))
        else:
            piece = random.choice((512, 1024, 2, 300, 3796))
        piece = min(piece, left, 65536)
        pieces.append(piece)
        left -= piece
    while left:  # more than 500 small ones: the rest in large ones
        piece = min(left, 65536)
        pieces.append(piece)
        left -= piece
    return pieces


def short(random, pieces):
    if len(pieces) > 1 and random.random() < 0.5:
        pieces.pop()
    elif pieces[-1] > 2:
        pieces[-1] -= 2 * random.randint(1, pieces[-1] // 2 - 1)


def place(random, pieces, overlapping):
    """Addresses in the buffers, one after another with gaps, or anywhere."""
    entries, address = [], BUFFERS[0] + 2 * random.randrange(4096)
    if random.random() < 0.5:
        address &= ~0xFFF
    end = BUFFERS[0] + BUFFERS[1]
    for piece in pieces:
        if overlapping or address + piece > end:
            address = BUFFERS[0] + 2 * random.randrange((BUFFERS[1] - piece) // 2 + 1)
        entries.append([address, piece & 0xFFFF, 0])
        address += piece + random.choice((0, 0, 2, 4096, 512))
    return entries


def spoil(random, entries, reads):
    """One entry into a hole, ROM, or with address bit 0 set."""
    entry = random.choice(entries)
    entry[0] = random.choice(
        (MEMORY_SIZE, MEMORY_SIZE + 0x100000, 0xA0000, ROM_BASE, ROM_BASE + 0x1000,
         entry[0] | 1, entry[0] | 1, 0xFFFFF000))


def leaves_memory(entry):
    """Whether it points at what is not RAM or ROM."""
    end = entry[0] + ((entry[1] & 0xFFFE) or 0x10000)
    return end > MEMORY_SIZE or end > 0xA0000 and entry[0] < 0xC0000
