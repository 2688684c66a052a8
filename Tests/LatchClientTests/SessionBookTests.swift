import Testing

@testable import LatchClient

@Suite("What a session knows of itself")
struct SessionBookTests {
    private let start = ContinuousClock().now
    private let ttl = Duration.seconds(10)

    private func makeBook() -> SessionBook {
        SessionBook(sessionID: 7, index: 7, ttl: ttl, sentAt: start)
    }

    @Test("the deadline counts from sending the last acknowledged keep-alive, less a margin (L24)")
    func deadline() {
        let margin = Duration.milliseconds(10)
        var book = makeBook()
        #expect(book.deadline == start + ttl - margin)
        book.renewed(sentAt: start + .seconds(3), now: start + .seconds(4))
        #expect(book.deadline == start + .seconds(13) - margin)
        // An older acknowledgement that comes late takes nothing back.
        book.renewed(sentAt: start + .seconds(1), now: start + .seconds(5))
        #expect(book.deadline == start + .seconds(13) - margin)
    }

    @Test("the margin is a thousandth of the TTL, and at least a millisecond")
    func margin() {
        #expect(KeepAliveSchedule.certainLife(ofTTL: .seconds(100)) == .milliseconds(99_900))
        #expect(KeepAliveSchedule.certainLife(ofTTL: .milliseconds(500)) == .milliseconds(499))
        #expect(KeepAliveSchedule.certainLife(ofTTL: .milliseconds(10)) == .milliseconds(9))
    }

    @Test("an acknowledgement that comes at the deadline or later brings nothing back")
    func tooLate() {
        var book = makeBook()
        let deadline = book.deadline
        book.renewed(sentAt: start + .seconds(9), now: deadline)
        #expect(book.deadline == deadline)
        book.renewed(sentAt: start + .seconds(9), now: deadline - .milliseconds(1))
        #expect(book.deadline == deadline + .seconds(9))
    }

    @Test("request ids start at 1 and are shared by all commands (section 4)")
    func requestIDs() {
        var book = makeBook()
        #expect(book.takeRequestID() == 1)
        #expect(book.takeRequestID() == 2)
    }

    @Test("frames are used in order, once (E2), also when a replay repeats them (E4)")
    func frames() {
        var book = makeBook()
        let stream = book.takeRequestID()
        #expect(book.received(stream: stream, responseID: 1, index: 8) == .next)
        #expect(book.received(stream: stream, responseID: 2, index: 9) == .next)
        #expect(book.received(stream: stream, responseID: 1, index: 8) == .duplicate)
        #expect(book.received(stream: stream, responseID: 2, index: 9) == .duplicate)
        #expect(book.received(stream: stream, responseID: 4, index: 11) == .gap)
        #expect(book.received(stream: stream, responseID: 3, index: 10) == .next)
        #expect(book.highestIndex == 10)
        #expect(book.received(stream: stream, responseID: .max, index: 11) == .gap)
    }

    @Test("a keep-alive lists every open stream, and none that was given up (E5)")
    func acknowledgements() {
        var book = makeBook()
        let join = book.takeRequestID()
        let first = book.takeRequestID()
        book.answered(requestID: join, index: 8)
        #expect(book.acknowledgements.isEmpty)
        _ = book.received(stream: first, responseID: 1, index: 9)
        #expect(book.answeredRequestID == first)
        #expect(book.acknowledgements.map(\.stream) == [first])
        book.forget(stream: first)
        let second = book.takeRequestID()
        _ = book.received(stream: second, responseID: 1, index: 10)
        _ = book.received(stream: second, responseID: 2, index: 11)
        #expect(book.acknowledgements.map(\.stream) == [second])
        #expect(book.acknowledgements.map(\.responseID) == [2])
    }

    @Test("an opening that was refused is neither listed nor acknowledged")
    func refusedOpening() {
        var book = makeBook()
        book.answered(requestID: book.takeRequestID(), index: 8)
        let stream = book.takeRequestID()
        _ = book.received(stream: stream, responseID: 1, index: 0)
        book.refused(stream: stream)
        #expect(book.answeredRequestID == 1)
        #expect(book.acknowledgements.isEmpty)
        #expect(book.received(stream: stream, responseID: 1, index: 9) == .next)
    }

