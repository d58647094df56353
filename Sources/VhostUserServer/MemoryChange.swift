import GuestMemory

/// A change of the front end's memory that has been checked, and not been made yet.
struct MemoryChange {
    /// A region that is to be there.
    struct Addition {
        let description: RegionDescription
        let region: MemoryRegion
        let file: FileIdentity
    }

    /// Regions that stay as they are.
    let kept: [FrontEndRegion]
    let removed: [FrontEndRegion]
    let added: [Addition]
}
