/// Where a drive is plugged in.
public enum IDESlot: Int, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Device 0 of the primary channel.
    case primaryMaster
    /// Device 1 of the primary channel.
    case primarySlave
    /// Device 0 of the secondary channel.
    case secondaryMaster
    /// Device 1 of the secondary channel.
    case secondarySlave

    /// 0 for the primary channel, 1 for the secondary.
    var channel: Int { rawValue >> 1 }
    /// DEV: 0 or 1 (ATA/ATAPI-6 3.1.18).
    var device: Int { rawValue & 1 }

    /// The name as on command lines: "primary-master".
    public var description: String {
        (channel == 0 ? "primary" : "secondary") + (device == 0 ? "-master" : "-slave")
    }
}
