extension RollingDigest {
    /// Everything in the record.
    mutating func fold(_ record: LogRecord) {
        fold(UInt64(record.origin))
        fold(record.number)
        fold(record.logTimeMilliseconds)
        // Not folded where it is not known, so that records of version 1 keep their digest.
        if record.wallTimeMilliseconds > 0 { fold(record.wallTimeMilliseconds) }
        fold(record.command)
    }

    private mutating func fold(_ command: Command) {
        fold(UInt64(command.code.rawValue))
        switch command {
        case .leaderElected(let grace, let incarnation):
            fold(grace)
            fold(UInt64(incarnation))
        case .openSession(let name, let timeout):
            fold(name)
            fold(timeout)
        case .renew(let renewals):
            fold(renewals.count)
            for renewal in renewals { fold(renewal) }
        case .closeSession(let name, let session):
            fold(name)
            fold(session)
        case .deletePrimitive(let name):
            fold(name)
        case .latch(let name, let session, let requestID, let participant):
            fold(name)
            fold(session)
            fold(requestID)
            fold(participant)
        case .openStream(let name, let session, let requestID, let index):
            fold(name)
            fold(session)
            fold(requestID)
            fold(index)
        case .closeGap(let session, let requestID):
            fold(session)
            fold(requestID)
        case .expire(let expiries):
            fold(expiries.count)
            for expiry in expiries {
                fold(expiry.session)
                fold(expiry.deadlineMilliseconds)
            }
        case .leave(let name, let session, let requestID, let participant):
            fold(name)
            fold(session)
            fold(requestID)
            fold(participant)
        case .handOver(let name, let session, let requestID, let token, let text),
            .publish(let name, let session, let requestID, let token, let text):
            fold(name)
            fold(session)
            fold(requestID)
            fold(token)
            fold(text)
        case .evict(let name, let participant, let session, let token):
            fold(name)
            fold(participant)
            fold(session)
            fold(token)
        }
    }

    private mutating func fold(_ renewal: Renewal) {
        fold(renewal.primitive)
        fold(renewal.session)
        fold(renewal.acknowledgedRequestID)
        fold(renewal.streams.count)
        for stream in renewal.streams {
            fold(stream.stream)
            fold(stream.responseID)
        }
    }
}
