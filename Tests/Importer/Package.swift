// swift-tools-version: 6.1
import PackageDescription

// What an importer of this package does: all its products next to swift-system. Built and run by
// the checks, since both stand on C headers that are easily made to clash.
let package = Package(
    name: "Importer",
    dependencies: [
        .package(name: "swift-blockio", path: "../.."),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .executableTarget(
            name: "Importer",
            dependencies: [
                .product(name: "BlockDMA", package: "swift-blockio"),
                .product(name: "BlockIO", package: "swift-blockio"),
                .product(name: "BlockIOTesting", package: "swift-blockio"),
                .product(name: "GuestMemory", package: "swift-blockio"),
                .product(name: "BlockATA", package: "swift-blockio"),
                .product(name: "BlockPCI", package: "swift-blockio"),
                .product(name: "IDE", package: "swift-blockio"),
                .product(name: "VFIOUserServer", package: "swift-blockio"),
                .product(name: "VhostUserServer", package: "swift-blockio"),
                .product(name: "SystemPackage", package: "swift-system"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
