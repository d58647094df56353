import IDE
import XCTest

// A machine that goes on elsewhere.
extension IDETestCase {
    /// Saves, makes a new controller with the same drives, restores, and compares: the state bit
    /// for bit, everything a guest can look at, and the lines.
    func move(_ m: Machine, line: UInt = #line) throws {
        var saved: [UInt8]?
        XCTAssertNoThrow(saved = try m.controller.save(timeout: .seconds(10)), line: line)
        let state = try XCTUnwrap(saved, line: line)
        let irq = m.irq
        let before = look(m)
        try m.replaceController()
        XCTAssertNoThrow(try m.controller.load(state), line: line)
        XCTAssertEqual(try m.controller.save(), state, line: line)
        XCTAssertEqual(look(m), before, line: line)
        XCTAssertEqual(m.irq, irq, line: line)
    }

    private func look(_ m: Machine) -> [UInt32] {
        var result = (0..<64).map { m.controller.readConfiguration(4 * $0, width: 4) }
        for port: UInt16 in [0x1F1, 0x1F2, 0x1F3, 0x1F4, 0x1F5, 0x1F6, 0x3F6, 0x171, 0x176, 0x376] {
            result.append(m.controller.readPort(port, width: 1))
        }
        return result + (0..<4).map { m.controller.readPort(Machine.busMaster + 4 * $0, width: 4) }
    }
}
