import Testing

@testable import LatchClient

private let start = ContinuousClock.now

/// Milliseconds after the beginning of a script.
private func at(_ milliseconds: Int) -> ContinuousClock.Instant {
    start + .milliseconds(milliseconds)
}

private let alive = Lease.Answer.alive(validFor: .milliseconds(1_000))

/// A belief of a session with a TTL of 1 s that was opened at 0: certain until 999.
private func makeBelief() -> Belief {
    Belief(lease: Lease(validFor: .milliseconds(1_000), sentAt: at(0)))
}

@Suite("What a client may believe (D4)")
struct BeliefTests {
    @Test("a grant begins once, and ends at its deadline with no answer from anybody")
    func deadline() {
        var belief = makeBelief()
        #expect(
            belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
                == [.began(token: 7, term: 1)])
        #expect(belief.take(.holding(token: 7, term: 1), index: 7, at: at(20)) == [])
        #expect(belief.holds(7, at: at(998)))
        #expect(!belief.holds(7, at: at(999)))
        #expect(belief.nextMoment == at(600))
        #expect(belief.advance(to: at(600)) == [.jeopardy])
        #expect(belief.nextMoment == at(999))
        #expect(
            belief.advance(to: at(999)) == [.ended(.deadlinePassed), .over(.deadlinePassed)])
        #expect(belief.take(alive, sentAt: at(900), at: at(1_000)) == [])
        #expect(!belief.holds(7, at: at(1_001)))
    }

    @Test("a confirmation counts from sending, not from its arrival")
    func sending() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(belief.take(alive, sentAt: at(300), at: at(900)) == [.jeopardy])
        #expect(belief.lease.deadline == at(1_299))
    }

    @Test("the answer of a stalled beat does not move a later deadline")
    func stalledBeat() {
        var lease = Lease(validFor: .milliseconds(1_000), sentAt: at(0))
        lease.take(alive, sentAt: at(600))
        lease.take(alive, sentAt: at(300))
        #expect(lease.deadline == at(1_599))
        #expect(lease.confirmedAt == at(600))
    }

    @Test("jeopardy shortens nothing, and ends with the next confirmation")
    func jeopardy() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(belief.take(.jeopardy, sentAt: at(300), at: at(350)) == [.jeopardy])
        #expect(belief.holds(7, at: at(998)))
        // Of a beat before the newest confirmation it says nothing.
        #expect(belief.take(alive, sentAt: at(400), at: at(450)) == [.confirmed])
        #expect(belief.take(.jeopardy, sentAt: at(350), at: at(460)) == [])
    }

    @Test("a late confirmation takes back no loss, also when nobody looked in between")
    func lateAnswer() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(
            belief.take(alive, sentAt: at(900), at: at(1_100))
                == [.ended(.deadlinePassed), .over(.deadlinePassed)])
        #expect(belief.end == .deadlinePassed)
    }

    @Test("a place in the queue outlives the deadline; a grant then waits for a confirmation")
    func waiting() {
        var belief = makeBelief()
        #expect(belief.take(.queued(position: 1), index: 5, at: at(10)) == [.queued(position: 1)])
        #expect(belief.advance(to: at(2_000)) == [])
        #expect(belief.take(.holding(token: 9, term: 2), index: 9, at: at(2_100)) == [])
        #expect(!belief.holds(9, at: at(2_100)))
        #expect(
            belief.take(alive, sentAt: at(2_050), at: at(2_200)) == [.began(token: 9, term: 2)])
    }

    @Test("a token that ended never begins again")
    func spent() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(belief.yield(at: at(20)) == [.ended(.handedOver)])
        #expect(belief.take(.holding(token: 7, term: 1), index: 8, at: at(30)) == [])
        #expect(belief.take(.queued(position: 1), index: 9, at: at(40)) == [.queued(position: 1)])
        #expect(
            belief.take(.holding(token: 11, term: 3), index: 11, at: at(50))
                == [.began(token: 11, term: 3)])
    }

    @Test("news of an older index change nothing")
    func oldNews() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(belief.take(.queued(position: 2), index: 5, at: at(20)) == [])
        #expect(belief.holds(7, at: at(30)))
    }

    @Test("who was handed over by an operator waits on")
    func handedOver() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(
            belief.take(.queued(position: 1), index: 8, at: at(20))
                == [.ended(.handedOver), .queued(position: 1)])
    }

    @Test("an eviction and the end of the session are final")
    func final() {
        var evicted = makeBelief()
        _ = evicted.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(
            evicted.take(.out(.evicted), index: 8, at: at(20))
                == [.ended(.evicted), .over(.evicted)])
        #expect(evicted.take(.holding(token: 9, term: 2), index: 9, at: at(30)) == [])
        var lost = makeBelief()
        #expect(lost.take(.lost, sentAt: at(10), at: at(20)) == [.over(.sessionEnded)])
    }
}

