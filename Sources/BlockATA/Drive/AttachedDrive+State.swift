package import BlockState

// Saving and restoring a drive of either kind, with the command of tag 0. All registers but the window
// are the carrier's to save.
extension AttachedDrive {
    /// What the drive is, its settings, and the command under way. Not busy.
    package func save() -> SavedDrive {
        switch self {
        case .absent: .none
        case .disk(let drive): drive.save()
        case .packet(let drive): drive.save()
        }
    }

    /// Whether the drive can be what `saved` says, and what it is doing then. Changes nothing. `isArmed`
    /// is of its registers in the state.
    package func check(
        _ saved: SavedDrive, isArmed: Bool
    ) throws(StateError) -> DriveActivity {
        switch self {
        case .absent:
            guard saved.kind == .none else { throw saved.mismatch(.none) }
            return .idle
        case .disk(let drive): return try drive.check(saved, isArmed: isArmed)
        case .packet(let drive): return try drive.check(saved, isArmed: isArmed)
        }
    }

    /// Becomes what ``check(_:isArmed:)`` has accepted. Of its registers it sets the window and the demand.
    package func load(_ saved: SavedDrive) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.load(saved)
        case .packet(let drive): drive.load(saved)
        }
    }
}
