/// A word where it is in its line.
typealias QtestWord = UnsafeBufferPointer<UInt8>

/// Whether a word is this one, for `switch`.
func ~= (name: StaticString, word: QtestWord) -> Bool {
    name.utf8CodeUnitCount == word.count
        && (0..<word.count).allSatisfy { name.utf8Start[$0] == word[$0] }
}
