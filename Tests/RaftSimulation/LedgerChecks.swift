import LatchMachine

/// The ledgers of latches, held against what the entries did, told apart from how the machine does
/// it: a second bookkeeping of terms, of signs of life and of what holders may believe.
struct LedgerChecks: Sendable {
    private struct Book {
        /// Every term so far, as the ledger has shown it last.
        var terms: [TermRecord] = []
        /// From when the next term's gap is counted, in log time.
        var idleSince: UInt64 = 0
        var state: LatchState?
        var owners: [SessionID] = []
    }

    private var books: [PrimitiveName: Book] = [:]
    /// Log time of each session's opening or last renewal.
    private var lastSign: [SessionID: UInt64] = [:]
    private(set) var isFull = false
    /// Every record that a ledger ever showed, by latch and token: open, then closed.
    private var shown: [PrimitiveName: [UInt64: [TermRecord]]] = [:]

    /// What an entry did.
    struct Applied {
        let record: LogRecord
        let index: UInt64
        let outcomes: [Outcome]
        let machine: LatchMachine
        let now: UInt64
    }

    /// An entry was applied for the first time. `safeUntil` is the true time until which a client
    /// certainly believes that its session lives.
    mutating func note(
        _ applied: Applied, safeUntil: (SessionID) -> UInt64
    ) throws(Violation) {
        let logTime = applied.machine.logTimeMilliseconds
        noteSigns(applied, logTime)
        for outcome in applied.outcomes {
            guard case .changed(let name) = outcome else { continue }
            guard let view = applied.machine.view(name) else {
                books[name] = nil
                continue
            }
            let before = books[name] ?? Book()
            try checkForm(view, after: before)
            try checkNewest(view, after: before, applied, logTime, safeUntil)
            note(view, applied, logTime)
        }
    }

    private mutating func noteSigns(_ applied: Applied, _ logTime: UInt64) {
        switch applied.record.command {
        case .openSession: lastSign[applied.index] = logTime
        case .renew(let renewals):
            guard case .answer(.renewed(let alive)) = applied.outcomes.last else { return }
            for (renewal, isAlive) in zip(renewals, alive) where isAlive {
                lastSign[renewal.session] = logTime
            }
        case .leaderElected, .closeSession, .deletePrimitive, .latch, .openStream, .closeGap,
            .expire, .leave, .handOver, .publish, .evict:
            break
        }
    }

    /// Terms and tokens follow each other; only the last term may be open, and is if and only if
    /// somebody holds the latch; nothing that was shown before has changed or is gone.
    private mutating func checkForm(_ view: LatchView, after book: Book) throws(Violation) {
        let (ledger, state) = (view.ledger, view.state)
        for (first, second) in zip(ledger, ledger.dropFirst()) {
            try require(
                second.term == first.term + 1 && second.fencingToken > first.fencingToken
                    && first.ended != nil, "I23 ledger",
                "\(view.name): term \(first.term) is followed by \(second.term)")
        }
        let open = ledger.last.flatMap { $0.ended == nil ? $0 : nil }
        try require(
            open?.holder == state.holder && open?.session == view.owners.first, "I23 ledger",
            "\(view.name) is held by \(state.holder ?? "nobody"), its ledger ends with "
                + String(describing: ledger.last))
        try require(
            (ledger.last?.term ?? 0) == state.term
                && (ledger.last?.fencingToken ?? 0) == (state.term == 0 ? 0 : state.fencingToken),
            "I23 ledger",
            "\(view.name) is in term \(state.term), its ledger ends with "
                + String(describing: ledger.last))
        let expected = Int(min(state.term, 64))
        try require(
            ledger.count == expected, "I23 ledger",
            "\(view.name) has \(ledger.count) terms of \(state.term)")
        if state.term > 64 { isFull = true }
        for record in ledger.dropLast(2) {
            try require(
                shown[view.name]?[record.fencingToken]?.last == record, "I23 ledger",
                "\(view.name): term \(record.term) has changed after its end")
        }
        for (first, second) in zip(ledger, ledger.dropFirst()) where first.chain == second.chain {
            throw Violation("I23 ledger", "\(view.name): the chain stands still")
        }
    }

