/// What a target of `Sources/` may depend on: the table of `Docs/Architecture.md`, executable.
struct TargetRule: Sendable {
    let name: String
    /// Targets of this package.
    let targets: Set<String>
    /// Products of other packages.
    var products: Set<String> = []
    /// No I/O, no clock, no randomness of its own, no module of the system.
    var isPure = false

    /// All modules that its files may import.
    var modules: Set<String> {
        let foreign = products.flatMap { TargetRules.modulesOfProducts[$0] ?? [$0] }
        return targets.union(foreign).union(isPure ? [] : TargetRules.systemModules)
    }
}

enum TargetRules {
    static let all = [
        TargetRule(name: "BinaryCoding", targets: [], isPure: true),
        TargetRule(name: "RaftCore", targets: ["BinaryCoding"], isPure: true),
        TargetRule(
            name: "LatchMachine", targets: ["BinaryCoding"],
            products: ["DequeModule", "HashTreeCollections"], isPure: true),
        TargetRule(name: "RaftStorage", targets: ["BinaryCoding", "RaftCore"], products: ["GRDB"]),
        TargetRule(name: "Listening", targets: [], products: ["NIOCore", "NIOPosix"]),
        TargetRule(
            name: "PeerTransport", targets: ["BinaryCoding", "RaftCore", "Listening"],
            products: ["NIOCore", "NIOPosix"]),
        TargetRule(name: "CNGHTTP2", targets: []),
        TargetRule(
            name: "GRPCEdge", targets: ["CNGHTTP2", "Listening"],
            products: ["NIOCore", "NIOPosix", "NIOSSL"]),
        TargetRule(
            name: "LatchNode",
            targets: ["BinaryCoding", "RaftCore", "LatchMachine", "RaftStorage", "PeerTransport"],
            products: ["NIOCore", "NIOPosix", "Logging", "DequeModule", "HeapModule"]),
        TargetRule(name: "LatchAPI", targets: [], products: ["SwiftProtobuf"]),
        TargetRule(
            name: "LatchService",
            targets: ["LatchAPI", "LatchNode", "LatchMachine", "RaftCore", "GRPCEdge"],
            products: ["NIOCore", "SwiftProtobuf"]),
        TargetRule(
            name: "StatusSite", targets: ["LatchNode", "LatchMachine", "RaftCore"],
            products: ["NIOCore", "NIOPosix", "NIOHTTP1", "HTTPTypes", "Logging", "Hummingbird"]),
        TargetRule(
            name: "LatchClient", targets: ["LatchAPI"],
            products: [
                "GRPCCore", "GRPCNIOTransportHTTP2Posix", "GRPCProtobuf", "SwiftProtobuf",
                "ServiceLifecycle",
            ]),
        TargetRule(name: "CProcess", targets: []),
        TargetRule(
            name: "latchctl", targets: ["LatchClient", "LatchAPI", "CProcess"],
            products: ["ArgumentParser"]),
        TargetRule(
            name: "latchd",
            targets: [
                "RaftCore", "RaftStorage", "PeerTransport", "LatchMachine", "LatchNode",
                "LatchService",
                "GRPCEdge", "StatusSite",
            ],
            products: [
                "ArgumentParser", "Logging", "NIOCore", "NIOPosix", "Yams", "ServiceLifecycle",
                "UnixSignals",
            ]),
    ]

    static func rule(for target: String) -> TargetRule? { all.first { $0.name == target } }

    static let systemModules: Set<String> = [
        "Foundation", "FoundationEssentials", "Dispatch", "Synchronization", "Glibc", "Musl",
        "Darwin",
    ]

    /// Products whose modules have other names, or more than one.
    static let modulesOfProducts = ["GRDB": ["GRDB", "GRDBSQLite"]]

    /// Words that a pure target's code does not contain, with the reason. Regular expressions.
    static let forbiddenInPureTargets: [(pattern: String, reason: String)] = [
        (#"\b(async|await|actor|Task|TaskGroup|AsyncStream)\b"#, "nothing in the middle waits"),
        (
            #"\b(ContinuousClock|SuspendingClock|Date|DispatchTime|clock_gettime)\b"#,
            "time is an argument"
        ),
        (
            #"\bSystemRandomNumberGenerator\b|\.random\((?!.*using:)|\.shuffled\(\)|\.randomElement\(\)"#,
            "randomness comes from the seeded generator"
        ),
        (#"\bhashValue\b"#, "hashes differ between processes"),
        (#"\b(Double|Float|UUID|Locale)\b"#, "results differ between machines"),
        (#"\bSet<"#, "a set has no order; use a sorted array"),
        (
            #"\.(keys|values)\b(?!\.(sorted|count|isEmpty|contains))"#,
            "hash order is no order; sort first"
        ),
        (#"\b(print|debugPrint|fatalError|NSLog)\("#, "the core decides, the host speaks"),
        (#"\b(DispatchQueue|NSLock|Mutex|Atomic)\b"#, "one owner, no locks"),
    ]
}
