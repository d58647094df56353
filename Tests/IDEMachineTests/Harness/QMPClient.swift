import Foundation

@testable import TestSupport

/// The harness's end of a QMP socket.
final class QMPClient {
    let socket: LineSocket
    /// The events that came and have not been taken.
    private(set) var events: [[String: Any]] = []

    init(_ socket: LineSocket) { self.socket = socket }

    /// Takes the greeting and negotiates.
    func negotiate() throws {
        guard try message()["QMP"] != nil else { throw FixtureError.failed("no greeting") }
        try run("qmp_capabilities")
    }

    /// Runs a command; throws what an error says.
    @discardableResult
    func run(_ command: String, _ arguments: [String: Any] = [:]) throws -> Any {
        let answer = try answer(to: ["execute": command, "arguments": arguments])
        guard let result = answer["return"] else {
            throw FixtureError.failed("\(command): \(answer)")
        }
        return result
    }

    /// The class and the text of the error that a command is answered with.
    func error(_ command: String, _ arguments: [String: Any] = [:]) throws -> (String, String) {
        let answer = try answer(to: ["execute": command, "arguments": arguments])
        guard let error = answer["error"] as? [String: Any], let kind = error["class"] as? String,
            let text = error["desc"] as? String
        else { throw FixtureError.failed("\(command) is no error: \(answer)") }
        return (kind, text)
    }

    /// The answer to a message; events before it are kept.
    func answer(to message: [String: Any]) throws -> [String: Any] {
        try socket.send(try JSONSerialization.data(withJSONObject: message))
        return try answer()
    }

    /// The next answer; events before it are kept.
    func answer() throws -> [String: Any] {
        while true {
            let message = try message()
            guard message["event"] != nil else { return message }
            events.append(message)
        }
    }

    /// The next event, waited for: its name and its data.
    func event() throws -> (name: String, data: [String: Any]) {
        let event = try events.isEmpty ? message() : events.removeFirst()
        guard let name = event["event"] as? String else {
            throw FixtureError.failed("no event: \(event)")
        }
        return (name, event["data"] as? [String: Any] ?? [:])
    }

    /// A number of query-blockstats.
    func statistic(_ name: String, of slot: String) throws -> Int {
        let list = try run("query-blockstats") as? [[String: Any]] ?? []
        let drive = list.first { $0["device"] as? String == slot }
        guard let value = (drive?["stats"] as? [String: Any])?[name] as? Int else {
            throw FixtureError.failed("no \(name) of \(slot) in \(list)")
        }
        return value
    }

    private func message() throws -> [String: Any] {
        guard let line = try socket.line() else {
            throw FixtureError.failed("the machine has closed the QMP socket")
        }
        let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
        guard let message = value as? [String: Any] else {
            throw FixtureError.failed("no object: \(line)")
        }
        return message
    }
}
