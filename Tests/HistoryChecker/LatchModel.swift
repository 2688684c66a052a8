/// The reference model: one latch as its clients may think of it (section 5 of the contract).
///
/// What nobody reports is not in it as steps of its own: sessions that expire, calls whose outcome
/// is unknown. They are deduced when an answer shows their effect: ``observe(_:by:in:before:)``.
struct LatchModel: Hashable, Sendable {
    /// One participant in the latch, by its number in the partition, and its session's.
    struct Member: Hashable, Sendable {
        let participant: Int
        let session: Int
    }

    /// The oldest first; the first holds the latch. Members whose session is in `ended` are gone,
    /// but no answer has shown yet how the latch passed on.
    var members: [Member] = []
    var term: UInt64 = 0
    /// The highest token seen; the current holder's if `isTokenCurrent`, else of an earlier one.
    var token: UInt64 = 0
    var isTokenCurrent = true
    /// Tokens that a denial says the current grant does not have, ascending; kept while nobody has
    /// seen which it has.
    var deniedTokens: [UInt64] = []
    /// The number of what the holder has published; 0: nothing.
    var value = 0
    /// Sessions that were opened: kept only where a delete makes it matter.
    var opened = Bits()
    /// Sessions that are over, for ever.
    var ended = Bits()
    /// Commands of unknown outcome that have taken effect, or no longer can.
    var tookEffect = Bits()
    /// Answered deletes that have taken effect; kept only where no step places them.
    var placedDeletes = Bits()
    /// How many deletes of unknown outcome have taken effect. They are alike, so which ones does
    /// not matter; and the fewer, the more can follow.
    var lateDeletes = 0

    /// Without what seldom tells two states apart.
    func hash(into hasher: inout Hasher) {
        hasher.combine(members)
        hasher.combine(term)
        hasher.combine(ended)
        hasher.combine(tookEffect)
        hasher.combine(placedDeletes)
    }

    /// Removes the whole latch with its sessions (S10); its terms start anew, its tokens do not.
    /// What those sessions sent can no longer take effect, and what it did is gone.
    mutating func delete(in partition: Partition) {
        members = []
        term = 0
        isTokenCurrent = false
        deniedTokens = []
        value = 0
        ended.formUnion(opened)
        forgetLateCommands(of: partition)
    }

    /// Whether a delete would change anything.
    var isWorthDeleting: Bool {
        var all = ended
        all.formUnion(opened)
        return !members.isEmpty || term > 0 || all != ended
    }

    /// The frequent case, in place: an answer that shows what the model has, with what the command
    /// does that it answers. False, and nothing changed, if the answer needs more explanation.
    mutating func takeExpected(_ view: PartitionView, by move: Move?) -> Bool {
        guard move == nil || move?.joining != nil else { return takeMoved(view, by: move) }
        let known = members.count
        guard view.participants.count >= known, view.participants.count <= known + 1 else {
            return false
        }
        for position in 0..<known {
            guard members[position].participant == view.participants[position],
                !ended.contains(members[position].session)
            else { return false }
        }
        let join = move?.joining
        if view.participants.count == known {
            if let join, !members.contains(join) { return false }
            return takeTerm(view, steps: 0)
        }
        guard let join, view.participants[known] == join.participant, !members.contains(join),
            takeTerm(view, steps: known == 0 ? 1 : 0)
        else { return false }
        members.append(join)
        return true
    }

    private mutating func takeMoved(_ view: PartitionView, by move: Move?) -> Bool {
        guard members.allSatisfy({ !ended.contains($0.session) }) else { return false }
        var next = self
        guard move.map({ next.perform($0) }) ?? true, next.takeView(view) else { return false }
        self = next
        return true
    }

    /// Takes over an answer that shows exactly these members; false, and nothing changed, if it
    /// shows anything else.
    mutating func takeView(_ view: PartitionView) -> Bool {
        members.count == view.participants.count
            && zip(members, view.participants).allSatisfy { $0.participant == $1 }
            && takeTerm(view, steps: 0)
    }

    /// After an answer: what a session that is over sent before can no longer take effect.
    mutating func forgetLateCommands(of partition: Partition) {
        for (position, unknown) in partition.unknowns.enumerated() {
            if let session = unknown.move.session, ended.contains(session) {
                tookEffect.insert(position)
            }
        }
    }

    /// A command of unknown outcome has taken effect: those before it in its session no longer can.
    mutating func noteEffect(of position: Int, in partition: Partition) {
        tookEffect.insert(position)
        let command = partition.unknowns[position]
        for (other, earlier) in partition.unknowns.enumerated() where command.isAfter(earlier) {
            tookEffect.insert(other)
        }
    }

    /// Takes over the term, token and value after so many grants; false, and nothing changed, if
    /// they are not what the grants leave behind.
    mutating func takeTerm(_ view: PartitionView, steps: UInt64) -> Bool {
        let (expected, overflow) = term.addingReportingOverflow(steps)
        guard !overflow, view.term == expected else { return false }
        let isGranted = steps > 0
        let published = isGranted || view.participants.isEmpty ? 0 : value
        guard view.value == nil || view.value == published else { return false }
        if let seen = view.token {
            if view.term == 0 {
                guard seen == 0 else { return false }
            } else if isGranted || !isTokenCurrent {
                guard seen > token, isGranted || !deniedTokens.contains(seen) else { return false }
                token = seen
                isTokenCurrent = true
                deniedTokens = []
            } else {
                guard seen == token else { return false }
            }
        } else if isGranted {
            isTokenCurrent = false
            deniedTokens = []
        }
        term = expected
        value = published
        return true
    }
}

/// An answer's latch, with participants by number.
struct PartitionView: Hashable, Sendable {
    let term: UInt64
    let token: UInt64?
    let participants: [Int]
    /// 0: nothing is published; nil: the answer does not carry it.
    var value: Int?
}
