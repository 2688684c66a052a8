/// The newest terms of one latch: who held it, from when to when, and why.
///
/// Invariant: terms follow each other without a gap, and only the last record may be open.
struct Ledger: Sendable {
    /// Records kept for each latch.
    static let kept = 64

    private(set) var records: [TermRecord] = []
    /// The log time from which the next term's gap is counted: the end of the newest term, or the
    /// last sign of life of a holder that expired.
    private(set) var idleSinceMilliseconds: UInt64 = 0
    /// The log time until which a holder that was thrown out may believe that it holds.
    private(set) var believedUntilMilliseconds: UInt64 = 0

    init() {}

    /// Takes what a snapshot kept.
    init(records: [TermRecord], idleSince: UInt64, believedUntil: UInt64) {
        self.records = records
        idleSinceMilliseconds = idleSince
        believedUntilMilliseconds = believedUntil
    }

    /// The ledger of a latch whose past is not known: the term that lasts, if one does.
    init(unknownPastOf latch: LatchState, heldBy owner: SessionID?) {
        guard let holder = latch.holder, let owner else { return }
        let began = TermEdge(
            cause: .joined, index: ReplicatedState.index(ofEntryNumber: latch.fencingToken),
            raftTerm: 0,
            logTimeMilliseconds: 0, wallTimeMilliseconds: 0)
        append(
            TermRecord(
                term: latch.term, fencingToken: latch.fencingToken, holder: holder, session: owner,
                began: began))
    }

    /// A term begins. The one before has ended.
    mutating func begin(
        _ latch: LatchState, holder: String, session: SessionID, _ cause: Cause, at moment: Moment
    ) {
        let now = moment.logTimeMilliseconds
        let isFirst = records.isEmpty
        append(
            TermRecord(
                term: latch.term, fencingToken: latch.fencingToken, holder: holder,
                session: session, began: moment.edge(cause),
                gapMilliseconds: isFirst ? 0 : now.subtractingToZero(idleSinceMilliseconds),
                overlapBoundMilliseconds: believedUntilMilliseconds.subtractingToZero(now)))
    }

    /// The open term ends.
    mutating func end(_ end: TermEnd, at moment: Moment) {
        guard let last = records.indices.last else { return }
        records[last].ended = moment.edge(end.cause)
        records[last].chain = records[last].chained(after: chain(before: last))
        idleSinceMilliseconds = end.idleSinceMilliseconds
        believedUntilMilliseconds = end.believedUntilMilliseconds
    }

    private mutating func append(_ record: TermRecord) {
        var record = record
        record.chain = record.chained(after: chain(before: records.endIndex))
        if records.count >= Self.kept { records.removeFirst(records.count - Self.kept + 1) }
        records.append(record)
    }

    /// What the record at `position` is chained on.
    func chain(before position: Int) -> UInt64 {
        position > 0 ? records[position - 1].chain : RollingDigest().value
    }
}

/// Why a term ends, and what is known of its holder then.
struct TermEnd {
    let cause: Cause
    /// Log time of the holder's last sign of life.
    let idleSinceMilliseconds: UInt64
    /// Until when, in log time, the holder may not know it; 0 if it does, or cannot believe any
    /// more that it holds.
    var believedUntilMilliseconds: UInt64 = 0
}

/// When an entry is applied, as a ledger tells it.
struct Moment {
    let index: UInt64
    let raftTerm: UInt64
    let logTimeMilliseconds: UInt64
    let wallTimeMilliseconds: UInt64
    /// The token of a grant by this entry.
    let token: UInt64

    func edge(_ cause: Cause) -> TermEdge {
        TermEdge(
            cause: cause, index: index, raftTerm: raftTerm,
            logTimeMilliseconds: logTimeMilliseconds, wallTimeMilliseconds: wallTimeMilliseconds)
    }
}

extension TermRecord {
    /// The chain over this record and those before it, whose chain is `previous`.
    func chained(after previous: UInt64) -> UInt64 {
        var digest = RollingDigest(previous)
        digest.fold(term)
        digest.fold(fencingToken)
        digest.fold(holder)
        digest.fold(session)
        digest.fold(began)
        digest.fold(ended != nil)
        if let ended { digest.fold(ended) }
        digest.fold(gapMilliseconds)
        digest.fold(overlapBoundMilliseconds)
        return digest.value
    }
}

extension RollingDigest {
    fileprivate mutating func fold(_ edge: TermEdge) {
        fold(UInt64(edge.cause.rawValue))
        fold(edge.index)
        fold(edge.raftTerm)
        fold(edge.logTimeMilliseconds)
        fold(edge.wallTimeMilliseconds)
    }
}
