import BinaryCoding
import DequeModule
import HashTreeCollections

/// The state at one index, as a value that another thread may encode while the machine goes on.
///
/// Taking it is O(1), and what the machine changes afterwards costs it a few small nodes a change.
package struct SnapshotImage: Sendable {
    let state: ReplicatedState

    /// The index of the last entry in it.
    package var lastApplied: UInt64 { state.lastApplied }

    /// The canonical bytes: equal states give equal bytes. O(size of the state).
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: 128 + 256 * state.names.count)
        writer.writeRaw(SnapshotLayout.magic)
        writer.write(SnapshotLayout.version)
        writer.write(state.incarnation)
        writer.write(state.lastApplied)
        writer.write(state.time.nowMilliseconds)
        writer.write(state.time.graceStartMilliseconds)
        writer.write(state.time.graceMilliseconds)
        writer.write(state.digest.value)
        writer.write(UInt32(state.names.count))
        for name in state.names {
            guard let primitive = state.primitives[name] else {
                preconditionFailure("every indexed name has its primitive")
            }
            write(primitive, name, to: &writer)
        }
        writer.write(CRC32C.checksum(writer.bytes))
        return writer.bytes
    }

    private func write(
        _ primitive: Primitive, _ name: PrimitiveName, to writer: inout ByteWriter
    ) {
        var names = NameNumbers()
        writer.write(name)
        writer.write(primitive.latch.term)
        writer.write(primitive.latch.fencingToken)
        writer.write(UInt32(primitive.owners.count))
        for (participant, owner) in zip(primitive.latch.participants, primitive.owners) {
            writer.write(participant, &names)
            writer.write(owner)
        }
        writer.write(primitive.latch.value, &names)
        writer.write(primitive.ring.newestNumber)
        writer.write(UInt32(primitive.ring.events.count))
        for event in primitive.ring.events {
            writer.write(event.index)
            writer.write(event.state, &names)
        }
        writer.write(primitive.ledger, &names)
        writer.write(UInt32(primitive.sessions.count))
        for id in primitive.sessions {
            guard let session = state.sessions[id] else {
                preconditionFailure("every session of a primitive is open")
            }
            writer.write(id)
            writer.write(session, &names)
        }
    }
}

extension LatchMachine {
    /// The state now, for encoding elsewhere. O(1).
    package func snapshotImage() -> SnapshotImage {
        SnapshotImage(state: state)
    }

    /// The canonical bytes of the state. O(size of the state); see ``snapshotImage()``.
    package func encodeSnapshot() -> [UInt8] {
        snapshotImage().encoded()
    }

    /// A digest of the whole state, for tests and for a check on demand. O(size of the state).
    package func fullDigest() -> UInt64 {
        var digest = RollingDigest()
        encodeSnapshot().withUnsafeBytes { digest.fold($0) }
        return digest.value
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ text: String, _ names: inout NameNumbers) {
        let (number, isNew) = names.number(of: text)
        write(number)
        if isNew { write(text) }
    }

    fileprivate mutating func write(_ latch: LatchState, _ names: inout NameNumbers) {
        write(latch.term)
        write(latch.fencingToken)
        write(UInt32(latch.participants.count))
        for participant in latch.participants { write(participant, &names) }
        write(latch.value, &names)
    }

    fileprivate mutating func write(_ ledger: Ledger, _ names: inout NameNumbers) {
        write(ledger.idleSinceMilliseconds)
        write(ledger.believedUntilMilliseconds)
        write(UInt32(ledger.records.count))
        for record in ledger.records {
            write(record.term)
            write(record.fencingToken)
            write(record.holder, &names)
            write(record.session)
            write(record.began)
            write(record.ended != nil)
            if let ended = record.ended { write(ended) }
            write(record.gapMilliseconds)
            write(record.overlapBoundMilliseconds)
            write(record.chain)
        }
    }

    private mutating func write(_ edge: TermEdge) {
        write(edge.cause.rawValue)
        write(edge.index)
        write(edge.raftTerm)
        write(edge.logTimeMilliseconds)
        write(edge.wallTimeMilliseconds)
    }

    fileprivate mutating func write(_ session: Session, _ names: inout NameNumbers) {
        write(session.timeoutMilliseconds)
        write(session.deadlineMilliseconds)
        write(session.lastRequestID)
        write(session.acknowledgedRequestID)
        write(UInt32(session.answers.count))
        for answer in session.answers {
            write(answer.requestID)
            write(answer.content, &names)
            write(answer.result, &names)
        }
        write(UInt32(session.held.count))
        for held in session.held {
            write(held.requestID)
            write(held.content, &names)
        }
        write(UInt32(session.streams.count))
        for stream in session.streams {
            write(stream.id)
            write(stream.openIndex)
            write(stream.baseEvent)
            write(stream.hasInitial)
            write(stream.acknowledgedResponseID)
        }
        write(UInt32(session.voids.count))
        for void in session.voids {
            write(void.first)
            write(void.last)
        }
    }

    private mutating func write(_ content: CommandContent, _ names: inout NameNumbers) {
        switch content {
        case .latch(.join(let participant)):
            write(0 as UInt8)
            write(participant.text, &names)
        case .openStream(let index):
            write(1 as UInt8)
            write(index)
        case .latch(.leave(let participant)):
            write(2 as UInt8)
            write(participant.text, &names)
        case .latch(.handOver(let token, let participant)):
            write(3 as UInt8)
            write(token)
            write(participant.text, &names)
        case .latch(.publish(let token, let value)):
            write(4 as UInt8)
            write(token)
            write(value.text, &names)
        }
    }

    private mutating func write(_ result: CommandResult, _ names: inout NameNumbers) {
        switch result {
        case .latched(let state, let index):
            write(0 as UInt8)
            write(index)
            write(state, &names)
        case .refused(let rejection):
            write(1 as UInt8)
            write(rejection)
        }
    }

    private mutating func write(_ rejection: Rejection) {
        switch rejection {
        case .unknownSession: write(0 as UInt8)
        case .alreadyAcknowledged: write(1 as UInt8)
        case .gap: write(2 as UInt8)
        case .requestMismatch: write(3 as UInt8)
        case .limit(let text):
            write(4 as UInt8)
            write(text)
        case .tokenMoved: write(6 as UInt8)
        case .noSuchParticipant: write(7 as UInt8)
        // Never stored: a snapshot that held one would be refused.
        case .tooManyHeld: write(5 as UInt8)
        case .noSuchPrimitive: write(8 as UInt8)
        }
    }
}
