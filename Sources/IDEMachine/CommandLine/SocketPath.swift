import ArgumentParser
import BlockIO
import CommandLineSupport
import Glibc

/// The address of a socket as the command line has it: `unix:PATH`, or `PATH`.
struct SocketPath: Sendable {
    let pathname: Pathname

    init(parsing text: String) throws {
        // Scalars, since a mark at the start of the path would be one character with the colon.
        let (scalars, prefix) = (text.unicodeScalars, "unix:".unicodeScalars)
        guard scalars.starts(with: prefix) else {
            throw ValidationError("'\(text)' is not unix:PATH")
        }
        try self.init(path: String(scalars.dropFirst(prefix.count)))
    }

    init(path: String) throws {
        pathname = Pathname(bytes: RawArguments.bytes(of: path))
        // unix(7): the path and the zero behind it are in sun_path.
        let limit = MemoryLayout.size(ofValue: sockaddr_un().sun_path)
        guard (1..<limit).contains(pathname.bytes.count) else {
            throw ValidationError("the socket's path '\(path)' is not 1 to \(limit - 1) bytes long")
        }
    }
}
