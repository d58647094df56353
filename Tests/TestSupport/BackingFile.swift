import CTestSupport
import Glibc

/// Files without a name, gone when the last descriptor is closed.
enum BackingFile {
    /// Makes a file of zeros in `directory`, or else in one that supports direct I/O. Unless it is
    /// to be sparse, all of its blocks are allocated.
    static func make(
        size: Int, directory: String?, sparse: Bool, directIO: Bool
    ) throws -> Descriptor {
        let directory = try directory ?? ScratchSpace.directoryWithDirectIO()
        let file = try open(in: directory, flags: O_RDWR | (directIO ? CTS_O_DIRECT : 0))
        if sparse {
            try SystemCall.check(SystemCall.result(ftruncate(file.raw, size)), "ftruncate")
        } else {
            try SystemCall.check(
                cts_allocate(file.raw, UInt64(size)), "fallocate of \(size) bytes in \(directory)")
        }
        return file
    }

    /// Opens a new, empty file.
    static func open(in directory: String, flags: Int32) throws -> Descriptor {
        let number = Descriptor.open(directory, flags | CTS_O_TMPFILE)
        guard number == -EOPNOTSUPP || number == -EISDIR else {
            return Descriptor(
                try SystemCall.require(
                    number, "open of a temporary file",
                    need: "O_DIRECT, or the permission to write, in \(directory)"))
        }
        // Not every file system has O_TMPFILE; the directory goes away even if we die in between.
        let temporary = try TemporaryDirectory(in: directory)
        defer { temporary.close() }
        let path = temporary.path("backing")
        let named = Descriptor.open(path, flags | O_CREAT | O_EXCL)
        return Descriptor(
            try SystemCall.require(named, "open \(path)", need: "O_DIRECT in \(directory)"))
    }
}
