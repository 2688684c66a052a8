import ClusterHarness
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import HistoryChecker
import LatchAPI
import LatchClient
import SwiftProtobuf
import Synchronization

// What each kind of client does with its life.
extension ChaosClients {
    /// Sessions on latches of its own: joins, reads, keeps alive, and leaves or falls silent.
    func workAlone(client: Int) async {
        var generation = 0
        while continues {
            generation += 1
            let latch = "private-\(client)-\(generation)"
            guard var session = await open(latch, client: client, timeoutMilliseconds: 4_000)
            else { return }
            for step in 1...40 where continues && !session.isOver {
                await workStep(step, &session, client: client)
                await pause()
            }
            await leave(session, client: client)
        }
    }

    private func workStep(_ step: Int, _ session: inout OwnSession, client: Int) async {
        if session.isDueForRenewal { await renew(&session, client: client) }
        switch random(below: 10) {
        case 0..<4 where session.requestID < 16:
            let participant = "c\(client)-\(step)"
            if await join(&session, participant, client: client), random(below: 8) == 0 {
                // The same request again, as after a lost answer: the answer must be the same.
                _ = await joinOnce(&session, participant, client: client)
            }
        case 4..<6:
            await renew(&session, client: client)
        case 6..<8:
            _ = await read(session.latch, session: nil, client: client)
        default:  // default: open set (a drawn number)
            _ = await read(session.latch, session: session.id, client: client)
        }
    }

    /// Closes the session, or abandons it and looks whether it has gone later.
    private func leave(_ session: OwnSession, client: Int) async {
        guard random(below: 6) == 0 else { return await close(session, client: client) }
        guard random(below: 2) == 0 else { return }
        for _ in 0..<8 where continues {
            await pause(times: 30)
            let view = await read(session.latch, session: nil, client: client)
            if view?.participants.isEmpty == true { return }
        }
    }

    /// Wants a latch that others want too, holds it for a moment, and lets it go.
    func contend(client: Int, latch: String) async {
        var generation = 0
        while continues {
            generation += 1
            let participant = "c\(client)-\(generation)"
            let timeout = 1_500 + random(below: 2_500)
            guard var session = await open(latch, client: client, timeoutMilliseconds: timeout)
            else { return }
            guard await join(&session, participant, client: client) else { continue }
            var holds = 0
            while continues, !session.isOver, holds < 3 {
                if session.isDueForRenewal { await renew(&session, client: client) }
                let byToken = random(below: 2) == 0
                let view = await read(
                    latch, session: byToken ? nil : session.id, client: client)
                if view?.holder == participant { holds += 1 }
                await pause(times: 3)
            }
            if session.isOver { continue }
            if random(below: 5) != 0 { await close(session, client: client) }
        }
    }

    // MARK: Watching

    /// Watches a latch for events; takes the stream up through another node when it breaks.
    func watch(client: Int, latch: String) async {
        while continues {
            guard var session = await open(latch, client: client, timeoutMilliseconds: 4_000)
            else { return }
            session.requestID = 1
            let progress = StreamProgress()
            let stream = Task { [session] in
                await self.follow(session, client: client, progress)
            }
            let end = ContinuousClock.now + .seconds(5 + random(below: 10))
            while continues, !session.isOver, ContinuousClock.now < end {
                if session.isDueForRenewal {
                    await renew(&session, client: client, stream: (1, progress.last))
                }
                await pause(times: 5)
            }
            stream.cancel()
            await stream.value
            if !session.isOver { await close(session, client: client) }
        }
    }

    private func follow(
        _ session: OwnSession, client: Int, _ progress: StreamProgress
    ) async {
        while continues, !progress.isClosed {
            let node = pickNode()
            let invoked = recorder.now()
            let request = Atomix_Leader_EventRequest.with {
                $0.header = Self.header(session.latch, session: session.id, requestID: 1)
            }
            var options = attempt(at: node).options
            // A silent link must not keep a watcher for ever.
            options.timeout = .milliseconds(3_000 + random(below: 3_000))
            try? await connections[node].latch.events(request, options: options) { response in
                for try await frame in response.messages {
                    self.note(frame, session, client, node, invoked, progress)
                }
            }
            if !progress.isClosed { await pause(times: 2) }
        }
    }

    private func note(
        _ frame: Atomix_Leader_EventResponse, _ session: OwnSession, _ client: Int, _ node: Int,
        _ invoked: UInt64, _ progress: StreamProgress
    ) {
        let header = frame.header
        // A redirection is no frame of the stream. Nor is a refusal, which looks like one: an OPEN
        // without an index, then a failed response (S11).
        guard header.status == .ok, header.responseID > 0,
            header.type != .openStream || header.index > 0
        else { return }
        let outcome: Outcome
        switch header.type {
        case .openStream: outcome = .streamOpened
        case .closeStream: outcome = .streamClosed
        case .response: outcome = .state(LatchView(frame.latch))
        case .UNRECOGNIZED: return
        }
        progress.note(header.responseID, isLast: outcome == .streamClosed)
        let call = Call.frame(
            latch: session.latch, session: session.id, stream: header.streamID,
            responseID: header.responseID)
        recorder.record(
            call, client, node + 1, invoked, recorder.now(), outcome, header.index)
    }
}

/// How far a watcher has come.
private final class StreamProgress: Sendable {
    private let state = Mutex((last: UInt64(0), isClosed: false))

    var last: UInt64 { state.withLock { $0.last } }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    func note(_ responseID: UInt64, isLast: Bool) {
        state.withLock {
            $0.last = max($0.last, responseID)
            $0.isClosed = $0.isClosed || isLast
        }
    }
}
