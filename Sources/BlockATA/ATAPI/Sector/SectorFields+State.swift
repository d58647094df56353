package import BlockState

extension SectorFields: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        var (lower, upper) = (range.lowerBound, range.upperBound)
        try codec.number(&lower, "lowerBound", as: UInt16.self)
        try codec.number(&upper, "upperBound", as: UInt16.self)
        let fields = SectorFields(lowerBound: lower, upperBound: upper)
        let borders = Self.borders.map { "\($0)" }.joined(separator: ", ")
        try codec.check(
            "lowerBound", "not above `upperBound`, and both are among \(borders)", fields != nil)
        if let fields { self = fields }
    }
}
