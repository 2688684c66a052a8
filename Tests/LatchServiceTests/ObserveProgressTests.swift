import LatchAPI
import LatchMachine
import Testing

@testable import LatchService

@Suite("What Observe tells of terms")
struct ObserveProgressTests {
    private var views = MachineViews()

    /// A session joins and leaves again: one term, begun and ended.
    private mutating func pass(_ count: Int) {
        let session = views.open()
        for number in 0..<count {
            views.join(session, "p\(number)")
            views.apply(.leave(views.name, session, requestID: 0, participant: "p\(number)"))
        }
    }

    @Test("Without a token only what happens from now on is told, also the end of an open term")
    mutating func fromNowOn() {
        pass(3)
        let session = views.open()
        views.join(session, "open")
        var progress = ObserveProgress(afterToken: 0, afterIndex: 0)
        let first = progress.advance(to: views.view)
        #expect(first.terms.isEmpty && !first.isReset)
        views.apply(.leave(views.name, session, requestID: 0, participant: "open"))
        views.join(session, "next")
        let second = progress.advance(to: views.view)
        #expect(second.terms.map(\.holder) == ["open", "next"])
        #expect(second.terms[0].hasEnded && !second.terms[1].hasEnded)
        #expect(progress.advance(to: views.view).terms.isEmpty)
    }

    @Test("With a token the terms after it follow, none left out however late the reader is")
    mutating func resume() throws {
        pass(5)
        let token = try #require(views.view?.ledger[1].fencingToken)
        let index = try #require(views.view?.ledger[1].ended?.index)
        var progress = ObserveProgress(afterToken: token, afterIndex: index)
        let told = progress.advance(to: views.view)
        #expect(told.terms.map(\.holder) == ["p2", "p3", "p4"])
        #expect(!told.isReset)
    }

    @Test("A reader that saw the latch when nobody had held it misses no term either")
    mutating func resumeWithoutToken() throws {
        let before = views.open()
        let index = try #require(views.view?.index)
        pass(2)
        var progress = ObserveProgress(afterToken: 0, afterIndex: index)
        let told = progress.advance(to: views.view)
        #expect(told.terms.map(\.holder) == ["p0", "p1"])
        #expect(!told.isReset)
        var later = ObserveProgress(
            afterToken: 0, afterIndex: try #require(told.terms.first?.ended.index))
        #expect(later.advance(to: views.view).terms.map(\.holder) == ["p1"])
        #expect(before > 0)
    }

    @Test("A reader that left while its newest term was open is told its end")
    mutating func openTerm() throws {
        let session = views.open()
        views.join(session, "a")
        let view = try #require(views.view)
        views.apply(.leave(views.name, session, requestID: 0, participant: "a"))
        var progress = ObserveProgress(
            afterToken: view.state.fencingToken, afterIndex: view.index)
        #expect(progress.advance(to: views.view).terms.map(\.hasEnded) == [true])
        var later = ObserveProgress(
            afterToken: view.state.fencingToken, afterIndex: view.index + 1)
        #expect(later.advance(to: views.view).terms.isEmpty)
    }

    @Test("Terms that are no longer kept are a reset; history says truncated")
    mutating func reset() throws {
        pass(2)
        let token = try #require(views.view?.ledger.last?.fencingToken)
        var progress = ObserveProgress(afterToken: token, afterIndex: 0)
        _ = progress.advance(to: views.view)
        pass(65)
        #expect(views.view?.lacksTerms(after: token) == true)
        let told = progress.advance(to: views.view)
        #expect(told.isReset)
        #expect(told.terms.count == 64)
        let next = try #require(views.view?.ledger.first?.fencingToken)
        #expect(views.view?.lacksTerms(after: next) == false)
        #expect(!progress.advance(to: views.view).isReset)
    }

    @Test("A reader that asks for its open term again, by the number before, has missed nothing")
    mutating func openTermAgain() throws {
        let session = views.open()
        views.join(session, "a")
        let view = try #require(views.view)
        let before = view.state.fencingToken - 1
        let fresh = ObserveProgress(afterToken: before, afterIndex: view.index)
        // It is the first one that is kept: of a new latch, and later of 64.
        var progress = fresh
        let again = progress.advance(to: views.view)
        #expect(again.terms.map(\.holder) == ["a"])
        #expect(!again.isReset)
        views.apply(.leave(views.name, session, requestID: 0, participant: "a"))
        pass(63)
        #expect(views.view?.ledger.first?.fencingToken == view.state.fencingToken)
        #expect(views.view?.lacksTerms(after: before) == false)
        progress = fresh
        let late = progress.advance(to: views.view)
        #expect(late.terms.count == 64)
        #expect(!late.isReset)
        pass(1)
        #expect(views.view?.lacksTerms(after: before) == true)
        progress = fresh
        #expect(progress.advance(to: views.view).isReset)
    }

    @Test("A latch that is deleted and made anew resets a reader that knew the old one")
    mutating func deleted() {
        pass(2)
        var progress = ObserveProgress(afterToken: 0, afterIndex: 0)
        _ = progress.advance(to: views.view)
        views.apply(.deletePrimitive(views.name))
        #expect(progress.advance(to: views.view).terms.isEmpty)
        pass(1)
        let told = progress.advance(to: views.view)
        #expect(told.isReset)
        #expect(told.terms.count == 1)
    }

    @Test("An observer that came before the first term is told it, without a reset")
    mutating func early() {
        var progress = ObserveProgress(afterToken: 0, afterIndex: 0)
        #expect(progress.advance(to: nil).terms.isEmpty)
        pass(1)
        let told = progress.advance(to: views.view)
        #expect(!told.isReset)
        #expect(told.terms.count == 1)
    }
}
