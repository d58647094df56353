package import BlockState

extension TaskFile: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.structure(&features, "features")
        try codec.structure(&count, "count")
        try codec.structure(&lbaLow, "lbaLow")
        try codec.structure(&lbaMid, "lbaMid")
        try codec.structure(&lbaHigh, "lbaHigh")
        try codec.number(&device, "device")
        try codec.check(
            "device", "bits 7 and 5 are set",
            device & DeviceRegister.alwaysSet == DeviceRegister.alwaysSet)
    }
}

extension TwoByteRegister: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&current, "current")
        try codec.number(&previous, "previous")
    }
}
