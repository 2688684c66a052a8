import DequeModule
import LatchMachine
import RaftCore

/// Who waits for a command's answer.
enum Waiter {
    case reply(any ReplySink)
    case subscriber(any SubscriberSink)
    /// One group of callers for each renewal of the entry, in its order.
    case renewals([[any ReplySink]])
    /// The node itself; nobody is told.
    case node(NodeCommand)
}

/// Commands the node proposes on its own account. They belong to one term and are never proposed
/// again.
enum NodeCommand {
    case leaderElected
    case expiry
    case closeGap
}

/// One command from its acceptance to its answer.
struct PendingCall {
    enum State: Equatable {
        /// In no log: it may still fail as "nothing was done".
        case waiting
        /// Handed to the leader of this term, perhaps in its log.
        case inFlight(Term)
    }

    let number: UInt64
    let encodedCommand: [UInt8]
    let waiter: Waiter
    /// Set for sequenced commands: the session and request id under which a held answer comes.
    let sequence: StreamKey?
    /// Applying it twice is the same as once, so it may be sent again when a link was lost in
    /// between.
    let isRepeatable: Bool
    let deadline: Instant
    var state: State = .waiting
}

/// The commands that this node's clients wait for, by number.
///
/// Invariant: every accepted call is in `calls` until it is answered, and is answered exactly once.
struct CallTable {
    private var calls: [UInt64: PendingCall] = [:]
    /// Numbers in state `waiting`, oldest first; answered ones are skipped when met.
    private var waiting: Deque<UInt64> = []
    /// In order of deadline, since every call gets the same time; answered ones are skipped when
    /// met.
    private var deadlines: Deque<(deadline: Instant, number: UInt64)> = []
    private var nextNumber: UInt64

    /// - Parameter firstNumber: random for each process, so that an entry left by an earlier
    ///   process of this server is never taken for one of this process's.
    init(firstNumber: UInt64) {
        nextNumber = firstNumber
    }

    var count: Int { calls.count }
    var hasWaiting: Bool { !waiting.isEmpty }

    mutating func add(
        _ command: Command, waiter: Waiter, deadline: Instant
    ) {
        let number = nextNumber
        nextNumber &+= 1
        calls[number] = PendingCall(
            number: number, encodedCommand: command.encoded(), waiter: waiter,
            sequence: command.sequence, isRepeatable: command.isRepeatable, deadline: deadline)
        waiting.append(number)
        deadlines.append((deadline, number))
    }

    /// Takes up to `limit` waiting calls, oldest first, and marks them as handed to the leader of
    /// `term`.
    mutating func takeWaiting(
        limit: Int, term: Term, _ body: (PendingCall) -> Void
    ) {
        var taken = 0
        while taken < limit, let number = waiting.popFirst() {
            guard calls[number]?.state == .waiting else { continue }
            calls[number]?.state = .inFlight(term)
            if let call = calls[number] { body(call) }
            taken += 1
        }
    }

    mutating func remove(_ number: UInt64) -> PendingCall? {
        calls.removeValue(forKey: number)
    }

    /// The leader said that it did not append the call: it waits again.
    mutating func requeue(_ number: UInt64) {
        guard calls[number] != nil, calls[number]?.state != .waiting else { return }
        calls[number]?.state = .waiting
        waiting.append(number)
    }

    /// An entry of `term` was applied: a command handed to the leader of an earlier term and not
    /// applied by now never will be (terms only grow along the log, §5.3). Such calls wait again,
    /// the node's own are dropped. Returns the node's own commands that were dropped.
    mutating func requeueLost(before term: Term) -> [NodeCommand] {
        var dropped: [NodeCommand] = []
        for number in calls.keys.sorted() {
            guard let call = calls[number], case .inFlight(let handed) = call.state, handed < term
            else { continue }
            if case .node(let command) = call.waiter {
                calls.removeValue(forKey: number)
                dropped.append(command)
            } else {
                requeue(number)
            }
        }
        return dropped
    }

    /// A link to the leader of `term` is up again: frames on the old one may be lost, so what may
    /// be sent twice is.
    mutating func requeueRepeatable(of term: Term) {
        for number in calls.keys.sorted() {
            guard let call = calls[number], call.isRepeatable, call.state == .inFlight(term) else {
                continue
            }
            requeue(number)
        }
    }

    /// Takes the calls whose deadline has passed.
    mutating func removeExpired(at now: Instant) -> [PendingCall] {
        var expired: [PendingCall] = []
        while let first = deadlines.first, first.deadline <= now || calls[first.number] == nil {
            deadlines.removeFirst()
            if let call = calls.removeValue(forKey: first.number) { expired.append(call) }
        }
        return expired
    }

    /// Takes the calls that were handed to a leader: a snapshot replaced the entries that would
    /// have told their fate.
    mutating func removeInFlight() -> [PendingCall] {
        let found = calls.values.filter { $0.state != .waiting }.sorted { $0.number < $1.number }
        for call in found { calls.removeValue(forKey: call.number) }
        return found
    }

    mutating func removeAll() -> [PendingCall] {
        let all = calls.values.sorted { $0.number < $1.number }
        calls = [:]
        waiting = []
        deadlines = []
        return all
    }
}

extension Command {
    /// The session and request id of a sequenced command (Q1–Q4).
    var sequence: StreamKey? {
        switch self {
        case .latch(_, let session, let requestID, _),
            .openStream(_, let session, let requestID, _):
            requestID == 0 ? nil : StreamKey(session: session, stream: requestID)
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .closeGap,
            .expire:
            nil
        }
    }

    /// Whether applying the command twice has the effect of applying it once.
    var isRepeatable: Bool {
        switch self {
        case .latch, .openStream, .renew, .closeSession, .closeGap: true
        case .leaderElected, .openSession, .deletePrimitive, .expire: false
        }
    }
}
