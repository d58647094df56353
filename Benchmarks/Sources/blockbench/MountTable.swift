import BenchFacts
import BlockIO
import Foundation

/// /proc/self/mountinfo, proc_pid_mountinfo(5).
enum MountTable {
    /// A line of the table, as far as it is needed.
    struct Mount {
        fileprivate let identifier: Substring
        /// "major:minor" of what is mounted.
        fileprivate let number: Substring
        fileprivate let place: Substring
        /// The type of the file system, such as "ext4".
        let fileSystem: String
        /// What is mounted, such as "/dev/sda1"; for a file system without a device any word.
        private let source: Substring

        /// "36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/sda1 rw": between the sixth field
        /// and the hyphen are none or more.
        fileprivate init?(_ line: Substring) {
            let fields = line.split(separator: " ")
            guard fields.count > 6, let hyphen = fields[6...].firstIndex(of: "-"),
                hyphen + 2 < fields.count
            else { return nil }
            identifier = fields[0]
            number = fields[2]
            place = fields[4]
            fileSystem = String(fields[hyphen + 1])
            source = fields[hyphen + 2]
        }

        /// The device of the file system. Btrfs, for one, mounts a number of its own, which is not in
        /// sysfs; then it is the device that the mount names.
        var device: BlockDevice? {
            if let device = BlockDevice(number: String(number)) { return device }
            var status = stat()
            guard source.hasPrefix("/"), stat(String(source), &status) == 0,
                status.st_mode & S_IFMT == S_IFBLK
            else { return nil }
            return BlockDevice(number: MountTable.number(of: status.st_rdev))
        }
    }

    private static var mounts: [Mount] {
        content(of: "/proc/self/mountinfo").split(separator: "\n").compactMap(Mount.init)
    }

    private static func content(of path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }

    /// Where a block device is mounted, or `nil`.
    static func mountPoint(of device: dev_t) -> String? {
        let number = number(of: device)
        return mounts.first { $0.number == number }.map { String($0.place) }
    }

    /// The mount that a file is on; `nil` when it is not in the table of this process.
    ///
    /// The mount's identifier finds it (proc_pid_fdinfo(5)). The device number of the file does not:
    /// Btrfs has one for each subvolume, and they are not in the table.
    static func mount(of path: Pathname) -> Mount? {
        let descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let lines = content(of: "/proc/self/fdinfo/\(descriptor)").split(separator: "\n")
        let identifier = lines.first { $0.hasPrefix("mnt_id:") }?
            .dropFirst("mnt_id:".count).drop { $0.isWhitespace }
        guard let identifier else { return nil }
        return mounts.first { $0.identifier == identifier }
    }

    /// "8:1", as the table and sysfs have it.
    static func number(of device: dev_t) -> String { "\(major(device)):\(minor(device))" }

    // makedev(3) spreads both over the number; Swift does not import the macros.

    private static func major(_ device: dev_t) -> dev_t {
        (device >> 8) & 0xfff | (device >> 32) & 0xffff_f000
    }

    private static func minor(_ device: dev_t) -> dev_t {
        device & 0xff | (device >> 12) & 0xffff_ff00
    }
}
