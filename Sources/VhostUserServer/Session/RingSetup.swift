/// What the front end has said of one ring.
struct RingSetup {
    /// Addresses as the front end sees them.
    struct Addresses: Equatable {
        var descriptors: UInt64
        var available: UInt64
        var used: UInt64
    }

    /// The number of descriptors; 0 before the front end has said it.
    var size = 0
    var addresses: Addresses?
    /// The index of the available ring where the device begins.
    var base: UInt16 = 0
    /// The front end has given a descriptor for kicks, or has said that there is none.
    var hasKick = false
    /// Whether the ring takes requests. What a ring does before the front end says something depends on
    /// the features.
    var isEnabled: Bool?
    /// The ring has been started, and not stopped.
    var isStarted = false
    /// The ring has been started, and takes no requests until its memory is there.
    var isPaused = false
}
