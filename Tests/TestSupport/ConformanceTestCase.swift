import BlockIO
import XCTest

/// A test that runs on every ``Configuration``. Its failures name the configuration and the seed.
class ConformanceTestCase: XCTestCase {
    private var current: String?

    /// The layouts of the images that checks run on.
    var layouts: Set<Configuration.Layout> { [.raw] }

    override func recordFailure(
        withDescription description: String, inFile filePath: String, atLine lineNumber: Int,
        expected: Bool
    ) {
        let place = current.map { "[\($0), BLOCKIO_SEED=\(Seed.text)] " } ?? ""
        super.recordFailure(
            withDescription: place + description, inFile: filePath, atLine: lineNumber,
            expected: expected)
    }

    /// Runs `check` on every configuration that is wanted, with storage of `size` bytes. After an
    /// error other than ``Stuck`` it goes on with the next.
    func forEachTarget(
        size: Int, where isWanted: (Configuration) -> Bool = { _ in true },
        _ check: (Configuration, StorageTarget) throws -> Void
    ) throws {
        var skip: (any Error)?
        for kind in StorageTarget.Kind.allCases {
            let wanted = Configuration.some(
                (Configuration.all + Configuration.striped + Configuration.volatileDisk).filter {
                    $0.target == kind && layouts.contains($0.layout) && isWanted($0)
                })
            if wanted.isEmpty { continue }
            let target: StorageTarget
            do {
                target = try orSkip(StorageTarget.make(kind, size: size))
            } catch let error as XCTSkip {
                skip = error
                continue
            }
            defer { target.close() }
            for configuration in wanted {
                current = "\(configuration)"
                defer { current = nil }
                let goesOn = Watchdog.guarding("\(name), \(configuration)") {
                    do {
                        try check(configuration, target)
                    } catch {
                        XCTFail("threw \(error)")
                        return !(error is Stuck)
                    }
                    return true
                }
                if !goesOn { return }
            }
        }
        if let skip { throw skip }
    }
}
