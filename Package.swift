// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "swift-blockio",
    products: [
        .library(name: "BlockIO", targets: ["BlockIO"]),
        .library(name: "GuestMemory", targets: ["GuestMemory"]),
        .library(name: "IDE", targets: ["IDE"]),
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
        .target(name: "BlockIO", dependencies: ["CBlockIO"]),
        .target(name: "CGuestMemory"),
        .target(name: "GuestMemory", dependencies: ["CGuestMemory"]),
        .target(
            name: "IDE", dependencies: ["BlockIO", "CBlockIO", "CGuestMemory", "GuestMemory"]),
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .target(
            name: "TestSupport", dependencies: ["CTestSupport", "BlockIO"],
            path: "Tests/TestSupport"),
        .testTarget(
            name: "BlockIOTests", dependencies: ["BlockIO", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "GuestMemoryTests",
            dependencies: ["GuestMemory", "IDE", "BlockIO", "CTestSupport", "TestSupport"]),
        .testTarget(
            name: "IDETests",
            dependencies: ["IDE", "BlockIO", "GuestMemory", "CTestSupport", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
