import GuestMemory

/// The memory of a DMA_MAP without a descriptor, as an address space sees it.
///
/// `@unchecked`: ``RemoteMemory`` demands `Sendable`, because transfers of any thread may reach it.
/// Here only the function's own transfers do, and they run on the server's thread, as the peer's
/// messages do.
final class PeerWindow: RemoteMemory, @unchecked Sendable {
    private let requests: PeerRequests
    private let address: GuestAddress
    /// Whether the peer has unmapped the memory.
    private var isClosed = false

    init(_ requests: PeerRequests, at address: GuestAddress) {
        self.requests = requests
        self.address = address
    }

    /// The peer has unmapped the memory. Transfers that still need it fail.
    static func close(_ windows: [PeerWindow]) {
        for window in windows { window.isClosed = true }
        windows.first?.requests.giveUp(Set(windows.map(ObjectIdentifier.init)))
    }

    var maximumTransfer: Int { requests.transferLimit }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        unsafe add(offset, buffer, isWrite: false, answer)
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        unsafe add(offset, UnsafeMutableRawBufferPointer(mutating: buffer), isWrite: true, answer)
    }

    private func add(
        _ offset: UInt64, _ memory: UnsafeMutableRawBufferPointer, isWrite: Bool,
        _ answer: RemoteAnswer
    ) {
        if isClosed { return requests.refuse(answer) }
        unsafe requests.add(
            address: address &+ offset, memory, isWrite: isWrite, in: self, answer)
    }
}
