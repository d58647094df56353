import BlockATA
import ArgumentParser
import IDE

/// `cyls=`, `heads=` and `secs=` of a disk, named and checked as those of QEMU's ide-hd: all three or
/// none, each in its range.
struct GeometryOptions: Sendable {
    private var cylinders: Int?
    private var heads: Int?
    private var sectors: Int?

    mutating func set(_ option: String, _ value: String) throws {
        switch option {
        case "cyls": cylinders = try Self.number(option, value, limit: 65535)
        case "heads": heads = try Self.number(option, value, limit: 16)
        default: sectors = try Self.number(option, value, limit: 255)
        }
    }

    /// `nil` when none of the options was given.
    func geometry(of slot: IDESlot, isCDROM: Bool) throws -> DiskGeometry? {
        if cylinders == nil && heads == nil && sectors == nil { return nil }
        guard !isCDROM else {
            throw ValidationError("\(slot): cyls, heads and secs are options of a disk")
        }
        guard let cylinders, let heads, let sectors else {
            throw ValidationError("\(slot): cyls, heads and secs are given all three or not at all")
        }
        return DiskGeometry(cylinders: cylinders, heads: heads, sectors: sectors)
    }

    private static func number(_ option: String, _ value: String, limit: Int) throws -> Int {
        guard let number = Int(value), (1...limit).contains(number) else {
            throw ValidationError("\(option)=\(value): not a number from 1 to \(limit)")
        }
        return number
    }
}
