import HashTreeCollections

/// Reads of the local state. Whether it is recent enough is the caller's business.
extension LatchMachine {
    /// What a Get finds (section 6).
    package enum GetResult: Hashable, Sendable {
        case unknownSession
        /// Commands of the session that the Get is to follow are not decided yet.
        case notYet
        case found(LatchState)
    }

    /// The latch for a live session whose commands up to `requestID` are decided.
    package func get(
        _ primitive: PrimitiveName, session: SessionID, requestID: UInt64
    ) -> GetResult {
        guard let found = state.session(session, of: primitive),
            let latch = latchState(primitive)
        else { return .unknownSession }
        return found.lastRequestID < requestID ? .notYet : .found(latch)
    }

    /// The latch, without a session; nil if there is no such primitive.
    package func latchState(_ primitive: PrimitiveName) -> LatchState? {
        state.primitives[primitive]?.latch
    }

    /// The latch with its ledger; nil if there is no such primitive. O(1).
    package func view(_ name: PrimitiveName) -> LatchView? {
        guard let primitive = state.primitives[name] else { return nil }
        var view = LatchView(
            name: name, state: primitive.latch, owners: primitive.owners,
            ledger: primitive.ledger.records, index: lastApplied)
        view.sessions = primitive.sessions
        return view
    }

    /// For how long a live session outlives its last renewal, in log time.
    package func timeoutMilliseconds(of session: SessionID) -> UInt64? {
        state.sessions[session]?.timeoutMilliseconds
    }

    /// The primitive that a live session was opened on.
    package func primitive(of session: SessionID) -> PrimitiveName? {
        state.sessions[session]?.primitive
    }

    /// Whether the session is alive and belongs to the primitive.
    package func isOpen(session: SessionID, of primitive: PrimitiveName) -> Bool {
        state.session(session, of: primitive) != nil
    }

    /// All primitives, or those of one namespace, sorted.
    package func primitives(namespace: String?) -> [PrimitiveName] {
        var names: [PrimitiveName] = []
        visitNames(namespace: namespace, prefix: "", after: nil) { name in
            names.append(name)
            return true
        }
        return names
    }

    /// At most `limit` latches whose name begins with `prefix`, in order, after `after`.
    package func latches(
        namespace: String?, prefix: String, after: PrimitiveName?, limit: Int
    ) -> [(PrimitiveName, LatchState)] {
        var found: [(PrimitiveName, LatchState)] = []
        guard limit > 0 else { return found }
        visitNames(namespace: namespace, prefix: prefix, after: after) { name in
            if let latch = latchState(name) { found.append((name, latch)) }
            return found.count < limit
        }
        return found
    }

    /// Calls `visit` with each matching name, ascending, until it returns false. Names that do not
    /// match are jumped over, not walked through.
    private func visitNames(
        namespace: String?, prefix: String, after: PrimitiveName?,
        _ visit: (PrimitiveName) -> Bool
    ) {
        var start = PrimitiveName(namespace: namespace ?? "", name: "")
        if let after { start = max(start, after.successor) }
        var names = state.names.from(start)
        while let name = names.next() {
            if let namespace, !name.namespace.hasSameBytes(as: namespace) { return }
            if name.name.utf8.starts(with: prefix.utf8) {
                guard visit(name) else { return }
            } else if name.name.utf8.lexicographicallyPrecedes(prefix.utf8) {
                names = state.names.from(
                    PrimitiveName(namespace: name.namespace, name: prefix))
            } else {
                names = state.names.from(
                    PrimitiveName(namespace: name.namespace + "\0", name: ""))
            }
        }
    }
}

extension PrimitiveName {
    /// The least name greater than this one.
    fileprivate var successor: PrimitiveName {
        PrimitiveName(namespace: namespace, name: name + "\0")
    }
}