    @Test("three nodes can be asked one after the other before a session ends")
    func schedule() {
        for ttl in [Duration.milliseconds(10), .seconds(1), .seconds(10), .seconds(86_400)] {
            let schedule = KeepAliveSchedule(ttl: ttl, longestAttempt: .seconds(2))
            #expect(schedule.period == ttl / 3)
            let life = KeepAliveSchedule.certainLife(ofTTL: ttl)
            #expect(schedule.period + schedule.attemptTimeout * 3 < life)
            #expect(schedule.attemptTimeout <= .seconds(2))
        }
    }
}

@Suite("Place in the queue")
struct QueuePlaceTests {
    @Test("the oldest participant holds; the others count from 2")
    func places() {
        #expect(QueuePlace(of: "a", in: ["a", "b", "c"]) == .holding)
        #expect(QueuePlace(of: "c", in: ["a", "b", "c"]) == .waiting(position: 3))
        #expect(QueuePlace(of: "d", in: ["a", "b", "c"]) == .absent)
        #expect(QueuePlace(of: "a", in: []) == .absent)
        // A second session of the same id stands behind the first.
        #expect(QueuePlace(of: "b", in: ["a", "b", "b"]) == .waiting(position: 2))
    }

    @Test("ids are compared by their bytes, as on the servers")
    func bytes() {
        let composed = "gr\u{FC}n"
        let decomposed = "gru\u{308}n"
        #expect(composed == decomposed)
        #expect(QueuePlace(of: decomposed, in: [composed]) == .absent)
        #expect(QueuePlace(of: decomposed, in: [composed, decomposed]) == .waiting(position: 2))
        #expect(!QueuePlace.isTaken(decomposed, in: [composed, decomposed]))
    }

    @Test("an id that another session has is noticed")
    func taken() {
        #expect(QueuePlace.isTaken("a", in: ["a", "b", "a"]))
        #expect(!QueuePlace.isTaken("b", in: ["a", "b", "a"]))
    }
}

@Suite("Refusals")
struct RefusalTests {
    @Test("every reason is known by its name")
    func reasons() {
        #expect(RefusalReason("unknown-session") == .unknownSession)
        #expect(RefusalReason("no-leader") == .noLeader)
        #expect(RefusalReason("overloaded") == .overloaded)
        #expect(RefusalReason("limit") == .limit)
        #expect(RefusalReason("outcome-unknown") == .outcomeUnknown)
        #expect(RefusalReason("already-acknowledged") == .alreadyAcknowledged)
        #expect(RefusalReason("gap") == .gap)
        #expect(RefusalReason("invalid") == .invalid)
        #expect(RefusalReason("later") == .other("later"))
    }

    @Test("only what may pass is repeated")
    func retries() {
        for reason in [
            RefusalReason.noLeader, .overloaded, .limit, .outcomeUnknown, .other("later"),
        ] {
            #expect(reason.isWorthRetrying)
        }
        for reason in [RefusalReason.unknownSession, .alreadyAcknowledged, .gap, .invalid] {
            #expect(!reason.isWorthRetrying)
        }
    }

    @Test("a limit that the state machine met settles the request id, nothing else does")
    func spentIDs() {
        #expect(RefusalReason.limit.spendsRequestID)
        for reason in [RefusalReason.overloaded, .noLeader, .outcomeUnknown, .gap] {
            #expect(!reason.spendsRequestID)
        }
    }

    @Test("an outcome that is unknown stays unknown, whatever the node says next")
    func unknownOutcome() throws {
        let endpoint = try #require(Endpoint("a:1"))
        var log = AttemptLog()
        log.record(endpoint, .noLeader, "no leader")
        #expect(log.summary(after: .seconds(1)).code == .noLeader)
        log.record(endpoint, .outcomeUnknown, "leadership was lost")
        log.record(endpoint, .noLeader, "no leader")
        let error = log.summary(after: .seconds(1))
        #expect(error.code == .outcomeUnknown)
        #expect(error.attempts.map(\.reason) == ["no leader"])
    }

    @Test("messages are percent-decoded; what is no encoding stays")
    func messages() {
        #expect(percentDecoded("no%20leader%0Afor 5 s") == "no leader\nfor 5 s")
        #expect(percentDecoded("gr%C3%BCn %c3%bc") == "grün ü")
        #expect(percentDecoded("100% %zz %4") == "100% %zz %4")
    }

    @Test("milliseconds round down and saturate")
    func wholeMilliseconds() {
        #expect(milliseconds(.microseconds(1_999)) == 1)
        #expect(milliseconds(.seconds(Int64.max)) == .max)
        #expect(milliseconds(.seconds(Int64.min)) == .min)
    }
}
