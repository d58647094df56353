import BlockState

/// A device of the tests, with each kind of field.
struct Device: StateFields, Equatable {
    var body = Body()
    var tail = Tail()

    static let format = StateFormat(magic: "TEST", versions: 3...4)

    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.section(&body, "body")
        try codec.section(&tail, "tail")
    }

    struct Body: StateFields, Equatable {
        var small: UInt8 = 1
        var large: UInt64 = 0
        var size = 0
        var isOn = false
        var mode = Mode.second
        var key: [UInt8] = [1, 2, 3]
        var text: [UInt8] = []
        var table: [UInt32] = []
        var part = Part()
        var parts = [Part(), Part()]
        var extra: Part?

        mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
            try codec.number(&small, "small", in: 1...9)
            try codec.number(&large, "large")
            try codec.number(&size, "size", as: UInt16.self, in: 0...500)
            try codec.flag(&isOn, "isOn")
            try codec.choice(&mode, "mode")
            try codec.bytes(&key, "key", count: 3)
            try codec.data(&text, "text", atMost: 100)
            try codec.numbers(&table, "table", atMost: 4)
            try codec.structure(&part, "part")
            try codec.structures(&parts, "parts")
            try codec.structure(
                &extra, "extra", if: mode == .third, "`mode` is third", blank: Part())
            try codec.check("large", "even", large % 2 == 0)
        }
    }

    enum Mode: UInt8, CaseIterable {
        case first = 1
        case second = 2
        case third = 7
    }

    struct Part: StateFields, Equatable {
        var low: UInt16 = 0
        var high: UInt16 = 0

        mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
            try codec.number(&low, "low")
            try codec.number(&high, "high")
            try codec.check("bounds", "`low` is not above `high`", low <= high)
        }
    }

    struct Tail: StateFields, Equatable {
        var last: UInt8 = 5

        mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
            try codec.number(&last, "last")
        }
    }
}

/// The same device in version 4, which has added fields and a section.
struct LaterDevice: StateFields, Equatable {
    var body = Body()
    var middle = Device.Part(low: 6, high: 7)
    var tail = Tail()

    static let format = StateFormat(magic: "TEST", versions: 3...4)

    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.section(&body, "body")
        try codec.section(&middle, .since(4, "middle"))
        try codec.section(&tail, "tail")
    }

    struct Body: StateFields, Equatable {
        var old = Device.Body()
        var number: UInt32 = 77
        var isOn = true
        var mode = Device.Mode.third
        var key: [UInt8] = [9]
        var text: [UInt8] = [8]
        var table: [UInt16] = [7]
        var part = Device.Part(low: 1, high: 2)
        var parts = [Device.Part(low: 3, high: 4)]
        var extra: Device.Part? = Device.Part(low: 5, high: 6)

        mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
            try old.fields(&codec)
            try codec.number(&number, .since(4, "number"))
            try codec.flag(&isOn, .since(4, "isOn2"))
            try codec.choice(&mode, .since(4, "mode2"))
            try codec.bytes(&key, .since(4, "key2"), count: 1)
            try codec.data(&text, .since(4, "text2"), atMost: 9)
            try codec.numbers(&table, .since(4, "table2"), atMost: 9)
            try codec.structure(&part, .since(4, "part2"))
            try codec.structures(&parts, .since(4, "parts2"))
            try codec.structure(
                &extra, .since(4, "extra2"), if: true, "always", blank: Device.Part())
        }
    }

    struct Tail: StateFields, Equatable {
        var last: UInt8 = 5
        var after: UInt16 = 0x1234

        mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
            try codec.number(&last, "last")
            try codec.number(&after, .since(4, "after"))
        }
    }
}
