import BlockHost
import CBlockIO
import Glibc

/// Who keeps a block device from being opened O_EXCL.
enum DeviceHolder {
    /// Where the device is mounted (proc_pid_mountinfo(5)), or which living processes hold image locks
    /// on it; `nil` when this process sees neither.
    static func seen(at path: Pathname) -> String? {
        var status = stat()
        guard unsafe path.withCString({ unsafe stat($0, &status) }) == 0 else { return nil }
        if let table = ProcFile.contents(of: "/proc/self/mountinfo") {
            let id = "\(cbio_major(UInt64(status.st_rdev))):\(cbio_minor(UInt64(status.st_rdev)))"
            for line in table.split(separator: "\n") {
                let fields = line.split(separator: " ")
                if fields.count > 4, fields[2] == id {
                    return "the device is mounted at \(fields[4]); unmount it to write to it"
                }
            }
        }
        let holders = LockHolders.of(status).filter { !$0.isKilled }.map(\.name)
        return holders.isEmpty ? nil : "the device is in use by \(holders.joined(separator: ", "))"
    }

    /// What is said when nothing is seen.
    static let unseen =
        "the device is in use: mounted out of sight, a partition of it mounted, or claimed by swap, "
        + "RAID or another exclusive opener"
}
