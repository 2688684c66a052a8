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
    /// Sessions on latches of its own: does everything that a session can, and leaves or falls
    /// silent.
    func workAlone(client: Int) async {
        var generation = 0
        while continues {
            generation += 1
            let latch = "private-\(client)-\(generation)"
            let byV1 = random(below: 3) == 0
            guard
                var session = await open(
                    latch, client: client, timeoutMilliseconds: 4_000, byV1: byV1)
            else { return }
            var names: [String] = []
            for step in 1...40 where continues && !session.isOver {
                await workStep("c\(client)-\(step)", &names, &session, client: client)
                await pause()
            }
            await end(session, client: client)
        }
    }

    /// - Parameters:
    ///   - name: a new one, for what is named in this step.
    ///   - names: of all who have ever joined.
    private func workStep(
        _ name: String, _ names: inout [String], _ session: inout OwnSession, client: Int
    ) async {
        if session.isDueForRenewal { await renew(&session, client: client) }
        switch random(below: 12) {
        case 0..<3 where session.requestID < 24:
            names.append(name)
            await perform(.join(name), &session, client: client)
        case 3..<6 where session.requestID < 24:
            guard let work = await drawnWork(name, names, session, client: client) else { return }
            await perform(work, &session, client: client)
        case 6..<8:
            await renew(&session, client: client)
        case 8..<10:
            _ = await read(session.latch, session: nil, client: client)
        default:  // default: open set (a drawn number)
            _ = await read(session.latch, session: session.id, client: client)
        }
    }

    /// Nil if nobody has ever joined.
    private func drawnWork(
        _ name: String, _ names: [String], _ session: OwnSession, client: Int
    ) async -> Work? {
        guard !names.isEmpty else { return nil }
        let target = names[random(below: names.count)]
        let draw = random(below: 3)
        guard draw > 0 else { return .leave(target) }
        let view = await read(session.latch, session: nil, client: client)
        guard let token = view?.token, token > 0 else { return nil }
        return draw == 1
            ? .handOver(token: token, to: target) : .publish(token: token, value: "of \(name)")
    }

    /// Closes the session, or deletes the latch with it, or abandons it and looks whether it has
    /// gone later.
    private func end(_ session: OwnSession, client: Int) async {
        switch random(below: 12) {
        case 0: return
        case 1: break
        case 2:
            await delete(session.latch, client: client)
            _ = await read(session.latch, session: nil, client: client)
            return
        default:  // default: open set (a drawn number)
            return await close(session, client: client)
        }
        for _ in 0..<8 where continues {
            await pause(times: 30)
            let view = await read(session.latch, session: nil, client: client)
            if view?.participants.isEmpty == true { return }
        }
    }

    // MARK: Sharing

    /// Wants a latch that others want too, holds it for a moment, and lets it go; sometimes several
    /// times in one session.
    func contend(client: Int, for number: Int) async {
        var generation = 0
        while continues {
            let timeout = 1_500 + random(below: 2_500)
            let byV1 = random(below: 3) == 0
            guard
                var session = await open(
                    sharedLatch(number), client: client, timeoutMilliseconds: timeout, byV1: byV1)
            else { return }
            let last = random(below: 3)
            for turn in 0...last where continues && !session.isOver {
                generation += 1
                let participant = "c\(client)-\(generation)"
                await perform(.join(participant), &session, client: client)
                await stay(participant, &session, client: client)
                if turn < last {
                    await perform(.leave(participant), &session, client: client)
                }
            }
            if session.isOver { continue }
            if random(below: 5) != 0 { await close(session, client: client) }
        }
    }

    /// Until it has been seen to hold three times, or is out of the latch.
    private func stay(_ participant: String, _ session: inout OwnSession, client: Int) async {
        var holds = 0
        var token: UInt64 = 0
        while continues, !session.isOver, holds < 3 {
            if session.isDueForRenewal { await renew(&session, client: client) }
            let byToken = random(below: 2) == 0
            let view = await read(
                session.latch, session: byToken ? nil : session.id, client: client)
            if let view {
                guard view.participants.contains(participant) else { return }
                token = view.token ?? token
                // Now and then also who does not hold, or no longer: it must be denied.
                let isHolder = view.holder == participant
                if isHolder { holds += 1 }
                if token > 0, random(below: isHolder ? 3 : 20) == 0 {
                    let work = drawnWork(of: participant, token, view.participants)
                    await perform(work, &session, client: client)
                }
            }
            await pause(times: 3)
        }
    }

    private func drawnWork(
        of participant: String, _ token: UInt64, _ participants: [String]
    ) -> Work {
        guard random(below: 2) == 0 else {
            return .publish(token: token, value: "\(participant) \(random(below: 1_000))")
        }
        return .handOver(token: token, to: participants[random(below: participants.count)])
    }

    /// Throws participants of a shared latch out and hands it over their heads, and deletes it if
    /// it may. Seldom: if its answer is lost, each of these can be anywhere in the order.
    func operate(client: Int, on number: Int, deletes: Bool) async {
        while continues {
            for _ in 0..<(15 + random(below: 15)) where continues { await pause(times: 10) }
            let latch = sharedLatch(number)
            let view = await read(latch, session: nil, client: client)
            guard let view, let token = view.token, !view.participants.isEmpty else { continue }
            let participant = view.participants[random(below: view.participants.count)]
            switch random(below: 5) {
            case 0 where deletes:
                await delete(latch, client: client)
            case 0..<3:
                let guarding = random(below: 2) == 0 ? token : nil
                await evict(participant, from: latch, token: guarding, client: client)
            default:  // default: open set (a drawn number)
                await handOver(latch, token: token, to: participant, client: client)
            }
        }
    }

    // MARK: Watching

    /// Watches a latch for events; takes the stream up through another node when it breaks.
    func watch(client: Int, _ number: Int) async {
        while continues {
            guard
                var session = await open(
                    sharedLatch(number), client: client, timeoutMilliseconds: 4_000)
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
