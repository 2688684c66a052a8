import GRPCCore
import LatchAPI
import SwiftProtobuf
import Synchronization

/// How one transport of an Events stream ended.
enum EventsEnd: Sendable {
    /// The servers closed the stream: the session ended, or this reader was too slow.
    case closed
    /// Frames are missing.
    case gap
    /// The node moves the stream to another node.
    case moved(Endpoint?)
    case refused(Refusal)
    /// It can never work.
    case failed(LatchError)
    /// The user wants no more.
    case stopped
    /// The transport ended without CLOSE_STREAM.
    case broken(LatchError.Code, String)
}

extension Session {
    /// Takes one event; false: the user is done with the session.
    typealias Report = @Sendable (SessionEvent) async -> Bool

    /// Follows the latch's changes: opens the stream, reads it, and opens it again elsewhere when
    /// its node fails. The same stream (request id) is resumed as long as the servers have it, so
    /// nothing is missed; when they have not, a new one is opened and the user is told.
    func followEvents(_ report: @escaping Report) async -> SessionEnd {
        var stream = book.withLock { $0.takeRequestID() }
        var wanted: Endpoint?
        var failures = 0
        while !Task.isCancelled {
            let endpoint = calls.order(wanted: wanted)[0]
            wanted = nil
            let before = book.withLock { $0.streams[stream] ?? 0 }
            let end = await carry(stream: stream, at: endpoint, report)
            if Task.isCancelled { break }
            // Something arrived: the next failure is a new one.
            if book.withLock({ $0.streams[stream] ?? 0 }) > before { failures = 0 }
            switch judge(end) {
            case .end(let end): return end
            case .another:
                book.withLock { $0.forget(stream: stream) }
                stream = book.withLock { $0.takeRequestID() }
                guard await report(.resynchronized) else { return .stopped }
            case .move(let leader):
                wanted = leader
                guard await report(.moved) else { return .stopped }
            case .again(let code, let reason):
                calls.note(endpoint, failed: true)
                if failures == 0 {
                    let attempt = LatchError.Attempt(endpoint: endpoint, reason: reason)
                    let error = LatchError(code, "the stream broke", attempts: [attempt])
                    guard await report(.interrupted(error)) else { return .stopped }
                }
            case .later(let code, let reason):
                stream = book.withLock { $0.replaceRefused(requestID: stream) }
                if failures == 0 {
                    guard await report(.interrupted(LatchError(code, reason))) else {
                        return .stopped
                    }
                }
                // Every node would say the same: no second try at once.
                failures = max(failures, 1)
            }
            // The first failure moves to another node at once.
            failures += 1
            guard failures > 1 else { continue }
            let pause = calls.settings.backoff.pause(
                afterRound: failures - 2, random: .random(in: 0..<1))
            do { try await Task.sleep(for: pause, clock: clock) } catch { break }
        }
        return .cancelled
    }

    private enum Step {
        case end(SessionEnd)
        /// Open a new stream.
        case another
        /// Go on with the same stream at that node.
        case move(Endpoint?)
        /// Go on with the same stream at another node.
        case again(LatchError.Code, String)
        /// A bound is reached: open a new stream after a pause.
        case later(LatchError.Code, String)
    }

    private func judge(_ end: EventsEnd) -> Step {
        switch end {
        case .closed, .gap: return .another
        case .moved(let leader): return .move(leader)
        case .failed(let error): return .end(.failed(error))
        case .stopped: return .end(.stopped)
        case .broken(let code, let reason): return .again(code, reason)
        case .refused(let refusal):
            switch refusal.reason {
            case .unknownSession: return .end(.unknown)
            case .invalid: return .end(.failed(LatchError(.invalidArgument, refusal.message)))
            case .alreadyAcknowledged, .gap: return .another
            case .limit: return .later(refusal.reason.code, refusal.message)
            case .noLeader, .overloaded, .outcomeUnknown, .other:
                return .again(refusal.reason.code, refusal.message)
            }
        }
    }

    /// Carries the stream over one transport, to its end.
    private func carry(stream: UInt64, at endpoint: Endpoint, _ report: @escaping Report) async
        -> EventsEnd
    {
        let carriage = Carriage(endpoint: endpoint)
        carrier.withLock { $0 = carriage }
        defer { carrier.withLock { $0 = nil } }
        let timeout = calls.settings.attemptTimeout
        return await carriage.run(openWithin: timeout, clock: clock) {
            do {
                return try await self.read(stream: stream, over: carriage, report)
            } catch let error as RPCError {
                if let refusal = Refusal(trailers: error.metadata) { return .refused(refusal) }
                return Self.end(after: error)
            } catch {
                return Self.end(after: error)
            }
        }
    }

    private static func end(after error: any Error) -> EventsEnd {
        switch CallVerdict(error) {
        case .cancelled: .broken(.unreachable, "no answer in time")
        case .fail(let error): .failed(error)
        case .retry(let code, let reason, _): .broken(code, reason)
        }
    }

    private func read(stream: UInt64, over carriage: Carriage, _ report: @escaping Report)
        async throws -> EventsEnd
    {
        let request = Atomix_Leader_EventRequest.with { $0.header = commandHeader(stream) }
        let attempt = try calls.attempt(at: carriage.endpoint, timeout: nil)
        // A refusal begins with an OPEN_STREAM of its own; it must not undo an opening that did
        // succeed before.
        let wasOpen = book.withLock { $0.streams[stream] != nil }
        return try await attempt.events(request) { response in
            var isRefused = false
            for try await part in try response.accepted.get().bodyParts {
                switch part {
                case .message(let frame):
                    carriage.noteHeard()
                    if frame.header.status == .ok {
                        let end = await self.take(frame, of: stream, report)
                        if let end { return end }
                    } else if frame.header.status == .notLeader {
                        return .moved(Endpoint(frame.header.leader))
                    } else {
                        // The reason comes with the trailers.
                        isRefused = true
                        if !wasOpen { self.book.withLock { $0.refused(stream: stream) } }
                    }
                case .trailingMetadata(let trailers):
                    guard isRefused else { continue }
                    return .refused(
                        Refusal(trailers: trailers)
                            ?? Refusal(.other(""), "refused without a reason"))
                }
            }
            return .broken(.unreachable, "the node ended the stream")
        }
    }

    /// Uses one frame; returns the stream's end if this was it.
    private func take(
        _ frame: Atomix_Leader_EventResponse, of stream: UInt64, _ report: @escaping Report
    ) async -> EventsEnd? {
        let header = frame.header
        let verdict = book.withLock {
            $0.received(stream: stream, responseID: header.responseID, index: header.index)
        }
        switch verdict {
        case .duplicate: return nil
        case .gap: return .gap
        case .next: break
        }
        switch header.type {
        case .closeStream: return .closed
        case .openStream: return nil
        case .response:
            return await report(.latch(frame.latch, index: header.index)) ? nil : .stopped
        case .UNRECOGNIZED: return nil
        }
    }
}
