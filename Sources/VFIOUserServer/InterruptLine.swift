import BlockHost
import BlockPCI
import Glibc

/// INTx towards a peer: the function's line is a level, the peer's eventfd is an edge.
///
/// When the level rises the eventfd is written, once, and the line is masked until the peer says that
/// it has seen to it ("Interrupts", VFIO_IRQ_INFO_AUTOMASKED). If the line is still high then, it is
/// written again.
final class InterruptLine: PCIInterruptReceiver {
    /// How often an eventfd was written.
    private(set) var signals: UInt64 = 0
    /// How often the level rose.
    private(set) var rises: UInt64 = 0
    private(set) var isRaised = false

    private var isMasked = false
    private var trigger: CInt = -1
    /// Written by the peer's side, mostly by KVM, to unmask; -1 when there is none.
    private(set) var unmaskEvent: CInt = -1
    /// Called with ``unmaskEvent`` before it is closed. The peer has the same eventfd, so one that is
    /// watched stays watched when it is closed here.
    var unmaskEventWillClose: (CInt) -> Void = { _ in }

    deinit { disconnect() }

    func interrupt(of function: PCIFunction, isRaised: Bool) { set(isRaised: isRaised) }

    /// The function's level.
    func set(isRaised: Bool) {
        guard isRaised != self.isRaised else { return }
        self.isRaised = isRaised
        if isRaised { rises &+= 1 }
        signalIfDue()
    }

    /// Takes over the descriptor to write to from now on, unmasked; -1 for none.
    func connect(_ descriptor: CInt) {
        if trigger >= 0 { close(trigger) }
        trigger = descriptor
        isMasked = false
        signalIfDue()
    }

    /// Takes over the descriptor that unmasks when it becomes readable; -1 for none.
    func connectUnmask(_ descriptor: CInt) {
        if unmaskEvent >= 0 {
            unmaskEventWillClose(unmaskEvent)
            close(unmaskEvent)
        }
        unmaskEvent = descriptor
    }

    /// Forgets the peer.
    func disconnect() {
        connectUnmask(-1)
        connect(-1)
    }

    func mask() { isMasked = true }

    func unmask() {
        isMasked = false
        signalIfDue()
    }

    /// ``unmaskEvent`` is readable.
    func unmaskEventCame() {
        if SharedEvent.take(unmaskEvent) { unmask() }
    }

    /// Writes the eventfd whatever the level: a peer that tries out its own handler asks for it.
    func signal() {
        guard trigger >= 0 else { return }
        // It is the peer's descriptor; if it cannot be written, that is the peer's loss.
        if SharedEvent.signal(trigger) { signals &+= 1 }
    }

    private func signalIfDue() {
        guard isRaised, !isMasked, trigger >= 0 else { return }
        isMasked = true
        signal()
    }
}
