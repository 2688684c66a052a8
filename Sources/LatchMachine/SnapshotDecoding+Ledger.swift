import BinaryCoding

extension NameTable {
    mutating func readLedger(from reader: inout ByteReader) throws(DecodingFailure) -> Ledger {
        let idleSince = try reader.read(UInt64.self, "idle since")
        let believedUntil = try reader.read(UInt64.self, "believed until")
        let count = try reader.readCount("term records", minimumBytesEach: 86)
        guard count <= Ledger.kept else {
            throw .invalid(field: "term records", reason: "\(count) are more than \(Ledger.kept)")
        }
        var records: [TermRecord] = []
        records.reserveCapacity(count)
        for _ in 0..<count {
            records.append(
                TermRecord(
                    term: try reader.readNumber("term"),
                    fencingToken: try reader.readNumber("token"),
                    holder: try readName(from: &reader),
                    session: try reader.readNumber("session"),
                    began: try reader.readEdge(),
                    ended: try reader.readBool("has ended") ? try reader.readEdge() : nil,
                    gapMilliseconds: try reader.readNumber("gap"),
                    overlapBoundMilliseconds: try reader.readNumber("overlap bound"),
                    chain: try reader.readNumber("chain")))
        }
        return Ledger(records: records, idleSince: idleSince, believedUntil: believedUntil)
    }
}

extension ByteReader {
    fileprivate mutating func readEdge() throws(DecodingFailure) -> TermEdge {
        let raw = try read(UInt8.self, "cause")
        guard let cause = Cause(rawValue: raw) else {
            throw .invalid(field: "cause", reason: "\(raw) is not known")
        }
        return TermEdge(
            cause: cause, index: try readNumber("edge index"),
            raftTerm: try readNumber("Raft term"),
            logTimeMilliseconds: try readNumber("edge log time"),
            wallTimeMilliseconds: try readNumber("edge wall time"))
    }
}

extension Ledger {
    /// Requires that the terms follow each other without a gap and lead to `latch`: the last one is
    /// open if it is held, and is that grant.
    func check(
        against latch: LatchState, heldBy owner: SessionID?, upTo state: ReplicatedState
    ) throws(DecodingFailure) {
        guard idleSinceMilliseconds <= state.time.nowMilliseconds else {
            throw .invalid(field: "idle since", reason: "it is in the future")
        }
        guard let last = records.last else {
            guard latch.holder == nil else {
                throw .invalid(field: "term records", reason: "the holder's is missing")
            }
            return
        }
        guard last.term == latch.term, last.fencingToken == latch.fencingToken,
            (last.ended == nil) == (latch.holder != nil), last.isHeld(in: latch, by: owner)
        else { throw .invalid(field: "term records", reason: "the last is not the latch's term") }
        for position in records.indices { try checkRecord(at: position, upTo: state) }
    }

    private func checkRecord(
        at position: Int, upTo state: ReplicatedState
    ) throws(DecodingFailure) {
        let record = records[position]
        let end = record.ended ?? record.began
        guard record.began.index == ReplicatedState.index(ofEntryNumber: record.fencingToken),
            record.began.precedes(end), end.index <= state.lastApplied,
            end.logTimeMilliseconds <= state.time.nowMilliseconds
        else { throw .invalid(field: "term record", reason: "\(record.term) is out of its time") }
        // What the oldest one was chained on is gone once terms were dropped.
        guard
            records.count >= Self.kept && position == 0
                || record.chain == record.chained(after: chain(before: position))
        else { throw .invalid(field: "term record", reason: "\(record.term) breaks the chain") }
        guard position > 0 else { return }
        let before = records[position - 1]
        guard let ended = before.ended, ended.precedes(record.began),
            record.term == before.term &+ 1, record.fencingToken > before.fencingToken,
            record.began.cause == .joined
                || record.began.cause == ended.cause && record.began.index == ended.index
        else { throw .invalid(field: "term record", reason: "\(record.term) does not follow") }
    }
}

extension TermRecord {
    /// Whether the record's holder is the one that the latch has, if it has one.
    fileprivate func isHeld(in latch: LatchState, by owner: SessionID?) -> Bool {
        guard let current = latch.holder else { return true }
        return holder.hasSameBytes(as: current) && session == owner
    }
}

extension TermEdge {
    fileprivate func precedes(_ other: TermEdge) -> Bool {
        index <= other.index && logTimeMilliseconds <= other.logTimeMilliseconds
    }
}
