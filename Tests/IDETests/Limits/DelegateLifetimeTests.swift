import IDE
import XCTest
@testable import TestSupport

/// A controller does not keep its delegate, and a delegate that owns its controller may go at any time.
final class DelegateLifetimeTests: IDETestCase {
    /// A delegate that owns nothing.
    private final class Listener: IDEControllerDelegate {
        private(set) var changes = 0

        func controller(
            _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
        ) {
            changes += 1
        }

        func controller(_ controller: IDEController, driveEvent event: DriveEvent) {}
    }

    func testADelegateIsNotKept() throws {
        let machine = try machine()
        var listener: Listener? = Listener()
        weak let seen = listener
        machine.controller.delegate = listener
        machine.command28(Opcode.flushCache)
        machine.settle()
        XCTAssertEqual(listener?.changes, 1)
        machine.controller.delegate = nil
        listener = nil
        XCTAssertNil(seen, "the controller keeps its delegate")
        // Reading status lowers the line, of which no delegate is told.
        XCTAssertEqual(machine.status, DriveStatus.idle)
    }

    /// A delegate that goes first may be replaced as long as nothing calls it.
    func testADelegateThatHasGoneCanBeReplaced() throws {
        let machine = try machine()
        machine.controller.delegate = Listener()
        let second = Listener()
        machine.controller.delegate = second
        machine.command28(Opcode.flushCache)
        machine.settle()
        XCTAssertEqual(second.changes, 1)
    }

    /// The owner goes with an interrupt to come: the controller waits for the host, and calls nobody.
    func testAnOwnerGoesWithACommandUnderWay() throws {
        var owner: TestMachine? = try machine()
        weak let controller = owner?.controller
        let disk = try XCTUnwrap(owner?.disks[.primaryMaster])
        owner?.setTable([(TestMachine.data, 4096)])
        owner?.command28(Opcode.readDMA, lba: 0, count: 8)
        owner?.start(toMemory: true)
        XCTAssertEqual(owner?.controller.isBusy, true)
        weak let seen = owner
        owner = nil
        XCTAssertNil(seen, "the controller keeps its owner")
        XCTAssertNil(controller, "the controller is not released with its owner")
        XCTAssertEqual(disk.queue.outstanding, 0)
        // The disk is free again.
        XCTAssertNoThrow(try TestMachine().controller.attach(disk, to: .primaryMaster))
    }
}
