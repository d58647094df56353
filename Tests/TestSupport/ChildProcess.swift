import CTestSupport
import Glibc

/// Child processes that inherit only the descriptors they are given.
enum ChildProcess {
    /// The environment of the programs fixtures run: nothing of the test's own.
    static let plainEnvironment = [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
    ]

    /// Starts a program; a standard descriptor that is not given is /dev/null.
    static func spawn(
        _ path: String, _ arguments: [String], environment: [String] = plainEnvironment,
        input: Descriptor? = nil, output: Descriptor? = nil, error: Descriptor? = nil,
        ownSession: Bool = false
    ) throws -> pid_t {
        let child = withCStrings([path] + arguments) { arguments in
            withCStrings(environment) { environment in
                cts_spawn(
                    path, arguments, environment, input?.raw ?? -1, output?.raw ?? -1,
                    error?.raw ?? -1, ownSession)
            }
        }
        return try SystemCall.check(child, "posix_spawn \(path)")
    }

    /// Runs a program to its end; throws what it printed unless it exits with 0.
    static func run(_ path: String, _ arguments: [String]) throws {
        let pipe = try Descriptor.pipe()
        let child = try spawn(path, arguments, output: pipe.writing, error: pipe.writing)
        pipe.writing.close()
        let output = pipe.reading.readToEnd()
        let status = cts_wait(child)
        guard status == 0 else {
            let command = ([path] + arguments).joined(separator: " ")
            throw FixtureError.failed("\(command): status \(status): \(output)")
        }
    }

    /// The path of a program of the system, which an unprivileged PATH need not name.
    static func find(_ program: String, package: String) throws -> String {
        let directories = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        let paths = directories.map { "\($0)/\(program)" }
        guard let path = paths.first(where: { access($0, X_OK) == 0 }) else {
            throw FixtureError.missing("the program \(program) (package \(package))")
        }
        return path
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
