// swift-tools-version: 6.1
import PackageDescription

// The parts of Benchmarks that depend on nothing, with their tests. In a package of their own they are
// built in seconds: a test target in Benchmarks would build all its programs a second time.
let package = Package(
    name: "BenchmarkTests",
    targets: [
        // A link to the directory of that name in Benchmarks.
        .target(name: "BenchFacts"),
        .testTarget(name: "BenchFactsTests", dependencies: ["BenchFacts"]),
    ],
    swiftLanguageModes: [.v6]
)