    /// The term that this entry ended and the one that it began.
    private func checkNewest(
        _ view: LatchView, after book: Book, _ applied: Applied, _ logTime: UInt64,
        _ safeUntil: (SessionID) -> UInt64
    ) throws(Violation) {
        let isNew = view.ledger.last.map { $0.fencingToken != book.terms.last?.fencingToken }
        guard let newest = view.ledger.last, isNew != false || newest.ended != nil else { return }
        let ended = isNew == true ? view.ledger.dropLast().last : newest
        let thrown = thrownOut(book, applied)
        if let ended, let edge = ended.ended, edge.index == applied.index {
            try require(
                edge.logTimeMilliseconds == logTime
                    && edge.wallTimeMilliseconds == applied.record.wallTimeMilliseconds
                    && allows(edge.cause, applied), "I23 ledger",
                "\(view.name): term \(ended.term) ended with \(edge) by \(applied.record)")
        }
        guard isNew == true else { return }
        let first = newest.began
        let wasHeld = book.state?.holder != nil
        try require(
            first.index == applied.index && first.logTimeMilliseconds == logTime
                && newest.ended == nil
                && (wasHeld ? allows(first.cause, applied) : first.cause == .joined),
            "I23 ledger", "\(view.name): term \(newest.term) began with \(first)")
        let since = wasHeld ? idle(book, applied, logTime) : book.idleSince
        let gap = book.terms.isEmpty ? 0 : logTime - min(since, logTime)
        try require(
            newest.gapMilliseconds == gap, "I23 ledger",
            "\(view.name): term \(newest.term) came after a gap of \(newest.gapMilliseconds) ms, "
                + "it was \(gap)")
        // Two believe that they hold only where one was thrown out, and no longer than was said.
        guard wasHeld, let former = book.owners.first else { return }
        let believes = safeUntil(former) - min(safeUntil(former), applied.now)
        try require(
            thrown
                ? newest.overlapBoundMilliseconds >= believes
                : newest.overlapBoundMilliseconds == 0, "I24 overlap",
            "\(view.name): the holder before term \(newest.term) may believe for \(believes) ms "
                + "that it holds, the ledger says \(newest.overlapBoundMilliseconds)")
    }

    /// Whether an operator did it.
    private func thrownOut(_ book: Book, _ applied: Applied) -> Bool {
        switch applied.record.command {
        case .evict, .handOver(_, 0, _, _, _): true
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .latch,
            .openStream, .closeGap, .expire, .leave, .handOver, .publish:
            false
        }
    }

    private func idle(_ book: Book, _ applied: Applied, _ logTime: UInt64) -> UInt64 {
        guard case .expire = applied.record.command, let owner = book.owners.first else {
            return logTime
        }
        return lastSign[owner] ?? logTime
    }

    /// Whether an entry can end a term for this cause. Where it released commands that were held,
    /// what they are is not in it.
    private func allows(_ cause: Cause, _ applied: Applied) -> Bool {
        let isReleased = applied.outcomes.contains {
            if case .heldAnswer = $0 { return true }
            return false
        }
        return cause == self.cause(of: applied.record.command)
            || isReleased && (cause == .resigned || cause == .handedOver)
    }

    private func cause(of command: Command) -> Cause {
        switch command {
        case .closeSession: .closed
        case .expire: .expired
        case .evict: .evicted
        case .handOver: .handedOver
        case .leaderElected: .restored
        case .deletePrimitive: .deleted
        case .openSession, .renew, .latch, .openStream, .closeGap, .leave, .publish: .resigned
        }
    }

    private mutating func note(_ view: LatchView, _ applied: Applied, _ logTime: UInt64) {
        let before = books[view.name] ?? Book()
        var book = Book(
            terms: view.ledger, idleSince: before.idleSince, state: view.state,
            owners: view.owners)
        if before.state?.holder != nil, view.state.holder == nil {
            book.idleSince = idle(before, applied, logTime)
        }
        books[view.name] = book
        for record in view.ledger.suffix(2) {
            let known = shown[view.name]?[record.fencingToken] ?? []
            if known.last != record {
                shown[view.name, default: [:]][record.fencingToken] = known + [record]
            }
        }
    }

    /// The tokens of all terms that began after the one with `token`, up to `index`, ascending.
    func tokens(of name: PrimitiveName, after token: UInt64, at index: UInt64) -> [UInt64] {
        (shown[name] ?? [:]).values.compactMap { versions in
            versions.first.flatMap {
                $0.fencingToken > token && $0.began.index <= index ? $0.fencingToken : nil
            }
        }.sorted()
    }

    /// A ledger that somebody saw at `index`: every record is one that the latch has had, as it was
    /// then.
    func check(_ view: LatchView, at index: UInt64) throws(Violation) {
        for (position, record) in view.ledger.enumerated() {
            let known = shown[view.name]?[record.fencingToken] ?? []
            let then = known.last { ($0.ended?.index ?? $0.began.index) <= index }
            try require(
                then == record, "I25 observers",
                "\(view.name) at \(index): term \(record.term) of a ledger is \(record), it was "
                    + String(describing: then))
            guard position > 0 else { continue }
            try require(
                view.ledger[position - 1].term + 1 == record.term, "I25 observers",
                "\(view.name) at \(index): a term before \(record.term) is missing")
        }
    }
}
