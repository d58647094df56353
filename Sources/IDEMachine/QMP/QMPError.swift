/// Why a QMP command is answered with an error, in the classes of QEMU's qapi/error.json.
enum QMPError: Error {
    case generic(String)
    case commandNotFound(String)
    case deviceNotFound(String)

    /// As in the answer.
    var value: JSONValue {
        switch self {
        case .generic(let text): Self.value("GenericError", text)
        case .commandNotFound(let text): Self.value("CommandNotFound", text)
        case .deviceNotFound(let name):
            Self.value("DeviceNotFound", "Device '\(name)' not found")
        }
    }

    /// No command has this name.
    static func commandNotFound(unknown command: String) -> QMPError {
        .commandNotFound("The command \(command) has not been found")
    }

    /// Names in the text come from the peer, and may be a megabyte long. Scalars are counted, because one
    /// `Character` may be as long.
    private static func value(_ kind: String, _ text: String) -> JSONValue {
        ["class": .string(kind), "desc": .string(String(text.unicodeScalars.prefix(400)))]
    }
}