@Suite("What a beat shows of a grant (D4)")
struct BeliefHoldingTests {
    private func holding(_ token: UInt64, _ index: UInt64) -> Belief.Holding {
        Belief.Holding(token: token, term: 1, lossReason: .evicted, index: index)
    }

    @Test("a token that the session does not hold any more is over, for the reason that is told")
    func over() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(belief.take(alive, holding(7, 20), sentAt: at(20), at: at(30)) == [])
        #expect(
            belief.take(alive, holding(0, 21), sentAt: at(40), at: at(50)) == [.ended(.evicted)])
        #expect(belief.end == nil)
        // What comes late changes nothing, and the Join stream tells the rest.
        #expect(belief.take(.holding(token: 7, term: 1), index: 22, at: at(60)) == [])
        #expect(belief.take(.out(.evicted), index: 21, at: at(70)) == [.over(.evicted)])
    }

    @Test("what a beat shows of an index before the newest news is old")
    func old() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 9, at: at(10))
        #expect(belief.take(alive, holding(0, 8), sentAt: at(20), at: at(30)) == [])
        #expect(belief.holds(7, at: at(40)))
        _ = belief.take(.queued(position: 1), index: 10, at: at(50))
        #expect(belief.take(alive, holding(7, 9), sentAt: at(60), at: at(70)) == [])
        #expect(belief.held == nil)
    }

    @Test("the place in the queue is told, also by news of an index before the beat's")
    func place() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(
            belief.take(alive, holding(0, 12), sentAt: at(20), at: at(30)) == [.ended(.evicted)])
        #expect(belief.take(.queued(position: 3), index: 9, at: at(40)) == [.queued(position: 3)])
        // And it is not taken back by the next beat.
        #expect(belief.take(alive, holding(0, 13), sentAt: at(50), at: at(60)) == [])
    }

    @Test("a grant begins with the beat that shows it, once")
    func begins() {
        var belief = makeBelief()
        _ = belief.take(.queued(position: 1), index: 5, at: at(10))
        #expect(
            belief.take(alive, holding(8, 9), sentAt: at(20), at: at(30))
                == [.began(token: 8, term: 1)])
        #expect(belief.take(.holding(token: 8, term: 1), index: 8, at: at(40)) == [])
        #expect(belief.take(.queued(position: 1), index: 5, at: at(50)) == [])
        #expect(
            belief.take(alive, holding(11, 12), sentAt: at(60), at: at(70))
                == [.ended(.handedOver), .began(token: 11, term: 1)])
    }

    @Test("a grant that waits for a confirmation, and is over before it comes, never begins")
    func neverBegins() {
        var belief = makeBelief()
        _ = belief.take(.queued(position: 1), index: 5, at: at(10))
        #expect(belief.take(.holding(token: 8, term: 1), index: 8, at: at(1_100)) == [])
        #expect(belief.take(alive, holding(0, 9), sentAt: at(1_050), at: at(1_200)) == [])
        #expect(belief.take(.holding(token: 8, term: 1), index: 8, at: at(1_210)) == [])
    }

    @Test("a grant that comes late, after a beat that shows nothing held since, never begins")
    func grantOfBefore() {
        var belief = makeBelief()
        _ = belief.take(.queued(position: 1), index: 50, at: at(10))
        // It was granted at index 80; an operator handed the latch on at 90.
        #expect(belief.take(alive, holding(0, 100), sentAt: at(20), at: at(30)) == [])
        #expect(belief.take(.holding(token: 8, term: 1), index: 80, at: at(40)) == [])
        #expect(belief.take(alive, holding(8, 80), sentAt: at(15), at: at(45)) == [])
        #expect(belief.held == nil)
        #expect(belief.take(.queued(position: 2), index: 90, at: at(50)) == [.queued(position: 2)])
        #expect(
            belief.take(.holding(token: 12, term: 3), index: 101, at: at(60))
                == [.began(token: 12, term: 3)])
    }

    @Test("after it was given up, no beat brings a token back")
    func yielded() {
        var belief = makeBelief()
        _ = belief.take(.holding(token: 7, term: 1), index: 7, at: at(10))
        #expect(belief.yield(at: at(20)) == [.ended(.handedOver)])
        #expect(belief.take(alive, holding(7, 8), sentAt: at(15), at: at(30)) == [])
        #expect(!belief.holds(7, at: at(30)))
        #expect(belief.resign(.resigned, at: at(40)) == [.over(.resigned)])
        #expect(belief.take(alive, holding(9, 10), sentAt: at(50), at: at(60)) == [])
    }
}

