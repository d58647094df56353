public import BlockDMA

/// How a CD/DVD-ROM drive presents itself. Nothing here can change while it is plugged in.
public struct CDROMOptions: Sendable {
    /// INQUIRY bytes 8-15: up to 8 characters from space to tilde (SPC-3 6.4.2).
    public var vendor: String
    /// INQUIRY bytes 16-31: up to 16 characters. With the vendor before it, the model number of
    /// IDENTIFY PACKET DEVICE, words 27-46.
    public var product: String
    /// INQUIRY bytes 32-35: up to 4 characters.
    public var revision: String
    /// IDENTIFY PACKET DEVICE words 10-19: up to 20 characters.
    public var serial: String
    /// IDENTIFY PACKET DEVICE words 23-26: up to 8 characters.
    public var firmware: String
    /// The policy for failed reads of the host; `ErrorPolicy.report` by default.
    public var readErrorPolicy: ErrorPolicy

    /// Options with the defaults described at each property.
    public init(
        vendor: String = "BLOCKIO", product: String = "SWIFT DVD-ROM", revision: String = "1.0",
        serial: String = "BIO00002", firmware: String = "1.0",
        readErrorPolicy: ErrorPolicy = .report
    ) {
        (self.vendor, self.product, self.revision) = (vendor, product, revision)
        (self.serial, self.firmware) = (serial, firmware)
        self.readErrorPolicy = readErrorPolicy
    }

    func validate() throws(ATAError) {
        try DiskOptions.validate(vendor, "vendor identification", limit: 8)
        try DiskOptions.validate(product, "product identification", limit: 16)
        try DiskOptions.validate(revision, "product revision", limit: 4)
        try DiskOptions.validate(serial, "serial number", limit: 20)
        try DiskOptions.validate(firmware, "firmware revision", limit: 8)
    }
}
