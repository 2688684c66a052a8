import BinaryCoding
import DequeModule
import HashTreeCollections

extension LatchMachine {
    /// Every invariant of the state that does not hold, in words; empty if all do. O(size of the
    /// state): for tests and the simulator.
    package func brokenInvariants() -> [String] {
        var broken: [String] = []
        var sessions = 0
        for name in state.names {
            guard let primitive = state.primitives[name] else {
                broken.append("\(name) is indexed but not there")
                continue
            }
            sessions += primitive.sessions.count
            checkLatch(primitive, name, &broken)
            for id in primitive.sessions { checkSession(id, primitive, name, &broken) }
        }
        if state.names.count != primitiveCount { broken.append("a primitive is not indexed") }
        if sessions != sessionCount { broken.append("a session belongs to no primitive") }
        if expiry.count != sessionCount { broken.append("the expiry queue is not complete") }
        if sessionCount > limits.sessions || primitiveCount > limits.primitives {
            broken.append("a bound is exceeded (I19)")
        }
        return broken
    }

    private func checkLatch(
        _ primitive: Primitive, _ name: PrimitiveName, _ broken: inout [String]
    ) {
        let latch = primitive.latch
        if latch.holder != latch.participants.first {
            broken.append("\(name): the holder is not the oldest participant")
        }
        if latch.participants.count != primitive.owners.count {
            broken.append("\(name): participants and owners differ in number")
        }
        for owner in primitive.owners where !isOpen(session: owner, of: name) {
            broken.append("\(name): a participant's session \(owner) is not live (I13)")
        }
        do throws(DecodingFailure) {
            try primitive.ring.check(against: latch, upTo: state)
            try primitive.ledger.check(
                against: latch, heldBy: primitive.owners.first, upTo: state)
        } catch {
            broken.append("\(name): \(error) (I14, I17)")
        }
        if primitive.owners.count > limits.participantsPerLatch
            || primitive.ring.events.count > limits.eventsPerLatch
        {
            broken.append("\(name): a bound is exceeded (I19)")
        }
    }

    private func checkSession(
        _ id: SessionID, _ primitive: Primitive, _ name: PrimitiveName,
        _ broken: inout [String]
    ) {
        guard let session = state.session(id, of: name) else {
            broken.append("\(name): session \(id) is listed but not open")
            return
        }
        for stream in session.streams {
            let key = StreamKey(session: id, stream: stream.id)
            var cursors = primitive.cursors.from(StreamCursor(key: key, offset: 0))
            guard let cursor = cursors.next(), cursor.key == key, cursor.offset == stream.offset
            else {
                broken.append("\(name): stream \(key) gets no events")
                continue
            }
        }
        if session.queuedDeadlineMilliseconds > state.time.effectiveDeadline(of: session) {
            broken.append("\(name): session \(id) would expire late")
        }
        do throws(DecodingFailure) {
            try session.check(id, in: state, limits)
        } catch {
            broken.append("\(name): session \(id): \(error) (I19)")
        }
    }
}
