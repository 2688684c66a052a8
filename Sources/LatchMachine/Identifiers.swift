/// The primitive a latch belongs to: its state is keyed by both parts, any text allowed in either.
///
/// Names are equal when their bytes are equal. `String`'s own `==` also calls differently composed
/// accents equal, which depends on Unicode tables and disagrees with `<`.
package struct PrimitiveName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The Atomix "application" of the client; the wire calls it namespace.
    package let namespace: String
    package let name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.name.hasSameBytes(as: right.name) && left.namespace.hasSameBytes(as: right.namespace)
    }

    package func hash(into hasher: inout Hasher) {
        namespace.hashBytes(into: &hasher)
        name.hashBytes(into: &hasher)
    }

    /// Byte order of the UTF-8 forms, namespace first: the same in every locale.
    package static func < (left: Self, right: Self) -> Bool {
        if left.namespace.utf8.elementsEqual(right.namespace.utf8) {
            return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }
        return left.namespace.utf8.lexicographicallyPrecedes(right.namespace.utf8)
    }

    package var description: String { "\(namespace)/\(name)" }
}

/// A session's number: the cluster's incarnation in the high 16 bits, the log index of the entry
/// that opened it in the low 48, so never reused. Zero is none.
package typealias SessionID = UInt64

/// One Events stream: the session and the request id that opened it.
package struct StreamKey: Hashable, Comparable, Sendable {
    package let session: SessionID
    package let stream: UInt64

    package init(session: SessionID, stream: UInt64) {
        self.session = session
        self.stream = stream
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.session, left.stream) < (right.session, right.stream)
    }
}

/// A latch as its clients see it at one index.
package struct LatchState: Hashable, Sendable {
    /// The Atomix term counter: +1 whenever a holder is set (`Latch.id`).
    package var term: UInt64
    /// The holder's participant id; nil when nobody holds the latch.
    package var holder: String?
    /// In order of arrival, the holder first.
    package var participants: [String]
    /// Cluster incarnation in the high 16 bits, log index of the grant in the low 48; 0 before the
    /// first grant. Strictly increasing per latch name for ever, across deletion too.
    package var fencingToken: UInt64
    /// What the holder published under this token; empty: nothing.
    package var value: String

    package init(
        term: UInt64 = 0, holder: String? = nil, participants: [String] = [],
        fencingToken: UInt64 = 0, value: String = ""
    ) {
        self.term = term
        self.holder = holder
        self.participants = participants
        self.fencingToken = fencingToken
        self.value = value
    }
}

/// The bounds that replicated state obeys. They decide what `apply` does: equal on every node.
package struct Limits: Hashable, Sendable {
    package var sessions = 200_000
    package var primitives = 200_000
    package var participantsPerLatch = 1_024
    package var streamsPerSession = 64
    /// Commands that wait in one session for a gap in the request ids to be filled (Q3).
    package var heldCommandsPerSession = 64
    /// Answers kept in one session for retries (Q1, Q5).
    package var answersPerSession = 64
    /// Events kept in one latch's ring for streams that resume.
    package var eventsPerLatch = 128
    /// Participant names kept in one latch's ring in total; the newest event is always kept.
    package var ringNamesPerLatch = 16_384
    /// Sessions that one expiry entry names, at most.
    package var sessionsPerExpiry = 256

    package static let standard = Limits()
    package init() {}

    /// UTF-8 bytes of a name, a namespace, a participant id or a published value.
    package static let nameBytes = 1_024
    package static let minimumTimeoutMilliseconds: UInt64 = 10
    package static let maximumTimeoutMilliseconds: UInt64 = 86_400_000
    package static let defaultTimeoutMilliseconds: UInt64 = 30_000
}
