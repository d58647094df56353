import BlockATA
internal import BlockState

// Saving and restoring a channel.
extension IDEChannel {
    func save() -> SavedChannel {
        SavedChannel(
            selected: state.pointee.selected, deviceControl: state.pointee.deviceControl,
            isInterruptPending: state.pointee.isInterruptPending,
            isResetting: state.pointee.isResetting, busMaster: state.pointee.busMaster,
            isTableLonger: state.pointee.isTableLonger, isDetached: state.pointee.isDetached,
            table: state.pointee.table.saved,
            devices: (0..<2).map { device in
                SavedDevice(registers: registers[device], drive: drives[device].save())
            })
    }

    /// Whether the channel can be what `saved` says. Changes nothing.
    func check(_ saved: SavedChannel) throws(StateError) {
        for device in 0..<2 {
            try StateError.inside("devices[\(device)]") { () throws(StateError) in
                try check(saved.devices[device], device, of: saved)
            }
        }
        guard !saved.isInterruptPending || !isEmpty else {
            throw .damaged(field: "isInterruptPending", reason: "there is no drive")
        }
    }

    private func check(
        _ saved: SavedDevice, _ device: Int, of channel: SavedChannel
    ) throws(StateError) {
        let activity = try StateError.inside("drive") { () throws(StateError) in
            try drives[device].check(saved.drive, isArmed: saved.registers.isArmed)
        }
        guard let signature = drives[device].signature else {
            return try channel.checkAbsent(saved.registers)
        }
        try channel.check(saved.registers, of: device, signature: signature, activity)
    }

    /// Becomes what ``check(_:)`` has accepted, after a reset.
    func load(_ saved: SavedChannel) {
        state.pointee.selected = saved.selected
        state.pointee.deviceControl = saved.deviceControl
        state.pointee.isInterruptPending = saved.isInterruptPending
        state.pointee.isResetting = saved.isResetting
        state.pointee.busMaster = saved.busMaster
        state.pointee.isTableLonger = saved.isTableLonger
        state.pointee.isDetached = saved.isDetached
        state.pointee.table.load(saved.table)
        for (device, saved) in saved.devices.enumerated() {
            registers[device] = saved.registers
            drives[device].load(saved.drive)
        }
    }
}
