import LatchAPI
import Synchronization
import Testing

@testable import LatchClient

/// A hold on a cluster that does not answer: no node listens at its only address.
private struct LonelyHold {
    let session: Session
    let core: HoldCore
    let states: AsyncStream<HoldState>
    let calls: Calls

    /// - Parameter read: what reading the latch gives.
    init(ttl: Duration = .seconds(60), first: Atomix_Leader_Latch, read: @escaping HoldCore.Read)
        throws
    {
        var settings = LatchSettings()
        settings.timeout = .milliseconds(200)
        settings.attemptTimeout = .milliseconds(100)
        settings.initialBackoff = .milliseconds(10)
        settings.maximumBackoff = .milliseconds(20)
        calls = Calls(endpoints: [try #require(Endpoint("127.0.0.1:1"))], settings: settings)
        session = Session(
            calls: calls, name: try LatchName(namespace: "n", name: "a"),
            schedule: KeepAliveSchedule(ttl: ttl, longestAttempt: settings.attemptTimeout),
            book: SessionBook(sessionID: 7, index: 7, ttl: ttl, sentAt: ContinuousClock().now))
        let (states, output) = AsyncStream<HoldState>.makeStream()
        self.states = states
        core = HoldCore(
            session: session, participant: "me", first: first, output: output, read: read)
    }
}

private func latch(_ term: UInt64, _ participants: [String]) -> Atomix_Leader_Latch {
    var latch = Atomix_Leader_Latch()
    latch.id = term
    latch.leader = participants.first ?? ""
    latch.participants = participants
    return latch
}

private func answer(_ term: UInt64, _ participants: [String], token: UInt64)
    -> Latchd_V1_GetLatchResponse
{
    var response = Latchd_V1_GetLatchResponse()
    response.latch.state.term = term
    if let holder = participants.first { response.latch.state.holder = holder }
    response.latch.state.participants = participants
    response.latch.state.fencingToken = token
    return response
}

private let interruption = SessionEvent.interrupted(LatchError(.unreachable, "the stream broke"))

private func token(of state: HoldState) -> UInt64? {
    if case .holding(let grant) = state { grant.fencingToken } else { nil }
}

@Suite("A hold", .timeLimit(.minutes(1)))
struct HoldCoreTests {
    @Test("we hold when the token is known, and not before")
    func grant() async throws {
        let hold = try LonelyHold(first: latch(1, ["other", "me"])) {
            answer(2, ["me"], token: 42)
        }
        #expect(await hold.core.take(.began))
        #expect(hold.core.state == .waiting(position: 2, holder: "other"))
        #expect(await hold.core.take(.latch(latch(2, ["me"]), index: 9)))
        #expect(token(of: hold.core.state) == 42)
    }

    @Test(
        "a promotion whose token could not be read because the stream was cut is not lost",
        arguments: [interruption, .moved, .resynchronized])
    func cutPromotion(next: SessionEvent) async throws {
        let isCut = Mutex(false)
        let (reading, started) = AsyncStream<Void>.makeStream()
        let hold = try LonelyHold(first: latch(1, ["other", "me"])) {
            if isCut.withLock({ $0 }) { return answer(2, ["me"], token: 42) }
            started.yield()
            // As a call to a frozen node: it ends by cancellation only.
            try await Task.sleep(for: .seconds(3_600))
            throw CancellationError()
        }
        let core = hold.core
        let carriage = Task { await core.take(.latch(latch(2, ["me"]), index: 9)) }
        for await _ in reading { break }
        isCut.withLock { $0 = true }
        carriage.cancel()
        #expect(await carriage.value)
        #expect(core.state == .waiting(position: 2, holder: "other"))
        // The frame counts as received: only this event is left to complete the grant.
        #expect(await core.take(next))
        #expect(token(of: core.state) == 42)
    }

    @Test("a grant that is over by the time its token is read is none")
    func overtaken() async throws {
        let hold = try LonelyHold(first: latch(2, ["me"])) { answer(3, ["other"], token: 43) }
        #expect(await hold.core.take(.began))
        #expect(token(of: hold.core.state) == nil)
    }

    @Test("after the deadline nothing is held, whatever is acknowledged later")
    func deadline() async throws {
        let hold = try LonelyHold(ttl: .milliseconds(50), first: latch(2, ["me"])) {
            answer(2, ["me"], token: 42)
        }
        _ = await hold.core.take(.began)
        let clock = hold.session.clock
        try await clock.sleep(until: hold.session.deadline)
        #expect(hold.core.state == .lost(.deadlinePassed))
        hold.session.book.withLock { $0.renewed(sentAt: clock.now, now: clock.now) }
        #expect(hold.core.state == .lost(.deadlinePassed))
    }

    @Test("the loss is told while the calls of the session are still being ended")
    func promptLoss() async throws {
        let (gate, open) = AsyncStream<Void>.makeStream()
        let hold = try LonelyHold(ttl: .milliseconds(50), first: latch(2, ["me"])) {
            // A call that takes no notice of cancellation.
            await Task { for await _ in gate { break } }.value
            throw CancellationError()
        }
        let core = hold.core
        let running = Task { await core.run() }
        var last: HoldState?
        for await state in hold.states { last = state }
        #expect(last == .lost(.deadlinePassed))
        open.finish()
        await running.value
        await hold.calls.channels.shutdown()
    }

    @Test("one that was removed ends, and leaving it does not wait for the session")
    func removed() async throws {
        let hold = try LonelyHold(first: latch(2, ["other"])) { answer(2, ["other"], token: 1) }
        let whole = LatchHold(core: hold.core, states: hold.states)
        var last: HoldState?
        for await state in whole.states { last = state }
        #expect(last == .lost(.removed))
        try await whole.leave()
        await hold.calls.channels.shutdown()
    }

    @Test("leaving that failed is tried again, and nothing is held meanwhile")
    func leaveAgain() async throws {
        let hold = try LonelyHold(first: latch(2, ["me"])) { answer(2, ["me"], token: 42) }
        let whole = LatchHold(core: hold.core, states: hold.states)
        let first = await #expect(throws: LatchError.self) { try await whole.leave() }
        #expect(first?.code == .unreachable)
        #expect(whole.state == .left)
        #expect(whole.grant == nil)
        // Another failure than the first: it was tried again.
        await hold.calls.channels.shutdown()
        let second = await #expect(throws: LatchError.self) { try await whole.leave() }
        #expect(second?.code == .shutDown)
        #expect(whole.state == .left)
    }

    @Test("a task that is cancelled leaves all the same")
    func leaveCancelled() async throws {
        let hold = try LonelyHold(first: latch(2, ["me"])) { answer(2, ["me"], token: 42) }
        let whole = LatchHold(core: hold.core, states: hold.states)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await whole.leave()
        }
        // The nodes were asked, in vain: not cancelled before.
        let error = await #expect(throws: LatchError.self) { try await task.value }
        #expect(error?.code == .unreachable)
        await hold.calls.channels.shutdown()
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
        for code in [LatchError.Code.invalidArgument, .participantInUse, .shutDown] {
            #expect(!LatchError(code, "").mayPass)
        }
    }
}
