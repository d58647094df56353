// swift-tools-version: 6.1
import PackageDescription

// The program that `Tests/Guest/old-kernels` boots as the only one of a guest.
let package = Package(
    name: "EngineCheck",
    dependencies: [.package(name: "swift-blockio", path: "../../..")],
    targets: [
        .executableTarget(
            name: "EngineCheck",
            dependencies: [.product(name: "BlockIO", package: "swift-blockio")])
    ],
    swiftLanguageModes: [.v6]
)
