import LatchAPI

/// What an observer sees at one moment.
public struct LatchObservation: Sendable, Hashable {
    /// The latch; nil: there is none of this name, or not any more.
    public let latch: LatchInfo?
    /// Terms that began or ended since the observation before, oldest first. One that was open
    /// comes again when it has ended. None is left out, unless ``isReset``.
    public let terms: [LatchTerm]
    /// Terms before the first of ``terms`` are no longer kept by the servers, so some may have been
    /// missed.
    public let isReset: Bool
    /// The log index that this shows. Never goes back.
    public let index: UInt64
}

/// What an observer knows, so that it can go on at another node. Pure.
package struct ObserverPlace: Sendable {
    /// The index of the newest response.
    package private(set) var index: UInt64
    /// Every term up to this token is known to have begun and ended.
    package private(set) var settledToken: UInt64
    /// The newest token that was told as open.
    private var openToken: UInt64 = 0
    private var hasBegun = false

    /// - Parameter afterToken: the newest token that the reader knows from before; 0: none.
    package init(afterToken: UInt64) {
        index = 0
        settledToken = afterToken
    }

    /// What the next request asks for: terms after this token. The open one is asked for again, so
    /// that its end is not missed.
    package var afterToken: UInt64 {
        if settledToken > 0 { return settledToken }
        return openToken > 0 ? openToken - 1 : 0
    }

    /// Something that a response shows.
    package struct Step<Term: Sendable>: Sendable {
        package let terms: [Term]
        package let isReset: Bool
    }

    /// Uses a response; nil if it is older than what is known.
    /// - Parameters:
    ///   - terms: token, whether it ended, and the term itself.
    ///   - current: the token of the latch's state, and whether somebody holds it.
    package mutating func take<Term>(
        index: UInt64, terms: [(token: UInt64, hasEnded: Bool, term: Term)], isReset: Bool,
        current: (token: UInt64, isHeld: Bool)?
    ) -> Step<Term>? {
        guard index >= self.index else { return nil }
        self.index = index
        let isFirst = !hasBegun
        hasBegun = true
        let fresh = terms.filter { term in
            term.token > settledToken && (term.hasEnded || term.token > openToken)
        }
        for term in fresh {
            if term.hasEnded { settledToken = max(settledToken, term.token) }
            openToken = max(openToken, term.token)
        }
        if let current, isFirst, settledToken == 0 {
            if current.isHeld {
                openToken = max(openToken, current.token)
            } else {
                settledToken = current.token
            }
        }
        return Step(terms: fresh.map(\.term), isReset: isReset)
    }
}
