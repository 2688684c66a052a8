import LatchAPI
import LatchMachine

/// The checks that every request of `latchd.v1` goes through. What does not pass is answered
/// INVALID_ARGUMENT, with the field and what it may be.
enum LatchRequest {
    /// Sessions that one beat of KeepAlive may renew.
    static let maximumSessionsOfBeat = 1_000

    /// A latch's name.
    static func name(
        _ name: Latchd_V1_LatchName, isPresent: Bool, field: String = "latch"
    ) throws(Failure) -> PrimitiveName {
        guard isPresent else { throw .invalid("\(field) is missing: say which latch is meant") }
        guard !name.name.isEmpty else {
            throw .invalid("\(field).name is empty: a latch has a name of 1 to \(limit)")
        }
        try check(name.name, "\(field).name")
        try check(name.namespace, "\(field).namespace")
        return PrimitiveName(namespace: name.namespace, name: name.name)
    }

    /// A session and the latch that it is on.
    static func session(
        _ session: Latchd_V1_Session, isPresent: Bool
    ) throws(Failure) -> (name: PrimitiveName, id: SessionID) {
        guard isPresent else {
            throw .invalid("session is missing: pass back what OpenSession returned")
        }
        guard session.id != 0 else {
            throw .invalid("session.id is 0: pass back what OpenSession returned, as it came")
        }
        let name = try name(session.latch, isPresent: session.hasLatch, field: "session.latch")
        return (name, session.id)
    }

    /// Who takes part.
    static func participant(
        _ text: String, field: String = "participant"
    ) throws(Failure) -> String {
        guard !text.isEmpty else {
            throw .invalid("\(field) is empty: name the participant, by its host for instance")
        }
        try check(text, field)
        return text
    }

    /// The token of a grant that a command is about.
    static func token(_ token: UInt64) throws(Failure) -> UInt64 {
        guard token != 0 else {
            throw .invalid("fencing_token is 0: pass the token of the grant that is meant")
        }
        return token
    }

    /// Requires that a text fits the limit on names.
    static func check(_ text: String, _ field: String) throws(Failure) {
        guard text.utf8.count <= Limits.nameBytes else {
            throw .invalid("\(field) has \(text.utf8.count) bytes of UTF-8, at most \(limit)")
        }
    }

    private static let limit = "\(Limits.nameBytes) bytes are taken"

    /// How long a session lives: the default for 0, else brought into the range.
    static func timeout(_ milliseconds: UInt64) -> UInt64 {
        guard milliseconds != 0 else { return Limits.defaultTimeoutMilliseconds }
        return min(
            max(milliseconds, Limits.minimumTimeoutMilliseconds),
            Limits.maximumTimeoutMilliseconds)
    }

    /// How often an observer hears something.
    static func heartbeat(_ milliseconds: UInt64) throws(Failure) -> Int64 {
        guard milliseconds != 0 else { return 5_000 }
        guard (100...60_000).contains(milliseconds) else {
            throw .invalid("heartbeat_ms is \(milliseconds): 100 to 60000 are taken, or 0 for 5000")
        }
        return Int64(milliseconds)
    }
}

extension Failure {
    static func invalid(_ message: String) -> Failure {
        Failure(reason: .invalid, message: message)
    }
}
