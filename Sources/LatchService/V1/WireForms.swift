import LatchAPI
import LatchMachine

// What the machine knows, in the messages of `latchd.v1`.

extension Latchd_V1_LatchState {
    /// - Parameter owners: the session of each participant; empty where it is not known.
    init(_ state: LatchState, owners: [SessionID]) {
        self.init()
        term = state.term
        if let holder = state.holder { self.holder = holder }
        participants = state.participants
        fencingToken = state.fencingToken
        value = state.value
        sessionIds = owners
    }

    init(_ view: LatchView) {
        self.init(view.state, owners: view.owners)
    }
}

extension Latchd_V1_Term {
    init(_ record: TermRecord) {
        self.init()
        term = record.term
        fencingToken = record.fencingToken
        holder = record.holder
        sessionID = record.session
        began = Latchd_V1_TermEdge(record.began)
        if let ended = record.ended { self.ended = Latchd_V1_TermEdge(ended) }
        gapMs = record.gapMilliseconds
        overlapBoundMs = record.overlapBoundMilliseconds
        chain = record.chain
    }
}

extension Latchd_V1_TermEdge {
    init(_ edge: TermEdge) {
        self.init()
        cause = Latchd_V1_Cause(edge.cause)
        index = edge.index
        raftTerm = edge.raftTerm
        logTimeMs = edge.logTimeMilliseconds
        wallTimeMs = edge.wallTimeMilliseconds
    }
}

extension Latchd_V1_Cause {
    init(_ cause: Cause) {
        switch cause {
        case .joined: self = .joined
        case .resigned: self = .resigned
        case .closed: self = .closed
        case .expired: self = .expired
        case .evicted: self = .evicted
        case .handedOver: self = .handedOver
        case .deleted: self = .deleted
        case .restored: self = .restored
        }
    }
}

extension Latchd_V1_SessionLife {
    /// What is known of a session whose renewal, or opening, was decided or not.
    init(_ session: SessionID, _ state: Latchd_V1_SessionState, validFor milliseconds: UInt64 = 0) {
        self.init()
        sessionID = session
        self.state = state
        validForMs = milliseconds
    }

    /// A session that was opened or renewed.
    static func alive(_ session: SessionID, timeout milliseconds: UInt64) -> Self {
        .init(session, .alive, validFor: certainLife(ofTimeout: milliseconds))
    }

    /// Adds the grant under which the session holds its latch, or why its last one is over.
    mutating func show(_ view: LatchView?, index: UInt64) {
        self.index = index
        guard let view else {
            cause = .deleted
            return
        }
        if view.owners.first == sessionID {
            fencingToken = view.state.fencingToken
            term = view.state.term
        } else if let ended = view.ledger.last(where: { $0.session == sessionID })?.ended {
            cause = Latchd_V1_Cause(ended.cause)
        }
    }

    /// For how long, from the sending of the request, the session is certainly alive: its timeout
    /// less a thousandth, and at least 1 ms less, because the clocks of two machines do not run at
    /// quite the same rate.
    static func certainLife(ofTimeout milliseconds: UInt64) -> UInt64 {
        let margin = milliseconds / 1_000 + (milliseconds % 1_000 == 0 ? 0 : 1)
        return milliseconds - min(max(margin, 1), milliseconds)
    }
}
