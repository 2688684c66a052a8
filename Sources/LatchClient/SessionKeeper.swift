import GRPCCore
import LatchAPI
import SwiftProtobuf
import Synchronization

/// What the keeper needs of a session, and tells it.
protocol KeptSession: AnyObject, Sendable {
    var wire: Latchd_V1_Session { get }
    /// A node answered a beat that was sent at `sentAt`, and perhaps told what the session holds.
    func answered(
        _ answer: Lease.Answer, _ holding: Belief.Holding?, sentAt: ContinuousClock.Instant)
    /// The node at `endpoint` does not answer: other streams over it may be dead without a sign.
    func suspect(_ endpoint: Endpoint)
    /// No more beats will be sent, for a reason that does not pass.
    func abandoned(_ error: LatchError)
}

/// Renews all sessions of a process over one stream to one node, and moves to another node when
/// that one fails.
final class SessionKeeper: Sendable {
    private struct State {
        var book = BeatBook()
        var sessions: [UInt64: any KeptSession] = [:]
        var lastKey: UInt64 = 0
        var running: Task<Void, Never>?
        var endpoint: Endpoint?
        /// An answer of the present stream said that the cluster could not decide.
        var isWeak = false
    }

    private let calls: Calls
    private let state = Mutex(State())
    private let alarm = Alarm()

    init(calls: Calls) {
        self.calls = calls
    }

    /// The node that carries the beats now: other streams had better go there too.
    var endpoint: Endpoint? { state.withLock { $0.endpoint } }

    /// How many sessions are kept.
    var count: Int { state.withLock { $0.sessions.count } }

    /// Keeps a session alive until ``remove(_:)`` with the key that is returned.
    func add(
        _ session: any KeptSession, schedule: KeepAliveSchedule,
        confirmedAt: ContinuousClock.Instant
    ) -> UInt64 {
        let key = state.withLock { state in
            state.lastKey += 1
            state.book.add(state.lastKey, schedule: schedule, confirmedAt: confirmedAt)
            state.sessions[state.lastKey] = session
            if state.running == nil { state.running = Task { await self.run() } }
            return state.lastKey
        }
        alarm.ring()
        return key
    }

    /// Keeps the session no longer.
    func remove(_ key: UInt64) {
        state.withLock { state in
            state.book.remove(key)
            state.sessions[key] = nil
        }
        alarm.ring()
    }

    // MARK: Running

    /// Carries beats over one stream after the other while there are sessions.
    private func run() async {
        var failures = 0
        while true {
            let endpoint = state.withLock { state -> Endpoint? in
                guard !state.sessions.isEmpty else {
                    state.running = nil
                    state.endpoint = nil
                    return nil
                }
                state.isWeak = false
                state.endpoint = calls.order()[0]
                return state.endpoint
            }
            guard let endpoint else { return }
            let end = await carry(at: endpoint)
            state.withLock { $0.book.streamEnded(at: .now) }
            switch end {
            case .idle: continue
            case .hopeless(let error): abandonAll(error)
            case .failed(let wasUseful):
                calls.note(endpoint, failed: true)
                for session in state.withLock({ Array($0.sessions.values) }) {
                    session.suspect(endpoint)
                }
                failures = wasUseful ? 1 : failures + 1
                await pause(after: failures)
            }
        }
    }

    /// The next nodes are tried at once; after a round over all of them there is a pause.
    private func pause(after failures: Int) async {
        let count = calls.endpoints.count
        guard failures >= count else { return }
        let backoff = state.withLock { $0.book.backoff }
        let pause = backoff.pause(afterRound: failures / count, random: .random(in: 0..<1))
        try? await Task.sleep(for: pause, clock: .continuous)
    }

    private func abandonAll(_ error: LatchError) {
        let sessions = state.withLock { state in
            defer {
                state.sessions = [:]
                state.book = BeatBook()
            }
            return Array(state.sessions.values)
        }
        for session in sessions { session.abandoned(error) }
    }

    private enum End: Sendable {
        /// There is nothing to renew.
        case idle
        case failed(wasUseful: Bool)
        /// It can never work again.
        case hopeless(LatchError)
    }

    /// Carries beats over one stream, to its end.
    private func carry(at endpoint: Endpoint) async -> End {
        let (requests, feed) = AsyncStream<Latchd_V1_KeepAliveRequest>.makeStream()
        let wasUseful = LockedFlag()
        return await withTaskGroup(of: End.self) { group in
            group.addTask {
                do {
                    let attempt = try self.calls.attempt(at: endpoint, timeout: nil)
                    try await attempt.keepAlive(requests) { response in
                        if self.take(response) { wasUseful.set() }
                    }
                } catch let error as LatchError where error.code == .shutDown {
                    return .hopeless(error)
                } catch {
                    // Whatever it was, another node may do better.
                }
                return .failed(wasUseful: wasUseful.isSet)
            }
            group.addTask { await self.feed(feed, wasUseful) }
            let end = await group.next() ?? .idle
            group.cancelAll()
            return end
        }
    }

    /// Sends what is due, and ends when there is nothing to keep or the stream is of no use.
    private func feed(
        _ requests: AsyncStream<Latchd_V1_KeepAliveRequest>.Continuation,
        _ wasUseful: LockedFlag
    ) async -> End {
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let (due, next, isIdle, isStalled) = state.withLock { state in
                var due: [Latchd_V1_KeepAliveRequest] = []
                while let beat = state.book.takeDue(at: now) {
                    due.append(request(beat, in: state))
                }
                let next = [state.book.nextDue, state.book.stallsAt].compactMap { $0 }.min()
                let isStalled = state.isWeak || state.book.stallsAt.map { $0 <= now } ?? false
                return (due, next, state.sessions.isEmpty, isStalled)
            }
            if isIdle { return .idle }
            if isStalled { return .failed(wasUseful: wasUseful.isSet) }
            for request in due { requests.yield(request) }
            await alarm.wait(until: next ?? now + .seconds(3_600))
        }
        return .failed(wasUseful: wasUseful.isSet)
    }

    private func request(_ beat: BeatBook.Beat, in state: State) -> Latchd_V1_KeepAliveRequest {
        .with {
            $0.sequence = beat.sequence
            $0.sessions = beat.sessions.compactMap { state.sessions[$0]?.wire }
        }
    }

    /// Hands the answers on. True if one of them was worth something.
    private func take(_ response: Latchd_V1_KeepAliveResponse) -> Bool {
        var answers: [(any KeptSession, Lease.Answer, Belief.Holding?)] = []
        let sentAt = state.withLock { state -> ContinuousClock.Instant? in
            guard let beat = state.book.takeAnswered(response.sequence) else { return nil }
            for (key, life) in zip(beat.sessions, response.sessions) {
                // A session that was removed meanwhile is in the answer all the same.
                guard let session = state.sessions[key], session.wire.id == life.sessionID,
                    let answer = Lease.Answer(life)
                else { continue }
                if answer == .jeopardy {
                    state.isWeak = true
                    state.book.retrySoon(key, at: .now)
                }
                answers.append((session, answer, Belief.Holding(life)))
            }
            return beat.sentAt
        }
        guard let sentAt else { return false }
        for (session, answer, holding) in answers {
            session.answered(answer, holding, sentAt: sentAt)
        }
        alarm.ring()
        return answers.contains { $0.1 != .jeopardy }
    }
}
