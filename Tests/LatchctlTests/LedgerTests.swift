import Foundation
import LatchAPI
import SwiftProtobuf
import Testing

@testable import LatchClient
@testable import latchctl

/// A term from `began` to `ended`, in seconds since 1970.
private func term(
    _ number: UInt64, _ holder: String, _ cause: Latchd_V1_Cause, at began: UInt64,
    ended: (cause: Latchd_V1_Cause, at: UInt64)? = nil, gap: UInt64 = 0, overlap: UInt64 = 0
) -> LatchTerm {
    LatchTerm(
        Latchd_V1_Term.with {
            $0.term = number
            $0.fencingToken = 65_590 + number
            $0.holder = holder
            $0.began = edge(cause, began)
            if let ended { $0.ended = edge(ended.cause, ended.at) }
            $0.gapMs = gap
            $0.overlapBoundMs = overlap
        })
}

private func edge(_ cause: Latchd_V1_Cause, _ seconds: UInt64) -> Latchd_V1_TermEdge {
    .with {
        $0.cause = cause
        $0.wallTimeMs = seconds * 1_000
        $0.raftTerm = 3
    }
}

private func latch(_ participants: [String]) -> LatchInfo {
    LatchInfo(
        namespace: "default", name: "payments", term: 2, holder: participants.first,
        participants: participants, fencingToken: 65_592, index: 9)
}

@Suite("The ledger in words (D5)")
struct LedgerTests {
    private let now = WallTime(sinceEpoch: .seconds(1_000_120))

    @Test("why: who holds it, since when, because of what, after how long without anybody")
    func expired() {
        let terms = [
            term(1, "worker-1", .joined, at: 999_000, ended: (.expired, 1_000_000)),
            term(2, "worker-2", .expired, at: 1_000_000, gap: 5_100),
        ]
        let text = whyText("payments", terms, latch(["worker-2", "worker-3"]), now: now)
        #expect(text.contains("worker-2 holds payments since "), "\(text)")
        #expect(text.contains("(2 m 0 s), token 65592"), "\(text)")
        #expect(text.contains("worker-1's session was not renewed in time"), "\(text)")
        #expect(text.contains("nobody held it for 5.1 s of the cluster's time"), "\(text)")
        #expect(text.contains("Next in line: worker-3."), "\(text)")
    }

    @Test("why: the first holder, an eviction with its overlap, an empty latch, no holder yet")
    func others() {
        let first = [term(1, "a", .joined, at: 1_000_000)]
        #expect(whyText("x", first, latch(["a"]), now: now).contains("first to join"))
        let evicted = [
            term(1, "a", .joined, at: 999_000, ended: (.evicted, 1_000_000)),
            term(2, "b", .evicted, at: 1_000_000, overlap: 2_500),
        ]
        let text = whyText("x", evicted, latch(["b"]), now: now)
        #expect(text.contains("an operator took a out"), "\(text)")
        #expect(text.contains("up to 2.5 s"), "\(text)")
        let free = whyText("x", Array(evicted.prefix(1)), nil, now: now)
        #expect(free.contains("Nobody holds x") && free.contains("a held it last"), "\(free)")
        #expect(whyText("x", [], nil, now: now) == "Nobody has held x yet.")
    }

    @Test("every cause has words", arguments: 0...8)
    func causes(number: Int) throws {
        let cause = try #require(Latchd_V1_Cause(rawValue: number))
        let terms = [
            term(1, "a", .joined, at: 999_000, ended: (cause, 1_000_000)),
            term(2, "b", cause, at: 1_000_000),
        ]
        #expect(whyText("x", terms, nil, now: now).contains("because "))
        #expect(!historyText(terms, isTruncated: false, now: now).isEmpty)
    }

    @Test("history: one line a term, the open one until now; JSON keeps large numbers as text")
    func history() throws {
        let terms = [
            term(1, "a", .joined, at: 1_000_000, ended: (.resigned, 1_000_060)),
            term(2, "b", .handedOver, at: 1_000_060, overlap: 40),
        ]
        let lines = historyText(terms, isTruncated: true, now: now).split(separator: "\n")
        #expect(lines.count == 4 && lines[0] == "(older terms are not shown)")
        #expect(lines[2].contains("1 m 0 s") && lines[2].contains("resigned"))
        #expect(lines[3].contains("now") && lines[3].contains("handed over"))
        #expect(lines[3].contains("≤ 40 ms"))
        let output = HistoryJSON(
            namespace: "n", name: "x", terms: terms, isTruncated: true, index: 7)
        let text = try json(output, pretty: false)
        #expect(text.contains(#""fencing_token":"65592""#), "\(text)")
        #expect(text.contains(#""cause":"handed-over""#), "\(text)")
    }

    @Test("queue: places, sessions, who holds")
    func queue() {
        let text = queueText(
            LatchInfo(
                namespace: "n", name: "x", term: 1, holder: "a", participants: ["a", "b"],
                fencingToken: 7, sessionIDs: [11, 12], index: 1))
        let lines = text.split(separator: "\n")
        #expect(lines.count == 3, "\(text)")
        #expect(lines[1].contains("11") && lines[1].contains("holds, token 7"))
        #expect(lines[2].contains("12") && lines[2].contains("waits"))
    }
}

@Suite("What doctor makes of its figures (D11)")
struct DiagnosisTests {
    private func spread(_ milliseconds: Int) -> Spread? { Spread([.milliseconds(milliseconds)]) }

    @Test("the slower the writes, the worse for a TTL")
    func writes() {
        func level(_ milliseconds: Int) -> Diagnosis.Level {
            Diagnosis(ttl: .seconds(9), renewal: spread(milliseconds), disk: nil).worst
        }
        #expect(level(10) == .good)
        #expect(level(1_100) == .warning)
        #expect(level(3_100) == .bad)
    }

    @Test("a slow disk is bad for a node, a short TTL deserves a warning")
    func others() {
        #expect(Diagnosis(ttl: .seconds(10), renewal: nil, disk: spread(80)).worst == .bad)
        #expect(Diagnosis(ttl: .seconds(10), renewal: nil, disk: spread(2)).worst == .good)
        #expect(Diagnosis(ttl: .seconds(1), renewal: nil, disk: nil).worst == .warning)
    }

    @Test("the bounds: TTL and a tick; with an election, that and the grace too")
    func bounds() {
        let diagnosis = Diagnosis(ttl: .seconds(10), renewal: nil, disk: nil)
        #expect(diagnosis.takeoverBound == .milliseconds(10_100))
        #expect(diagnosis.takeoverBoundWithElection == .milliseconds(13_300))
    }

    @Test("the figures of a distribution")
    func spreads() {
        let spread = Spread((1...100).map { .milliseconds($0) })
        #expect(spread?.p50Us == 51_000 && spread?.p99Us == 100_000 && spread?.maxUs == 100_000)
        #expect(Spread([]) == nil)
        #expect(Spread.text(1_449) == "1.4 ms" && Spread.text(51) == "0.1 ms")
    }

    @Test("a directory that cannot be written is told, not hung on")
    func disk() throws {
        #expect(throws: RunFailure.self) { try DiskProbe(folder: "/proc/1", count: 1) }
        try #expect(DiskProbe(folder: NSTemporaryDirectory(), count: 3).samples.count == 3)
    }
}
