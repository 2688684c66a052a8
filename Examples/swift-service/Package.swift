// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "swift-service",
    platforms: [.macOS(.v15)],
    dependencies: [
        // In a project of your own: .package(url: "…/latchd.git", from: "…").
        .package(name: "latchd", path: "../.."),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    ],
    targets: [
        .executableTarget(
            name: "worker",
            dependencies: [
                .product(name: "LatchClient", package: "latchd"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ])
    ]
)
