/// What a client may believe about its participation in one latch: a session's ``Lease`` and the
/// news of where the participant stands. Pure: time is an argument.
///
/// To hold is a pair of token and deadline. Each token begins once and ends once; it never begins
/// when its lease is no longer certain, nor again after it ended.
package struct Belief: Sendable {
    package typealias Instant = ContinuousClock.Instant

    /// Where the participant stands, as a node says.
    package enum News: Hashable, Sendable {
        /// Behind `position` others.
        case queued(position: Int)
        /// In charge under this token.
        case holding(token: UInt64, term: UInt64)
        /// Out of the latch for good.
        case out(LossReason)
    }

    /// What the answer to a beat shows beside the life of the session: whether it holds its latch.
    package struct Holding: Hashable, Sendable {
        /// 0: it holds nothing.
        package let token: UInt64
        package let term: UInt64
        /// Why its last token is over, if it holds none.
        package let lossReason: LossReason
        /// The log index that shows it.
        package let index: UInt64

        package init(token: UInt64, term: UInt64, lossReason: LossReason, index: UInt64) {
            self.token = token
            self.term = term
            self.lossReason = lossReason
            self.index = index
        }
    }

    /// Something that the user is to be told.
    package enum Change: Hashable, Sendable {
        /// Waits; 1 is next.
        case queued(position: Int)
        /// A token begins.
        case began(token: UInt64, term: UInt64)
        /// The cluster does not confirm the token that is held. Its deadline still counts.
        case jeopardy
        /// The cluster confirms it again.
        case confirmed
        /// The token that was held ended.
        case ended(LossReason)
        /// The participation is over. Nothing follows.
        case over(LossReason)
    }

    package private(set) var lease: Lease
    /// The token that is held, until its end was told.
    package private(set) var held: UInt64?
    /// Whether a token was ever held: what was begun under it may not have ended yet.
    package var hasHeld: Bool { held != nil || spent > 0 }
    /// The participation is over, and why.
    package private(set) var end: LossReason?
    /// No token up to this one begins (again).
    private var spent: UInt64 = 0
    /// The newest news, by the index that they show.
    private var news: News?
    private var newsIndex: UInt64 = 0
    /// The newest index at which a beat showed that nothing is held.
    private var emptyIndex: UInt64 = 0
    private var toldPosition: Int?
    private var isInJeopardy = false
    /// When the token that ended last ended.
    private var endedAt: Instant?

    /// A participation in a session just opened.
    package init(lease: Lease) {
        self.lease = lease
    }

    /// A node answered a beat that was sent at `sentAt`.
    /// - Parameter holding: nil: the node does not tell.
    package mutating func take(
        _ answer: Lease.Answer, _ holding: Holding? = nil, sentAt: Instant, at now: Instant
    ) -> [Change] {
        // First what time alone has decided: a late answer takes back no loss.
        var changes = advance(to: now)
        lease.take(answer, sentAt: sentAt)
        if let holding { changes += take(holding, at: now) }
        return changes + advance(to: now)
    }

    /// What a beat shows is news like those of a Join, which may be broken or late, as far as a
    /// token goes; a place in the queue it does not show.
    private mutating func take(_ holding: Holding, at now: Instant) -> [Change] {
        guard end == nil, holding.index >= max(newsIndex, emptyIndex) else { return [] }
        guard holding.token == 0 else {
            newsIndex = holding.index
            news = .holding(token: holding.token, term: holding.term)
            return []
        }
        emptyIndex = holding.index
        guard case .holding(let token, _) = news else { return [] }
        // The place that it has now may come with news of an index before this one.
        news = nil
        spent = max(spent, token)
        return endToken(holding.lossReason, at: now)
    }

    /// A node said where the participant stands. News of an older index than known are old.
    package mutating func take(_ news: News, index: UInt64, at now: Instant) -> [Change] {
        let changes = advance(to: now)
        guard index >= newsIndex || isFinal(news) else { return changes }
        // A grant of before is over again. The place in the queue of then may still be the one.
        if case .holding = news, index <= emptyIndex { return changes }
        newsIndex = max(newsIndex, index)
        self.news = news
        return changes + advance(to: now)
    }

    /// The user gives up: from here on nothing is held.
    package mutating func resign(_ reason: LossReason, at now: Instant) -> [Change] {
        let changes = advance(to: now)
        return changes + finish(reason, at: now)
    }

    /// The user gives the token that it holds to another participant: nothing is held until a later
    /// token begins.
    package mutating func yield(at now: Instant) -> [Change] {
        let changes = advance(to: now)
        guard end == nil else { return changes }
        return changes + endToken(.handedOver, at: now)
    }

    /// Time passes.
    package mutating func advance(to now: Instant) -> [Change] {
        guard end == nil else { return [] }
        if lease.isOver { return finish(.sessionEnded, at: now) }
        if held != nil, !lease.isCertain(at: now) { return finish(.deadlinePassed, at: now) }
        switch news {
        case .out(let reason): return finish(reason, at: now)
        case .holding(let token, let term): return follow(token: token, term: term, now)
        case .queued(let position):
            let ended = endToken(.handedOver, at: now)
            guard toldPosition != position else { return ended }
            toldPosition = position
            return ended + [.queued(position: position)]
        case nil: return []
        }
    }

    /// When time alone changes something next, if nothing is answered before.
    package var nextMoment: Instant? {
        guard end == nil else { return nil }
        guard held != nil else { return nil }
        return isInJeopardy ? lease.deadline : min(lease.doubtAt, lease.deadline)
    }

    /// Whether `token` is held at this moment.
    package func holds(_ token: UInt64, at now: Instant) -> Bool {
        held == token && lease.isCertain(at: now)
    }

    /// Until when `token` is held for certain; of a token that ended, a moment not after its end's
    /// telling.
    package func deadline(of token: UInt64) -> Instant {
        held == token ? lease.deadline : endedAt ?? lease.confirmedAt
    }

    private mutating func follow(token: UInt64, term: UInt64, _ now: Instant) -> [Change] {
        var changes: [Change] = []
        if held != token {
            // A grant that is not covered by a certain lease begins with the next confirmation.
            guard token > spent, lease.isCertain(at: now) else { return [] }
            changes += endToken(.handedOver, at: now)
            held = token
            toldPosition = nil
            changes.append(.began(token: token, term: term))
        }
        let isInDoubt = lease.isInDoubt(at: now)
        if isInDoubt != isInJeopardy {
            isInJeopardy = isInDoubt
            changes.append(isInDoubt ? .jeopardy : .confirmed)
        }
        return changes
    }

    private mutating func endToken(_ reason: LossReason, at now: Instant) -> [Change] {
        guard let token = held else { return [] }
        spent = max(spent, token)
        held = nil
        endedAt = min(now, lease.deadline)
        isInJeopardy = false
        return [.ended(reason)]
    }

    private mutating func finish(_ reason: LossReason, at now: Instant) -> [Change] {
        guard end == nil else { return [] }
        let ended = endToken(reason, at: now)
        end = reason
        return ended + [.over(reason)]
    }

    private func isFinal(_ news: News) -> Bool {
        if case .out = news { true } else { false }
    }
}
