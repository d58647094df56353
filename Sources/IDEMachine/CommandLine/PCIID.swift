import ArgumentParser
import IDE

/// A controller by its vendor and device number.
enum PCIID: String, CaseIterable, ExpressibleByArgument {
    case piix3 = "8086:7010"
    case piix4 = "8086:7111"
    /// Never at the compatibility ports, so only another process can have it.
    case cmd646 = "1095:0646"

    /// At the compatibility ports, where a PC has it.
    var compatible: IDEIdentity {
        switch self {
        case .piix3: .piix3
        case .piix4: .piix4
        case .cmd646: .cmd646
        }
    }

    /// With ports and interrupt as of any PCI function.
    var native: IDEIdentity {
        switch self {
        case .piix3: .piix3.native
        case .piix4: .piix4.native
        case .cmd646: .cmd646
        }
    }
}
