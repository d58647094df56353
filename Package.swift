// swift-tools-version: 6.2
import PackageDescription

// For library targets whose unsafe code is marked (SE-0458). An import is internal unless it says
// otherwise.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"), .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
]

let package = Package(
    name: "swift-blockio",
    products: [
        .library(name: "BlockIO", targets: ["BlockIO"]),
        .library(name: "BlockIOTesting", targets: ["BlockIOTesting"]),
        .library(name: "GuestMemory", targets: ["GuestMemory"]),
        .library(name: "BlockDMA", targets: ["BlockDMA"]),
        .library(name: "BlockATA", targets: ["BlockATA"]),
        .library(name: "BlockPCI", targets: ["BlockPCI"]),
        .library(name: "IDE", targets: ["IDE"]),
        .library(name: "VirtioBlock", targets: ["VirtioBlock"]),
        .library(name: "VFIOUserServer", targets: ["VFIOUserServer"]),
        .library(name: "VhostUserServer", targets: ["VhostUserServer"]),
        .executable(name: "blockio", targets: ["BlockTool"]),
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
        .target(name: "BlockHost", dependencies: ["CBlockHost"], swiftSettings: strict),
        .target(name: "BlockIO", dependencies: ["BlockHost", "CBlockIO"], swiftSettings: strict),
        // For tests, also those of importers: faults, and a disk that loses what is in its cache.
        .target(
            name: "BlockIOTesting", dependencies: ["BlockHost", "BlockIO"], swiftSettings: strict),
        .target(name: "CGuestMemory"),
        .target(
            name: "GuestMemory", dependencies: ["BlockHost", "CGuestMemory"],
            swiftSettings: strict),
        // What a device model needs between guest memory and an image; it knows no controller.
        .target(
            name: "BlockDMA", dependencies: ["BlockIO", "GuestMemory"], swiftSettings: strict),
        // What a device's saved state is made of; it knows no device.
        .target(name: "BlockState", swiftSettings: strict),
        .target(name: "BlockPCI", dependencies: ["GuestMemory"], swiftSettings: strict),
        // ATA drives on a carrier of their commands, such as an IDE channel; it knows no ports.
        .target(
            name: "BlockATA",
            dependencies: ["BlockDMA", "BlockHost", "BlockIO", "BlockState", "GuestMemory"],
            swiftSettings: strict),
        .target(
            name: "IDE",
            dependencies: [
                "BlockATA", "BlockDMA", "BlockHost", "BlockIO", "BlockPCI", "BlockState",
                "GuestMemory",
            ], swiftSettings: strict),
        // A virtio block device: its virtqueues, and its registers in memory.
        .target(
            name: "VirtioBlock",
            dependencies: ["BlockDMA", "BlockHost", "BlockIO", "BlockState", "GuestMemory"],
            swiftSettings: strict),
        .target(
            name: "CommandLineSupport",
            dependencies: [
                "BlockHost", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(
            name: "VFIOUserServer",
            dependencies: ["BlockHost", "BlockPCI", "GuestMemory"],
            swiftSettings: strict),
        .target(
            name: "VhostUserServer",
            dependencies: ["BlockHost", "BlockIO", "GuestMemory", "VirtioBlock"],
            swiftSettings: strict),
        .executableTarget(
            name: "BlockTool",
            dependencies: [
                "BlockIO", "CommandLineSupport", "GuestMemory", "VhostUserServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "IDEMachine",
            dependencies: [
                "BlockATA", "BlockDMA", "BlockHost", "BlockIO", "BlockIOTesting", "BlockPCI",
                "CommandLineSupport", "GuestMemory", "IDE", "VFIOUserServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(
            name: "CTestSupport", dependencies: ["CLibURing", "CLibAIO"],
            path: "Tests/CTestSupport",
            linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("aio")]),
        .target(
            name: "TestSupport",
            dependencies: [
                "CTestSupport", "BlockHost", "BlockIO", "BlockIOTesting", "GuestMemory",
            ],
            path: "Tests/TestSupport"),
        // Apart, because release builds of it run for minutes and tests for seconds.
        .target(
            name: "Exploration", dependencies: ["BlockIO", "BlockIOTesting"],
            path: "Tests/Exploration/Library"),
        // What it defines takes the place of liburing, libaio and parts of the C library in the
        // program.
        .target(
            name: "CFakeKernel", dependencies: ["CLibURing", "CLibAIO"],
            path: "Tests/Exploration/FakeKernel"),
        .executableTarget(
            name: "explore",
            dependencies: [
                "BlockIO", "BlockIOTesting", "CFakeKernel", "CommandLineSupport", "Exploration",
            ],
            path: "Tests/Exploration/Explore"),
        .target(name: "CPoolExploration", path: "Tests/CPoolExploration"),
        .executableTarget(
            name: "PoolExploration",
            dependencies: [
                "BlockHost", "CPoolExploration", "BlockIO", "CommandLineSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/PoolExploration"),
        .testTarget(
            name: "BlockHostTests", dependencies: ["BlockHost", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "BlockIOTests",
            dependencies: [
                "BlockHost", "BlockIO", "BlockIOTesting", "GuestMemory", "CTestSupport",
                "Exploration", "TestSupport",
            ]),
        .testTarget(
            name: "BlockDMATests",
            dependencies: [
                "BlockDMA", "BlockIO", "BlockIOTesting", "GuestMemory", "CTestSupport",
                "TestSupport",
            ]),
        .testTarget(
            name: "GuestMemoryTests",
            dependencies: [
                "GuestMemory", "BlockDMA", "BlockIO", "BlockIOTesting", "CTestSupport",
                "TestSupport",
            ]),
        .testTarget(
            name: "BlockStateTests", dependencies: ["BlockState", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "BlockATATests",
            dependencies: [
                "BlockATA", "BlockDMA", "BlockIO", "BlockIOTesting", "GuestMemory", "CTestSupport",
                "TestSupport",
            ]),
        .testTarget(
            name: "BlockPCITests", dependencies: ["BlockPCI", "GuestMemory", "TestSupport"]),
        .testTarget(
            name: "IDETests",
            dependencies: [
                "IDE", "BlockATA", "BlockDMA", "BlockIO", "BlockIOTesting", "BlockState",
                "GuestMemory", "CTestSupport",
                "TestSupport",
            ]),
        .testTarget(
            name: "VirtioBlockTests",
            dependencies: [
                "VirtioBlock", "BlockDMA", "BlockIO", "BlockIOTesting", "BlockState",
                "GuestMemory", "CTestSupport", "TestSupport",
            ]),
        .testTarget(
            name: "VFIOUserServerTests",
            dependencies: [
                "VFIOUserServer", "BlockHost", "BlockPCI", "GuestMemory", "CTestSupport",
                "TestSupport",
            ]),
        .testTarget(
            name: "VhostUserServerTests",
            dependencies: [
                "VhostUserServer", "BlockHost", "BlockIO", "BlockIOTesting", "BlockTool",
                "GuestMemory", "CTestSupport", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "IDEMachineTests",
            dependencies: [
                "IDEMachine", "BlockDMA", "BlockIO", "CommandLineSupport", "VFIOUserServer",
                "CTestSupport", "TestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)
