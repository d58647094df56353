import Glibc

/// A file with the saved state of a controller.
enum StateFile {
    /// No state is that long.
    private static let sizeLimit = 1 << 20

    /// Writes all of it to stable storage, or leaves what is there; an error of the last step, which makes
    /// the name stable, leaves the new state.
    static func write(_ state: [UInt8], to path: String) throws {
        // A device or a pipe would be replaced by the file.
        var status = stat()
        guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError(description: "\(path) is there and is not a regular file")
        }
        // Before all writing, since the new name cannot be taken back where the directory may not be opened.
        // Scalars, since a mark at the start of the name would be one character with the slash.
        let scalars = path.unicodeScalars
        let parent = scalars.lastIndex(of: "/").map { String(scalars[...$0]) } ?? "."
        let directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw SystemError(parent) }
        defer { close(directory) }
        let temporary = path + ".new"
        guard let file = fopen(temporary, "we") else { throw SystemError(temporary) }
        // Before the rename: a crash must not leave an empty file under the name.
        let isWritten =
            fwrite(state, 1, state.count, file) == state.count && fflush(file) == 0
            && fsync(fileno(file)) == 0
        guard fclose(file) == 0, isWritten, rename(temporary, path) == 0 else {
            let error = SystemError(path)
            unlink(temporary)
            throw error
        }
        // The new name of the file is stable when its directory is.
        guard fsync(directory) == 0 else { throw SystemError(parent) }
    }

    static func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "re") else { throw SystemError(path) }
        defer { fclose(file) }
        var state = [UInt8](repeating: 0, count: sizeLimit)
        let count = fread(&state, 1, state.count, file)
        guard ferror(file) == 0 else { throw SystemError(path) }
        guard count < sizeLimit else {
            throw SystemError(description: "\(path) is longer than any state")
        }
        return Array(state[..<count])
    }
}
