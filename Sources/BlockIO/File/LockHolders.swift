import BlockHost
import Glibc

/// Who holds open-file-description locks on a file: F_OFD_GETLK answers with process -1, but
/// /proc/PID/fdinfo/FD lists each descriptor's locks (proc_pid_fdinfo(5)).
enum LockHolders {
    /// A process that holds a lock.
    struct Holder {
        /// "qemu-system-x86 (process 4711)" and the like.
        var name: String
        /// The process has been killed and has not given back its files yet.
        var isKilled: Bool
    }

    /// The holders that this process can see of locks on the file of `descriptor`, other than by
    /// `descriptor` itself; those of other users may be missing.
    static func of(descriptor: CInt) -> [Holder] {
        var own = stat()
        return unsafe fstat(descriptor, &own) == 0 ? of(own, except: descriptor) : []
    }

    /// The same for a file that this process need not have open.
    static func of(_ own: stat, except descriptor: CInt = -1) -> [Holder] {
        var holders: [Holder] = []
        for process in ProcFile.entries(of: "/proc") where process.allSatisfy(\.isNumber) {
            for entry in ProcFile.entries(of: "/proc/\(process)/fd") {
                if process == "\(getpid())", entry == "\(descriptor)" { continue }
                // The lock first: stat(2) may wait for a file server, and few files are locked.
                var other = stat()
                guard let info = ProcFile.contents(of: "/proc/\(process)/fdinfo/\(entry)"),
                    info.contains("OFDLCK"),
                    unsafe stat("/proc/\(process)/fd/\(entry)", &other) == 0,
                    other.st_dev == own.st_dev, other.st_ino == own.st_ino
                else { continue }
                let name = ProcFile.firstLine(of: "/proc/\(process)/comm")
                holders.append(
                    Holder(
                        name: "\(name ?? "?") (process \(process))", isKilled: isKilled(process)))
                break
            }
        }
        return holders
    }

    /// Whether SIGKILL is among the signals that wait for the process (proc_pid_status(5)), where it
    /// stays until the process is gone.
    private static func isKilled(_ process: String) -> Bool {
        let status = ProcFile.contents(of: "/proc/\(process)/status") ?? ""
        let key = "ShdPnd:\t"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) }),
            let pending = UInt64(line.dropFirst(key.count), radix: 16)
        else { return false }
        return pending & (1 << (SIGKILL - 1)) != 0
    }
}
