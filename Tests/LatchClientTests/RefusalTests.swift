import Testing

@testable import LatchClient

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

    @Test("of a call without a request id any attempt that may have done it tells the most")
    func unnumbered() throws {
        let endpoint = try #require(Endpoint("a:1"))
        var log = AttemptLog()
        log.record(endpoint, .unreachable, "the link broke", mayBeDone: true)
        log.record(endpoint, .noLeader, "no leader")
        #expect(log.summary(after: .seconds(1)).code == .noLeader)
        #expect(log.summary(after: .seconds(1), isNumbered: false).code == .outcomeUnknown)
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

@Suite("A watch")
struct WatchTests {
    private func state(_ term: UInt64) -> WatchEvent {
        .state(
            LatchInfo(
                namespace: "n", name: "a", term: term, holder: nil, participants: [],
                fencingToken: nil, index: term))
    }

    @Test("a reader that lags is told so and gets the newest state")
    func lag() async throws {
        let (output, stream) = WatchOutput.make()
        let count = UInt64(WatchOutput.capacity) * 3
        for term in 1...count { output.send(state(term)) }
        output.finish(throwing: nil)
        var events: [WatchEvent] = []
        for try await event in stream { events.append(event) }
        #expect(events.count <= WatchOutput.capacity)
        #expect(events.suffix(2) == [.resynchronized, state(count)])
    }

    @Test("a reader that keeps up gets every event once")
    func order() async throws {
        let (output, stream) = WatchOutput.make()
        let sent = [state(1), .interrupted("x"), .resynchronized, state(2)]
        for event in sent { output.send(event) }
        output.finish(throwing: nil)
        var events: [WatchEvent] = []
        for try await event in stream { events.append(event) }
        #expect(events == sent)
    }

    @Test("once it has begun, only what can never work ends it")
    func patience() {
        for code in [
            LatchError.Code.unreachable, .noLeader, .overloaded, .outcomeUnknown, .refused,
            .sessionLost, .notFound,
        ] {
            #expect(LatchError(code, "").mayPass)
        }
        for code in [LatchError.Code.invalidArgument, .shutDown] {
            #expect(!LatchError(code, "").mayPass)
        }
    }
}
