import BlockHost
import XCTest

final class SplitMix64Tests: XCTestCase {
    /// As Vigna's splitmix64.c prints them.
    func testReferenceValues() {
        var generator = SplitMix64(seed: 1_234_567)
        XCTAssertEqual(
            (0..<5).map { _ in generator.next() },
            [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
        generator = SplitMix64(seed: 0)
        XCTAssertEqual(generator.next(), 0xe220_a839_7b1d_cdaf)
    }

    /// The upper 53 bits, as a fraction.
    func testUnits() {
        var (numbers, units) = (SplitMix64(seed: 3), SplitMix64(seed: 3))
        for _ in 0..<1000 {
            let unit = units.nextUnit()
            XCTAssert((0..<1).contains(unit), "\(unit)")
            XCTAssertEqual(UInt64(unit * 0x1p53), numbers.next() >> 11)
        }
    }
}
