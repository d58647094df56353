import BlockPCI
internal import BlockState

/// What is saved of the whole function.
struct SavedController {
    var configuration = Configuration()
    var primary = SavedChannel()
    var secondary = SavedChannel()
    var interrupts = Interrupts()

    /// The PCI configuration space.
    struct Configuration {
        var registers = [UInt8](repeating: 0, count: PCIRegister.conventionalEnd)
    }

    /// Interrupts of the channels, bit 0 and bit 1, that nobody has acknowledged.
    struct Interrupts {
        var unacknowledged: UInt8 = 0
    }
}

extension SavedController: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.section(&configuration, "configuration")
        try codec.section(&primary, "primary")
        try codec.section(&secondary, "secondary")
        try codec.section(&interrupts, "interrupts")
    }
}

extension SavedController.Configuration: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.bytes(&registers, "registers", count: PCIRegister.conventionalEnd)
    }
}

extension SavedController.Interrupts: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&unacknowledged, "unacknowledged", in: 0...3)
    }
}
