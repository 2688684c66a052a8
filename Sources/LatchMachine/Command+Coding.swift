package import BinaryCoding

/// The first byte of an encoded command. Numbers are for ever: they stand in logs on disk.
enum CommandCode: UInt8 {
    case leaderElected = 1
    case openSession = 2
    case renew = 3
    case closeSession = 4
    case deletePrimitive = 5
    case latch = 6
    case openStream = 7
    case closeGap = 8
    case expire = 9
    case leave = 10
    case handOver = 11
    case publish = 12
    case evict = 13
}

extension Command {
    var code: CommandCode {
        switch self {
        case .leaderElected: .leaderElected
        case .openSession: .openSession
        case .renew: .renew
        case .closeSession: .closeSession
        case .deletePrimitive: .deletePrimitive
        case .latch: .latch
        case .openStream: .openStream
        case .closeGap: .closeGap
        case .expire: .expire
        case .leave: .leave
        case .handOver: .handOver
        case .publish: .publish
        case .evict: .evict
        }
    }

    /// The command's bytes: its code, then its fields in the order of declaration, integers
    /// big-endian. Every command has exactly one encoding.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: 128)
        write(to: &writer)
        return writer.bytes
    }

    /// Reads what ``encoded()`` wrote.
    ///
    /// - Throws: If the bytes are anything else: cut short, too long, names over their limit.
    package init(decoding bytes: [UInt8]) throws(DecodingFailure) {
        self = try ByteReader.withReader(over: bytes) { reader throws(DecodingFailure) in
            try Command(from: &reader)
        }
    }

    func write(to writer: inout ByteWriter) {
        writer.write(code.rawValue)
        switch self {
        case .leaderElected(let grace, let incarnation):
            writer.write(grace)
            writer.write(incarnation)
        case .openSession(let name, let timeout):
            writer.write(name)
            writer.write(timeout)
        case .renew(let renewals):
            writer.write(UInt32(renewals.count))
            for renewal in renewals { writer.write(renewal) }
        case .closeSession(let name, let session):
            writer.write(name)
            writer.write(session)
        case .deletePrimitive(let name):
            writer.write(name)
        case .latch(let name, let session, let requestID, let participant),
            .leave(let name, let session, let requestID, let participant):
            writer.write(name)
            writer.write(session)
            writer.write(requestID)
            writer.write(participant)
        case .openStream(let name, let session, let requestID, let index):
            writer.write(name)
            writer.write(session)
            writer.write(requestID)
            writer.write(index)
        case .closeGap(let session, let requestID):
            writer.write(session)
            writer.write(requestID)
        case .expire(let expiries):
            writer.write(UInt32(expiries.count))
            for expiry in expiries {
                writer.write(expiry.session)
                writer.write(expiry.deadlineMilliseconds)
            }
        case .handOver(let name, let session, let requestID, let token, let text),
            .publish(let name, let session, let requestID, let token, let text):
            writer.write(name)
            writer.write(session)
            writer.write(requestID)
            writer.write(token)
            writer.write(text)
        case .evict(let name, let participant, let session, let token):
            writer.write(name)
            writer.write(participant)
            writer.write(session)
            writer.write(token)
        }
    }

    init(from reader: inout ByteReader) throws(DecodingFailure) {
        let raw = try reader.read(UInt8.self, "command code")
        guard let code = CommandCode(rawValue: raw) else {
            throw .invalid(field: "command code", reason: "\(raw) is no command")
        }
        switch code {
        case .leaderElected:
            self = .leaderElected(
                graceMilliseconds: try reader.readNumber("grace"),
                incarnation: try reader.read(UInt16.self, "incarnation"))
        case .openSession:
            self = .openSession(
                try reader.readPrimitiveName(),
                timeoutMilliseconds: try reader.readNumber("timeout"))
        case .renew:
            self = .renew(try reader.readRenewals())
        case .closeSession:
            self = .closeSession(try reader.readPrimitiveName(), try reader.readNumber("session"))
        case .deletePrimitive:
            self = .deletePrimitive(try reader.readPrimitiveName())
        case .latch:
            self = .latch(
                try reader.readPrimitiveName(), try reader.readNumber("session"),
                requestID: try reader.readNumber("request id"),
                participant: try reader.readString("participant", limit: Limits.nameBytes))
        case .openStream:
            self = .openStream(
                try reader.readPrimitiveName(), try reader.readNumber("session"),
                requestID: try reader.readNumber("request id"),
                index: try reader.readNumber("index"))
        case .closeGap:
            self = .closeGap(
                try reader.readNumber("session"), requestID: try reader.readNumber("request id"))
        case .expire:
            self = .expire(try reader.readExpiries())
        case .leave:
            self = .leave(
                try reader.readPrimitiveName(), try reader.readNumber("session"),
                requestID: try reader.readNumber("request id"),
                participant: try reader.readString("participant", limit: Limits.nameBytes))
        case .handOver:
            self = .handOver(
                try reader.readPrimitiveName(), try reader.readNumber("session"),
                requestID: try reader.readNumber("request id"),
                fencingToken: try reader.readNumber("token"),
                to: try reader.readString("to", limit: Limits.nameBytes))
        case .publish:
            self = .publish(
                try reader.readPrimitiveName(), try reader.readNumber("session"),
                requestID: try reader.readNumber("request id"),
                fencingToken: try reader.readNumber("token"),
                value: try reader.readString("value", limit: Limits.nameBytes))
        case .evict:
            self = .evict(
                try reader.readPrimitiveName(),
                participant: try reader.readString("participant", limit: Limits.nameBytes),
                session: try reader.readNumber("session"),
                fencingToken: try reader.readNumber("token"))
        }
    }
}

