/// A format of saved states: its magic number and its versions.
///
/// A state is the magic number, the version in four bytes, and then sections: the length of the name in one
/// byte, the name in ASCII, the length of the content in four bytes, and the content. Numbers are
/// little-endian.
package struct StateFormat {
    /// ASCII.
    let magic: String
    /// The versions that can be read. The last one is written.
    let versions: ClosedRange<UInt32>

    package init(magic: StaticString, versions: ClosedRange<UInt32>) {
        self.magic = "\(magic)"
        self.versions = versions
    }

    var version: UInt32 { versions.upperBound }

    /// The state of `value`, whose fields are sections.
    package func write(_ value: some StateFields) throws(StateError) -> [UInt8] {
        var value = value
        var writer = StateWriter()
        writer.header(self)
        try value.fields(&writer)
        return writer.bytes
    }

    /// Reads all of `state` and checks it. Fields that its version does not have keep their content
    /// in `value`.
    package func read<Value: StateFields>(
        _ state: [UInt8], into value: Value
    ) throws(StateError) -> Value {
        var value = value
        var reader = StateReader(state, version: version)
        try reader.header(self)
        try value.fields(&reader)
        try reader.expectEnd()
        return value
    }

    /// Every field in Markdown: a table for each type, in the order in which they are met.
    package func describe(_ value: some StateFields) -> String {
        var describer = StateDescriber(oldest: versions.lowerBound)
        describer.describe(value)
        return describer.text
    }
}
