/// Sessions in order of the log time at which they may expire. Derived from the sessions: in no
/// snapshot, no digest, and no decision of `apply`.
///
/// Each session stands once, at a time not later than its true one: a renewal moves the session's
/// deadline and leaves the queue alone; the entry moves when its turn comes. So a renewal costs
/// nothing here, and a session that ends takes its entry with it.
struct ExpiryQueue: Sendable {
    struct Candidate: Comparable, Sendable {
        let deadlineMilliseconds: UInt64
        let session: SessionID

        static func < (left: Self, right: Self) -> Bool {
            (left.deadlineMilliseconds, left.session)
                < (right.deadlineMilliseconds, right.session)
        }
    }

    private var candidates = SortedChunks<Candidate>()

    init() {}

    init(_ candidates: [Candidate]) {
        self.candidates = SortedChunks(ascending: candidates.sorted())
    }

    var count: Int { candidates.count }
    var first: Candidate? { candidates.first }

    mutating func insert(_ session: SessionID, deadlineMilliseconds: UInt64) {
        candidates.insert(
            Candidate(deadlineMilliseconds: deadlineMilliseconds, session: session))
    }

    mutating func remove(_ session: SessionID, deadlineMilliseconds: UInt64) {
        candidates.remove(
            Candidate(deadlineMilliseconds: deadlineMilliseconds, session: session))
    }
}
