import BlockHost
import CommandLineSupport
import IDE

/// Drives a machine from a qtest socket and a QMP socket, until one of them ends.
final class QtestFace {
    private let machine: QtestMachine
    private let qtestConnection: Connection
    private let qtest: QtestServer
    private let qmpConnection: Connection?
    private let qmp: QMPServer?
    private var failures = FailureLog(kept: "it waits, and can only be resumed with --qmp")

    init(_ machine: QtestMachine, qtest qtestPath: SocketPath, qmp qmpPath: SocketPath?) throws {
        self.machine = machine
        qtestConnection = try Connection(to: qtestPath.pathname)
        qmpConnection = try qmpPath.map { try Connection(to: $0.pathname) }
        qtest = QtestServer(machine, qtestConnection)
        qmp = qmpConnection.map { QMPServer(machine, $0) }
        machine.observer = self
    }

    /// Serves until a peer disconnects, a peer sends `quit`, or a termination signal arrives. All
    /// requests have completed when this returns.
    func run(until termination: SignalDescriptor) throws {
        let connections = [qtestConnection] + [qmpConnection].compactMap(\.self)
        defer {
            machine.shutDown()
            for connection in connections { connection.flush() }
        }
        let loop = try EventLoop()
        try loop.add(termination.descriptor)
        for descriptor in machine.controller.descriptors { try loop.add(descriptor) }
        for connection in connections { try loop.add(connection.descriptor) }
        var watched = connections.map { _ in EpollSet.Interest() }
        var isReady = connections.map { _ in false }
        while true {
            for (index, connection) in connections.enumerated()
            where watched[index] != connection.interest {
                watched[index] = connection.interest
                try loop.change(connection.descriptor, to: watched[index])
            }
            var isTerminated = false
            var isControllerReady = false
            try loop.wait(-1) { descriptor in
                if descriptor == termination.descriptor {
                    isTerminated = true
                } else if let index = connections.firstIndex(where: {
                    $0.descriptor == descriptor
                }) {
                    isReady[index] = true
                } else {
                    isControllerReady = true
                }
            }
            if isTerminated { return }
            if isControllerReady { machine.controller.poll() }
            for index in connections.indices where isReady[index] {
                isReady[index] = false
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
