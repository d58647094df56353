import Foundation

/// /proc/self/mountinfo, proc_pid_mountinfo(5).
enum MountTable {
    /// Where a block device is mounted, or `nil`.
    static func mountPoint(of device: dev_t) -> String? {
        let table = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        let number = "\(major(device)):\(minor(device))"
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 4, fields[2] == number { return String(fields[4]) }
        }
        return nil
    }

    // makedev(3) spreads both over the number; Swift does not import the macros.

    private static func major(_ device: dev_t) -> dev_t {
        (device >> 8) & 0xfff | (device >> 32) & 0xffff_f000
    }

    private static func minor(_ device: dev_t) -> dev_t {
        device & 0xff | (device >> 12) & 0xffff_ff00
    }
}
