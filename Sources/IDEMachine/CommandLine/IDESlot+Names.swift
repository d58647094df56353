import IDE

extension IDESlot {
    /// From the name that command lines and QMP use, as in "primary-master".
    init?(name: String) {
        guard let slot = Self.allCases.first(where: { $0.description == name }) else { return nil }
        self = slot
    }

    /// All of them, for messages.
    static var names: String { allCases.map(\.description).joined(separator: ", ") }
}
