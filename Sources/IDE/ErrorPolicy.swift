import Glibc

/// What a drive does when the host fails one of its requests.
public enum ErrorPolicy: String, Sendable, Hashable, CaseIterable {
    /// The guest is told.
    case report
    /// The guest is told that all is well.
    case ignore
    /// The machine is to be stopped, and the request run again when it goes on.
    case stop
    /// ``stop`` when the host has no space left, ``report`` otherwise.
    case enospc

    func action(errno: CInt) -> ErrorAction {
        switch self {
        case .report: .report
        case .ignore: .ignore
        case .stop: .stop
        case .enospc: errno == ENOSPC ? .stop : .report
        }
    }
}

/// What an ``ErrorPolicy`` comes down to in one case.
public enum ErrorAction: String, Sendable, Hashable {
    /// The guest sees the error.
    case report
    /// The guest sees success.
    case ignore
    /// The request is kept until ``IDEController/resume()``.
    case stop
}
