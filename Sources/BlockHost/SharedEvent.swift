import CBlockHost

/// An eventfd(2) that another process has too, and may have made a blocking one.
package enum SharedEvent {
    /// Makes a descriptor of another process's one whose ``signal(_:)`` does not block. Returns 0, or the errno:
    /// EINVAL for anything but an eventfd. Without /proc, what has no type of file is taken for an eventfd.
    package static func prepare(_ descriptor: CInt) -> CInt {
        -cblockhost_prepare_event(descriptor)
    }

    /// Adds 1 to the counter. Returns false if that would block, or if the descriptor cannot be written.
    ///
    /// It does not block, whatever the other process does, as long as the kernel has asynchronous I/O on eventfds:
    /// from Linux 5.8 on, and if io_setup(2) and io_submit(2) are allowed.
    @discardableResult
    package static func signal(_ descriptor: CInt) -> Bool { cblockhost_signal(descriptor) }

    /// The same in one system call, which waits if the other process has made the event a blocking one again and
    /// has filled it. Another thread must be there to call ``makeRoom(_:)`` then.
    package static func signalUnchecked(_ descriptor: CInt) -> Bool {
        cblockhost_signal_unchecked(descriptor)
    }

    /// Takes what is in a full counter, so that a thread that waits in ``signalUnchecked(_:)`` goes on, a thousand
    /// times if another process fills it again. To be repeated until the thread goes on.
    package static func makeRoom(_ descriptor: CInt) { cblockhost_make_room(descriptor) }

    /// A descriptor of the same event, for another thread.
    package static func duplicate(_ descriptor: CInt) throws(SystemCallError) -> CInt {
        try SystemCallError.check(cblockhost_duplicate(descriptor), "fcntl(2)")
    }

    /// Reads the counter back to 0, without waiting. Returns false if it was 0.
    package static func take(_ descriptor: CInt) -> Bool { cblockhost_take(descriptor) }
}
