public import BlockDMA

/// How a disk presents itself. Nothing here can change while it is plugged in.
public struct DiskOptions: Sendable {
    /// IDENTIFY DEVICE words 10-19: up to 20 characters from space to tilde.
    public var serial: String
    /// IDENTIFY DEVICE words 23-26: up to 8 characters.
    public var firmware: String
    /// IDENTIFY DEVICE words 27-46: up to 40 characters.
    public var model: String
    /// Cylinders, heads and sectors; `nil`, the default, takes them from the partition table of
    /// the image if there is one, and from its size otherwise.
    public var geometry: DiskGeometry?
    /// The policy for failed reads of the host; `ErrorPolicy.report` by default.
    public var readErrorPolicy: ErrorPolicy
    /// The policy for failed writes, flushes and discards; `ErrorPolicy.enospc` by default.
    public var writeErrorPolicy: ErrorPolicy

    /// Options with the defaults described at each property.
    public init(
        serial: String = "BIO00001", firmware: String = "1.0", model: String = "SWIFT-BLOCKIO DISK",
        geometry: DiskGeometry? = nil, readErrorPolicy: ErrorPolicy = .report,
        writeErrorPolicy: ErrorPolicy = .enospc
    ) {
        (self.serial, self.firmware, self.model) = (serial, firmware, model)
        self.geometry = geometry
        (self.readErrorPolicy, self.writeErrorPolicy) = (readErrorPolicy, writeErrorPolicy)
    }

    func validate() throws(ATAError) {
        try Self.validate(serial, "serial number", limit: 20)
        try Self.validate(firmware, "firmware revision", limit: 8)
        try Self.validate(model, "model number", limit: 40)
        guard geometry?.isValid ?? true else {
            throw .invalidOption(
                "a geometry has 1 to 65535 cylinders, 1 to 16 heads and 1 to 255 sectors")
        }
    }

    static func validate(
        _ text: String, _ name: String, limit: Int
    ) throws(ATAError) {
        guard text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw .invalidOption("the \(name) is not up to \(limit) characters of ASCII")
        }
    }
}
