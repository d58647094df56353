package import ArgumentParser
import Glibc

extension ParsableCommand {
    /// Runs the command with the arguments of this process, and ends the process: with status 0; with
    /// `usageStatus` when the command line is wrong; with 1 or what the command says when it fails, also
    /// when it fails to print.
    ///
    /// It is `main()` of the argument parser, but that standard descriptors are occupied, that output is
    /// checked, and that arguments keep their bytes (``RawArguments``).
    package static func runProgram(usageStatus: CInt = ExitCode.validationFailure.rawValue) -> Never
    {
        StandardDescriptors.occupy()
        // A closed pipe and a limit of a file's size are errors of the call that meets them.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        var command: any ParsableCommand
        do {
            command = try parseAsRoot(RawArguments.ofThisProcess)
        } catch {
            end(with: error, exitCode(for: error).isSuccess ? EXIT_SUCCESS : usageStatus)
        }
        do {
            try command.run()
        } catch {
            end(with: error, exitCode(for: error).rawValue)
        }
        Glibc.exit(EXIT_SUCCESS)
    }

    private static func end(with error: any Error, _ status: CInt) -> Never {
        let name = configuration.commandName ?? _commandName
        var message = fullMessage(for: error)
        if status == EXIT_SUCCESS {
            do throws(OutputError) {
                if !message.isEmpty { try StandardOutput.printLine(message) }
                Glibc.exit(EXIT_SUCCESS)
            } catch {
                StandardError.write("\(name): \(error)\n")
                Glibc.exit(EXIT_FAILURE)
            }
        }
        // What the command itself has thrown, and not the argument parser.
        if status == EXIT_FAILURE && !(error is ExitCode) { message = "\(name): \(error)" }
        if !message.isEmpty { StandardError.write(RawArguments.bytes(of: message + "\n")) }
        Glibc.exit(status)
    }
}
