import BlockIOTesting
import Exploration

/// Leaves the decisions of a model kernel to an enumeration, but for faults, of which there are none. Operations are
/// answered one by one, when the exploration says so.
final class ExploringChooser: ModelChooser {
    private let decisions: Decisions
    private(set) var complaints: [String] = []

    init(_ decisions: Decisions) { self.decisions = decisions }

    var isAutonomous: Bool { false }
    func accepted(of offered: Int) -> Int { offered }
    func number(from least: Int, through most: Int) -> Int { least }
    func index(below count: Int) -> Int { decisions.pick(count) }
    func cancels() -> Bool { decisions.pick(2) == 1 }
    func fault(of menu: [ModelFault]) -> ModelFault? { nil }
    func passesTime() -> Bool { false }
    func reportHang(_ text: String) { complaints.append(text) }
    func reportMisuse(_ text: String) { complaints.append(text) }
    func note(_ text: @autoclosure () -> String) {}
}
