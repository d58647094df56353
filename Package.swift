// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "swift-blockio",
    products: [
        .library(name: "BlockIO", targets: ["BlockIO"]),
        .library(name: "GuestMemory", targets: ["GuestMemory"]),
        .library(name: "IDE", targets: ["IDE"]),
        .executable(name: "ide-machine", targets: ["IDEMachine"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .systemLibrary(
            name: "CLibURing", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
        // Debian ships no pkg-config file for libaio; its headers are on the default path.
        .systemLibrary(name: "CLibAIO", providers: [.apt(["libaio-dev"])]),
        .target(
            name: "CBlockIO",
            dependencies: ["CLibURing", "CLibAIO"],
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("aio")]),
        .target(name: "CBlockHost"),
        // What every target needs from the host; it knows no image and no guest.
        .target(name: "BlockHost", dependencies: ["CBlockHost"]),
        .target(name: "BlockIO", dependencies: ["BlockHost", "CBlockIO"]),
        .target(name: "CGuestMemory"),
        .target(name: "GuestMemory", dependencies: ["BlockHost", "CGuestMemory"]),
        .target(name: "IDE", dependencies: ["BlockHost", "BlockIO", "GuestMemory"]),
        .target(
            name: "CommandLineSupport",
            dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .target(name: "CVFIOUser"),
        .target(
            name: "VFIOUserServer", dependencies: ["BlockHost", "CVFIOUser", "GuestMemory"]),
        .executableTarget(
            name: "IDEMachine",
            dependencies: [
                "BlockIO", "CommandLineSupport", "GuestMemory", "IDE", "VFIOUserServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(
            name: "CTestSupport", dependencies: ["CLibURing", "CLibAIO"],
            path: "Tests/CTestSupport",
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("aio")]),
        .target(
            name: "TestSupport", dependencies: ["CTestSupport", "BlockIO"],
            path: "Tests/TestSupport"),
        // Apart, because release builds of it run for minutes and tests for seconds.
        .target(
            name: "Exploration", dependencies: ["BlockIO"], path: "Tests/Exploration/Library"),
        // What it defines takes the place of liburing, libaio and parts of the C library in the
        // program.
        .target(
            name: "CFakeKernel", dependencies: ["CLibURing", "CLibAIO"],
            path: "Tests/Exploration/FakeKernel"),
        .executableTarget(
            name: "explore",
            dependencies: ["BlockIO", "CFakeKernel", "CommandLineSupport", "Exploration"],
            path: "Tests/Exploration/Explore"),
        .target(name: "CPoolExploration", path: "Tests/CPoolExploration"),
        .executableTarget(
            name: "PoolExploration",
            dependencies: [
                "CPoolExploration", "BlockIO", "CommandLineSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/PoolExploration"),
        .testTarget(
            name: "BlockIOTests",
            dependencies: [
                "BlockHost", "BlockIO", "GuestMemory", "CTestSupport", "Exploration", "TestSupport",
            ]),
        .testTarget(
            name: "GuestMemoryTests",
            dependencies: ["GuestMemory", "IDE", "BlockIO", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "IDETests",
            dependencies: ["IDE", "BlockIO", "GuestMemory", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "VFIOUserServerTests",
            dependencies: ["VFIOUserServer", "GuestMemory", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "IDEMachineTests",
            dependencies: [
                "IDEMachine", "BlockIO", "CommandLineSupport", "VFIOUserServer", "CTestSupport",
                "TestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)
