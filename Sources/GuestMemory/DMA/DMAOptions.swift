/// How a ``DMAMapper`` works. The switches for debugging may be changed at any time and hold for
/// the transfers begun afterwards; all settings give the same bytes and the same dirty pages.
public struct DMAOptions: Sendable {
    /// Every transfer bounces as a whole; false by default.
    public var forceBounce: Bool
    /// How many bytes of one piece may bounce: a power of two, 512 to the size of the space's
    /// ``BouncePool``; `nil`, the default, is all of that.
    public var bounceLimit: Int?
    /// How many finished transfers are kept to be used again; 10 by default, 0 switches the cache
    /// off. One that has grown above 2048 iovecs is never kept.
    public var cacheLimit: Int
    /// Into how many stretches of host memory a list may fall, and how many answers of resolvers
    /// it may take; 65536 by default. It bounds what a guest can make the host allocate, at 80
    /// bytes each, and how long it works on a list.
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
