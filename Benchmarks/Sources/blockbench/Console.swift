import Glibc

/// Standard error: notes, complaints, and on a terminal a progress bar below them.
final class Console {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var isBarVisible = false
    private var complaints = 0

    /// The first few are explained, the rest counted.
    private static let complaintLimit = 10
    private static let barWidth = 24

    /// One line, of its own.
    func note(_ text: String) {
        clearBar()
        write(text + "\n")
    }

    /// A fault of what is measured.
    func complain(_ text: String) {
        complaints += 1
        if complaints <= Self.complaintLimit { note("blockbench: \(text)") }
        if complaints == Self.complaintLimit { note("blockbench: further faults are only counted") }
    }

    /// Draws the bar, if there is a terminal: how much of all is done, and what is going on.
    func showProgress(_ fraction: Double, _ text: @autoclosure () -> String) {
        guard isTerminal else { return }
        let filled = Int(fraction * Double(Self.barWidth))
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: "-", count: max(0, Self.barWidth - filled))
        let line = "[\(bar)] \(Int(fraction * 100)) %  \(text())"
        // A line that wraps could not be taken back.
        write("\r" + line.prefix(columns - 1) + "\u{1B}[K")
        isBarVisible = true
    }

    /// Takes the bar away.
    func clearBar() {
        guard isBarVisible else { return }
        write("\r\u{1B}[K")
        isBarVisible = false
    }

    private var columns: Int {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1
        return isKnown ? Int(size.ws_col) : 80
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        // What standard error does not take is lost; the figures go to standard output.
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
