/// Decides at random, without faults.
final class RandomChooser: ModelChooser {
    private let disk: VolatileDisk

    init(_ disk: VolatileDisk) { self.disk = disk }

    var isAutonomous: Bool { true }
    func accepted(of offered: Int) -> Int { offered }
    func number(from least: Int, through most: Int) -> Int {
        max(least, disk.random(below: most + 1))
    }
    func index(below count: Int) -> Int { disk.random(below: count) }
    func cancels() -> Bool { false }
    func fault(of menu: [ModelFault]) -> ModelFault? { nil }
    func passesTime() -> Bool { false }
    func reportHang(_ text: String) { preconditionFailure(text) }
    func reportMisuse(_ text: String) { preconditionFailure(text) }
    func note(_ text: @autoclosure () -> String) {}
}
