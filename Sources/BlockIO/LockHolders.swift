import Glibc

/// Who holds open-file-description locks on a file: F_OFD_GETLK answers with process -1, but
/// /proc/PID/fdinfo/FD lists each descriptor's locks (proc_pid_fdinfo(5)).
enum LockHolders {
    /// "qemu-system-x86 (process 4711)" and the like; processes of other users may be missing.
    static func of(descriptor: CInt) -> [String] {
        var own = stat()
        guard fstat(descriptor, &own) == 0 else { return [] }
        var holders: [String] = []
        for process in ProcFile.entries(of: "/proc") where process.allSatisfy(\.isNumber) {
            for entry in ProcFile.entries(of: "/proc/\(process)/fd") {
                if process == "\(getpid())", entry == "\(descriptor)" { continue }
                // The lock first: stat(2) may wait for a file server, and few files are locked.
                var other = stat()
                guard let info = ProcFile.contents(of: "/proc/\(process)/fdinfo/\(entry)"),
                    info.contains("OFDLCK"),
                    stat("/proc/\(process)/fd/\(entry)", &other) == 0,
                    other.st_dev == own.st_dev, other.st_ino == own.st_ino
                else { continue }
                let name = ProcFile.firstLine(of: "/proc/\(process)/comm")
                holders.append("\(name ?? "?") (process \(process))")
                break
            }
        }
        return holders
    }
}
