import XCTest

/// Makes a fixture; when the machine lacks something it needs, skips the test and says what.
///
/// This is the only place of the suite that skips. A fixture that should work and does not fails
/// the test.
func orSkip<Fixture>(
    _ make: @autoclosure () throws -> Fixture, file: StaticString = #filePath, line: UInt = #line
) throws -> Fixture {
    do {
        return try make()
    } catch FixtureError.missing(let what) {
        throw XCTSkip("this machine lacks \(what)", file: file, line: line)
    }
}
