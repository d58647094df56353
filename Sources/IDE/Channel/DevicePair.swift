import BlockHost

/// A value for each of the two devices of a channel, at an address of its own.
///
/// `@safe`, because an index counts by its lowest bit only, and because the memory is freed with the
/// pair: the channel outlives its drives.
@safe struct DevicePair<Value: ~Copyable>: ~Copyable {
    private let values: UnsafeMutablePointer<Value>

    /// `value` makes the value of each device.
    init(_ value: () -> Value) {
        unsafe values = .allocate(capacity: 2)
        for device in 0..<2 { unsafe (values + device).initialize(to: value()) }
    }

    deinit {
        unsafe values.deinitialize(count: 2)
        unsafe values.deallocate()
    }

    subscript(device: Int) -> Value {
        unsafeAddress { unsafe UnsafePointer(address(device)) }
        nonmutating unsafeMutableAddress { unsafe address(device) }
    }

    /// The value of a device, for several accesses.
    @inline(__always)
    func at(_ device: Int) -> StablePointer<Value> { unsafe StablePointer(address(device)) }

    /// The address of the value of a device, as long as the pair.
    @inline(__always)
    func address(_ device: Int) -> UnsafeMutablePointer<Value> { unsafe values + (device & 1) }
}
