import BlockIO
import Foundation
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Tests of virtio-mmio disks, on each engine.
class MMIOTestCase: VirtioTestCase {
    func forEachMachine(
        access: OpenOptions.Access = .readWrite, queueCount: Int = 1, queueLimit: Int = 1,
        _ options: VirtioBlockOptions = .init(),
        _ check: (MMIOMachine, PlainFile) throws -> Void
    ) throws {
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .shared }
        ) { configuration, target in
            let plain = try PlainFile(target.path, direct: false)
            let buffer = AlignedBuffer(count: Self.size)
            for index in 0..<Self.size { buffer.bytes[index] = Self.content(index) }
            try plain.write(buffer.bytes, at: 0)
            weak var mmio: VirtioMMIO?
            do {
                let image = try BlockImage.open(
                    target.path,
                    OpenOptions(
                        access: access, engine: .forced(configuration.engine),
                        queueLimit: queueLimit))
                let machine = try MMIOMachine(image, queueCount: queueCount, options)
                mmio = machine.mmio
                try check(machine, plain)
            }
            XCTAssertNil(mmio)
        }
    }

    let read4K: [RingDriver.Segment] = [
        .init(address: 0x60_0000, length: 4096, isWritable: true)
    ]
}
