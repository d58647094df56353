import Glibc
import IDE

/// Drives a machine from a qtest socket and a QMP socket, until one of them ends.
final class QtestFace {
    private let machine: Machine
    private let qtestConnection: Connection
    private let qtest: QtestServer
    private let qmpConnection: Connection?
    private let qmp: QMPServer?
    private var failures = FailureLog(kept: "it waits, and without --qmp nobody can let it go on")

    init(_ machine: Machine, qtest qtestPath: SocketPath, qmp qmpPath: SocketPath?) throws {
        self.machine = machine
        qtestConnection = try Connection(to: qtestPath.pathname)
        qmpConnection = try qmpPath.map { try Connection(to: $0.pathname) }
        qtest = QtestServer(machine, qtestConnection)
        qmp = qmpConnection.map { QMPServer(machine, $0) }
        machine.observer = self
    }

    /// Serves until a peer ends its connection, one asks for the end, or `termination` comes. All
    /// requests have ended then.
    func run(until termination: TerminationSignal) throws {
        let connections = [qtestConnection] + [qmpConnection].compactMap(\.self)
        defer {
            machine.shutDown()
            for connection in connections { connection.flush() }
        }
        let waits = PollSet(
            [termination.descriptor] + connections.map(\.descriptor)
                + machine.controller.descriptors)
        while true {
            for index in connections.indices {
                waits.setEvents(of: 1 + index, connections[index].events)
            }
            try waits.wait()
            if waits.isReady(0) { return }
            if waits.isAnyReady(from: 1 + connections.count) { machine.controller.poll() }
            for index in connections.indices where waits.isReady(1 + index) {
                connections[index].flush()
                connections[index].receive()
            }
            try qtest.serve()
            qmp?.serve()
            if qmp?.isQuitting == true || connections.contains(where: \.hasEnded) { return }
        }
    }
}

extension QtestFace: MachineObserver {
    func interruptChanged(_ number: Int, isRaised: Bool) {
        qtest.interrupt(number, isRaised: isRaised)
    }

    func driveFailed(_ event: DriveEvent) {
        if let qmp { qmp.driveFailed(event) } else { failures.note(event) }
    }
}
