import CTestSupport
import XCTest

/// Huge pages of 2 MiB that the kernel keeps for memfds, given back by `close()`, by `deinit`, or
/// when the process dies.
///
/// Test processes have them one after the other: the number of huge pages is the system's.
final class HugePages: Sendable {
    /// In bytes.
    static let pageSize = 2 << 20
    /// How many there were before.
    let former: Int
    private let janitor: Janitor

    /// Keeps `count` pages more than there were.
    init(count: Int) throws {
        let janitor = try Janitor(
            setUp: Self.setUp, tearDown: Self.tearDown, arguments: [String(count)])
        guard let former = Int(janitor.report) else {
            throw FixtureError.failed("huge pages set-up said \(janitor.report)")
        }
        self.janitor = janitor
        self.former = former
    }

    deinit { close() }

    /// A memfd_create(2) file of huge pages that can be sealed; `size` is in bytes.
    func file(size: Int) throws -> Descriptor {
        Descriptor(try SystemCall.check(cts_memfd_huge(size), "memfd_create with MFD_HUGETLB"))
    }

    /// Gives the pages back; further calls do nothing.
    func close() {
        if !janitor.dismiss() { XCTFail("the number of huge pages cannot be put back") }
    }

    /// The lock is on the kernel's own file, so that everybody who uses this finds it. Pages that
    /// are mapped when their number is put back are surplus ones, and go when they are unmapped.
    private static let setUp = """
        directory=/sys/kernel/mm/hugepages/hugepages-2048kB
        number=$directory/nr_hugepages
        [ -w "$number" ] || missing "huge pages of 2 MiB, or the permission to reserve some"
        kept() { echo $(($(cat "$number") - $(cat "$directory/surplus_hugepages"))); }
        exec 9<"$number"
        flock -w 60 9 || failed "other tests keep the huge pages"
        former=$(kept)
        wanted=$((former + $1))
        reserve() {
            echo "$wanted" >"$number"
            [ "$(kept)" = "$wanted" ] && return
            echo 1 >/proc/sys/vm/compact_memory
            return 1
        }
        tries=0
        until reserve; do
            tries=$((tries + 1))
            if [ "$tries" -ge 20 ]; then
                echo "$former" >"$number"
                failed "the kernel reserves no $1 huge pages"
            fi
            sleep 0.1
        done
        made "$former"
        """

    private static let tearDown = """
        echo "$former" >"$number"
        [ "$(kept)" = "$former" ]
        """
}
