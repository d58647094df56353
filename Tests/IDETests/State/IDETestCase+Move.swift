import IDE
import XCTest
@testable import TestSupport

// A machine that goes on elsewhere.
extension IDETestCase {
    /// Saves, makes a new controller with the same drives, restores, and compares: the state bit
    /// for bit, everything a guest can look at, and the lines.
    func move(_ machine: TestMachine, line: UInt = #line) throws {
        var saved: [UInt8]?
        XCTAssertNoThrow(saved = try machine.controller.save(timeout: Patience.limit), line: line)
        let state = try XCTUnwrap(saved, line: line)
        let irq = machine.irq
        let before = look(machine)
        try machine.replaceController()
        XCTAssertNoThrow(try machine.controller.load(state), line: line)
        XCTAssertEqual(try machine.controller.save(), state, line: line)
        XCTAssertEqual(look(machine), before, line: line)
        XCTAssertEqual(machine.irq, irq, line: line)
    }

    private func look(_ machine: TestMachine) -> [UInt32] {
        var result = (0..<64).map { machine.controller.readConfiguration(4 * $0, width: 4) }
        for port: UInt16 in [
            IDEPort.error, IDEPort.count, IDEPort.lbaLow, IDEPort.lbaMid, IDEPort.lbaHigh,
            IDEPort.device, IDEPort.alternateStatus, ChannelPort.secondary + CommandBlock.error,
            ChannelPort.secondary + CommandBlock.device,
            ChannelPort.secondary + CommandBlock.control,
        ] {
            result.append(machine.controller.readPort(port, width: 1))
        }
        return result
            + (0..<4).map { machine.controller.readPort(TestMachine.busMaster + 4 * $0, width: 4) }
    }
}
