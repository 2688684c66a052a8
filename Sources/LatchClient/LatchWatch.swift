import LatchAPI
import Synchronization

/// What a watch tells.
public enum WatchEvent: Sendable, Hashable {
    /// The latch's state. The first one is the state at the beginning.
    case state(LatchInfo)
    /// Changes may have been missed; the current state follows.
    case resynchronized
    /// The node that was watched through failed. The watch goes on through another; nothing is
    /// missed unless ``resynchronized`` follows.
    case interrupted(String)
}

/// Watches one latch through one session after the other, for ever.
struct LatchWatch: Sendable {
    let calls: Calls
    let name: LatchName
    let ttl: Duration
    let output: AsyncThrowingStream<WatchEvent, any Error>.Continuation

    func run() async {
        do {
            var isFirst = true
            while !Task.isCancelled {
                let session = try await openSession(patient: !isFirst)
                if !isFirst { output.yield(.resynchronized) }
                isFirst = false
                try await follow(session)
            }
            output.finish()
        } catch {
            output.finish(throwing: Task.isCancelled ? nil : error)
        }
    }

    /// The first session must come about in time, or the caller is told; later ones are waited for.
    private func openSession(patient: Bool) async throws -> Session {
        while true {
            do {
                return try await Session.open(calls: calls, name: name, ttl: ttl)
            } catch let error as LatchError where patient && error.mayPass {
                output.yield(.interrupted(error.description))
                try await Task.sleep(for: calls.settings.maximumBackoff)
            }
        }
    }

    private func follow(_ session: Session) async throws {
        let reporter = WatchReporter(session: session, output: output)
        try await reporter.reportCurrent()
        let end = await session.run(first: nil) { await reporter.report($0) }
        switch end {
        case .unknown: break
        case .deadlinePassed:
            output.yield(.interrupted("no keep-alive was acknowledged for a whole TTL"))
        case .failed(let error): throw error
        case .cancelled:
            // This task is cancelled; the closing must not be.
            await Task { try? await session.close(within: .seconds(1)) }.value
        }
    }
}

/// Turns the events of one session into those of a watch.
private actor WatchReporter {
    private let session: Session
    private let output: AsyncThrowingStream<WatchEvent, any Error>.Continuation
    private var last: LatchInfo?

    init(session: Session, output: AsyncThrowingStream<WatchEvent, any Error>.Continuation) {
        self.session = session
        self.output = output
    }

    /// The state before the first event. The stream opened after it starts where it ends.
    func reportCurrent() async throws {
        let name = session.name
        let response = try await session.calls.perform(session.calls.plan) {
            try await $0.latch(name)
        }
        session.book.withLock { $0.noteIndex(response.index) }
        emit(LatchInfo(response.latch, index: response.index))
    }

    func report(_ event: SessionEvent) async {
        switch event {
        case .interrupted(let error): output.yield(.interrupted(error.description))
        case .resynchronized:
            output.yield(.resynchronized)
            last = nil
            // Failing that, the next change tells the state.
            try? await reportCurrent()
        case .latch(let latch, let index):
            let token = await token(of: latch)
            emit(LatchInfo(session.name, latch, token: token, index: index))
        }
    }

    /// Events carry no token. It belongs to the term, so it is read once a term, and only if it is
    /// still the current one.
    private func token(of latch: Atomix_Leader_Latch) async -> UInt64? {
        if let last, last.term == latch.id, last.fencingToken != nil { return last.fencingToken }
        let name = session.name
        var plan = session.calls.plan
        plan.timeout = min(plan.timeout, session.calls.settings.attemptTimeout)
        let response = try? await session.calls.perform(plan) { try await $0.latch(name) }
        guard let state = response?.latch.state, state.term == latch.id else { return nil }
        return state.fencingToken
    }

    private func emit(_ info: LatchInfo) {
        if let last, last.term == info.term, last.holder == info.holder,
            last.participants == info.participants
        {
            return
        }
        last = info
        output.yield(.state(info))
    }
}

extension LatchError {
    /// The same call may work later.
    var mayPass: Bool {
        switch code {
        case .unreachable, .noLeader, .overloaded, .outcomeUnknown, .refused, .sessionLost: true
        case .invalidArgument, .notFound, .participantInUse, .shutDown: false
        }
    }
}