extension ByteWriter {
    mutating func write(_ name: PrimitiveName) {
        write(name.namespace)
        write(name.name)
    }

    fileprivate mutating func write(_ renewal: Renewal) {
        write(renewal.primitive)
        write(renewal.session)
        write(renewal.acknowledgedRequestID)
        write(UInt32(renewal.streams.count))
        for stream in renewal.streams {
            write(stream.stream)
            write(stream.responseID)
        }
    }
}

extension ByteReader {
    mutating func readPrimitiveName() throws(DecodingFailure) -> PrimitiveName {
        let namespace = try readString("namespace", limit: Limits.nameBytes)
        return PrimitiveName(
            namespace: namespace, name: try readString("name", limit: Limits.nameBytes))
    }

    fileprivate mutating func readRenewals() throws(DecodingFailure) -> [Renewal] {
        // A renewal takes two empty names, two ids and a count at least.
        let count = try readCount("renewals", minimumBytesEach: 28)
        var renewals: [Renewal] = []
        renewals.reserveCapacity(count)
        for _ in 0..<count {
            renewals.append(
                Renewal(
                    primitive: try readPrimitiveName(), session: try readNumber("session"),
                    acknowledgedRequestID: try readNumber("acknowledged request id"),
                    streams: try readAcknowledgements()))
        }
        return renewals
    }

    private mutating func readAcknowledgements()
        throws(DecodingFailure) -> [StreamAcknowledgement]
    {
        let count = try readCount("streams", minimumBytesEach: 16)
        guard count > 0 else { return [] }
        var streams: [StreamAcknowledgement] = []
        streams.reserveCapacity(count)
        for _ in 0..<count {
            streams.append(
                StreamAcknowledgement(
                    stream: try readNumber("stream"), responseID: try readNumber("response id")))
        }
        return streams
    }

    fileprivate mutating func readExpiries() throws(DecodingFailure) -> [Expiry] {
        let count = try readCount("expiries", minimumBytesEach: 16)
        var expiries: [Expiry] = []
        expiries.reserveCapacity(count)
        for _ in 0..<count {
            expiries.append(
                Expiry(
                    session: try readNumber("session"),
                    deadlineMilliseconds: try readNumber("deadline")))
        }
        return expiries
    }
}
