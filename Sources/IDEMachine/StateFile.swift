import Glibc

/// A file with the saved state of a controller.
enum StateFile {
    /// No state is that long.
    private static let sizeLimit = 1 << 20

    /// Writes all of it, or leaves what is there.
    static func write(_ state: [UInt8], to path: String) throws {
        let temporary = path + ".new"
        guard let file = fopen(temporary, "we") else { throw SystemError(temporary) }
        let count = fwrite(state, 1, state.count, file)
        guard fclose(file) == 0, count == state.count, rename(temporary, path) == 0 else {
            let error = SystemError(path)
            unlink(temporary)
            throw error
        }
    }

    static func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "re") else { throw SystemError(path) }
        defer { fclose(file) }
        var state = [UInt8](repeating: 0, count: sizeLimit)
        let count = fread(&state, 1, state.count, file)
        guard ferror(file) == 0 else { throw SystemError(path) }
        return Array(state[..<count])
    }
}
