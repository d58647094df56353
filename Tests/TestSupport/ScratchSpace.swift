import CTestSupport
import Glibc

/// Where fixtures put files.
enum ScratchSpace {
    /// TMPDIR, or /tmp.
    static let directory: String = {
        guard let value = getenv("TMPDIR"), value.pointee != 0 else { return "/tmp" }
        return String(cString: value)
    }()

    /// The first of TMPDIR, /tmp and /var/tmp that is on a disk (not in memory) and supports direct
    /// I/O.
    static func directoryWithDirectIO() throws -> String {
        let candidates = [directory, "/tmp", "/var/tmp"]
        guard let found = candidates.first(where: isDiskWithDirectIO) else {
            throw FixtureError.missing(
                "a directory on a disk that supports O_DIRECT (tried "
                    + candidates.joined(separator: ", ") + "; TMPDIR can name another)")
        }
        return found
    }

    private static func isDiskWithDirectIO(_ directory: String) -> Bool {
        guard let file = try? BackingFile.open(in: directory, flags: O_RDWR | CTS_O_DIRECT) else {
            return false
        }
        var type: UInt64 = 0
        return cts_filesystem_type(file.raw, &type) == 0 && type != CTS_TMPFS_MAGIC
    }
}
