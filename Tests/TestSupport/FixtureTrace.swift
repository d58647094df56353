import CTestSupport
import Glibc

/// Something a dead process may have left behind, as a line of text and as a question.
enum FixtureTrace: CustomStringConvertible {
    /// A file or directory.
    case path(String)
    /// A block device such as "loop3", as used by one of its users in turn.
    case device(String, sequence: String)

    /// Reads what ``description`` gives.
    init?(_ text: Substring) {
        let words = text.split(separator: " ")
        switch (words.first, words.count) {
        case ("path", 2): self = .path(String(words[1]))
        case ("device", 3): self = .device(String(words[1]), sequence: String(words[2]))
        default: return nil
        }
    }

    var description: String {
        switch self {
        case .path(let path): "path \(path)"
        case .device(let name, let sequence): "device \(name) \(sequence)"
        }
    }

    /// Whether it is there now.
    var exists: Bool {
        switch self {
        case .path(let path):
            return access(path, F_OK) == 0
        case .device(let name, let sequence):
            guard SysBlock.sequence(of: name) == sequence else { return false }
            return name.hasPrefix("zram")
                ? SysBlock.attribute("disksize", of: name).map { $0 != "0" } ?? false
                : SysBlock.attribute("loop/backing_file", of: name) != nil
        }
    }
}
