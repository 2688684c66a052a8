import Foundation
import LatchClient

/// The JSON forms. 64-bit numbers that may pass 2^53 (fencing tokens) and digests are strings.
func json(_ value: some Encodable, pretty: Bool) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

struct LatchJSON: Encodable {
    let namespace: String
    let name: String
    let term: UInt64
    let holder: String?
    let participants: [String]
    let fencingToken: String?
    /// What the holder published; absent: nothing.
    let value: String?
    let index: UInt64

    init(_ latch: LatchInfo) {
        namespace = latch.namespace
        name = latch.name
        term = latch.term
        holder = latch.holder
        participants = latch.participants
        fencingToken = latch.fencingToken.map(String.init)
        value = latch.value.isEmpty ? nil : latch.value
        index = latch.index
    }
}

struct WatchJSON: Encodable {
    let event: String
    var latch: LatchJSON?
    var reason: String?

    init(_ watchEvent: WatchEvent) {
        switch watchEvent {
        case .state(let latch):
            event = "state"
            self.latch = LatchJSON(latch)
        case .resynchronized:
            event = "resynchronized"
        case .interrupted(let reason):
            event = "interrupted"
            self.reason = reason
        }
    }
}

struct StatusJSON: Encodable {
    struct Node: Encodable {
        let id: UInt32?
        let address: String?
        let reachable: Bool
        let failure: String?
        let version: String?
        let role: String?
        let ready: Bool?
        let uptimeMs: Int64?
        let currentTerm: UInt64?
        let leaderId: UInt32?
        let commitIndex: UInt64?
        let lastApplied: UInt64?
        let lastLogIndex: UInt64?
        let snapshotIndex: UInt64?
        let lag: UInt64?
        let sessions: UInt64?
        let latches: UInt64?
        let stateDigest: String?
        let replication: Replication?
    }

    struct Replication: Encodable {
        let matchIndex: UInt64
        let nextIndex: UInt64
        let state: String
        let lastHeardMs: Int64?
    }

    let cluster: String?
    let health: String
    let leaderId: UInt32?
    let currentTerm: UInt64
    let nodes: [Node]

    init(_ status: ClusterStatus) {
        cluster = status.cluster
        currentTerm = status.currentTerm
        switch status.health {
        case .healthy(let leader): (health, leaderId) = ("healthy", leader)
        case .noQuorum(let leader, _, _): (health, leaderId) = ("no-quorum", leader)
        case .noLeader: (health, leaderId) = ("no-leader", nil)
        case .unreachable: (health, leaderId) = ("unreachable", nil)
        }
        nodes = status.nodes.map { node in
            let member = status.leader?.members.first { $0.id == node.id }
            let own = node.status
            return Node(
                id: node.id, address: node.endpoint?.description, reachable: own != nil,
                failure: node.failure, version: own?.version, role: own?.role.rawValue,
                ready: own?.isReady, uptimeMs: own.map { milliseconds($0.uptime) },
                currentTerm: own?.currentTerm, leaderId: own?.leaderID,
                commitIndex: own?.commitIndex, lastApplied: own?.lastApplied,
                lastLogIndex: own?.lastLogIndex, snapshotIndex: own?.snapshotIndex,
                lag: status.lag(of: node), sessions: own?.sessions, latches: own?.latches,
                stateDigest: own.map { hexadecimal($0.stateDigest) },
                replication: member?.replication.map(Replication.init))
        }
    }
}

extension StatusJSON.Replication {
    init(_ replication: MemberStatus.Replication) {
        matchIndex = replication.matchIndex
        nextIndex = replication.nextIndex
        state = replication.pace.rawValue
        lastHeardMs = replication.sinceHeard.map(milliseconds)
    }
}

/// Four hexadecimal digits, to tell apart what would otherwise have the same name.
func randomDigits() -> Substring { hexadecimal(UInt64.random(in: .min ... .max)).suffix(4) }

/// Sixteen digits.
func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
