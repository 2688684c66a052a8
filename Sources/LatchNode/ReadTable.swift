import LatchMachine
import RaftCore

/// One linearizable read that waits.
struct PendingRead {
    let query: ReadQuery
    let sink: any ReplySink
    let deadline: Instant
}

/// Linearizable reads in rounds: all reads that wait when a round begins share its read index
/// (thesis §6.4).
///
/// A read is in exactly one of: `waiting`, an asked round, a granted round, `parked`.
struct ReadTable {
    private struct Round {
        let number: UInt64
        let begun: Instant
        var reads: [PendingRead]
        /// Nil until the leader has confirmed it.
        var index: LogIndex?
    }

    private var waiting: [PendingRead] = []
    private var rounds: [Round] = []
    /// Gets that came before the commands of their session they follow (section 6 of the contract).
    private var parked: [SessionID: [PendingRead]] = [:]
    private var parkedCount = 0
    private var nextNumber: UInt64
    private let maximumRounds = 4

    /// - Parameter firstNumber: random for each process, so that an answer meant for an earlier
    ///   process of this server confirms nothing here.
    init(firstNumber: UInt64) {
        nextNumber = firstNumber
    }

    var count: Int {
        waiting.count + parked.values.reduce(0) { $0 + $1.count }
            + rounds.reduce(0) { $0 + $1.reads.count }
    }
    var isEmpty: Bool { waiting.isEmpty && rounds.isEmpty && parked.isEmpty }
    /// Whether reads wait and another round may begin.
    var canBegin: Bool { !waiting.isEmpty && rounds.count < maximumRounds }

    mutating func add(_ read: PendingRead) {
        waiting.append(read)
    }

    /// Begins a round with every waiting read; returns its number, unique while the process lives.
    mutating func begin(at now: Instant) -> UInt64 {
        let number = nextNumber
        nextNumber &+= 1
        rounds.append(Round(number: number, begun: now, reads: waiting, index: nil))
        waiting = []
        return number
    }

    /// A number for a round on behalf of another node.
    mutating func foreignNumber() -> UInt64 {
        defer { nextNumber &+= 1 }
        return nextNumber
    }

    /// The leader confirmed the round, or (nil) could not: then its reads wait again. An unknown
    /// number is late: ignored.
    mutating func resolve(_ number: UInt64, _ index: LogIndex?) {
        guard let position = rounds.firstIndex(where: { $0.number == number }) else { return }
        if let index {
            rounds[position].index = index
        } else {
            waiting = rounds.remove(at: position).reads + waiting
        }
    }

    /// The leader changed, or the way to it broke: unconfirmed rounds wait again.
    mutating func restartUnconfirmed(begunBefore limit: Instant? = nil) {
        for position in rounds.indices.reversed() where rounds[position].index == nil {
            if let limit, rounds[position].begun > limit { continue }
            waiting = rounds.remove(at: position).reads + waiting
        }
    }

    /// Takes the reads that may be answered now that `lastApplied` is applied, and the parked ones
    /// of the sessions that it touched.
    mutating func takeAnswerable(
        lastApplied: LogIndex, touched: [SessionID]
    ) -> [PendingRead] {
        var answerable: [PendingRead] = []
        if !parked.isEmpty {
            for session in touched {
                guard let reads = parked.removeValue(forKey: session) else { continue }
                parkedCount -= reads.count
                answerable += reads
            }
        }
        while let first = rounds.first, let index = first.index, index <= lastApplied {
            answerable += first.reads
            rounds.removeFirst()
        }
        return answerable
    }

    /// The read came before the commands of `session` that it follows: it waits for them, but not
    /// past `deadline`.
    mutating func park(_ read: PendingRead, for session: SessionID, until deadline: Instant) {
        parkedCount += 1
        parked[session, default: []].append(
            PendingRead(query: read.query, sink: read.sink, deadline: deadline))
    }

    /// The sessions for which reads are parked: all are worth another look after a restore.
    var parkedSessions: [SessionID] { parked.keys.sorted() }

    /// Takes the reads whose deadline has passed; the flag says whether it waited for its session's
    /// commands.
    mutating func removeExpired(at now: Instant) -> [(read: PendingRead, wasParked: Bool)] {
        var expired: [(read: PendingRead, wasParked: Bool)] = []
        func sweep(_ reads: inout [PendingRead], parked: Bool) {
            guard reads.contains(where: { $0.deadline <= now }) else { return }
            expired += reads.filter { $0.deadline <= now }.map { ($0, parked) }
            reads.removeAll { $0.deadline <= now }
        }
        sweep(&waiting, parked: false)
        for session in parked.keys.sorted() {
            var reads = parked[session] ?? []
            sweep(&reads, parked: true)
            parked[session] = reads.isEmpty ? nil : reads
        }
        parkedCount = parked.values.reduce(0) { $0 + $1.count }
        for position in rounds.indices { sweep(&rounds[position].reads, parked: false) }
        rounds.removeAll { $0.reads.isEmpty }
        return expired
    }

    mutating func removeAll() -> [PendingRead] {
        let all =
            parked.keys.sorted().flatMap { parked[$0] ?? [] } + rounds.flatMap(\.reads) + waiting
        waiting = []
        rounds = []
        parked = [:]
        parkedCount = 0
        return all
    }
}
