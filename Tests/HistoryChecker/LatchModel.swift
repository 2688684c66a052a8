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
    /// Sessions that were opened: kept only where a delete makes it matter.
    var opened = Bits()
    /// Sessions that are over, for ever.
    var ended = Bits()
    /// Joins of unknown outcome that have taken effect, or no longer can.
    var tookEffect = Bits()
    /// Answered deletes that have taken effect; kept only where no step places them.
    var placedDeletes = Bits()
    /// How many deletes of unknown outcome have taken effect. They are alike, so which ones does
    /// not matter; and the fewer, the more can follow.
    var lateDeletes = 0

    /// Removes the whole latch with its sessions (S10); its terms start anew, its tokens do not.
    /// What those sessions sent can no longer take effect, and what it did is gone.
    mutating func delete(in partition: Partition) {
        members = []
        term = 0
        isTokenCurrent = false
        ended.formUnion(opened)
        forgetLateJoins(of: partition)
    }

    /// Whether a delete would change anything.
    var isWorthDeleting: Bool {
        var all = ended
        all.formUnion(opened)
        return !members.isEmpty || term > 0 || all != ended
    }

    /// The frequent case, in place: an answer that shows what the model has, or one more
    /// participant. False, and nothing changed, if the answer needs more explanation than that.
    mutating func takeExpected(_ view: PartitionView, by join: Member?) -> Bool {
        let known = members.count
        guard view.participants.count >= known, view.participants.count <= known + 1 else {
            return false
        }
        for position in 0..<known {
            guard members[position].participant == view.participants[position],
                !ended.contains(members[position].session)
            else { return false }
        }
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

    /// After an answer: what a session that is over sent before can no longer take effect.
    mutating func forgetLateJoins(of partition: Partition) {
        for (position, unknown) in partition.unknownJoins.enumerated()
        where ended.contains(unknown.member.session) {
            tookEffect.insert(position)
        }
    }

    /// A join of unknown outcome has taken effect: those before it in its session no longer can.
    mutating func noteEffect(of position: Int, in partition: Partition) {
        tookEffect.insert(position)
        let join = partition.unknownJoins[position]
        for (other, earlier) in partition.unknownJoins.enumerated() where join.isAfter(earlier) {
            tookEffect.insert(other)
        }
    }

    /// Takes over the term and token after so many grants; false, and nothing changed, if they are
    /// not what the grants leave behind.
    mutating func takeTerm(_ view: PartitionView, steps: UInt64) -> Bool {
        let (expected, overflow) = term.addingReportingOverflow(steps)
        guard !overflow, view.term == expected else { return false }
        let isGranted = steps > 0
        if let seen = view.token {
            if view.term == 0 {
                guard seen == 0 else { return false }
            } else if isGranted || !isTokenCurrent {
                guard seen > token else { return false }
                token = seen
                isTokenCurrent = true
            } else {
                guard seen == token else { return false }
            }
        } else if isGranted {
            isTokenCurrent = false
        }
        term = expected
        return true
    }
}

/// An answer's latch, with participants by number.
struct PartitionView: Hashable, Sendable {
    let term: UInt64
    let token: UInt64?
    let participants: [Int]
}
