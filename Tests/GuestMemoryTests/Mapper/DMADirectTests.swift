import GuestMemory
import XCTest

final class DMATransferTests: XCTestCase {
    func testAListOfRAMIsOnePieceOfGuestMemory() throws {
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 1 << 20)
        try space.map(.ram(ram), at: 0)
        ram.dirtyLog.start(.migration)
        let mapper = try DMAMapper(space)
        var list = ScatterGatherList()
        for page in [7, 3, 5, 4, 200] as [UInt64] {
            list.append(address: page * 4096, length: 4096)
        }
        let (transfer, step) = mapper.begin(list, .fromDevice)
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        XCTAssertEqual(
            piece.vectors.map { $0.iov_base! - ram.base },
            [7 * 4096, 3 * 4096, 5 * 4096, 4 * 4096, 200 * 4096])
        for vector in piece.vectors { memset(vector.iov_base, 7, vector.iov_len) }
        guard case .done(let result) = transfer.pieceEnded(transferred: 5 * 4096, isSuccess: true)
        else { return XCTFail("not done") }
        XCTAssertEqual(result.outcome, .success)
        var dirty: [Int] = []
        ram.dirtyLog.take(.migration) { dirty += $0 }
        XCTAssertEqual(dirty, [3, 4, 5, 7, 200])
    }
}
