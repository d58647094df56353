/// The options of a ``DMAMapper``. They may be changed at any time, and apply to transfers that
/// begin afterwards. The same bytes are transferred and the same pages are marked with all
/// settings.
public struct DMAOptions: Sendable {
    /// Whether all bytes of every transfer pass through a bounce buffer, for debugging; false by
    /// default.
    public var forceBounce: Bool
    /// How many bytes of one piece may bounce: a power of two from 512 to the size of the space's
    /// ``BouncePool``. `nil`, the default, stands for the size of the pool.
    public var bounceLimit: Int?
    /// How many transfers that have ended are kept to be used again: 10 by default; 0 keeps none. A
    /// transfer that has grown above 2048 iovecs is never kept.
    public var cacheLimit: Int
    /// The largest number of host memory segments that a list may be mapped to, and of resolver
    /// answers that it may need; 65536 by default. It limits the memory that a guest can make the
    /// host allocate (80 bytes for each segment), and the time that the host spends on a list.
    public var maximumSegments: Int

    /// Options with the defaults described at each property.
    public init(
        forceBounce: Bool = false, bounceLimit: Int? = nil, cacheLimit: Int = 10,
        maximumSegments: Int = 65536
    ) {
        self.forceBounce = forceBounce
        self.bounceLimit = bounceLimit
        self.cacheLimit = cacheLimit
        self.maximumSegments = maximumSegments
    }

    func validate(pool: BouncePool) throws(GuestMemoryError) {
        let limit = bounceLimit ?? pool.size
        guard limit >= 512, limit & (limit - 1) == 0, limit <= pool.size, cacheLimit >= 0,
            maximumSegments >= 1
        else { throw GuestMemoryError(.invalidOption) }
    }
}
