import Glibc
import GuestMemory
import XCTest

extension GuestRAM {
    /// A copy of the bytes in `range`.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// Puts bytes there, past the library.
    func put(_ bytes: [UInt8], at offset: Int = 0) {
        bytes.withUnsafeBytes { _ = memcpy(base + offset, $0.baseAddress!, $0.count) }
    }

    /// The pages that are no longer what they were.
    func changedPages(since former: [UInt8]) -> [Int] {
        former.withUnsafeBytes { former in
            (0..<size / 4096).filter {
                memcmp(base + $0 * 4096, former.baseAddress! + $0 * 4096, 4096) != 0
            }
        }
    }

    /// Where `address` is in this memory; `nil` when it is outside.
    func offset(of address: UnsafeRawPointer?) -> Int? {
        guard let address, address >= UnsafeRawPointer(base) else { return nil }
        let offset = address - UnsafeRawPointer(base)
        return offset < size ? offset : nil
    }
}

extension DirtyLog {
    /// The dirty pages, which are clean afterwards.
    func takePages(_ consumer: DirtyConsumer = .migration, in pages: Range<Int>? = nil) -> [Int] {
        var taken: [Int] = []
        take(consumer, in: pages) { taken += $0 }
        return taken
    }

    /// The runs of dirty pages, which stay so.
    func runs(_ consumer: DirtyConsumer = .migration, in pages: Range<Int>? = nil) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        peek(consumer, in: pages) { runs.append($0) }
        return runs
    }
}

extension AddressSpace {
    /// A copy of the bytes from `address` on.
    func bytes(at address: GuestAddress, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try read(at: address, into: $0) }
        return bytes
    }

    /// Writes bytes from `address` on.
    func put(_ bytes: [UInt8], at address: GuestAddress) throws {
        try bytes.withUnsafeBytes { try write(at: address, from: $0) }
    }
}

extension ScatterGatherList {
    /// A list of these (address, length) pairs.
    init(_ elements: [(address: GuestAddress, length: UInt64)]) {
        self.init(capacity: elements.count)
        for element in elements { append(address: element.address, length: element.length) }
    }
}

/// Bytes that differ from each other and from those of another `seed`.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed &* 7919) &* 167 &+ ($0 >> 8) &+ 13) }
}

/// Asserts that two rows of bytes are equal; says where they first differ.
func assertBytes(
    _ found: [UInt8], _ expected: [UInt8], _ what: @autoclosure () -> String = "",
    file: StaticString = #filePath, line: UInt = #line
) {
    if areSame(found, expected) { return }
    guard let place = zip(found, expected).enumerated().first(where: { $1.0 != $1.1 })?.offset
    else {
        return XCTFail(
            "\(found.count) bytes, not \(expected.count), \(what())", file: file, line: line)
    }
    XCTFail(
        "byte \(place) is \(found[place]), not \(expected[place]), \(what())", file: file,
        line: line)
}

/// Whether two rows of bytes are equal, by memcmp(3): `==` is too slow in a debug build.
func areSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count
        && left.withUnsafeBytes { left in
            right.withUnsafeBytes {
                left.isEmpty || memcmp(left.baseAddress!, $0.baseAddress!, left.count) == 0
            }
        }
}
