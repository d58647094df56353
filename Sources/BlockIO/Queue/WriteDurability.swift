/// When a write may complete.
public enum WriteDurability: Sendable, Hashable {
    /// When the data is in the device's or the host's volatile cache.
    case volatile
    /// When it is on stable storage: FUA, RWF_DSYNC of pwritev2(2); through the page cache a write
    /// and an fdatasync(2), see ``BlockQueue/flush(userData:)``.
    case forceUnitAccess
}
