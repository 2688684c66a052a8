import RaftCore
import RaftStorage
import Testing

@Suite("Steps that would break Raft's rules are refused and stop the storage")
struct InvalidPersistTests {
    static let steps: [(String, Persist)] = [
        ("the term falls (§5.1)", persist(2) { $0.vote = vote(4) }),
        ("the vote changes within its term (§5.2)", persist(2) { $0.vote = vote(5, for: 3) }),
        ("the vote is taken back", persist(2) { $0.vote = vote(5) }),
        ("a gap in the log", persist(2) { $0.append = [entry(12)] }),
        ("an entry twice", persist(2) { $0.append = [entry(10)] }),
        ("a gap inside", persist(2) { $0.append = [entry(11), entry(13)] }),
        ("an entry of a later term", persist(2) { $0.append = [entry(11, term: 6)] }),
        ("a purge without a snapshot (B33)", persist(2) { $0.purgeThrough = LogIndex(7) }),
        ("an older snapshot", persist(2) { $0.snapshot = snapshot(4) }),
        ("a snapshot beyond the log that keeps it", persist(2) { $0.snapshot = snapshot(20) }),
        ("cutting into the snapshot", persist(2) { $0.truncateFrom = LogIndex(5) }),
        (
            "an absurd index",
            persist(2) {
                $0.snapshot = snapshot(.max); $0.resetsLog = true
            }
        ),
    ]

    @Test("refused, reported once, nothing of it written", arguments: steps)
    func refused(name: String, step: Persist) throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let reports = Reports()
        reports.start(storage)
        let first = persist(1) {
            $0.vote = vote(5, for: 2)
            $0.append = entries(1...10)
            $0.snapshot = snapshot(5)
            $0.purgeThrough = LogIndex(2)
        }
        storage.persist(first)
        try reports.wait(for: 1)
        storage.persist(step)
        storage.persist(persist(3) { $0.vote = vote(6) })
        guard case .invalidPersist(let id, _) = try reports.waitForFailure() else {
            Issue.record("\(name): \(reports.failures)")
            return
        }
        #expect(id == PersistID(2), "\(name)")
        storage.close()
        #expect(reports.failures.count == 1)
        #expect(reports.persisted == [PersistID(1)])
        var model = Model()
        model.apply(first)
        #expect(try read(directory.copyOfData()) == model.state, "\(name)")
    }

    @Test("a truncation below a snapshot that came in the same step is sound (§7, step 6)")
    func truncationUnderNewSnapshot() throws {
        let directory = try TemporaryDirectory()
        try write(
            [
                persist(1) {
                    $0.vote = vote(1); $0.append = entries(1...10)
                }
            ], to: directory)
        try write(
            [
                persist(1) {
                    $0.vote = vote(2)
                    $0.snapshot = snapshot(9, term: 2)
                    $0.truncateFrom = LogIndex(8)
                    $0.append = entries(8...12, term: 2)
                    $0.purgeThrough = LogIndex(7)
                }
            ], to: directory)
        #expect(try read(directory).entries == entries(8...12, term: 2))
    }
}
