/// One way in for the bytes of strangers: of a peer, a client, a disk or a configuration file.
///
/// The fuzzer runs these functions with inputs that it invents, the tests with those it has found.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// A frame's type and body.
    case peerFrame
    /// A script for a whole connection of a peer: see ``PeerSession``.
    case peerSession
    /// A message number and the bytes of a gRPC message.
    case clientRequest
    /// The bytes of a client's HTTP/2 connection: see ``HTTP2Connection``.
    case http2
    /// A YAML file.
    case configuration
    /// A snapshot without its checksum, which is added.
    case snapshot
    /// Log records, each after its length, applied one after the other.
    case logRecord
    /// First index, count and bytes of a row of the log.
    case logRun

    /// Runs one input: it may be refused, but must not trap; what is accepted keeps a promise.
    ///
    /// - Throws: The promise that is broken.
    package func run(_ input: [UInt8]) throws(FuzzFinding) {
        switch self {
        case .peerFrame: try fuzzPeerFrame(input)
        case .peerSession: try PeerSession.run(input)
        case .clientRequest: try fuzzClientRequest(input)
        case .http2: try HTTP2Connection.run(input)
        case .configuration: try fuzzConfiguration(input)
        case .snapshot: try fuzzSnapshot(input)
        case .logRecord: try fuzzLogRecords(input)
        case .logRun: try fuzzLogRun(input)
        }
    }

    /// Well-formed inputs to start from.
    package var seeds: [[UInt8]] {
        switch self {
        case .peerFrame: peerFrameSeeds
        case .peerSession: PeerSession.seeds
        case .clientRequest: clientRequestSeeds
        case .http2: HTTP2Connection.seeds
        case .configuration: configurationSeeds
        case .snapshot: snapshotSeeds
        case .logRecord: logRecordSeeds
        case .logRun: logRunSeeds
        }
    }
}

/// A broken promise, in words.
package struct FuzzFinding: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// Takes an input apart; what is missing reads as zero.
struct InputReader {
    private var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) { rest = input[...] }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value {
        var value: Value = 0
        for _ in 0..<(Value.bitWidth / 8) { value = value << 8 | Value(truncatingIfNeeded: byte()) }
        return value
    }

    /// At most `count` bytes.
    mutating func bytes(_ count: Int) -> [UInt8] {
        let part = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
        return part
    }

    mutating func remaining() -> [UInt8] { bytes(rest.count) }
}

/// The big-endian bytes of a number.
func bigEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
