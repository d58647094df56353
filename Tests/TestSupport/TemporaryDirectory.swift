import Glibc
import XCTest

/// A new directory that is removed, with all in it, by `close()`, by `deinit`, or when the process
/// dies.
final class TemporaryDirectory: Sendable {
    /// The directory.
    let path: String
    private let janitor: Janitor

    /// Makes a directory in `parent`, or else in the usual place.
    init(in parent: String? = nil) throws {
        janitor = try Janitor(
            setUp: """
                directory=$(mktemp -d "$1/blockio.XXXXXXXX") || failed "mktemp -d in $1"
                made "$directory"
                """,
            tearDown: """
                remove() { rm -rf -- "$directory"; }
                retry remove
                """,
            arguments: [parent ?? ScratchSpace.directory])
        path = janitor.report
    }

    deinit {
        close()
    }

    /// The path of a file in the directory.
    func path(_ name: String) -> String {
        "\(path)/\(name)"
    }

    /// Removes the directory; further calls do nothing.
    func close() {
        if !janitor.dismiss() { XCTFail("the directory \(path) cannot be removed") }
    }
}
