import Glibc

/// How often random tests repeat themselves.
enum Rounds {
    /// BLOCKIO_ROUNDS, or 1.
    static let count: Int = {
        guard let text = getenv("BLOCKIO_ROUNDS").map({ String(cString: $0) }) else { return 1 }
        guard let count = Int(text), count > 0 else {
            preconditionFailure("BLOCKIO_ROUNDS is no positive number: \(text)")
        }
        return count
    }()
}
