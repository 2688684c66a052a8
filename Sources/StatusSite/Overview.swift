import LatchMachine
import LatchNode
import RaftCore

/// What the page shows and asks for once a second: `/api/overview`.
struct Overview: Codable, Sendable {
    /// One member, whether it answers or not.
    struct Member: Codable, Sendable {
        var id: UInt16
        var isSelf: Bool
        var peerAddress: String
        var clientAddress: String
        /// Where its own page is, if that is configured.
        var page: String?
        /// What it says of itself; nil if it could not be asked.
        var node: NodePicture?
    }

    /// One line of the timeline.
    struct Event: Codable, Sendable {
        /// Names the line: a page that has it keeps it.
        var key: String
        /// Milliseconds since 1970; 0 if it is not known.
        var time: UInt64
        /// `server` or `latch`.
        var kind: String
        var text: String
        /// Of a latch's event.
        var namespace: String?
        var name: String?
        var participant: String?
        var cause: String?
        var token: String?
        var gapMs: UInt64?
    }

    var me: UInt16
    var cluster: String
    var version: String
    var time: UInt64
    var members: [Member]
    /// Newest first.
    var events: [Event]

    init(
        _ reading: Reading, own: NodePicture, others: [UInt16: NodePicture],
        _ settings: SiteSettings, _ node: NodeSettings
    ) {
        me = own.id
        cluster = settings.cluster
        version = settings.version
        time = reading.wallMilliseconds
        members = node.members.map { member in
            let isSelf = member.id == node.server
            return Member(
                id: member.id.rawValue, isSelf: isSelf,
                peerAddress: "\(PageAddress(host: member.peerHost, port: member.peerPort))",
                clientAddress: "\(PageAddress(host: member.clientHost, port: member.clientPort))",
                page: settings.pages[member.id].map { "http://\($0)/" },
                node: isSelf ? own : others[member.id.rawValue])
        }
        events = Self.newest(reading)
    }

    private static let eventsShown = 120

    private static func newest(_ reading: Reading) -> [Event] {
        var events = reading.terms.changes.suffix(eventsShown).map(Event.init)
        if let node = reading.node {
            events += node.meters.events.suffix(eventsShown).map { timed in
                let age = (node.nanoseconds &- min(timed.nanoseconds, node.nanoseconds)) / 1_000_000
                return Event(timed, at: reading.wallMilliseconds &- age)
            }
        }
        return Array(events.sorted { ($0.time, $0.key) > ($1.time, $1.key) }.prefix(eventsShown))
    }
}

extension Overview.Event {
    init(_ timed: TimedEvent, at time: UInt64) {
        key = "s\(timed.number)"
        self.time = time
        kind = "server"
        switch timed.event {
        case .leadership(let role, let term, let leader):
            text =
                if role == .leader {
                    "this node leads in term \(term)"
                } else if let leader {
                    "node \(leader) leads in term \(term)"
                } else {
                    "nobody leads in term \(term); this node is a \(role.word)"
                }
        case .linkUp(let peer): text = "link to node \(peer) is up"
        case .linkDown(let peer): text = "link to node \(peer) is down"
        case .snapshotTaken(let index, let bytes):
            text = "took a snapshot of \(bytes) bytes through entry \(index)"
        case .snapshotInstalled(let index, let bytes):
            text = "got the leader's snapshot of \(bytes) bytes through entry \(index)"
        }
    }

    init(_ change: TermMeter.Change) {
        let record = change.record
        let edge = change.isEnd ? record.ended ?? record.began : record.began
        key = "l\(change.number)"
        time = edge.wallTimeMilliseconds
        kind = "latch"
        text =
            change.isEnd
            ? "left empty: the holder \(edge.cause.ending)"
            : edge.cause == .joined
                ? "holds: nobody held it" : "holds: the holder before \(edge.cause.ending)"
        namespace = change.name.namespace
        name = change.name.name
        participant = record.holder
        cause = edge.cause.word
        token = "\(record.fencingToken)"
        if !change.isEnd, edge.cause != .joined { gapMs = record.gapMilliseconds }
    }
}

extension Cause {
    /// What became of the holder, behind "the holder …".
    var ending: String {
        switch self {
        case .joined: "joined"
        case .resigned: "resigned"
        case .closed: "closed its session"
        case .expired: "was not heard in time"
        case .evicted: "was evicted"
        case .handedOver: "handed over"
        case .deleted: "went with the latch"
        case .restored: "ended with a restore"
        }
    }
}
