import LatchMachine

/// Follows every latch by what it shows, and holds its ledger and the told changes against that.
struct LedgerObserver {
    var broken: [String] = []
    private(set) var reached: Set<String> = []

    /// Every term of each latch so far, as its grant showed it.
    private struct Grant: Equatable {
        let term: UInt64
        let token: UInt64
        let holder: String
        let session: SessionID
    }

    private var views: [PrimitiveName: LatchView] = [:]
    private var grants: [PrimitiveName: [Grant]] = [:]

    /// - Parameter refreshed: the log time at which each session was last heard from before this
    ///   entry.
    mutating func observe(
        _ command: Command, _ outcomes: [Outcome], _ refreshed: [SessionID: UInt64],
        at index: UInt64, _ machine: LatchMachine
    ) {
        var told: [PrimitiveName] = []
        for case .changed(let name) in outcomes { told.append(name) }
        if Set(told).count != told.count { broken.append("\(index): a change is told twice") }
        if !outcomes.dropLast().suffix(told.count).allSatisfy(\.isChange) {
            broken.append("\(index): changes are not told right before the answer")
        }
        for name in Set(machine.primitives(namespace: nil)).union(views.keys) {
            let (before, after) = (views[name], machine.view(name))
            let isChanged = before.map(Shown.init) != after.map(Shown.init)
            // Commands that were held are applied together: they may undo each other.
            if isChanged != told.contains(name), isChanged || !outcomes.contains(where: \.isHeld) {
                broken.append("\(index): \(name) has changed and is not told to have, or so")
            }
            views[name] = after
            if let after {
                check(before, after, command, refreshed, at: index, machine.logTimeMilliseconds)
            } else {
                grants[name] = nil
            }
        }
    }

    private struct Shown: Equatable {
        let state: LatchState
        /// Names and value: texts that look the same may be different bytes.
        let bytes: [[UInt8]]
        let owners: [SessionID]
        let ledger: [TermRecord]

        init(_ view: LatchView) {
            (state, owners, ledger) = (view.state, view.owners, view.ledger)
            bytes = (view.state.participants + [view.state.value]).map { Array($0.utf8) }
        }
    }

    private mutating func check(
        _ before: LatchView?, _ after: LatchView, _ command: Command,
        _ refreshed: [SessionID: UInt64], at index: UInt64, _ now: UInt64
    ) {
        let name = after.name
        let isGranted = after.state.fencingToken != (before?.state.fencingToken ?? 0)
        if isGranted, let holder = after.ledger.last?.holder, let last = after.ledger.last {
            grants[name, default: []].append(
                Grant(
                    term: after.state.term, token: after.state.fencingToken, holder: holder,
                    session: last.session))
            checkBeginning(last, before, command, refreshed, at: index, now)
        }
        if let held = before?.state.holder, isGranted || after.state.holder == nil {
            checkEnd(held, of: before, in: after, command, at: index, now)
        }
        let kept = after.ledger.map {
            Grant(term: $0.term, token: $0.fencingToken, holder: $0.holder, session: $0.session)
        }
        if kept != Array((grants[name] ?? []).suffix(64)) {
            broken.append("\(index): the ledger of \(name) is not its history")
        }
    }

    private mutating func checkBeginning(
        _ record: TermRecord, _ before: LatchView?, _ command: Command,
        _ refreshed: [SessionID: UInt64], at index: UInt64, _ now: UInt64
    ) {
        reached.insert("\(record.began.cause)")
        if record.overlapBoundMilliseconds > 0 { reached.insert("overlap") }
        if record.gapMilliseconds > 0 { reached.insert("gap in time") }
        if record.began.index != index || record.began.logTimeMilliseconds != now {
            broken.append("\(index): a term began at another moment")
        }
        var gap: UInt64 = 0
        if case .expire = command, let holder = before?.owners.first {
            gap = now - (refreshed[holder] ?? 0)
            if record.gapMilliseconds != gap {
                broken.append("\(index): gap \(record.gapMilliseconds) is not \(gap)")
            }
        } else if before?.state.holder != nil, record.gapMilliseconds > 0 {
            broken.append("\(index): a gap where somebody waited")
        }
    }

    private mutating func checkEnd(
        _ holder: String, of before: LatchView?, in after: LatchView, _ command: Command,
        at index: UInt64, _ now: UInt64
    ) {
        let token = before?.state.fencingToken
        guard let record = after.ledger.last(where: { $0.fencingToken == token }),
            let ended = record.ended, ended.index == index, ended.logTimeMilliseconds == now
        else {
            broken.append("\(index): the term of \(holder) has no end")
            return
        }
        let causes: [Cause] =
            switch command {
            case .closeSession: [.closed]
            case .expire: [.expired]
            case .leaderElected: [.restored]
            case .evict: [.evicted]
            case .leave, .handOver, .latch, .openStream, .publish, .closeGap:
                [.resigned, .handedOver]
            case .openSession, .renew, .deletePrimitive: []
            }
        if !causes.contains(ended.cause) {
            broken.append("\(index): \(ended.cause) by \(command)")
        }
    }
}

extension Command {
    /// The session and request id of a numbered command of a latch, and what it says, as bytes.
    var numbered: (session: SessionID, requestID: UInt64, content: [UInt8])? {
        switch self {
        case .latch(_, let session, let requestID, let participant):
            (session, requestID, Array("join \(participant)".utf8))
        case .leave(_, let session, let requestID, let participant):
            (session, requestID, Array("leave \(participant)".utf8))
        case .handOver(_, let session, let requestID, let token, let to):
            session == 0 ? nil : (session, requestID, Array("hand over \(token) \(to)".utf8))
        case .publish(_, let session, let requestID, let token, let value):
            (session, requestID, Array("publish \(token) \(value)".utf8))
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .openStream,
            .closeGap, .expire, .evict:
            nil
        }
    }
}
