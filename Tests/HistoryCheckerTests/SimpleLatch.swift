/// One latch, step by step, with nothing deduced: what the brute force checker and the generator
/// run. Written apart from the checker's own model, to judge it.
struct SimpleLatch: Equatable {
    var members: [(name: String, session: UInt64)] = []
    var term: UInt64 = 0
    var ended: Set<UInt64> = []
    var opened: Set<UInt64> = []
    /// The highest request id applied in each session.
    var applied: [UInt64: UInt64] = [:]

    static func == (left: SimpleLatch, right: SimpleLatch) -> Bool {
        left.term == right.term && left.ended == right.ended && left.opened == right.opened
            && left.applied == right.applied
            && left.members.elementsEqual(right.members) { $0 == $1 }
    }

    /// A command in its session's order; false if a later one was applied already.
    mutating func join(_ name: String, _ session: UInt64, request: UInt64) -> Bool {
        guard applied[session] ?? 0 < request else { return false }
        applied[session] = request
        join(name, session)
        return true
    }

    mutating func delete() {
        members = []
        term = 0
        ended.formUnion(opened)
    }

    private mutating func join(_ name: String, _ session: UInt64) {
        guard !members.contains(where: { $0 == (name, session) }) else { return }
        members.append((name, session))
        if members.count == 1 { term += 1 }
    }

    mutating func end(_ sessions: Set<UInt64>) {
        let holder = members.first?.session
        ended.formUnion(sessions)
        members.removeAll { sessions.contains($0.session) }
        if let holder, sessions.contains(holder), !members.isEmpty { term += 1 }
    }
}
