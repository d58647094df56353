/// A command that a guest has given to a disk, and its progress.
package struct DiskCommand {
    package var job = DiskJob()
    /// The code of the command, and the registers that came with it.
    package var opcode: UInt8 = 0
    package var parameters = TaskFile()

    package init() {}
}
