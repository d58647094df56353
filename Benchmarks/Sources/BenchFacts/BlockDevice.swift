import Foundation

/// A whole block device, as far as its settings explain figures: the files of sysfs that the kernel's
/// Documentation/ABI/stable/sysfs-block describes. A property is `nil` where the device has no such file.
package struct BlockDevice: Encodable, Equatable, Sendable {
    /// The kernel's name, such as "nvme0n1".
    package let name: String
    /// The partition that was asked for, such as "nvme0n1p2"; `nil` for the whole device.
    package let partition: String?
    /// The model that the device itself reports. A virtio disk, a loop device and zram have none.
    package let model: String?
    /// The I/O scheduler in use.
    package let scheduler: String?
    /// The most requests of each kind that the block layer keeps for the device.
    package let requestLimit: Int?
    /// "write back" or "write through".
    package let writeCache: String?
    /// Whether the medium turns.
    package let isRotational: Bool?
    /// The smallest unit that the device can address, in bytes.
    package let logicalBlockSize: Int?
    /// The smallest unit that the device writes without reading it first, in bytes.
    package let physicalBlockSize: Int?

    private enum CodingKeys: String, CodingKey {
        case name, partition, model, scheduler
        case requestLimit = "nr_requests"
        case writeCache = "write_cache"
        case isRotational = "rotational"
        case logicalBlockSize = "logical_block_size"
        case physicalBlockSize = "physical_block_size"
    }

    /// Looks up a device number, such as "8:1". `nil` when no block device has the number: the numbers of
    /// file systems without a device, such as tmpfs, are not in sysfs.
    package init?(number: String, sysfs: String = "/sys") {
        let link = URL(fileURLWithPath: "\(sysfs)/dev/block/\(number)")
        guard FileManager.default.fileExists(atPath: link.path) else { return nil }
        let directory = link.resolvingSymlinksInPath()
        let isPartition = FileManager.default.fileExists(
            atPath: directory.appendingPathComponent("partition").path)
        partition = isPartition ? directory.lastPathComponent : nil
        let whole = isPartition ? directory.deletingLastPathComponent() : directory
        name = whole.lastPathComponent

        model = Self.text("device/model", of: whole)
        scheduler = Self.text("queue/scheduler", of: whole).map(Self.chosen)
        requestLimit = Self.integer("queue/nr_requests", of: whole)
        writeCache = Self.text("queue/write_cache", of: whole)
        isRotational = Self.integer("queue/rotational", of: whole).map { $0 != 0 }
        logicalBlockSize = Self.integer("queue/logical_block_size", of: whole)
        physicalBlockSize = Self.integer("queue/physical_block_size", of: whole)
    }

    private static func text(_ file: String, of device: URL) -> String? {
        let content = try? String(
            contentsOf: device.appendingPathComponent(file), encoding: .utf8)
        guard let text = content?.trimmingCharacters(in: .whitespacesAndNewlines), !text.isEmpty
        else { return nil }
        return text
    }

    private static func integer(_ file: String, of device: URL) -> Int? {
        text(file, of: device).flatMap { Int($0) }
    }

    /// "mq-deadline" of "none [mq-deadline] kyber". A device without a choice has one word.
    private static func chosen(of list: String) -> String {
        let words = list.split(separator: " ")
        let marked = words.first { $0.hasPrefix("[") && $0.hasSuffix("]") }
        return marked.map { String($0.dropFirst().dropLast()) } ?? list
    }

    /// "device sda (Samsung SSD 870, partition sda1), scheduler none, nr_requests 64, write back cache,
    /// not rotational, blocks of 512 bytes (physical 4096)".
    package var summary: String {
        let details = [model, partition.map { "partition \($0)" }].compactMap { $0 }
        let sizes = logicalBlockSize.map { logical in
            "blocks of \(logical) bytes" + (physicalBlockSize.map { " (physical \($0))" } ?? "")
        }
        let facts: [String?] = [
            "device \(name)" + (details.isEmpty ? "" : " (\(details.joined(separator: ", ")))"),
            scheduler.map { "scheduler \($0)" },
            requestLimit.map { "nr_requests \($0)" },
            writeCache.map { "\($0) cache" },
            isRotational.map { $0 ? "rotational" : "not rotational" },
            sizes,
        ]
        return facts.compactMap { $0 }.joined(separator: ", ")
    }
}
