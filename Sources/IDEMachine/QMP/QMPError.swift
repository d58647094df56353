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
            Self.value("DeviceNotFound", "Device '\(name.prefix(80))' not found")
        }
    }

    /// Names in the text come from the peer, who may have sent a megabyte.
    private static func value(_ kind: String, _ text: String) -> JSONValue {
        ["class": .string(kind), "desc": .string(String(text.prefix(400)))]
    }
}