@Suite("When sessions are renewed")
struct BeatBookTests {
    private func schedule(_ milliseconds: Int) -> KeepAliveSchedule {
        KeepAliveSchedule(ttl: .milliseconds(milliseconds), longestAttempt: .seconds(2))
    }

    @Test("one beat renews all sessions that are due soon, each every third of its TTL")
    func together() throws {
        var book = BeatBook()
        book.add(1, schedule: schedule(3_000), confirmedAt: at(0))
        book.add(2, schedule: schedule(3_000), confirmedAt: at(100))
        book.add(3, schedule: schedule(30_000), confirmedAt: at(0))
        #expect(book.nextDue == at(1_000))
        let none = book.takeDue(at: at(999))
        #expect(none == nil)
        let taken = book.takeDue(at: at(1_000))
        let beat = try #require(taken)
        #expect(beat.sessions == [1, 2])
        #expect(beat.sentAt == at(1_000))
        #expect(book.nextDue == at(2_000))
    }

    @Test("a stream without an answer stalls, and what it carried is due at once")
    func stall() throws {
        var book = BeatBook()
        book.add(1, schedule: schedule(3_000), confirmedAt: at(0))
        let taken = book.takeDue(at: at(1_000))
        let beat = try #require(taken)
        #expect(book.stallsAt == at(1_000) + Lease.certainLife(of: .seconds(3)) / 5)
        book.streamEnded(at: at(1_700))
        #expect(book.stallsAt == nil)
        #expect(book.nextDue == at(1_700))
        let late = book.takeAnswered(beat.sequence)
        #expect(late == nil)
    }

    @Test("more than a thousand sessions take several requests")
    func many() {
        var book = BeatBook()
        for key in 1...2_500 {
            book.add(UInt64(key), schedule: schedule(3_000), confirmedAt: at(0))
        }
        var sizes: [Int] = []
        while let beat = book.takeDue(at: at(1_000)) { sizes.append(beat.sessions.count) }
        #expect(sizes == [1_000, 1_000, 500])
    }
}

@Suite("Joining again")
struct RejoinTests {
    @Test("pauses grow, and begin anew after a long stay; after an eviction they are long")
    func pauses() {
        var schedule = RejoinSchedule(policy: .default)
        var pauses: [Duration] = []
        for _ in 0..<4 {
            if let pause = schedule.pause(after: .sessionEnded, random: 0) { pauses.append(pause) }
        }
        #expect(pauses == [50, 100, 200, 400].map { .milliseconds($0) })
        schedule.noteStay(.seconds(60))
        #expect(schedule.pause(after: .sessionEnded, random: 0) == .milliseconds(50))
        #expect(schedule.pause(after: .evicted, random: 0) == .milliseconds(2_500))
        var never = RejoinSchedule(policy: .never)
        #expect(never.pause(after: .evicted, random: 0) == nil)
    }
}

@Suite("An observer's place (A5)")
struct ObserverPlaceTests {
    private typealias Entry = (token: UInt64, hasEnded: Bool, term: UInt64)

    @Test("a term that is open is asked for again, and told again only when it has ended")
    func openTerm() {
        var place = ObserverPlace(afterToken: 0)
        let first = place.take(
            index: 9, terms: [Entry](), isReset: false, current: (token: 8, isHeld: true))
        #expect(first?.terms == [])
        #expect(place.afterToken == 7)
        let again = place.take(
            index: 9, terms: [(8, false, 1)] as [Entry], isReset: false, current: (8, true))
        #expect(again?.terms == [])
        let ended = place.take(
            index: 12, terms: [(8, true, 1), (12, false, 2)] as [Entry], isReset: false,
            current: (12, true))
        #expect(ended?.terms == [1, 2])
        #expect(place.afterToken == 8)
        let old = place.take(
            index: 10, terms: [(8, true, 1)] as [Entry], isReset: false, current: (8, false))
        #expect(old == nil)
    }
}
