import BlockIO
import Glibc

// Waiting for the host.
extension IDEController {
    /// The descriptors of all drives' queues, for epoll(7), level-triggered: readable when
    /// ``poll(timeout:)`` has something to do.
    public var descriptors: [CInt] {
        IDESlot.allCases.compactMap { channel($0.channel).drives[$0.device].descriptor }
    }

    /// Delivers completions of the host, and returns how many there were. Commands end and
    /// interrupts are raised in this call.
    ///
    /// Does not wait by default. With a timeout it waits until a request has completed, nothing is
    /// under way, or `timeout` has passed; `nil` is no limit.
    @discardableResult
    public func poll(timeout: Duration? = .zero) -> Int {
        let count = pollChannels()
        return count > 0 || timeout == .zero ? count : pollUntil(timeout)
    }

    /// Polls both channels.
    @inline(__always)
    private func pollChannels() -> Int {
        let first = poll(primary)
        let second = poll(secondary)
        // The secondary channel has resumed already with the buffers that the primary released.
        let isOwed = second > 0 && primary.mapper.isWaiting
        return first &+ second &+ (isOwed ? resumeInTurns() : 0)
    }

    /// Goes on with transfers that waited for bounce buffers which the other channel has released. No
    /// descriptor is readable for that.
    @inline(never)
    private func resumeInTurns() -> Int {
        var count = 0
        var more: Int
        repeat {
            more = primary.resumeWaiting() &+ secondary.resumeWaiting()
            count &+= more
        } while more > 0
        return count
    }

    /// Delivers what the queues of a channel's drives have completed; the drives tell the channel.
    @inline(__always)
    private func poll(_ channel: IDEChannel) -> Int {
        if channel.isEmpty { return 0 }
        var count = 0
        if channel.hasDrive(0) { count = channel.drives[0].poll(on: channel) }
        if channel.hasDrive(1) { count &+= channel.drives[1].poll(on: channel) }
        return count &+ channel.resumeWaiting()
    }

    // A function of its own, so that a poll that does not wait does not pay for its local
    // variables.
    @inline(never)
    private func pollUntil(_ timeout: Duration?) -> Int {
        var count = 0
        let start = ContinuousClock.now
        while count == 0 && isBusy {
            var left = Duration.seconds(3600)
            if let timeout {
                left = timeout - (ContinuousClock.now - start)
                if left <= .zero { break }
            }
            wait(left)
            count = pollChannels()
        }
        return count
    }

    /// Sleeps until a descriptor is readable, at most for `limit`.
    private func wait(_ limit: Duration) {
        unsafe withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 4) { entries in
            var count = 0
            // Not over the slots: an array of them would be an allocation.
            for number in 0..<4 {
                guard let queue = channel(number >> 1).drives[number & 1].queue,
                    queue.outstanding > 0
                else { continue }
                unsafe entries.initializeElement(
                    at: count, to: pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0))
                count += 1
            }
            // A transfer that waits for bounce buffers of another device has no descriptor.
            let limit = count == 0 ? min(limit, .milliseconds(1)) : limit
            let milliseconds = max(1, min(limit / .milliseconds(1), 3_600_000)).rounded(.up)
            _ = unsafe Glibc.poll(entries.baseAddress, nfds_t(count), CInt(milliseconds))
        }
    }
}
