import BlockState
@testable import TestSupport

/// Gives each field a random value that it can have, and begins again with a structure as long as its
/// checks do not hold.
struct RandomValues: StateCodec {
    private var random: SplitMix64
    /// What checks ask for that a random number rarely is: mode numbers, sizes, borders in sectors.
    private static let usual: [UInt64] = [
        0, 0, 1, 2, 4, 8, 12, 16, 0x20, 24, 0x42, 0x45, 0xA0, 0xF0, 512, 2064, 2072, 2348, 2352,
        .max,
    ]

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// A value of the type of `value`.
    mutating func make<Value: StateFields>(_ value: Value) throws(StateError) -> Value {
        var value = value
        try structure(&value, "value")
        return value
    }

    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField, in range: ClosedRange<Value>
    ) {
        if Bool.random(using: &random),
            let usual = Self.usual.randomElement(using: &random).map(
                Value.init(truncatingIfNeeded:)),
            range.contains(usual)
        {
            value = usual
        } else {
            value = Value.random(in: range, using: &random)
        }
    }

    mutating func flag(_ value: inout Bool, _ field: StateField) {
        value = Bool.random(using: &random)
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: inout Value, _ field: StateField
    ) where Value.RawValue == UInt8 {
        value = Value.allCases.randomElement(using: &random) ?? value
    }

    private mutating func some(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    mutating func bytes(_ value: inout [UInt8], _ field: StateField, count: Int) {
        value = some(count)
    }

    mutating func data(_ value: inout [UInt8], _ field: StateField, atMost limit: Int) {
        value = some(Bool.random(using: &random) ? 0 : min(512, limit))
    }

    mutating func numbers<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: inout [Value], _ field: StateField, atMost limit: Int
    ) {
        let count = Int.random(in: 0...limit, using: &random)
        values = (0..<count).map { _ in Value.random(in: 0...(.max), using: &random) }
    }

    mutating func structure<Value: StateFields>(
        _ value: inout Value, _ field: StateField
    ) throws(StateError) {
        for _ in 0..<100_000 {
            var next = value
            do throws(StateError) {
                try next.fields(&self)
                value = next
                return
            } catch {}
        }
        throw .damaged(field: field.name, reason: "no random \(Value.self) is right")
    }

    mutating func structures(
        _ values: inout [some StateFields], _ field: StateField
    ) throws(StateError) {
        for index in values.indices { try structure(&values[index], field) }
    }

    mutating func structure<Value: StateFields>(
        _ value: inout Value?, _ field: StateField, if isPresent: Bool,
        _ condition: @autoclosure () -> String, blank: @autoclosure () -> Value
    ) throws(StateError) {
        value = nil
        guard isPresent else { return }
        var present = blank()
        try structure(&present, field)
        value = present
    }

    mutating func section(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError) {
        try structure(&value, field)
    }

    mutating func check(
        _ field: StateField, _ rule: @autoclosure () -> String, _ holds: Bool
    ) throws(StateError) {
        guard holds else { throw .damaged(field: field.name, reason: rule()) }
    }
}
