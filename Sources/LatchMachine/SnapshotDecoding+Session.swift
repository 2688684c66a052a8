import BinaryCoding

/// The texts of one primitive in order of appearance.
struct NameTable {
    private var texts: [String] = []
    /// Whether a latch has a value: from version 2 on.
    private let hasValues: Bool

    init(hasValues: Bool) {
        self.hasValues = hasValues
    }

    mutating func readName(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> String {
        let number = Int(try reader.read(UInt32.self, "name number"))
        if number < texts.count { return texts[number] }
        guard number == texts.count else {
            throw .invalid(field: "name number", reason: "\(number) was not introduced")
        }
        let text = try reader.readString("name", limit: Limits.nameBytes)
        texts.append(text)
        return text
    }

    mutating func readLatch(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> LatchState {
        var latch = LatchState(
            term: try reader.readNumber("term"), fencingToken: try reader.readNumber("token"))
        let count = try reader.readCount("participants", minimumBytesEach: 4)
        latch.participants.reserveCapacity(count)
        for _ in 0..<count { latch.participants.append(try readName(from: &reader)) }
        latch.holder = latch.participants.first
        latch.value = try readValue(from: &reader)
        return latch
    }

    /// What the holder of a latch published.
    mutating func readValue(from reader: inout ByteReader) throws(DecodingFailure) -> String {
        hasValues ? try readName(from: &reader) : ""
    }

    mutating func readSession(
        of name: PrimitiveName, newestEvent: UInt64, from reader: inout ByteReader
    ) throws(DecodingFailure) -> Session {
        var session = Session(
            primitive: name, timeoutMilliseconds: try reader.readNumber("timeout"),
            deadlineMilliseconds: try reader.readNumber("deadline"))
        session.lastRequestID = try reader.readNumber("last request id")
        session.acknowledgedRequestID = try reader.readNumber("acknowledged request id")
        for _ in 0..<(try reader.readCount("answers", minimumBytesEach: 14)) {
            session.answers.append(
                StoredAnswer(
                    requestID: try reader.readNumber("answered request id"),
                    content: try readContent(from: &reader),
                    result: try readResult(from: &reader)))
        }
        for _ in 0..<(try reader.readCount("held commands", minimumBytesEach: 13)) {
            session.held.append(
                HeldCommand(
                    requestID: try reader.readNumber("held request id"),
                    content: try readContent(from: &reader)))
        }
        for _ in 0..<(try reader.readCount("streams", minimumBytesEach: 33)) {
            session.streams.append(
                try reader.readStream(newestEvent: newestEvent))
        }
        for _ in 0..<(try reader.readCount("voids", minimumBytesEach: 16)) {
            session.voids.append(
                VoidRange(first: try reader.readNumber("void"), last: try reader.readNumber("void"))
            )
        }
        return session
    }

    private mutating func readContent(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> CommandContent {
        switch try reader.read(UInt8.self, "content") {
        case 0: return .latch(.join(ExactText(try readName(from: &reader))))
        case 1: return .openStream(index: try reader.readNumber("index"))
        case 2: return .latch(.leave(ExactText(try readName(from: &reader))))
        case 3:
            let token = try reader.read(UInt64.self, "token")
            return .latch(.handOver(token: token, to: ExactText(try readName(from: &reader))))
        case 4:
            let token = try reader.read(UInt64.self, "token")
            return .latch(.publish(token: token, value: ExactText(try readName(from: &reader))))
        case let other: throw .invalid(field: "content", reason: "\(other) is not known")
        }
    }

    private mutating func readResult(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> CommandResult {
        switch try reader.read(UInt8.self, "result") {
        case 0:
            let index = try reader.read(UInt64.self, "index")
            return .latched(try readLatch(from: &reader), index: index)
        case 1: return .refused(try reader.readRejection())
        case let other: throw .invalid(field: "result", reason: "\(other) is not known")
        }
    }
}

extension ByteReader {
    fileprivate mutating func readRejection() throws(DecodingFailure) -> Rejection {
        switch try read(UInt8.self, "rejection") {
        case 0: return .unknownSession
        case 1: return .alreadyAcknowledged
        case 2: return .gap
        case 3: return .requestMismatch
        case 4: return .limit(try readString("limit", limit: Limits.nameBytes))
        case 6: return .tokenMoved
        case 7: return .noSuchParticipant
        case let other: throw .invalid(field: "rejection", reason: "\(other) is not known")
        }
    }

    fileprivate mutating func readStream(
        newestEvent: UInt64
    ) throws(DecodingFailure) -> EventStream {
        var stream = EventStream(
            id: try readNumber("stream"), openIndex: try readNumber("open index"),
            baseEvent: try readNumber("base event"), hasInitial: try readBool("initial"))
        stream.acknowledgedResponseID = try readNumber("acknowledged response id")
        guard stream.baseEvent <= newestEvent, !stream.hasInitial || stream.baseEvent > 0,
            stream.acknowledgedResponseID <= stream.lastResponseID(newestEvent: newestEvent)
        else {
            throw .invalid(field: "stream", reason: "it is ahead of its latch")
        }
        return stream
    }
}
