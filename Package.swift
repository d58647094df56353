// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "swift-blockio",
    products: [
        .library(name: "BlockIO", targets: ["BlockIO"])
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
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .target(name: "TestSupport", dependencies: ["CTestSupport"], path: "Tests/TestSupport"),
        .testTarget(
            name: "BlockIOTests", dependencies: ["BlockIO", "CTestSupport", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
