import GuestMemory

/// A map without a descriptor, as an address space sees it.
///
/// Everything happens on the server's thread.
final class PeerWindow: RemoteMemory, @unchecked Sendable {
    private let requests: PeerRequests
    private let address: GuestAddress
    /// Whether the peer has taken the memory away.
    private var isClosed = false

    init(_ requests: PeerRequests, at address: GuestAddress) {
        self.requests = requests
        self.address = address
    }

    /// The peer takes the memory away. Transfers that still use the maps fail where they need them.
    static func close(_ windows: [PeerWindow]) {
        for window in windows { window.isClosed = true }
        windows.first?.requests.giveUp(Set(windows.map(ObjectIdentifier.init)))
    }

    var maximumTransfer: Int { requests.transferLimit }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        add(offset, buffer, isWrite: false, answer)
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        add(offset, UnsafeMutableRawBufferPointer(mutating: buffer), isWrite: true, answer)
    }

    private func add(
        _ offset: UInt64, _ memory: UnsafeMutableRawBufferPointer, isWrite: Bool,
        _ answer: RemoteAnswer
    ) {
        if isClosed { return requests.refuse(answer) }
        requests.add(
            address: address &+ offset, memory, isWrite: isWrite, in: self, answer)
    }
}
