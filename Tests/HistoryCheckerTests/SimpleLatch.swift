import HistoryChecker

/// One latch, step by step, with nothing deduced: what the brute force checker and the generator
/// run. Written apart from the checker's own model, to judge it.
struct SimpleLatch {
    var members: [(name: String, session: UInt64)] = []
    var term: UInt64 = 0
    /// Of the newest grant, in whatever numbers the owner gives out.
    var token: UInt64 = 0
    /// There was a grant, and the owner has not given it a token yet.
    var isTokenDue = false
    var value = ""
    var ended: Set<UInt64> = []
    var opened: Set<UInt64> = []
    /// The highest request id applied in each session.
    var applied: [UInt64: UInt64] = [:]

    /// Whether a command is the next of its session; false if a later one was applied already.
    mutating func admit(_ session: UInt64?, request: UInt64) -> Bool {
        guard let session, request > 0 else { return true }
        guard applied[session] ?? 0 < request else { return false }
        applied[session] = request
        return true
    }

    /// Performs a command; returns the reasons for which it did nothing.
    mutating func perform(_ call: Call) -> [Denial] {
        switch call {
        case .join(_, let session, _, let name):
            guard position(name, session) == nil else { return [] }
            members.append((name, session))
            if members.count == 1 { grant() }
        case .leave(_, let session, _, let name):
            if let position = position(name, session) { remove(position) }
        case .handOver(_, let session, _, let token, let name):
            let waiting = members.dropFirst().firstIndex { $0.name == name }
            let denials = guarded(session, token) + (waiting == nil ? [.noSuchParticipant] : [])
            guard denials.isEmpty, let waiting else { return denials }
            let next = members.remove(at: waiting)
            let holder = members.removeFirst()
            members = [next] + members + [holder]
            grant()
        case .publish(_, let session, _, let token, let value):
            let denials = guarded(session, token)
            if denials.isEmpty { self.value = value }
            return denials
        case .evict(_, let name, let session, let token):
            let place = position(name, session)
            let denials =
                (token.map { guarded(nil, $0) } ?? []) + (place == nil ? [.noSuchParticipant] : [])
            guard denials.isEmpty, let place else { return denials }
            remove(place)
        case .openSession, .keepAlive, .closeSession, .deleteLatch, .read, .frame:
            break
        }
        return []
    }

    mutating func delete() {
        members = []
        term = 0
        value = ""
        ended.formUnion(opened)
    }

    mutating func end(_ sessions: Set<UInt64>) {
        let holder = members.first?.session
        ended.formUnion(sessions)
        members.removeAll { sessions.contains($0.session) }
        if let holder, sessions.contains(holder) { grant() }
    }

    private func guarded(_ session: UInt64?, _ token: UInt64) -> [Denial] {
        guard let holder = members.first, holder.session == session ?? holder.session,
            token == self.token
        else { return [.tokenMoved] }
        return []
    }

    private func position(_ name: String, _ session: UInt64?) -> Int? {
        members.firstIndex { $0.name == name && $0.session == session ?? $0.session }
    }

    private mutating func remove(_ position: Int) {
        members.remove(at: position)
        if position == 0 { grant() }
    }

    private mutating func grant() {
        value = ""
        guard !members.isEmpty else { return }
        term += 1
        isTokenDue = true
    }
}
