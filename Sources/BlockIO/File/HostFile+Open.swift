import Glibc

extension HostFile {
    /// Opens, locks and examines the file at `path`.
    ///
    /// - Throws: ``BlockError`` whose code says which step refused; nothing stays open or locked.
    package static func open(
        _ path: Pathname, _ options: OpenOptions
    ) throws(BlockError) -> HostFile {
        let examination = try HostFileExamination.open(path, options)
        do throws(BlockError) {
            try ImageLock.take(
                options.effectiveLock, access: options.access, descriptor: examination.descriptor,
                path: path)
        } catch {
            ImageLock.release(descriptor: examination.descriptor)
            close(examination.descriptor)
            throw error
        }
        return HostFile(path, options, examination)
    }
}
