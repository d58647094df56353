@testable import TestSupport

extension Locked {
    /// The value now.
    var current: Value {
        get { withLock { $0 } }
        set { withLock { $0 = newValue } }
    }
}
