import CBlockIO
import Glibc
import Synchronization

/// An open descriptor of a regular file or block device, with everything that the pipeline and the
/// engines have to know of it.
///
/// A ``BlockImage`` is what a guest sees; a host file is where its bytes are. An image without a format
/// has one host file. A host file can be shared between threads: its properties are constants, but for
/// size, alignment and the state of its stability, which are atomics.
package final class HostFile: Sendable {
    /// The path it was opened with.
    package let pathname: Pathname
    /// File or device.
    package let kind: BlockImage.Kind
    /// Read-only or read-write.
    package let access: OpenOptions.Access
    /// Direct or buffered.
    package let caching: OpenOptions.Caching
    /// The lock that is held while the file is open.
    package let lock: OpenOptions.Lock

    package let descriptor: CInt
    /// st_rdev of a device.
    let device: UInt64
    /// What the file system had allocated (st_blocks) when the file was opened, which for a sparse file is
    /// less than the size.
    let allocatedBytes: UInt64
    /// What discards and zeroes of a device are bound to; 1 for a file.
    let deviceSectorSize: Int
    /// What memory the file is in, if it is in any: a sentence for the engine report.
    let memoryBacking: String?
    /// With the thread pool: the largest transfer, in bytes, that the submitting thread does itself;
    /// `nil` for a file whose transfers are not copies.
    let inlineLimit: UInt64?

    /// The most files of one image.
    package static let limitOfImage = 64

    /// The process that opened the file.
    private let process = getpid()
    /// Flags of the open file description that are put back when the file is closed; `nil` when none are.
    private let restoredFlags: CInt?
    private let sizeInBytes: Atomic<UInt64>
    private let memoryAlignment: Atomic<Int>
    private let offsetAlignment: Atomic<Int>
    private let isAlignmentFixed: Bool
    private let flushErrno = Atomic<CInt>(0)
    private let bufferedFile = Atomic<CInt>(-1)
    private let pagesUnsynced = Atomic<Bool>(false)

    /// Takes over the descriptor, with the lock that is held on it.
    init(
        _ pathname: Pathname, _ options: OpenOptions, _ examination: HostFileExamination,
        restoredFlags: CInt? = nil
    ) {
        self.pathname = pathname
        self.restoredFlags = restoredFlags
        kind = examination.kind
        access = options.access
        caching = options.caching
        lock = options.effectiveLock
        descriptor = examination.descriptor
        device = examination.device
        allocatedBytes = examination.allocatedBytes
        deviceSectorSize = examination.deviceSectorSize
        memoryBacking = examination.memoryBacking
        inlineLimit = memoryBacking == nil ? nil : UInt64(options.inlineLimit)
        sizeInBytes = Atomic(examination.size)
        memoryAlignment = Atomic(examination.alignment.memory)
        offsetAlignment = Atomic(examination.alignment.offset)
        isAlignmentFixed = options.alignment != nil || options.caching == .buffered
    }

    deinit {
        // Not left to close(2): a child of fork(2) or a ring on its way out may still hold the
        // open file description. Such a child leaves the description alone, which it shares.
        if getpid() == process {
            // The description may be shared with an image that has a lock.
            if lock != .off { ImageLock.release(descriptor: descriptor) }
            if let restoredFlags { cbio_restore_flags(descriptor, restoredFlags) }
        }
        close(descriptor)
        let buffered = bufferedFile.load(ordering: .acquiring)
        if buffered >= 0 { close(buffered) }
    }

    /// The bytes that the file or device has.
    package var size: UInt64 { sizeInBytes.load(ordering: .acquiring) }

    /// What the host's kernel demands of addresses, lengths and positions.
    package var alignment: HostAlignment {
        HostAlignment(
            memory: memoryAlignment.load(ordering: .acquiring),
            offset: offsetAlignment.load(ordering: .acquiring))
    }

    /// Whether data may be in the page cache that no flush has covered, although the file is direct: the
    /// bytes behind the last whole block are written there, and where fallocate(2) and ftruncate(2) clear
    /// part of a block of the file system, they do it there too.
    package internal(set) var hasUnsyncedPages: Bool {
        get { pagesUnsynced.load(ordering: .relaxed) }
        set { pagesUnsynced.store(newValue, ordering: .relaxed) }
    }
}

// What the pipeline finds out while the file is in use.
extension HostFile {
    /// Asks for the size again; true when it has changed.
    @discardableResult
    func refreshSize() -> Bool {
        var now: UInt64 = 0
        let result =
            kind == .device
            ? cbio_device_size(descriptor, &now) : cbio_file_size(descriptor, &now)
        guard result == 0, now != size else { return false }
        sizeInBytes.store(now, ordering: .releasing)
        return true
    }

    /// Asks for the alignment again.
    func refreshAlignment() {
        guard !isAlignmentFixed,
            let answer = HostAlignment.probe(
                descriptor: descriptor, isBlockDevice: kind == .device)
        else { return }
        memoryAlignment.store(answer.memory, ordering: .releasing)
        offsetAlignment.store(answer.offset, ordering: .releasing)
    }

    /// The errno of the first flush that failed, 0 when none has. The kernel may have dropped the pages
    /// it could not write, and a device what was in its cache; both are reported only once (fsync(2),
    /// "ERRORS"), so a later flush that succeeds would say nothing about them.
    var flushFailure: CInt { flushErrno.load(ordering: .relaxed) }

    func flushFailed(_ errno: CInt) {
        _ = flushErrno.compareExchange(expected: 0, desired: errno, ordering: .relaxed)
    }

    /// Whether data has gone through the page cache beside the direct descriptor.
    var hasBufferedDescriptor: Bool { bufferedFile.load(ordering: .acquiring) >= 0 }

    /// A buffered descriptor of the same file, opened at first use; -errno when it cannot be.
    package func bufferedDescriptor() -> CInt {
        let known = bufferedFile.load(ordering: .acquiring)
        if known >= 0 { return known }
        let opened = cbio_reopen_buffered(descriptor)
        guard opened >= 0 else { return opened }
        let (isFirst, other) = bufferedFile.compareExchange(
            expected: -1, desired: opened, ordering: .acquiringAndReleasing)
        if isFirst { return opened }
        close(opened)
        return other
    }
}
