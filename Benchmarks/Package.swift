// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that importers of swift-blockio fetch none of what only the benchmark
// needs. The name of the dependency makes it independent of the clone's directory name.
let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "swift-blockio", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/ordo-one/TextTable", from: "0.0.2"),
    ],
    targets: [
        .target(name: "CBaselines"),
        // Depends on nothing, so that Tests/Benchmarks builds and tests it alone.
        .target(name: "BenchFacts"),
        // Its CommandLineSupport is a link to the directory of that name of swift-blockio, which is no
        // library that others are to import.
        .target(
            name: "BenchSupport",
            dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .target(name: "CHeap"),
        .target(name: "CEpoll"),
        .executableTarget(
            name: "cloop", linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("aio")]),
        .executableTarget(
            name: "requestcost",
            dependencies: [
                "BenchSupport",
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "eventloop",
            dependencies: [
                "BenchFacts", "BenchSupport", "CEpoll",
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "idecost",
            dependencies: [
                "BenchSupport",
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "GuestMemory", package: "swift-blockio"),
                .product(name: "BlockATA", package: "swift-blockio"),
                .product(name: "IDE", package: "swift-blockio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "scalecost",
            dependencies: [
                "BenchSupport", "CHeap",
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "GuestMemory", package: "swift-blockio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "blockbench",
            dependencies: [
                "BenchFacts", "BenchSupport", "CBaselines",
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "TextTable", package: "TextTable"),
            ]),
        .executableTarget(
            name: "dmabench",
            dependencies: [
                "BenchSupport",
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "GuestMemory", package: "swift-blockio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "TextTable", package: "TextTable"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
