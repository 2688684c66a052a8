import LatchAPI
import LatchMachine

/// How much of a latch's terms an observer knows: a cursor into the ledger.
struct ObserveProgress: Hashable {
    /// The newest term that the reader knows of; 0 before the first.
    private(set) var newestToken: UInt64
    /// That term, if the reader does not know how it ended.
    private var openToken: UInt64
    /// Nothing was told yet.
    private var isFresh = true
    /// The reader's own position when it began; it may have seen the end of its newest term.
    private let sinceIndex: UInt64

    init(afterToken: UInt64, afterIndex: UInt64) {
        newestToken = afterToken
        openToken = afterToken
        sinceIndex = afterIndex
    }

    /// What is to be told of a ledger: terms that began or ended since the last time.
    mutating func advance(to view: LatchView?) -> (terms: [Latchd_V1_Term], isReset: Bool) {
        let ledger = view?.ledger ?? []
        let isFirst = isFresh
        isFresh = false
        if isFirst, newestToken == 0, sinceIndex == 0 {
            // Only from now on: the past is taken as known.
            note(ledger.last)
            return ([], false)
        }
        // A reader that knows no term but an index has seen what was before the index.
        let knownIndex = isFirst && newestToken == 0 ? sinceIndex : 0
        let isReset =
            ledger.first.map { first in
                first.isFar(from: newestToken) && first.began.index > knownIndex
                    && !(first.term == 1 && newestToken == 0)
            } ?? false
        let news = ledger.filter { record in
            if knownIndex > 0, record.began.index <= knownIndex {
                return record.ended.map { $0.index > knownIndex } ?? false
            }
            if record.fencingToken > newestToken { return true }
            guard record.fencingToken == openToken, let ended = record.ended else { return false }
            return !isFirst || ended.index > sinceIndex
        }
        note(ledger.last)
        return (news.map(Latchd_V1_Term.init), isReset)
    }

    private mutating func note(_ last: TermRecord?) {
        guard let last, last.fencingToken >= newestToken else { return }
        newestToken = last.fencingToken
        openToken = last.ended == nil ? last.fencingToken : 0
    }
}

extension TermRecord {
    /// Whether there may have been terms between the one with this token and this record. There was
    /// none if no number lies between: so a reader that asks for the terms after `token - 1`, in
    /// order to hear of this one again, has missed nothing.
    func isFar(from token: UInt64) -> Bool {
        fencingToken > token && fencingToken - token > 1
    }
}
