import BlockIO
import CTestSupport
import Glibc
import VFIOUserServer

@testable import IDEMachine
@testable import TestSupport

/// The vfio-user face in this process, where the host's requests can be held. It works when a test waits
/// for it, and nothing else happens meanwhile: what comes before what is the test's to say.
final class VFIOInside: VFIODriver {
    private let face: VFIOUserFace

    init(shares: Bool = true, engine: String = "auto") throws {
        let directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
        try Bench.makeDisk(directory.path("disk.img"), size: 1 << 20)
        let drive = "primary-master=\(directory.path("disk.img")),engine=\(engine)"
        face = try VFIOUserFace(
            try MachineOptions.parse(["--drive", drive]), path: Pathname(directory.path("socket")),
            reports: false)
        try super.init(directory)
        try connect(shares: shares)
    }

    /// Lets go what is held, as a queue that is closed must not hold anything.
    deinit { for drive in face.drives { drive.releaseAll() } }

    override func turn() throws { try face.server.turn(milliseconds: 1) }

    override func waitForInterrupt() throws {
        try wait("an interrupt") { cts_wait_readable(event.raw, 0) == 1 }
    }

    /// Turns until `condition` holds.
    func wait(_ what: String, _ condition: () -> Bool) throws {
        for _ in 0..<60_000 {
            if condition() { return }
            try turn()
        }
        throw FixtureError.failed("waited in vain for \(what)")
    }

    /// The peer goes, and the machine has seen it.
    func vanish() throws {
        peer.socket.close()
        try wait("the end of the peer") { !face.server.isConnected }
    }

    // MARK: The host

    func hold(_ operation: BlockOperation) { face.drives[0].hold(operation) }

    func release(_ operation: BlockOperation) { face.drives[0].release(operation) }

    /// Waits until a request is held.
    func waitForHeld() throws { try wait("a request of the host") { face.drives[0].isHolding } }

    var isBusy: Bool { face.controller.isBusy }
}
