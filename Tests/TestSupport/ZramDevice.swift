import Glibc
import XCTest

/// A compressed disk in memory, removed by `close()`, by `deinit`, or when the process dies.
///
/// It is a new device, or, where the kernel adds none, /dev/zram0 if nobody uses that.
final class ZramDevice: Sendable {
    /// N of /dev/zramN.
    let number: Int
    /// The size in bytes, a multiple of the page size.
    let size: Int
    /// The logical sector size.
    let sectorSize: Int
    private let sequence: String?
    private let janitor: Janitor

    /// Makes a device of at least `size` bytes.
    init(size: Int) throws {
        let janitor = try Janitor(
            setUp: Self.setUp, tearDown: Self.tearDown, arguments: [String(size)])
        guard let number = Int(janitor.report) else {
            throw FixtureError.failed("zram set-up said \(janitor.report)")
        }
        self.janitor = janitor
        self.number = number
        let name = "zram\(number)"
        self.sequence = SysBlock.sequence(of: name)
        self.size = SysBlock.attribute("disksize", of: name).flatMap { Int($0) } ?? 0
        self.sectorSize =
            SysBlock.attribute("queue/logical_block_size", of: name).flatMap { Int($0) } ?? 0
    }

    deinit {
        close()
    }

    /// /dev/zramN
    var path: String {
        "/dev/\(name)"
    }

    /// zramN
    var name: String {
        "zram\(number)"
    }

    /// Whether the kernel still has this device; false once the number is free or someone else's.
    /// But a /dev/zram0 that was not added looks the same to all who use it in turn.
    var isAttached: Bool {
        guard let size = SysBlock.attribute("disksize", of: name), size != "0" else { return false }
        return SysBlock.sequence(of: name) == sequence
    }

    /// Removes the device, which must not be open any more; further calls do nothing.
    func close() {
        if !janitor.dismiss() { XCTFail("\(path) cannot be removed; is it still open?") }
    }

    /// Setting the size claims a device: the kernel lets only one succeed.
    private static let setUp = """
        control=/sys/class/zram-control
        number=$(cat "$control/hot_add")
        if [ "$number" ]; then added=yes; else number=0; added=; fi
        disk=/sys/block/zram$number
        node=/dev/zram$number
        remove() {
            [ -e "$disk" ] || return 0
            if [ "$added" ]; then
                echo "$number" >"$control/hot_remove"
            else
                echo 1 >"$disk/reset"
            fi
        }
        [ -e "$disk" ] || missing "the zram driver"
        [ -w "$disk/disksize" ] || missing "the permission to set up zram devices"
        if ! echo "$1" >"$disk/disksize"; then
            [ "$added" ] || missing "a free zram device (cannot add one, and zram0 is in use)"
            remove
            failed "setting the size of $node to $1"
        fi
        if [ ! -b "$node" ]; then
            mknod -m 600 "$node" b $(tr : ' ' <"$disk/dev") && made_node=yes
        fi
        made "$number"
        """

    private static let tearDown = """
        retry remove && { [ ! "$made_node" ] || rm -f "$node"; }
        """
}
