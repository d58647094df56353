import GuestMemory

/// A setting of the switches. All give the same bytes and the same dirty pages.
/// See docs/guest-memory.md, D7.
struct TransferMode: CustomStringConvertible {
    let description: String
    let options: DMAOptions
    /// Of the block layer.
    var queueBounceLimit = 1 << 20
    /// What the mapper is asked to keep to, where the length of the list allows it.
    var alignment = 1

    /// With as little copied as possible; with everything copied; in the smallest pieces of both
    /// layers; without the cache; aligned by the mapper instead of the block layer.
    static let all = [
        TransferMode("direct", DMAOptions()),
        TransferMode("forced to bounce", DMAOptions(forceBounce: true)),
        TransferMode("cap 512", DMAOptions(bounceLimit: 512), queueBounceLimit: 512),
        TransferMode(
            "forced, cap 4096, no cache",
            DMAOptions(forceBounce: true, bounceLimit: 4096, cacheLimit: 0)),
        TransferMode("aligned", DMAOptions(bounceLimit: 64 << 10), alignment: 512),
    ]

    private init(
        _ description: String, _ options: DMAOptions, queueBounceLimit: Int = 1 << 20,
        alignment: Int = 1
    ) {
        self.description = description
        self.options = options
        self.queueBounceLimit = queueBounceLimit
        self.alignment = alignment
    }
}
