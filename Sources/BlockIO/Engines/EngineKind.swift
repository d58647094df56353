/// A way to move bytes between an image and memory. Each local engine declares its kind beside its code.
public struct EngineKind: RawRepresentable, Sendable, Hashable, CaseIterable,
    CustomStringConvertible
{
    /// The name as on command lines: "io_uring".
    public let rawValue: String

    /// The local engine of this name; `nil` when there is none.
    public init?(rawValue: String) {
        guard let kind = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = kind
    }

    /// A kind of its own, which may be that of a back end. It is a local engine only when
    /// ``allCases`` lists it.
    package init(name: String) { rawValue = name }

    /// The local engines.
    public static let allCases: [EngineKind] = LocalEngine.all.map(\.kind)

    /// The name as on command lines: "io_uring".
    public var description: String { rawValue }
}
