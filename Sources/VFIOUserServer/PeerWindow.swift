import GuestMemory

/// A map without a descriptor, as an address space sees it.
///
/// Everything happens on the server's thread.
final class PeerWindow: RemoteMemory, @unchecked Sendable {
    private let requests: PeerRequests
    private let address: UInt64

    init(_ requests: PeerRequests, at address: UInt64) {
        self.requests = requests
        self.address = address
    }

    var maximumTransfer: Int { requests.transferLimit }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        requests.add(address: address &+ offset, buffer, isWrite: false, answer)
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        requests.add(
            address: address &+ offset, UnsafeMutableRawBufferPointer(mutating: buffer),
            isWrite: true, answer)
    }
}
