/// The two parities of a sector (ECMA-130 annex A): Reed-Solomon product code over GF(2^8).
///
/// The bytes from the header on are words of two bytes; low and high bytes make two planes that are
/// coded alike. P are 86 vectors (43 in each plane) of 24 bytes, a matrix's columns; Q are 52
/// vectors of 43 bytes along its diagonals, P included.
enum ErrorCorrectionCode {
    /// x^8 + x^4 + x^3 + x^2 + 1 (annex A.3), without x^8.
    private static let polynomial: UInt8 = 0x1D

    /// Places in a sector: where the words begin, and the parities.
    private static let start = 12
    private static let pParity = 2076
    private static let qParity = 2248

    /// Products with the primitive element, and quotients by one plus it: what a vector's two
    /// parities are made with.
    private static let tables: (double: [UInt8], divide: [UInt8]) = {
        var double = [UInt8](repeating: 0, count: 256)
        var divide = [UInt8](repeating: 0, count: 256)
        for value in 0..<256 {
            let byte = UInt8(value)
            double[value] = byte << 1 ^ (byte & 0x80 == 0 ? 0 : polynomial)
        }
        for value in 0..<256 { divide[value ^ Int(double[value])] = UInt8(value) }
        return (double, divide)
    }()

    /// Fills in the 276 bytes of parity of the sector of 2352 bytes at `sector`.
    static func add(to sector: UnsafeMutableRawPointer) {
        let bytes = unsafe sector.assumingMemoryBound(to: UInt8.self)
        unsafe tables.double.withUnsafeBufferPointer { double in
            unsafe tables.divide.withUnsafeBufferPointer { divide in
                // A.4: vector n has the words n + 43 m, m from 0 to 23.
                for vector in 0..<86 {
                    let parity = unsafe bytes + pParity + vector
                    unsafe code(
                        count: 24, first: vector, step: 86, wrap: .max, bytes + start,
                        (parity, parity + 86), double, divide)
                }
                // A.5: vector n has the words 43 n + 44 m modulo 1118, m from 0 to 42.
                for vector in 0..<52 {
                    let parity = unsafe bytes + qParity + vector
                    unsafe code(
                        count: 43, first: vector / 2 * 86 + vector % 2, step: 88, wrap: 2236,
                        bytes + start, (parity, parity + 52), double, divide)
                }
            }
        }
    }

    /// The two parity bytes of a vector make its sum zero, and its sum weighted with powers of the
    /// primitive element, the last byte's being 1 (A.4, A.5: the matrix H).
    private static func code(
        count: Int, first: Int, step: Int, wrap: Int, _ bytes: UnsafePointer<UInt8>,
        _ parity: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt8>),
        _ double: UnsafeBufferPointer<UInt8>, _ divide: UnsafeBufferPointer<UInt8>
    ) {
        var sum: UInt8 = 0
        var weighted: UInt8 = 0
        var place = first
        for _ in 0..<count {
            let byte = unsafe bytes[place]
            sum ^= byte
            weighted = unsafe double[Int(weighted ^ byte)]
            place &+= step
            if place >= wrap { place &-= wrap }
        }
        // With a and b for the parities: a + b = sum, and 2 a + b = 2 (what is weighted now).
        let high = unsafe divide[Int(double[Int(weighted)] ^ sum)]
        unsafe parity.0.pointee = high
        unsafe parity.1.pointee = high ^ sum
    }
}
