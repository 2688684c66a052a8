import HistoryChecker
import Testing

@Suite("What the checker cannot decide")
struct UndecidedTests {
    /// Two sessions sent a join that was not answered; a read shows one of them, and only the next
    /// read which.
    private static let ambiguous = """
        1 c1 n1 1ms..2ms open "a" timeout=1s => opened session=5 @5
        2 c2 n1 1ms..2ms open "a" timeout=10ms => opened session=6 @6
        3 c1 n1 3ms..? join "a" session=5 request=1 participant="p"
        4 c2 n1 3ms..? join "a" session=6 request=1 participant="p"
        5 c3 n1 4ms..5ms read "a" => state term=1 holder="p" participants="p" @7
        6 c3 n1 30ms..31ms read "a" => state term=1 @8
        """

    private func reasons(_ text: String, _ budget: Budget) throws -> [String]? {
        guard
            case .undecided(let reasons, let statistics) = HistoryChecker.check(
                try HistoryText.parse(text), budget: budget)
        else { return nil }
        #expect(statistics.undecidedPartitions == 1)
        #expect(statistics.undecidedPerMillion == 1_000_000)
        return reasons
    }

    @Test("with the standard budget the history is decided")
    func decided() throws {
        #expect(try reasons(Self.ambiguous, .standard) == nil)
    }

    @Test("where the replay drops the state that was the right one, it accuses nobody")
    func states() throws {
        let budget = Budget(searchedOperations: nil, possibleStates: 1)
        let reasons = try #require(try reasons(Self.ambiguous, budget))
        #expect(reasons == ["latch \"a\": the replay has more than 1 possible states"])
    }

    @Test("where not every explanation of an answer is tried, nobody is accused")
    func explanations() throws {
        let budget = Budget(explanationTries: 1)
        let reasons = try #require(try reasons(Self.ambiguous, budget))
        #expect(reasons.count == 1 && reasons[0].contains("more than 1 explanations"), "\(reasons)")
    }

    @Test("a search without memory or time left is undecided")
    func search() throws {
        let noMemory = try #require(try reasons(Self.ambiguous, Budget(searchBytes: 0)))
        #expect(noMemory == ["latch \"a\": the search gave up: more than 0 bytes"])
        let noTime = try #require(try reasons(Self.ambiguous, Budget(search: .zero)))
        #expect(noTime == ["latch \"a\": the search gave up: no time left"])
    }

    @Test(
        "with the smallest budgets no history is called bad that brute force calls good",
        arguments: [
            Budget(searchBytes: 3_000, possibleStates: 1), Budget(explanationTries: 3),
            Budget(searchedOperations: nil, possibleStates: 2, explanationTries: 6),
        ])
    func nobodyIsAccused(_ budget: Budget) {
        var undecided = 0
        for seed in 1...1_500 as ClosedRange<UInt64> {
            let history = FlipTests.flipped(
                seed, GeneratedHistory.Extras.allCases[Int(seed % 4)])
            switch HistoryChecker.check(history, budget: budget) {
            case .linearizable: break
            case .undecided: undecided += 1
            case .violation(let report):
                #expect(!BruteForce(history).isGood(), "seed \(seed): \(report)")
            }
        }
        #expect(undecided > 0)
    }
}

@Suite("Calls of unknown outcome by the dozen")
struct ManyUnknownTests {
    /// A session a round: it joins and closes, while a delete stays without an answer.
    private func deletes(rounds: UInt64, takingEffect: (UInt64) -> Bool) -> [ClientOperation] {
        var lines: [String] = []
        var (id, time, term) = (0, 1, 0)
        func add(_ words: String, answer: String? = nil) {
            id += 1
            let times = "\(time)ms..\(answer == nil ? "?" : "\(time + 1)ms")"
            lines.append("\(id) c1 n1 \(times) \(words)" + (answer.map { " => \($0)" } ?? ""))
            time += 2
        }
        for round in 1...rounds {
            let (session, index) = (10 * round, 10 * round)
            add("open \"a\" timeout=1s", answer: "opened session=\(session) @\(index)")
            add("delete \"a\"")
            term += 1
            add(
                "join \"a\" session=\(session) request=1 participant=\"p\"",
                answer: "state term=\(term) holder=\"p\" participants=\"p\" @\(index + 1)")
            if takingEffect(round) { term = 0 }
            add("close \"a\" session=\(session)", answer: "closed")
            add("read \"a\"", answer: "state term=\(term) @\(index + 2)")
        }
        do {
            return try HistoryText.parse(lines.joined(separator: "\n"))
        } catch {
            Issue.record("\(error)")
            return []
        }
    }

    @Test("a hundred deletes of unknown outcome are decided in few states")
    func manyDeletes() {
        let budget = Budget(searchedOperations: nil, possibleStates: 8)
        for take in [1, 3, 1_000] as [UInt64] {
            let history = deletes(rounds: 100) { $0 % take == 0 }
            guard case .linearizable = HistoryChecker.check(history, budget: budget) else {
                Issue.record("every \(take)")
                continue
            }
        }
    }

    @Test("more deletions than deletes that were sent are found, among a hundred")
    func oneTooMany() {
        var history = deletes(rounds: 100) { _ in true }
        let last = history.lastIndex { $0.call == .deleteLatch(latch: "a") }
        if let last { history.remove(at: last) }
        #expect(HistoryChecker.check(history, budget: Budget(searchedOperations: nil)).isViolation)
    }

    /// Twenty holders that nobody saw, of forty sessions that can have been one.
    private func ghosts(term: Int) -> String {
        let opens = (1...40).map {
            """
            \(2 * $0 - 1) c\($0) n1 1ms..2ms open "a" timeout=10ms => opened session=\($0) @\($0)
            \(2 * $0) c\($0) n1 3ms..? join "a" session=\($0) request=1 participant="p\($0)"
            """
        }
        return opens.joined(separator: "\n")
            + "\n81 c0 n1 50ms..51ms read \"a\" => state term=\(term) @41"
    }

    @Test("holders that nobody saw are found, however many")
    func ghosts() throws {
        let good = HistoryChecker.check(try HistoryText.parse(ghosts(term: 20)))
        guard case .linearizable = good else {
            Issue.record("\(good)")
            return
        }
        #expect(HistoryChecker.check(try HistoryText.parse(ghosts(term: 41))).isViolation)
    }
}
