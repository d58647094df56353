/// What a sector of 2352 bytes consists of.
package enum SectorKind {
    case mode1
    /// Mode 2, form 1: 2048 bytes of user data, EDC and parities.
    case form1
    /// Mode 2, form 2: 2324 bytes of user data, and EDC.
    case form2
}
