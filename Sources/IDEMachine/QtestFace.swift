import Glibc
import IDE

/// Drives a machine from a qtest socket and a QMP socket, until one of them ends.
final class QtestFace {
    private let machine: Machine
    private let qtestConnection: Connection
    private let qtest: QtestServer
    private let qmpConnection: Connection?
    private let qmp: QMPServer?

    init(_ machine: Machine, qtest qtestPath: SocketPath, qmp qmpPath: SocketPath?) throws {
        self.machine = machine
        qtestConnection = try Connection(to: qtestPath.path)
        qmpConnection = try qmpPath.map { try Connection(to: $0.path) }
        qtest = QtestServer(machine, qtestConnection)
        qmp = qmpConnection.map { QMPServer(machine, $0) }
        machine.observer = self
    }

    /// Serves until a peer ends its connection, one asks for the end, or `termination` comes. All
    /// requests have ended then.
    func run(until termination: TerminationSignal) throws {
        defer {
            machine.shutDown()
            for connection in connections { connection.flush() }
        }
        while true {
            var entries = [pollfd(fd: termination.descriptor, events: CShort(POLLIN), revents: 0)]
            entries += connections.map {
                pollfd(fd: $0.descriptor, events: $0.events, revents: 0)
            }
            entries += machine.descriptors.map {
                pollfd(fd: $0, events: CShort(POLLIN), revents: 0)
            }
            guard poll(&entries, nfds_t(entries.count), -1) >= 0 || errno == EINTR else {
                throw SystemError("poll")
            }
            if entries[0].revents != 0 { return }
            machine.poll()
            for (connection, entry) in zip(connections, entries.dropFirst())
            where entry.revents != 0 {
                connection.flush()
                connection.receive()
            }
            try qtest.serve()
            qmp?.serve()
            if qmp?.isQuitting == true || connections.contains(where: \.hasEnded) { return }
        }
    }

    private var connections: [Connection] { [qtestConnection] + [qmpConnection].compactMap(\.self) }
}

extension QtestFace: MachineObserver {
    func interruptChanged(_ number: Int, isRaised: Bool) {
        qtest.interrupt(number, isRaised: isRaised)
    }

    func driveFailed(_ event: DriveEvent) { qmp?.driveFailed(event) }
}
