/// Where one participant stands in a latch. Pure. Ids are equal when their bytes are, as on the
/// servers, which is less than what `==` of `String` calls equal.
package enum QueuePlace: Sendable, Hashable {
    /// Not in the latch.
    case absent
    /// Behind others; the holder has position 1.
    case waiting(position: Int)
    case holding

    /// The first entry called `participant` is the one that counts: a session joins only when it is
    /// the first of its id (see ``isTaken(_:in:)``), and later ones stand behind it.
    package init(of participant: String, in participants: [String]) {
        switch participants.firstIndex(where: { $0.hasSameBytes(as: participant) }) {
        case nil: self = .absent
        case 0: self = .holding
        case .some(let place): self = .waiting(position: place + 1)
        }
    }

    /// The id was in the latch before our own entry. Then "the holder is called like me" would not
    /// mean "I hold".
    package static func isTaken(_ participant: String, in participants: [String]) -> Bool {
        participants.count { $0.hasSameBytes(as: participant) } > 1
    }
}

extension String {
    /// Equal as the servers compare: by UTF-8 bytes, not by canonical equivalence.
    package func hasSameBytes(as other: String) -> Bool {
        utf8.elementsEqual(other.utf8)
    }
}
