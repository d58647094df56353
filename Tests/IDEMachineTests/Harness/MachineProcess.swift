@testable import TestSupport

/// A running `ide-machine`, killed at the latest when this goes away.
final class MachineProcess: ProgramProcess {
    /// The executable as it was built next to these tests.
    static let path = directory + "/ide-machine"

    /// Starts it, or a shell's script that does: there its path is `$0`. What it prints to its standard
    /// output is lost.
    init(_ arguments: [String], script: String? = nil) throws {
        try super.init(program: "ide-machine", arguments, script: script)
    }
}
