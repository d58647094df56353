import Glibc

/// Descriptors 0, 1 and 2, which a program may have been started without.
package enum StandardDescriptors {
    /// Opens /dev/null for those that are closed, so that none of them is given to an image or a socket that
    /// is opened later, where output would go astray. Call it first.
    ///
    /// Each is opened for the other direction than it is used in: writing to a standard output that was
    /// closed is an error (EBADF) as before, and so is reading from a standard input that was.
    package static func occupy() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            let flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY
            // The lowest that is free is this one.
            if open("/dev/null", flags) != descriptor {
                StandardError.write(
                    "descriptor \(descriptor) is closed, and /dev/null cannot be opened\n")
                exit(EXIT_FAILURE)
            }
        }
    }
}
