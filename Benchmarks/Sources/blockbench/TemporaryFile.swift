import BlockIO
import Glibc

/// A file of our own, full of data. Its name is gone before it is used, so that nothing can be
/// left behind; the path leads through proc(5) to the descriptor and ends with it.
final class TemporaryFile {
    private let descriptor: CInt
    /// Bytes.
    let size: Int
    /// Where it is, for people.
    let directory: String
    /// For opening; valid while this lives.
    var path: String { "/proc/self/fd/\(descriptor)" }

    private static let chunk = 1 << 20

    /// Makes one in the current directory, or else in TMPDIR or /tmp, whichever is the first that
    /// takes files of this caching.
    static func make(size: Int, caching: OpenOptions.Caching) throws(Failure) -> TemporaryFile {
        let elsewhere = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var refusals: [String] = []
        for directory in [".", elsewhere] {
            do throws(Failure) {
                let file = try TemporaryFile(in: directory, size: size)
                try file.check(caching)
                return file
            } catch {
                refusals.append("in \(directory): \(error)")
            }
        }
        throw Failure(
            "no temporary file can be made, \(refusals.joined(separator: "; ")); "
                + "name a target instead")
    }

    private init(in directory: String, size: Int) throws(Failure) {
        self.size = size
        let absolute = realpath(directory, nil)
        self.directory = absolute.map { String(cString: $0) } ?? directory
        free(absolute)
        var template = Array("\(directory)/blockbench.XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Failure(Failure.text(errno: errno)) }
        unlink(template)
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            let reason = Failure.text(errno: errno)
            close(descriptor)
            throw Failure(reason)
        }
    }

    deinit { close(descriptor) }

    private func check(_ caching: OpenOptions.Caching) throws(Failure) {
        do throws(BlockError) {
            _ = try BlockImage.open(path, OpenOptions(caching: caching))
        } catch {
            throw Failure(error.detail)
        }
    }

    /// Writes data everywhere, so that reads find no holes and writes allocate nothing, and brings
    /// it to the disk. Ends early on ``Interrupt``.
    func fill(tick: (Double) -> Void) throws(Failure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.chunk, alignment: 8)
        defer { buffer.deallocate() }
        var random = SplitMix64(state: 2)
        var position = 0
        while position < size && !Interrupt.isPending {
            tick(Double(position) / Double(size))
            Interrupt.lookAtOutput()
            random.fill(buffer)
            let count = min(buffer.count, size - position)
            let written = pwrite(descriptor, buffer.baseAddress, count, off_t(position))
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else {
                throw Failure("filling the temporary file: \(Failure.text(errno: errno))")
            }
            position += written
        }
        fsync(descriptor)
    }
}
