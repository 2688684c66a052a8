// swift-tools-version: 6.1
import PackageDescription

// The fuzzers: the sources of the package above, as links, compiled with coverage and the address
// sanitizer. A package of its own, because SwiftPM lets no other package depend on one that has
// unsafe flags. `Tests/Fuzz/fuzz` builds and runs it.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// Optimised for speed; assertions and the internals that entry points use stay.
let watched =
    strict + [
        .unsafeFlags([
            "-sanitize=fuzzer,address", "-enable-testing", "-assert-config", "Debug",
        ])
    ]

func product(_ name: String, _ package: String) -> Target.Dependency {
    .product(name: name, package: package)
}

let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let nioEmbedded = product("NIOEmbedded", "swift-nio")
let protobuf = product("SwiftProtobuf", "swift-protobuf")
let deque = product("DequeModule", "swift-collections")
let heap = product("HeapModule", "swift-collections")
let persistentMaps = product("HashTreeCollections", "swift-collections")
let logging = product("Logging", "swift-log")

let package = Package(
    name: "latchd-fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
    ],
    targets: [
        .target(name: "BinaryCoding", swiftSettings: watched),
        .target(name: "RaftCore", dependencies: ["BinaryCoding"], swiftSettings: watched),
        .target(
            name: "LatchMachine", dependencies: ["BinaryCoding", deque, persistentMaps],
            swiftSettings: watched),
        .target(
            name: "RaftStorage",
            dependencies: ["BinaryCoding", "RaftCore", product("GRDB", "GRDB.swift")],
            swiftSettings: watched),
        .target(name: "Listening", dependencies: [nioCore, nioPosix], swiftSettings: strict),
        .target(
            name: "PeerTransport",
            dependencies: ["BinaryCoding", "RaftCore", "Listening", nioCore, nioPosix],
            swiftSettings: watched),
        .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2"),
        .target(
            name: "GRPCEdge",
            dependencies: [
                "CNGHTTP2", "Listening", nioCore, nioPosix, product("NIOSSL", "swift-nio-ssl"),
            ],
            swiftSettings: watched),
        .target(
            name: "LatchNode",
            dependencies: [
                "BinaryCoding", "RaftCore", "LatchMachine", "RaftStorage", "PeerTransport",
                nioCore, nioPosix, logging, deque, heap,
            ],
            swiftSettings: watched),
        .target(
            name: "LatchAPI", dependencies: [protobuf], exclude: ["Protos"],
            swiftSettings: watched),
        .target(
            name: "LatchService",
            dependencies: [
                "LatchAPI", "LatchNode", "LatchMachine", "RaftCore", "GRPCEdge", nioCore, protobuf,
            ],
            swiftSettings: watched),
        // The configuration alone, under the name by which the entry points import it.
        .target(
            name: "latchd", dependencies: ["GRPCEdge", product("Yams", "Yams"), logging],
            sources: ["Configuration", "LogFormat.swift", "LogTimestamp.swift"],
            swiftSettings: watched),
        .target(
            name: "FuzzEntries",
            dependencies: [
                "BinaryCoding", "RaftCore", "LatchMachine", "RaftStorage", "PeerTransport",
                "LatchNode", "GRPCEdge", "LatchAPI", "LatchService", "latchd", nioCore, nioEmbedded,
                protobuf, logging,
            ],
            swiftSettings: watched),
        .target(name: "CFuzzer"),
        .executableTarget(
            name: "latchfuzz", dependencies: ["FuzzEntries", "CFuzzer"],
            swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]),
    ]
)
