import ArgumentParser
import GuestMemory

/// A range of guest addresses as the command line has it: `BASE+SIZE`, each decimal or 0x....
struct RegionSpecification: Sendable {
    let base: GuestAddress
    /// In bytes, 1 or more.
    let size: UInt64

    init(parsing text: String) throws {
        let parts = text.split(separator: "+", omittingEmptySubsequences: false)
        guard parts.count == 2, let base = number(parts[0]).map({ GuestAddress($0) }),
            let size = number(parts[1]), size > 0, base.advanced(by: size - 1) != nil
        else {
            throw ValidationError(
                "'\(text)' is not BASE+SIZE, two numbers that are decimal or begin with 0x")
        }
        self.base = base
        self.size = size
    }
}

/// A number as the command line has it: decimal, or hexadecimal behind 0x.
func number(_ text: some StringProtocol) -> UInt64? {
    guard let first = text.first, first.isHexDigit else { return nil }
    return text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
}
