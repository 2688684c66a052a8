import DequeModule
import LatchMachine
import RaftCore

/// Who waits for a command's answer.
enum Waiter {
    case reply(any ReplySink)
    case subscriber(any SubscriberSink)
    /// The renewals of the entry, with a group of callers for each.
    case renewals(RenewalBuffer.Batch)
    /// A command of the node itself.
    case nobody
}

/// One command from its acceptance to its answer.
struct PendingCall {
    enum State: Equatable {
        /// Not with any leader, as far as is known.
        case waiting
        /// Handed to the leader of this term, perhaps in its log.
        case inFlight(Term)
    }

    let number: UInt64
    let encodedCommand: [UInt8]
    let waiter: Waiter
    /// Set for sequenced commands: the session and request id under which a held answer comes.
    let sequence: StreamKey?
    /// Applying it twice is the same as once, so it may be sent again when a link was lost.
    let isRepeatable: Bool
    let deadline: Instant
    var state: State = .waiting
    /// It was handed to the leader of this term over a link that broke: a copy may be in the log.
    var doubtfulTerm: Term?

    var mayBeInLog: Bool { doubtfulTerm != nil }
}

/// The commands that this node's clients wait for, by number.
///
/// Invariant: every accepted call is in `calls` until it is answered, and is answered exactly once.
struct CallTable {
    private var calls: [UInt64: PendingCall] = [:]
    /// Numbers in state `waiting`, oldest first; answered ones are skipped when met.
    private var waiting: Deque<UInt64> = []
    /// In order of deadline, since every call gets the same time; answered ones are skipped.
    private var deadlines: Deque<(deadline: Instant, number: UInt64)> = []
    private var nextNumber: UInt64

    /// - Parameter firstNumber: random for each process, so that an entry left by an earlier
    ///   process of this server is never taken for one of this process's.
    init(firstNumber: UInt64) {
        nextNumber = firstNumber
    }

    var count: Int { calls.count }
    var hasWaiting: Bool { !waiting.isEmpty }

    /// A number that no other command of this process has.
    mutating func takeNumber() -> UInt64 {
        defer { nextNumber &+= 1 }
        return nextNumber
    }

    mutating func add(_ command: Command, waiter: Waiter, deadline: Instant) {
        let number = takeNumber()
        calls[number] = PendingCall(
            number: number, encodedCommand: command.encoded(), waiter: waiter,
            sequence: command.sequence, isRepeatable: command.isRepeatable, deadline: deadline)
        waiting.append(number)
        deadlines.append((deadline, number))
    }

    /// Takes waiting calls, oldest first, up to `limit` of them and about `bytes` of commands, and
    /// marks them as handed to the leader of `term`.
    mutating func takeWaiting(
        limit: Int, bytes: Int, term: Term, _ body: (PendingCall) -> Void
    ) {
        var (taken, size) = (0, 0)
        while taken < limit, size < bytes, let number = waiting.popFirst() {
            guard calls[number]?.state == .waiting else { continue }
            calls[number]?.state = .inFlight(term)
            guard let call = calls[number] else { continue }
            body(call)
            taken += 1
            size += call.encodedCommand.count
        }
    }

    func contains(_ number: UInt64) -> Bool { calls[number] != nil }

    mutating func remove(_ number: UInt64) -> PendingCall? {
        calls.removeValue(forKey: number)
    }

    /// Takes the call if it is with the leader of `term`.
    mutating func remove(_ number: UInt64, handedIn term: Term) -> PendingCall? {
        calls[number]?.state == .inFlight(term) ? calls.removeValue(forKey: number) : nil
    }

    /// The leader of `term` did not append the call: it waits again. A call that was handed on to
    /// another term's leader since then is not meant.
    mutating func requeue(_ number: UInt64, handedIn term: Term) {
        guard calls[number]?.state == .inFlight(term) else { return }
        calls[number]?.state = .waiting
        waiting.append(number)
    }

    /// An entry of `term` was applied: a command handed to the leader of an earlier term and not
    /// applied by now never will be (terms only grow along the log, §5.3). Such calls wait again.
    mutating func requeueLost(before term: Term) {
        for number in calls.keys.sorted() {
            guard let call = calls[number] else { continue }
            if let doubtful = call.doubtfulTerm, doubtful < term {
                calls[number]?.doubtfulTerm = nil
            }
            if case .inFlight(let handed) = call.state, handed < term {
                requeue(number, handedIn: handed)
            }
        }
    }

    /// A link to the leader of `term` is up again: frames on the old one may be lost, so what may
    /// be sent twice is.
    mutating func requeueRepeatable(of term: Term) {
        for number in calls.keys.sorted() {
            guard let call = calls[number], call.isRepeatable, call.state == .inFlight(term)
            else { continue }
            calls[number]?.doubtfulTerm = term
            requeue(number, handedIn: term)
        }
    }

    /// Takes the calls whose deadline has passed.
    mutating func removeExpired(at now: Instant) -> [PendingCall] {
        var expired: [PendingCall] = []
        while let first = deadlines.first, first.deadline <= now || calls[first.number] == nil {
            deadlines.removeFirst()
            if let call = calls.removeValue(forKey: first.number) { expired.append(call) }
        }
        if waiting.count > 2 * calls.count + 64 {
            let alive = calls
            waiting.removeAll { alive[$0]?.state != .waiting }
        }
        return expired
    }

    /// Takes the calls that were handed to a leader: a snapshot replaced the entries that would
    /// have told their fate.
    mutating func removeInFlight() -> [PendingCall] {
        let found = calls.values.filter { $0.state != .waiting || $0.mayBeInLog }
        for call in found { calls.removeValue(forKey: call.number) }
        return found.sorted { $0.number < $1.number }
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
            .openStream(_, let session, let requestID, _),
            .leave(_, let session, let requestID, _),
            .handOver(_, let session, let requestID, _, _),
            .publish(_, let session, let requestID, _, _):
            requestID == 0 ? nil : StreamKey(session: session, stream: requestID)
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .closeGap,
            .expire, .evict:
            nil
        }
    }

    /// Whether applying the command twice has the effect of applying it once, and the first answer
    /// holds. Not so without a request id: the first copy of a join may be refused, for a latch
    /// that is full, and the second join. With one, only ``Rejection/tooManyHeld`` is not final.
    var isRepeatable: Bool {
        switch self {
        case .latch(_, _, let requestID, _), .leave(_, _, let requestID, _),
            .handOver(_, _, let requestID, _, _), .publish(_, _, let requestID, _, _):
            requestID > 0
        case .openStream, .renew, .closeSession, .closeGap: true
        case .leaderElected, .openSession, .deletePrimitive, .expire, .evict: false
        }
    }
}
