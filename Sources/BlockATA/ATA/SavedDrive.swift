package import BlockState

/// What is saved of a drive of either kind.
package enum SavedDrive {
    /// There is none in the slot.
    case none
    /// A disk.
    case disk(SavedDisk)
    /// A CD/DVD-ROM drive.
    case packet(SavedPacketDrive)

    /// As in a state.
    package enum Kind: UInt8, CaseIterable { case none, disk, packet }

    package var kind: Kind {
        switch self {
        case .none: .none
        case .disk: .disk
        case .packet: .packet
        }
    }

    var disk: SavedDisk? { if case .disk(let disk) = self { disk } else { nil } }

    var packet: SavedPacketDrive? {
        if case .packet(let drive) = self { drive } else { nil }
    }

    /// The slot has another drive in the state.
    package func mismatch(_ own: Kind) -> StateError {
        .mismatch(field: "kind", reason: "there is \(own) here, and \(kind) in the state")
    }
}

extension SavedDrive: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        var (kind, disk, packet) = (kind, disk, packet)
        try codec.choice(&kind, "kind")
        try codec.structure(
            &disk, "disk", if: kind == .disk, "`kind` is disk", blank: SavedDisk())
        try codec.structure(
            &packet, "packet", if: kind == .packet, "`kind` is packet", blank: SavedPacketDrive())
        self = disk.map { .disk($0) } ?? packet.map { .packet($0) } ?? .none
    }
}
