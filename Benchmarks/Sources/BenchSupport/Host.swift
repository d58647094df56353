import Foundation

/// The machine, as far as it explains figures.
package struct Host: Encodable {
    /// The kernel's release, uname(2).
    package let kernel: String
    /// The architecture, uname(2).
    package let machine: String
    /// The processor's name, /proc/cpuinfo.
    package let processor: String
    /// Processors online.
    package let processors: Int
    /// Bytes of memory.
    package let memory: Int

    private enum CodingKeys: String, CodingKey {
        case kernel, machine, processor, processors
        case memory = "memory_bytes"
    }

    /// This one.
    package static func current() -> Host {
        var names = utsname()
        uname(&names)
        return Host(
            kernel: text(of: &names.release), machine: text(of: &names.machine),
            processor: processorName(), processors: sysconf(CInt(_SC_NPROCESSORS_ONLN)),
            memory: memoryInBytes)
    }

    /// Bytes of memory.
    package static var memoryInBytes: Int {
        sysconf(CInt(_SC_PHYS_PAGES)) * sysconf(CInt(_SC_PAGESIZE))
    }

    private static func processorName() -> String {
        let table = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = table.split(separator: "\n").first { $0.hasPrefix("model name") }
        let value = line?.split(separator: ":", maxSplits: 1).last
        return value?.trimmingCharacters(in: .whitespaces) ?? "unknown"
    }

    private static func text<Field>(of field: inout Field) -> String {
        withUnsafeBytes(of: &field) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
