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
        beats.settle(number, 0, .renewed(timeout: timeout, nil), at: milliseconds)
    }

    @Test("Beats are answered in order, whatever is decided first; the undecided are in jeopardy")
    func order() {
        var beats = KeepAliveBeats()
        let first = beats.begin(7, [1, 2])
        let second = beats.begin(8, [3])
        beats.settle(second, 0, .renewed(timeout: 10_000, nil), at: 0)
        #expect(beats.takeComplete() == nil)
        beats.settle(first, 0, .lost, at: 0)
        #expect(beats.takeComplete() == nil)
        beats.giveUp(first)
        let answer = beats.takeComplete()
        #expect(answer?.sequence == 7)
        #expect(answer?.sessions.map(\.state) == [.lost, .jeopardy])
        #expect(beats.takeComplete()?.sessions.first?.validForMs == 9_990)
        // Too late: nothing happens.
        beats.settle(first, 1, .lost, at: 0)
        beats.giveUp(second)
        #expect(beats.isEmpty && beats.sessions == 0)
        // An empty beat is complete at once.
        _ = beats.begin(9, [])
        #expect(beats.takeComplete()?.sequence == 9)
    }

    @Test("A session of which the cluster cannot say anything stays in jeopardy")
    func unknown() {
        var beats = KeepAliveBeats()
        let number = beats.begin(1, [4, 5])
        beats.settle(number, 0, .unknown, at: 0)
        #expect(beats.takeComplete() == nil)
        beats.settle(number, 1, .renewed(timeout: 10_000, nil), at: 0)
        #expect(beats.takeComplete()?.sessions.map(\.state) == [.jeopardy, .alive])
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

    @Test("A beat tells it of each session that was renewed")
    func beat() throws {
        var beats = KeepAliveBeats()
        let number = beats.begin(1, [one, two])
        for position in 0..<2 {
            beats.settle(number, position, .renewed(timeout: 1_000, views.view), at: 0)
        }
        let lives = beats.takeComplete()?.sessions
        let index = try #require(views.view?.index)
        #expect(lives?.map(\.fencingToken) == [life(one).fencingToken, 0])
        #expect(lives?.map(\.term) == [1, 0])
        #expect(lives?.map(\.index) == [index, index])
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
