/// A read that did not do what it should.
struct ReadFailure: Error, CustomStringConvertible {
    let description: String
}
