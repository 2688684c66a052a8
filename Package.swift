// swift-tools-version: 6.1
import PackageDescription

/// Settings that every target shares: existentials are spelled `any`, imports are visible where they stand.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func product(_ name: String, _ package: String) -> Target.Dependency {
    .product(name: name, package: package)
}

let nioCore = product("NIOCore", "swift-nio")
let nioPosix = product("NIOPosix", "swift-nio")
let logging = product("Logging", "swift-log")
let protobuf = product("SwiftProtobuf", "swift-protobuf")
let deque = product("DequeModule", "swift-collections")
let heap = product("HeapModule", "swift-collections")
let persistentMaps = product("HashTreeCollections", "swift-collections")
let arguments = product("ArgumentParser", "swift-argument-parser")
let subprocess = product("Subprocess", "swift-subprocess")
let hummingbird = product("Hummingbird", "hummingbird")
let grpcCore = product("GRPCCore", "grpc-swift-2")
let grpcTransport = product("GRPCNIOTransportHTTP2Posix", "grpc-swift-nio-transport")
let grpcProtobuf = product("GRPCProtobuf", "grpc-swift-protobuf")

let package = Package(
    name: "latchd",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "latchd", targets: ["latchd"]),
        .executable(name: "latchctl", targets: ["latchctl"]),
        .library(name: "LatchClient", targets: ["LatchClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.2"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
    ],
    targets: [
        // The pure middle: no I/O, no clock, no randomness of its own.
        .target(name: "BinaryCoding", swiftSettings: strict),
        .target(name: "RaftCore", dependencies: ["BinaryCoding"], swiftSettings: strict),
        .target(
            name: "LatchMachine", dependencies: ["BinaryCoding", deque, persistentMaps],
            swiftSettings: strict),

        // The three I/O modules. They do not know each other. Two of them listen.
        .target(name: "Listening", dependencies: [nioCore, nioPosix], swiftSettings: strict),
        .target(
            name: "RaftStorage",
            dependencies: ["BinaryCoding", "RaftCore", product("GRDB", "GRDB.swift")],
            swiftSettings: strict),
        .target(
            name: "PeerTransport",
            dependencies: ["BinaryCoding", "RaftCore", "Listening", nioCore, nioPosix],
            swiftSettings: strict),
        .systemLibrary(
            name: "CNGHTTP2", pkgConfig: "libnghttp2",
            providers: [.apt(["libnghttp2-dev"]), .brew(["nghttp2"])]),
        .target(
            name: "GRPCEdge",
            dependencies: [
                "CNGHTTP2", "Listening", nioCore, nioPosix, product("NIOSSL", "swift-nio-ssl"),
            ],
            swiftSettings: strict),

        // The node and its client-facing side.
        .target(
            name: "LatchNode",
            dependencies: [
                "BinaryCoding", "RaftCore", "LatchMachine", "RaftStorage", "PeerTransport",
                nioCore, nioPosix, logging, deque, heap,
            ],
            swiftSettings: strict),
        .target(
            name: "LatchAPI", dependencies: [protobuf], exclude: ["Protos"], swiftSettings: strict),
        .target(
            name: "LatchService",
            dependencies: [
                "LatchAPI", "LatchNode", "LatchMachine", "RaftCore", "GRPCEdge", nioCore, protobuf,
            ],
            swiftSettings: strict),
        .target(
            name: "StatusSite",
            dependencies: [
                "LatchNode", "LatchMachine", "RaftCore", nioCore, nioPosix,
                product("NIOHTTP1", "swift-nio"), product("HTTPTypes", "swift-http-types"), logging,
                hummingbird,
            ],
            resources: [
                .embedInCode("Page/index.html"), .embedInCode("Page/page.css"),
                .embedInCode("Page/page.js"),
            ],
            swiftSettings: strict),

        // What applications and people use.
        .target(
            name: "LatchClient",
            dependencies: [
                "LatchAPI", grpcCore, grpcTransport, grpcProtobuf, protobuf,
                product("ServiceLifecycle", "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .systemLibrary(name: "CProcess"),
        .executableTarget(
            name: "latchctl", dependencies: ["LatchClient", "LatchAPI", "CProcess", arguments],
            swiftSettings: strict),
        .executableTarget(
            name: "latchd",
            dependencies: [
                "RaftCore", "RaftStorage", "PeerTransport", "LatchMachine", "LatchNode",
                "LatchService", "GRPCEdge", "StatusSite",
                arguments, logging, nioCore, nioPosix,
                product("Yams", "Yams"), product("ServiceLifecycle", "swift-service-lifecycle"),
                product("UnixSignals", "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        // Tests, from pure functions to killed processes.
        .target(
            name: "SeededRandom", path: "Tests/SeededRandom", swiftSettings: strict),
        .target(name: "HistoryChecker", path: "Tests/HistoryChecker", swiftSettings: strict),
        .target(
            name: "RaftSimulation",
            dependencies: [
                "HistoryChecker", "BinaryCoding", "RaftCore", "LatchMachine", "LatchNode",
                "RaftStorage", "PeerTransport", nioCore, logging,
            ],
            path: "Tests/RaftSimulation", swiftSettings: strict),
        .executableTarget(
            name: "latchsim", dependencies: ["RaftSimulation"], path: "Tests/latchsim",
            swiftSettings: strict),
        .target(
            name: "FaultyDisk",
            dependencies: ["RaftCore", "RaftStorage", product("GRDBSQLite", "GRDB.swift")],
            path: "Tests/FaultyDisk", swiftSettings: strict),
        .target(name: "LocalMachine", path: "Tests/LocalMachine", swiftSettings: strict),
        .target(
            name: "ClusterHarness",
            dependencies: [
                "LocalMachine", "SeededRandom", "LatchClient", "LatchAPI", grpcCore, grpcTransport,
                protobuf,
            ],
            path: "Tests/ClusterHarness", swiftSettings: strict),
        .target(
            name: "Chaos",
            dependencies: [
                "ClusterHarness", "LocalMachine", "HistoryChecker", "SeededRandom", "LatchAPI",
                "LatchClient", grpcCore, grpcTransport, nioCore, nioPosix, protobuf,
            ],
            path: "Tests/Chaos/Kit", swiftSettings: strict),
        .executableTarget(
            name: "latchchaos", dependencies: ["Chaos", arguments],
            path: "Tests/Chaos/latchchaos", swiftSettings: strict),
        .executableTarget(
            name: "LatchLoad", dependencies: ["ClusterHarness", "LatchAPI", arguments],
            path: "Tests/Bench/LatchLoad", swiftSettings: strict),
        .testTarget(
            name: "BinaryCodingTests", dependencies: ["BinaryCoding"], swiftSettings: strict),
        .testTarget(
            name: "RaftCoreTests", dependencies: ["RaftCore", "BinaryCoding", "RaftSimulation"],
            exclude: ["Scenarios"],
            swiftSettings: strict),
        .testTarget(
            name: "LatchMachineTests",
            dependencies: ["LatchMachine", "BinaryCoding", "SeededRandom"],
            exclude: ["Scenarios"],
            swiftSettings: strict),
        .testTarget(
            name: "RaftStorageTests",
            dependencies: [
                "RaftStorage", "RaftCore", "FaultyDisk", "SeededRandom",
                product("GRDB", "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PowerCutTests", dependencies: ["FaultyDisk", "RaftStorage", "RaftCore"],
            swiftSettings: strict),
        .testTarget(
            name: "HistoryCheckerTests", dependencies: ["HistoryChecker", "SeededRandom"],
            exclude: ["Histories"], swiftSettings: strict),
        .testTarget(
            name: "PeerTransportTests",
            dependencies: [
                "PeerTransport", "RaftCore", "BinaryCoding", "SeededRandom", "LocalMachine",
                nioCore, nioPosix,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "GRPCEdgeTests",
            dependencies: [
                "GRPCEdge", "CNGHTTP2", nioCore, nioPosix, product("NIOSSL", "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FuzzCorpusTests",
            dependencies: [
                "BinaryCoding", "RaftCore", "LatchMachine", "RaftStorage", "PeerTransport",
                "LatchNode", "GRPCEdge", "LatchAPI", "LatchService", "latchd", nioCore, protobuf,
                logging, product("NIOEmbedded", "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests", dependencies: ["RaftSimulation", "RaftCore", "LatchMachine"],
            exclude: ["Kept.txt"], swiftSettings: strict),
        .testTarget(
            name: "LatchNodeTests",
            dependencies: [
                "LatchNode", "LatchMachine", "BinaryCoding", "PeerTransport", "RaftCore",
                "RaftStorage", nioCore, logging, product("NIOEmbedded", "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LatchServiceTests",
            dependencies: [
                "LatchService", "LatchAPI", "LatchMachine", "LatchNode", "GRPCEdge", nioCore,
                protobuf,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "StatusSiteTests",
            dependencies: [
                "StatusSite", "LatchNode", "LatchMachine", "PeerTransport", "RaftCore",
                "RaftStorage", "LocalMachine", nioCore, nioPosix, logging, product("Yams", "Yams"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LatchctlTests",
            dependencies: [
                "latchctl", "LatchClient", "LatchAPI", "LocalMachine", protobuf, arguments,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LatchClientTests",
            dependencies: [
                "LatchAPI", "LatchClient", "latchctl", "SeededRandom", "GRPCEdge", arguments,
                nioCore, nioPosix, protobuf,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LatchdTests",
            dependencies: [
                "latchd", "LatchNode", "PeerTransport", "RaftCore", "RaftStorage", "SeededRandom",
                "LocalMachine", arguments, logging, nioCore, nioPosix,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "ClusterHarness", "Chaos", "LocalMachine", "SeededRandom", "LatchClient",
                "LatchAPI", grpcCore, grpcTransport, protobuf, arguments, logging,
                product("ServiceLifecycle", "swift-service-lifecycle"),
                // They are run, not imported.
                "latchd", "latchctl",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ChaosTests",
            dependencies: [
                "Chaos", "ClusterHarness", "LocalMachine", "HistoryChecker", nioCore, nioPosix,
            ],
            swiftSettings: strict),
        .testTarget(name: "StructureTests", swiftSettings: strict),
    ]
)
