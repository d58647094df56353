import BlockATA
import BlockIO
import Glibc
import GuestMemory
import IDE

/// An emulator's guest memory and its IDE controller with a disk.
final class Machine: IDEControllerDelegate, @unchecked Sendable {
    let ram: GuestRAM
    private let controller: IDEController
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var raised: Set<IDEInterrupt> = []

    init(disk path: String) throws {
        pthread_mutex_init(lock, nil)
        ram = try GuestRAM(size: 64 << 20)
        let space = try AddressSpace()
        try space.map(.ram(ram), at: 0)
        controller = try IDEController(identity: .piix3, memory: space)
        let image = try BlockImage.open(path, OpenOptions(access: .readWrite))
        print(image.engineReport)
        try controller.attach(ATADisk(image), to: .primaryMaster)
        controller.delegate = self
    }

    // The processor: IN, OUT, and accesses to the function's configuration space.
    func input(_ port: UInt16, width: Int) -> UInt32 {
        withLock { controller.readPort(port, width: width) }
    }
    func output(_ port: UInt16, width: Int, _ value: UInt32) {
        withLock { controller.writePort(port, width: width, value: value) }
    }
    func configure(_ offset: Int, width: Int, _ value: UInt32) {
        withLock { controller.writeConfiguration(offset, width: width, value: value) }
    }
    func isRaised(_ line: IDEInterrupt) -> Bool { withLock { raised.contains(line) } }

    // The I/O thread: sleeps without the lock, and delivers with it.
    func serveDisks() {
        var entries = controller.descriptors.map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        while true {
            poll(&entries, nfds_t(entries.count), -1)
            withLock { _ = controller.poll() }
        }
    }

    // What the controller says, on either thread, under the lock that it was called with.
    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {
        if isRaised { raised.insert(line) } else { raised.remove(line) }
    }
    func controller(_ controller: IDEController, driveEvent event: DriveEvent) { print(event) }

    private func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }
}
