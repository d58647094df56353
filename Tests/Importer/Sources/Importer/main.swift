import BlockIO
import BlockIOTesting
import BlockPCI
import Dispatch
import Glibc
import IDE
import SystemPackage
import VFIOUserServer
import VhostUserServer

// Lost output is an error; and a standard output that is closed would become the descriptor of an image.
signal(SIGPIPE, SIG_IGN)
guard fcntl(STDOUT_FILENO, F_GETFD) >= 0 else {
    perror("the output could not be written")
    exit(1)
}

// What a guest does: writes eight sectors with the bus master, flushes, reads them back elsewhere.
// The file is made and looked at with swift-system.
let path = FilePath("/tmp/importer-\(getpid()).img")
let file = try FileDescriptor.open(
    path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
    permissions: .ownerReadWrite)
defer { unlink(path.string) }

/// Ends the program after a failure. exit(3) leaves out what `defer` says.
func fail() -> Never {
    unlink(path.string)
    exit(1)
}

try file.resize(to: 8 << 20)

let machine = try Machine(disk: path.string)
DispatchQueue(label: "disks").async { machine.serveDisks() }

/// Runs a command of the primary master and waits for its interrupt; the status it ends with.
func run(_ command: UInt8, at sector: UInt32 = 0, count: UInt32 = 0, direction: UInt32 = 0)
    -> UInt32
{
    machine.output(0x1f2, width: 1, count)
    for byte in UInt16(0)..<3 {
        machine.output(0x1f3 + byte, width: 1, sector >> UInt32(8 * byte) & 0xff)
    }
    machine.output(0x1f6, width: 1, 0xe0)
    machine.output(0xc002, width: 1, 0x06)
    machine.output(0x1f7, width: 1, UInt32(command))
    if count > 0 { machine.output(0xc000, width: 1, direction | 1) }
    while !machine.isRaised(.irq14) { usleep(100) }
    machine.output(0xc000, width: 1, 0)
    return machine.input(0x1f7, width: 1)
}

/// A descriptor table of one entry, 4096 bytes at `address`.
func describe(_ address: UInt32) {
    machine.ram.base.storeBytes(of: address, toByteOffset: 0x1000, as: UInt32.self)
    machine.ram.base.storeBytes(of: 0x8000_1000, toByteOffset: 0x1004, as: UInt32.self)
    machine.output(0xc004, width: 4, 0x1000)
}

machine.configure(0x20, width: 4, 0xc000)  // BAR4: the bus master's ports
machine.configure(0x04, width: 2, 0x0005)  // I/O space and bus master on

memset(machine.ram.base + 0x2000, 0x5a, 4096)
describe(0x2000)
let written = run(0xca, at: 16, count: 8)  // WRITE DMA
let flushed = run(0xe7)  // FLUSH CACHE
describe(0x5000)
let read = run(0xc8, at: 16, count: 8, direction: 0x08)  // READ DMA

var sectors = [UInt8](repeating: 0, count: 4096)
_ = try sectors.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 16 * 512, into: $0) }
guard [written, flushed, read] == [0x50, 0x50, 0x50], sectors.allSatisfy({ $0 == 0x5a }),
    memcmp(machine.ram.base + 0x5000, machine.ram.base + 0x2000, 4096) == 0
else {
    print("not what was written", written, flushed, read)
    fail()
}
print("8 sectors written, flushed and read back by a guest")

// The device of docs/dma.md.
if let wrong = try checkDoorbellDisk() {
    print("the doorbell disk:", wrong)
    fail()
}
print("the doorbell disk has served a guest, and refused a hostile one")

/// What a test of an importer's own does: the first read of a disk fails, and the second does not.
func readTwice() throws -> [CInt] {
    let faults = FaultInjector()
    faults.add(.init(.error(EIO), operations: [.read], count: 1))
    let image = try BlockImage.open(path.string, OpenOptions(lock: .off))
    let queue = try BlockQueue(
        image, QueueOptions().decorated(by: [.alignmentChecked, .faults(faults)]))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
    defer { memory.deallocate() }
    var ends: [CInt] = []
    for _ in 0..<2 {
        queue.read(into: memory, at: 16 * 512)
        queue.drain { ends.append($0.errno) }
    }
    queue.close()
    return ends
}
guard try readTwice() == [EIO, 0] else {
    print("a fault was not injected, or was injected again")
    fail()
}
guard fflush(nil) == 0 else {
    perror("the output could not be written")
    fail()
}
