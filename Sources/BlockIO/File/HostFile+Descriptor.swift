import CBlockIO
import Glibc

extension HostFile {
    /// Takes over an open descriptor, or a duplicate of it, locks and examines it.
    ///
    /// On an error the open file description is as it was; a transferred descriptor is closed.
    static func adopt(
        _ descriptor: CInt, _ ownership: DescriptorOwnership, _ name: Pathname,
        _ options: OpenOptions
    ) throws(BlockError) -> HostFile {
        var own = descriptor
        var duplicationFailure: CInt = 0
        // Never 0, 1 or 2, which programs print to.
        if ownership == .borrowed || descriptor <= STDERR_FILENO {
            own = cbio_duplicate(descriptor)
            duplicationFailure = own < 0 ? -own : 0
            if ownership == .transferred { close(descriptor) }
        }
        guard own >= 0 else {
            throw failure(duplicationFailure, name)
        }
        do throws(BlockError) {
            return try adopt(own, name, options)
        } catch {
            close(own)
            throw error
        }
    }

    /// On an error the descriptor stays open.
    private static func adopt(
        _ own: CInt, _ name: Pathname, _ options: OpenOptions
    ) throws(BlockError) -> HostFile {
        try options.validate(image: name.description)
        try HostFileExamination.checkKind(own, name)
        var flags = cbio_open_flags()
        let result = unsafe cbio_open_flags(own, &flags)
        guard result == 0 else { throw failure(-result, name) }
        try check(flags, name, options)
        _ = fcntl(own, F_SETFD, FD_CLOEXEC)
        var before: CInt = -1
        let adapted = unsafe cbio_adapt_flags(own, options.caching == .direct, &before)
        guard adapted == 0 else {
            // fcntl(2): EINVAL where the file system has no O_DIRECT.
            let isDirect = adapted == -EINVAL && options.caching == .direct
            throw failure(-adapted, name, isDirect ? .directIOUnavailable : .system)
        }
        var mayHaveLock = false
        do throws(BlockError) {
            let examination = try HostFileExamination.examine(own, name, options)
            mayHaveLock = options.effectiveLock != .off
            try ImageLock.take(
                options.effectiveLock, access: options.access, descriptor: own, path: name)
            return HostFile(name, options, examination, restoredFlags: before < 0 ? nil : before)
        } catch {
            if mayHaveLock { ImageLock.release(descriptor: own) }
            if before >= 0 { cbio_restore_flags(own, before) }
            throw error
        }
    }

    private static func check(
        _ flags: cbio_open_flags, _ name: Pathname, _ options: OpenOptions
    ) throws(BlockError) {
        guard flags.readable, flags.writable || options.access == .readOnly else {
            throw BlockError(
                .permissionDenied, errno: EBADF, operation: .open, image: name.description,
                detail: flags.readable
                    ? "the descriptor is open read-only, and the image is to be written to"
                    : "the descriptor is not open for reading")
        }
        if flags.appends {
            throw BlockError(
                .invalidOption, operation: .open, image: name.description,
                detail: "the descriptor is open with O_APPEND, so writes would go to the end of "
                    + "the file; open it without")
        }
    }

    private static func failure(
        _ errno: CInt, _ name: Pathname, _ code: BlockError.Code = .system
    ) -> BlockError {
        BlockError(code, errno: errno, operation: .open, image: name.description)
    }
}
