/// The name of a member of a JSON object.
///
/// It is compared and hashed by its bytes. `String` compares what texts mean in Unicode, and for that sorts
/// the combining marks of a character: 200,000 bytes of them take seconds.
struct JSONName: Hashable, Comparable, ExpressibleByStringLiteral {
    let text: String

    init(_ text: String) { self.text = text }
    init(stringLiteral text: String) { self.text = text }

    static func == (one: JSONName, other: JSONName) -> Bool {
        one.text.utf8.elementsEqual(other.text.utf8)
    }

    static func < (one: JSONName, other: JSONName) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
