import LatchAPI
import LatchMachine
import Testing

@testable import LatchService

@Suite("Beats of a KeepAlive stream")
struct KeepAliveBeatsTests {
    /// A session is renewed in a beat of its own, and nothing more is known of it.
    private func renew(
        _ beats: inout KeepAliveBeats, timeout: UInt64, at milliseconds: UInt64 = 0
    ) {
        let number = beats.begin(1, [1])
        let isInTime = beats.renewed(number, 0, timeout: timeout, at: milliseconds)
        #expect(isInTime)
        beats.settle(number, 0)
    }

    @Test("Beats are answered in order, whatever is decided first; the undecided are in jeopardy")
    func order() {
        var beats = KeepAliveBeats()
        let first = beats.begin(7, [1, 2])
        let second = beats.begin(8, [3])
        _ = beats.renewed(second, 0, timeout: 10_000, at: 0)
        beats.settle(second, 0)
        #expect(beats.takeComplete() == nil)
        beats.settle(first, 0) { $0.state = .lost }
        #expect(beats.takeComplete() == nil)
        beats.giveUp(first)
        let answer = beats.takeComplete()
        #expect(answer?.sequence == 7)
        #expect(answer?.sessions.map(\.state) == [.lost, .jeopardy])
        #expect(beats.takeComplete()?.sessions.first?.validForMs == 9_990)
        // Too late: nothing happens.
        let isInTime = beats.renewed(first, 1, timeout: 10_000, at: 0)
        #expect(!isInTime)
        beats.settle(first, 1) { $0.state = .lost }
        beats.giveUp(second)
        #expect(beats.isEmpty && beats.sessions == 0)
        // An empty beat is complete at once.
        _ = beats.begin(9, [])
        #expect(beats.takeComplete()?.sequence == 9)
    }

    @Test("A renewed session waits to be looked at; if that takes too long it is alive anyway")
    func looking() {
        var beats = KeepAliveBeats()
        let number = beats.begin(1, [4])
        _ = beats.renewed(number, 0, timeout: 10_000, at: 0)
        #expect(beats.takeComplete() == nil)
        beats.giveUp(number)
        let life = beats.takeComplete()?.sessions.first
        #expect(life?.state == .alive)
        #expect(life?.index == 0)
    }

    @Test("A beat waits a fifth of the shortest timeout, within 50 ms and 1 s")
    func patience() {
        var beats = KeepAliveBeats()
        #expect(beats.patienceMilliseconds(at: 0) == 1_000)
        renew(&beats, timeout: 3_000)
        #expect(beats.patienceMilliseconds(at: 0) == 600)
        renew(&beats, timeout: 10)
        #expect(beats.patienceMilliseconds(at: 0) == 50)
    }

    @Test("Once the session of the shortest timeout is not renewed any more, the others count")
    func patienceFollows() {
        var beats = KeepAliveBeats()
        renew(&beats, timeout: 500, at: 100_000)
        for milliseconds in stride(from: UInt64(100_000), through: 112_000, by: 1_000) {
            renew(&beats, timeout: 3_000, at: milliseconds)
            let patience = beats.patienceMilliseconds(at: milliseconds)
            if milliseconds < 105_000 { #expect(patience == 100) }
            if milliseconds >= 110_000 { #expect(patience == 600) }
        }
        #expect(beats.patienceMilliseconds(at: 200_000) == 1_000)
    }
}

@Suite("What a beat tells of a session's grant")
struct SessionHoldingTests {
    private var views = MachineViews()
    private let (one, two): (SessionID, SessionID)

    init() {
        one = views.open()
        two = views.open()
        views.join(one, "a")
        views.join(two, "b")
    }

    private func life(_ session: SessionID) -> Latchd_V1_SessionLife {
        var life = Latchd_V1_SessionLife.alive(session, timeout: 1_000)
        life.show(views.view, index: 99)
        return life
    }

    @Test("The holder's session has the token and the term; one that waits has none, and no cause")
    func holding() {
        #expect(life(one).fencingToken == views.view?.state.fencingToken)
        #expect(life(one).term == 1)
        #expect(life(one).index == 99)
        #expect(life(one).state == .alive)
        #expect(life(two).fencingToken == 0)
        #expect(life(two).term == 0)
        #expect(life(two).cause == .unspecified)
        #expect(life(two).index == 99)
    }

    @Test("Who was thrown out, or handed over, has no token and is told why")
    mutating func over() throws {
        views.apply(.evict(views.name, participant: "a", session: one, fencingToken: 0))
        #expect(life(one).fencingToken == 0)
        #expect(life(one).cause == .evicted)
        views.join(one, "a")
        let token = try #require(views.view?.state.fencingToken)
        #expect(life(two).fencingToken == token)
        views.apply(.handOver(views.name, 0, requestID: 0, fencingToken: token, to: "a"))
        #expect(life(two).cause == .handedOver)
        #expect(life(one).fencingToken > token)
        #expect(life(one).cause == .unspecified)
        views.apply(.deletePrimitive(views.name))
        #expect(life(one).cause == .deleted)
        #expect(life(one).fencingToken == 0)
    }
}
