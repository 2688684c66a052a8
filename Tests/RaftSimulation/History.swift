package import LatchMachine

/// What clients asked and got, on the one true clock.
package struct History: Sendable {
    /// One call with all its attempts, from the first sending to the first answer; or from the
    /// sending of the attempt that is answered, where each does its own work.
    package struct Operation: Sendable {
        package enum Kind: Sendable {
            case command(Command)
            case renewal(Renewal)
            case get(PrimitiveName, SessionID?)
            case frame(PrimitiveName, StreamKey, Frame)
        }
        package enum Result: Sendable {
            case answer(Answer)
            case renewed(Bool)
            case state(LatchState?)
            case unknownSession
        }
        package let client: Int
        package let kind: Kind
        /// Milliseconds.
        package fileprivate(set) var invoked: UInt64
        /// Nil while nothing is known of its fate.
        package var returned: UInt64?
        package var result: Result?
        /// Where in the log it took its place.
        package var index: UInt64?
    }

    package private(set) var operations: [Operation] = []

    /// Notes a call that begins; returns its number.
    mutating func begin(_ client: Int, _ kind: Operation.Kind, at now: UInt64) -> Int {
        operations.append(Operation(client: client, kind: kind, invoked: now))
        return operations.count - 1
    }

    /// The call was answered by an attempt that was sent at `time`.
    mutating func moveBegin(of number: Int, to time: UInt64) {
        operations[number].invoked = time
    }

    /// Notes one frame of a stream that was asked for at `invoked`.
    mutating func noteFrame(
        _ frame: Frame, of key: StreamKey, _ name: PrimitiveName, by client: Int,
        invoked: UInt64, at now: UInt64
    ) {
        operations.append(
            Operation(
                client: client, kind: .frame(name, key, frame), invoked: invoked, returned: now,
                index: frame.index))
    }

    mutating func end(
        _ number: Int, _ result: Operation.Result, index: UInt64?, at now: UInt64
    ) {
        operations[number].returned = now
        operations[number].result = result
        operations[number].index = index
    }

    /// The witness check (I11, I18): what had returned before a call began stands before it in the
    /// log.
    func check() throws(Violation) {
        var returns: [(time: UInt64, index: UInt64)] = []
        var calls: [(time: UInt64, index: UInt64, isRead: Bool)] = []
        for operation in operations {
            guard let returned = operation.returned, let index = operation.index else { continue }
            var isRead = false
            switch operation.kind {
            case .get: isRead = true
            case .frame: continue
            case .command, .renewal: break
            }
            returns.append((returned, index))
            calls.append((operation.invoked, index, isRead))
        }
        returns.sort { $0.time < $1.time }
        calls.sort { $0.time < $1.time }
        var highest: UInt64 = 0
        var position = 0
        for call in calls {
            while position < returns.count, returns[position].time < call.time {
                highest = max(highest, returns[position].index)
                position += 1
            }
            try require(
                call.isRead ? call.index >= highest : call.index > highest,
                "I18 no stale answer",
                "a call that began at \(call.time) stands at \(call.index), one that had returned "
                    + "before it at \(highest)")
        }
    }
}
