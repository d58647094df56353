import ArgumentParser
import BlockIO
import CommandLineSupport

/// `blockio`: the image tool and the servers. Each verb is a command of its own.
///
/// The exit status is 0, or 1 when the command line is wrong or something failed.
@main
struct BlockTool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blockio", abstract: "Disk images, and servers for them.",
        version: PackageVersion.current, subcommands: [VhostUserBlk.self])

    static func main() { runProgram(usageStatus: 1) }
}
