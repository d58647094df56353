import BlockDMA
import BlockHost
import Glibc
import IDE

/// QEMU's monitor protocol (docs/interop/qmp-spec.rst in QEMU's sources): JSON objects both ways, a
/// greeting, commands with answers in order, and events.
final class QMPServer {
    /// Whether the peer has asked for the end of the program.
    private(set) var isQuitting = false

    private let machine: QtestMachine
    private let connection: Connection
    private var framer = JSONFramer()
    /// Commands other than qmp_capabilities are refused, and events kept back, until it has come.
    private var isNegotiating = true
    private var status = Status.running

    /// RunState of QEMU's qapi/run-state.json.
    private enum Status: String {
        case running
        case paused
        case ioError = "io-error"
    }

    init(_ machine: QtestMachine, _ connection: Connection) {
        self.machine = machine
        self.connection = connection
        // The version of QEMU whose protocol this is.
        let version: JSONValue = [
            "qemu": ["major": 7, "minor": 2, "micro": 0], "package": "ide-machine",
        ]
        send(["QMP": ["version": version, "capabilities": []]])
    }

    /// Carries out the commands that are there.
    func serve() {
        while !connection.isCongested && !isQuitting {
            let (taken, frame) = framer.next(connection.unread)
            connection.take(taken)
            guard let frame else { return }
            switch frame {
            case .text(let text):
                do throws(QMPError) {
                    answer(try JSONParser.parse(text))
                } catch {
                    send(["error": error.value])
                }
            case .refused(let reason):
                send(["error": QMPError.generic("JSON parse error, \(reason)").value])
            }
        }
    }

    /// The host has failed a drive's request.
    func driveFailed(_ event: DriveEvent) {
        emit(
            "BLOCK_IO_ERROR",
            [
                "device": .string("\(event.slot)"),
                // QEMU knows these two; what is no read is a write.
                "operation": event.operation == .read ? "read" : "write",
                "action": .string(event.action.rawValue),
                "nospace": .bool(event.errno == ENOSPC),
                "reason": .string(errnoMessage(event.errno)),
            ])
        if event.action == .stop && status == .running { stop(.ioError) }
    }

    private func answer(_ request: JSONValue) {
        var response: [JSONName: JSONValue] = [:]
        do throws(QMPError) {
            guard case .object(var members) = request else {
                throw .generic("QMP input must be a JSON object")
            }
            response["id"] = members.removeValue(forKey: "id")
            guard let name = members.removeValue(forKey: "execute") else {
                throw .generic("QMP input lacks member 'execute'")
            }
            guard case .string(let command) = name else {
                throw .generic("QMP input member 'execute' must be a string")
            }
            guard QMPArguments.isName(command) else { throw .commandNotFound(unknown: command) }
            var arguments = try QMPArguments(members.removeValue(forKey: "arguments"))
            if let other = members.keys.min() {
                throw .generic("QMP input member '\(other.text)' is unexpected")
            }
            response["return"] = try run(command, &arguments)
        } catch {
            response["error"] = error.value
        }
        send(.object(response))
    }

    private func run(
        _ command: String, _ arguments: inout QMPArguments
    ) throws(QMPError) -> JSONValue {
        guard isNegotiating == (command == "qmp_capabilities") else {
            throw .commandNotFound(
                isNegotiating
                    ? "Expecting capabilities negotiation with 'qmp_capabilities'"
                    : "Capabilities negotiation is already complete, command ignored")
        }
        switch command {
        case "qmp_capabilities":
            try arguments.end()
            isNegotiating = false
        case "query-status":
            try arguments.end()
            return [
                "running": .bool(status == .running), "singlestep": false,
                "status": .string(status.rawValue),
            ]
        case "stop":
            try arguments.end()
            if status == .running {
                stop(.paused)
                _ = machine.drain()
            }
        case "cont":
            try arguments.end()
            resume()
        case "quit":
            try arguments.end()
            isQuitting = true
        default: return try machine.run(command, &arguments)
        }
        return [:]
    }

    private func stop(_ reason: Status) {
        status = reason
        emit("STOP")
    }

    private func resume() {
        if status != .running {
            status = .running
            emit("RESUME")
        }
        machine.resume()
    }

    private func emit(_ event: String, _ data: JSONValue? = nil) {
        guard !isNegotiating else { return }
        var now = timeval()
        gettimeofday(&now, nil)
        var message: [JSONName: JSONValue] = [
            "event": .string(event),
            "timestamp": [
                "seconds": .integer(Int64(now.tv_sec)),
                "microseconds": .integer(Int64(now.tv_usec)),
            ],
        ]
        message["data"] = data
        send(.object(message))
    }

    private func send(_ message: JSONValue) {
        connection.send(message.text + [0x0d, 0x0a])
    }
}
