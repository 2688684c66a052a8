import LatchAPI
import Synchronization

/// What a watch tells.
public enum WatchEvent: Sendable, Hashable {
    /// The latch's state. The first one is the state at the beginning; later ones differ from the
    /// one before, unless ``resynchronized`` is between them.
    case state(LatchInfo)
    /// Changes may have been missed. The current state follows; if it could not be read, it comes
    /// after the next change.
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
    let output: WatchOutput

    /// The first state must come about in time, or the reader is told; after that everything that
    /// may pass is waited for.
    func run() async {
        while !Task.isCancelled {
            do {
                try await watchOnce()
            } catch let error as LatchError where output.hasBegun && error.mayPass {
                output.send(.interrupted(error.description))
                try? await Task.sleep(for: calls.settings.maximumBackoff)
            } catch {
                return output.finish(throwing: Task.isCancelled ? nil : error)
            }
        }
        output.finish(throwing: nil)
    }

    /// Watches through one session, to its end.
    private func watchOnce() async throws {
        let session = try await Session.open(calls: calls, name: name, ttl: ttl)
        do {
            if output.hasBegun { output.send(.resynchronized) }
            let reporter = WatchReporter(session: session, output: output)
            try await reporter.reportCurrent()
            let end = await session.run { event in
                await reporter.report(event)
                return true
            }
            switch end {
            case .unknown: return
            case .deadlinePassed:
                output.send(.interrupted("no keep-alive was acknowledged for a whole TTL"))
            case .failed(let error): throw error
            case .stopped, .cancelled: break
            }
        } catch {
            await session.abandon()
            throw error
        }
        await session.abandon()
    }
}

/// Turns the events of one session into those of a watch.
private actor WatchReporter {
    private let session: Session
    private let output: WatchOutput
    private var last: LatchInfo?

    init(session: Session, output: WatchOutput) {
        self.session = session
        self.output = output
    }

    /// The state before the first event. The stream opened after it starts where it ends.
    func reportCurrent() async throws {
        let response = try await session.read()
        session.book.withLock { $0.noteIndex(response.index) }
        emit(LatchInfo(response.latch, index: response.index))
    }

    func report(_ event: SessionEvent) async {
        switch event {
        case .began, .moved: break
        case .interrupted(let error): output.send(.interrupted(error.description))
        case .resynchronized:
            output.send(.resynchronized)
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
        // The holder is the first of the participants.
        if let last, last.term == info.term,
            last.participants.elementsEqual(info.participants, by: { $0.hasSameBytes(as: $1) })
        {
            return
        }
        last = info
        output.send(.state(info))
    }
}

extension LatchError {
    /// A watch that goes on may come through. That the latch is not found means that it was deleted
    /// under the watch, whose next session makes it exist again.
    var mayPass: Bool {
        switch code {
        case .unreachable, .noLeader, .overloaded, .outcomeUnknown, .refused, .sessionLost,
            .notFound:
            true
        case .invalidArgument, .participantInUse, .shutDown: false
        }
    }
}
