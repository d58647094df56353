import ArgumentParser
import BlockATA
import BlockDMA
import BlockIO
import CommandLineSupport
import IDE

/// A drive as the command line has it: `SLOT=PATH[,OPTION=VALUE...]`. A comma in PATH is doubled,
/// as on QEMU's command line.
struct DriveSpecification: Sendable {
    let slot: IDESlot
    /// Empty for a CD drive without a disc. As ``RawArguments`` has it.
    let path: String
    var isCDROM = false
    var engine = EngineChoice.auto
    var caching = OpenOptions.Caching.direct
    var access = OpenOptions.Access.readWrite
    /// `nil` is exclusive for a disk that can be written to, and shared otherwise.
    var lock: OpenOptions.Lock?
    var readErrorPolicy = ErrorPolicy.report
    /// `nil` is what the face has for a drive without.
    var writeErrorPolicy: ErrorPolicy?
    /// At most 20 printable ASCII characters (ATA8-ACS 7.16.7, IDENTIFY DEVICE words 10 to 19).
    var serial: String?
    /// At most 8 (ditto, words 23 to 26).
    var firmware: String?
    /// Of a disk, in the ranges of QEMU's ide-hd; `nil` is what the image says.
    var geometry: DiskGeometry?
    private var geometryOptions = GeometryOptions()

    init(parsing text: String) throws {
        // Scalars, since a mark at the start of the path would be one character with the sign.
        let sign = text.unicodeScalars.firstIndex(of: "=")
        guard let sign, let slot = IDESlot(name: String(text[..<sign])) else {
            throw ValidationError(
                "'\(text)' does not begin with a slot and '=': \(IDESlot.names)")
        }
        self.slot = slot
        var parts = Self.split(text[text.index(after: sign)...])
        path = parts.removeFirst()
        for part in parts {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2 else {
                throw ValidationError("'\(part)' of \(slot) is not of the form OPTION=VALUE")
            }
            try set(String(words[0]), String(words[1]))
        }
        geometry = try geometryOptions.geometry(of: slot, isCDROM: isCDROM)
        if isCDROM { access = .readOnly }
        guard isCDROM || !path.isEmpty else { throw ValidationError("\(slot) has no path") }
    }

    private mutating func set(_ option: String, _ value: String) throws {
        switch option {
        case "media":
            switch value {
            case "disk": isCDROM = false
            case "cdrom": isCDROM = true
            default: throw ValidationError("media=\(value): neither disk nor cdrom")
            }
        case "engine":
            if value == "auto" {
                engine = .auto
            } else if let kind = EngineKind(rawValue: value) {
                engine = .forced(kind)
            } else {
                let names = ["auto"] + EngineKind.allCases.map(\.rawValue)
                throw ValidationError("engine=\(value): not one of \(names)")
            }
        case "direct": caching = try Self.isOn(option, value) ? .direct : .buffered
        case "readonly": access = try Self.isOn(option, value) ? .readOnly : .readWrite
        case "lock": lock = try Self.lock(value)
        case "rerror": readErrorPolicy = try Self.policy(option, value)
        case "werror": writeErrorPolicy = try Self.policy(option, value)
        case "serial": serial = try Self.identification(option, value, limit: 20)
        case "firmware": firmware = try Self.identification(option, value, limit: 8)
        case "cyls", "heads", "secs": try geometryOptions.set(option, value)
        default: throw ValidationError("a drive has no option '\(option)'")
        }
    }

    /// Splits at single commas; two stand for one of the text.
    private static func split(_ text: Substring) -> [String] {
        var parts = [""]
        var rest = text.unicodeScalars
        while let character = rest.popFirst() {
            if character != "," {
                parts[parts.count - 1].unicodeScalars.append(character)
            } else if rest.first == "," {
                rest.removeFirst()
                parts[parts.count - 1].append(",")
            } else {
                parts.append("")
            }
        }
        return parts
    }

    private static func isOn(_ option: String, _ value: String) throws -> Bool {
        guard let state = OnOff(rawValue: value) else {
            throw ValidationError("\(option)=\(value): neither on nor off")
        }
        return state == .on
    }

    private static func lock(_ value: String) throws -> OpenOptions.Lock {
        switch value {
        case "off": .off
        case "shared": .shared
        case "exclusive": .exclusive
        default: throw ValidationError("lock=\(value): not one of off, shared, exclusive")
        }
    }

    private static func policy(_ option: String, _ value: String) throws -> ErrorPolicy {
        guard let policy = ErrorPolicy(rawValue: value) else {
            let names = ErrorPolicy.allCases.map(\.rawValue)
            throw ValidationError("\(option)=\(value): not one of \(names)")
        }
        return policy
    }

    private static func identification(
        _ option: String, _ value: String, limit: Int
    ) throws -> String {
        guard value.utf8.count <= limit, value.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
        else {
            throw ValidationError(
                "\(option)=\(value): not \(limit) or fewer printable ASCII characters")
        }
        return value
    }
}
