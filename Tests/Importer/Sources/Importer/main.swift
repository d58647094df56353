import BlockIO
import Glibc
import SystemPackage

// Writes a block and reads it back, the file made with swift-system, the I/O done by BlockIO.
let path = FilePath("/tmp/importer-\(getpid()).img")
let file = try FileDescriptor.open(
    path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
    permissions: .ownerReadWrite)
defer { unlink(path.string) }
try file.resize(to: 1 << 20)
try file.close()

let image = try BlockImage.open(path.string, OpenOptions(access: .readWrite, caching: .buffered))
print(image.engineReport)
let queue = try BlockQueue(image)
let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
defer { block.deallocate() }

block.initializeMemory(as: UInt8.self, repeating: 0x5a)
try queue.writeAndWait(from: UnsafeRawBufferPointer(block), at: 8192)
try queue.flushAndWait()
block.initializeMemory(as: UInt8.self, repeating: 0)
try queue.readAndWait(into: block, at: 8192)
queue.close()
guard block.allSatisfy({ $0 == 0x5a }) else {
    print("read back something else")
    exit(1)
}
print("4096 bytes written, flushed and read back through \(image.engine)")
