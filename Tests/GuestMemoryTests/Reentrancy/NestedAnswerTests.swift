import BlockIO
import GuestMemory
import XCTest

@testable import TestSupport

/// The answer to a piece calls functions of others: of devices whose registers are written, of whoever translates
/// code, of whoever waits for the end of a region. None of them can answer the same piece, which would give back
/// its memory twice.
final class NestedAnswerTests: HostileTestCase {
    /// Each is a function that is called while a piece is answered, or is being made.
    private static let places = ["registers written", "registers read", "code", "region released"]

    func testAnAnswerWithinAnAnswerStopsTheProgram() throws {
        for place in Self.places {
            let child = try child("answer", [place], environment: ["SWIFT_BACKTRACE": "enable=no"])
            let output = try child.remainder()
            let status = child.wait()
            XCTAssertTrue(
                [256 + SIGILL, 256 + SIGTRAP].contains(status), "\(place): status \(status)")
            XCTAssertTrue(output.contains("no piece of this transfer is submitted"), output)
            XCTAssertTrue(output.contains("called"), place)
            XCTAssertFalse(output.contains("went on"), place)
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        try port.sendErrors()
        let place = port.arguments[0]
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 1 << 20)
        let hook = Hook()
        try space.map(.ram(ram), at: 0)
        let region = try space.map(.mmio(hook, size: 4096), at: 1 << 24)
        let registers = ScatterGatherList([(1 << 24, 64), (0, 4096)])
        if place == "registers read" {
            // The transfer that has ended is used again for the next list.
            let mapper = try DMAMapper(space)
            let (transfer, _) = mapper.begin(ScatterGatherList([(0, 512)]), .fromDevice)
            _ = transfer.pieceEnded(transferred: 0, isSuccess: true)
            hook.answer(transfer, port)
            _ = mapper.begin(registers, .toDevice)
        } else {
            // No transfer is kept, so that one that is given back twice is freed twice.
            let mapper = try DMAMapper(space, options: DMAOptions(cacheLimit: 0))
            let (transfer, _) =
                place == "registers written"
                ? mapper.begin(registers, .fromDevice)
                : mapper.begin(ScatterGatherList([(0, 4096)]), .fromDevice)
            hook.answer(transfer, port)
            if place == "code" {
                ram.dirtyLog.onCodeWritten { _ in hook.call() }
                ram.dirtyLog.protectCode(0..<1)
            } else if place == "region released" {
                try space.unmap(region) { hook.call() }
            }
            _ = transfer.pieceEnded(transferred: 0, isSuccess: true)
        }
        port.say("went on")
    }
}

/// A device whose registers call a function once. Used by one thread.
private final class Hook: MMIODevice, @unchecked Sendable {
    private var body: (() -> Void)?

    /// Answers the piece of `transfer` when it is called.
    func answer(_ transfer: DMATransfer, _ port: ChildPort) {
        body = {
            port.say("called")
            _ = transfer.pieceEnded(transferred: 0, isSuccess: true)
        }
    }

    func call() {
        let body = body
        self.body = nil
        body?()
    }

    func read(offset: UInt64, width: Int) -> UInt64? {
        call()
        return 0
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        call()
        return true
    }
}
