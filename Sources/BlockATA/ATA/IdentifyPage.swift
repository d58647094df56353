/// The 256 little-endian words of an IDENTIFY answer.
struct IdentifyPage {
    private let page: SectorPage

    /// The words in a page of zeroes.
    init(_ page: SectorPage) { self.page = page }

    subscript(word: Int) -> UInt16 {
        get { UInt16(page[2 * word]) | UInt16(page[2 * word + 1]) << 8 }
        nonmutating set {
            page[2 * word] = UInt8(truncatingIfNeeded: newValue)
            page[2 * word + 1] = UInt8(truncatingIfNeeded: newValue >> 8)
        }
    }

    /// The low 32 bits of `value`, low word first.
    func put32(_ word: Int, _ value: UInt64) {
        self[word] = UInt16(truncatingIfNeeded: value)
        self[word + 1] = UInt16(truncatingIfNeeded: value >> 16)
    }

    /// Text, the first character of each word high, padded with spaces (8.15.11).
    func putText(_ word: Int, _ text: String, words: Int) {
        var characters = text.utf8.makeIterator()
        for index in word..<word + words {
            let high = characters.next() ?? 0x20
            let low = characters.next() ?? 0x20
            self[index] = UInt16(high) << 8 | UInt16(low)
        }
    }

    /// What every kind of drive says of the interface and its modes. Sections are of ATA/ATAPI-6, of
    /// IDENTIFY DEVICE and IDENTIFY PACKET DEVICE.
    func putInterface(mode: UInt8, cable: UInt16) {
        // ATA/ATAPI-3 8.12.23: 32-bit accesses of the data port work.
        self[48] = 0x0001
        // 8.15.25, 8.16.16: IORDY, LBA, DMA
        self[49] = 1 << 11 | 1 << 9 | 1 << 8
        // 8.15.26, 8.16.17: bit 14 shall be one.
        self[50] = 1 << 14
        // ATA/ATAPI-4 8.12.26, 8.13.14: PIO mode 2 is the fastest that needs no flow control.
        self[51] = 0x0200
        // 8.15.32, 8.15.50, 8.16.20, 8.16.38: the modes below and, in the high byte, the one selected.
        self[63] = 0x0007
        self[88] = 0x003F
        self[mode & 0x40 == 0 ? 63 : 88] |= UInt16(0x0100) << UInt16(mode & 0x07)
        // 8.15.33, 8.16.21: PIO modes 3 and 4.
        self[64] = 0x0003
        // 8.15.34 to 8.15.37, 8.16.22 to 8.16.25: 120 ns, the cycle of these modes.
        for word in 65...68 { self[word] = 120 }
        // 8.15.53, 8.16.40
        self[93] = cable
    }

    /// Word 255 (8.15.61): the signature A5h, and a byte that makes the sum of all bytes 0.
    func seal() {
        page[510] = 0xA5
        page.seal()
    }
}
