/// Media event codes (MMC-5 table 304).
package enum MediaEvent: UInt8, CaseIterable {
    case none = 0
    /// The user asks for the medium.
    case ejectRequest = 1
    /// A medium can be used now.
    case newMedia = 2
    /// The medium is gone.
    case mediaRemoval = 3
}
