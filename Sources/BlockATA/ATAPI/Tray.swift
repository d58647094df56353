package import BlockState

/// The tray of a drive, and the events that the guest has not been told of yet.
package struct Tray {
    package var isOpen = false
    /// PREVENT ALLOW MEDIUM REMOVAL (MMC-5 6.14).
    package var isLocked = false
    /// The event that a guest which polls for events is told next.
    package var event = MediaEvent.none
    /// How far a change of media has been reported: a guest that does not poll must see the old
    /// medium go before it sees the new one.
    package var change = Change.none

    package init() {}

    package enum Change: UInt8, CaseIterable {
        /// There is nothing to tell.
        case none
        /// 02/3A comes next.
        case removed
        /// 06/28 comes next.
        case inserted
    }

    /// The guest opens or closes the tray. The drive cannot know that the medium in it is the one from
    /// before (MMC-5 4.1.6.1, table 304).
    package mutating func move(isOpen: Bool, hasMedium: Bool) {
        self.isOpen = isOpen
        // A request to eject is obsolete once the tray has moved.
        if event == .ejectRequest { event = .none }
        guard hasMedium else { return }
        event = isOpen ? .mediaRemoval : .newMedia
        // The guest has asked for it, so it need not first see the medium go.
        change = isOpen ? .none : .inserted
    }

    /// The sense that the next command ends with, if a change of media has not been reported
    /// completely.
    package mutating func takeAttention() -> Sense? {
        switch change {
        case .none: return nil
        case .removed:
            change = .inserted
            return .mediumNotPresent
        case .inserted:
            change = .none
            return .mediumMayHaveChanged
        }
    }

    /// The event that GET EVENT STATUS NOTIFICATION reports, once. Events about a medium in the
    /// drive wait until the tray is closed.
    package mutating func takeEvent() -> MediaEvent {
        if isOpen && event != .mediaRemoval { return .none }
        defer { event = .none }
        return event
    }
}

extension Tray: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.flag(&isOpen, "isOpen")
        try codec.flag(&isLocked, "isLocked")
        try codec.choice(&event, "event")
        try codec.choice(&change, "change")
    }
}
