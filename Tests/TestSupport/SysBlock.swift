import Glibc

/// Attributes of block devices in /sys/block.
enum SysBlock {
    /// The trimmed text of an attribute such as `queue/logical_block_size`, if there is one.
    static func attribute(_ name: String, of device: String) -> String? {
        let number = Descriptor.open("/sys/block/\(device)/\(name)", O_RDONLY)
        guard number >= 0 else { return nil }
        let text = Descriptor(number).readToEnd()
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// A number that the kernel gives to no two users of a device name (Linux 5.15 and later), so
    /// that "loop3 was detached" and "loop3 is someone else's now" read the same.
    static func sequence(of device: String) -> String? {
        attribute("diskseq", of: device)
    }
}
