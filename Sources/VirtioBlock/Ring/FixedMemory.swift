// @safe: every index is checked, and the memory is freed with the value.
/// Memory for a fixed number of plain values, at an address that stays.
@safe struct FixedMemory<Element: BitwiseCopyable>: ~Copyable {
    private let start: UnsafeMutablePointer<Element>
    /// The number of values.
    let count: Int

    init(repeating value: Element, count: Int) {
        unsafe start = .allocate(capacity: count)
        unsafe start.initialize(repeating: value, count: count)
        self.count = count
    }

    deinit { unsafe start.deallocate() }

    @inline(__always)
    subscript(index: Int) -> Element {
        get { unsafe start[checked(index, 1)] }
        nonmutating set { unsafe start[checked(index, 1)] = newValue }
    }

    /// The address of `count` values from `index` on.
    @inline(__always)
    func address(of index: Int, count: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(start + checked(index, count))
    }

    @inline(__always)
    private func checked(_ index: Int, _ number: Int) -> Int {
        precondition(
            index >= 0 && number >= 0 && index <= count &- number, "outside of fixed memory")
        return index
    }
}
