import GRPCCore
import LatchAPI
import SwiftProtobuf
import Synchronization

extension Participation {
    /// The Join of this participation.
    private func joinRequest(noWait: Bool = false) -> Latchd_V1_JoinRequest {
        .with {
            $0.session = wire
            $0.participant = participant
            $0.requestID = joinID.withLock { $0 }
            $0.noWait = noWait
        }
    }

    /// Takes the place in the queue. Retries keep the request id, so it is done once; only when the
    /// refusal is the id's stored answer (a limit) does the next try take another. Once the place
    /// is taken the id stays.
    func join() async throws {
        let (response, endpoint) = try await calls.perform(calls.plan) { attempt in
            do {
                let request = self.joinRequest(noWait: true)
                return (try await attempt.joinOnce(request), attempt.endpoint)
            } catch let error as RPCError {
                let refusal = Refusal(trailers: error.metadata)
                if refusal?.reason.spendsRequestID == true { self.joinID.withLock { $0 += 1 } }
                throw error
            }
        }
        await take(response, from: endpoint)
    }

    /// How a transport of the Join stream ended.
    private enum End: Sendable {
        /// The participation is over, and told so.
        case over
        /// The stream is to be opened again, here or elsewhere.
        case broken
        /// This client was shut down.
        case failed(LatchError)
    }

    /// Follows the participant's place: opens the stream, reads it, and opens it again elsewhere
    /// when its node fails. The same session, participant and request id keep the place.
    func follow() async {
        var pace = StreamPace(calls.settings)
        var failed: Endpoint?
        while !Task.isCancelled, !cell.isOver {
            // Where the beats go, so that both leave a node that does not answer. But there may be
            // beats that a node answers, and no news.
            let wanted = keeper.endpoint == failed ? nil : keeper.endpoint
            let endpoint = calls.order(wanted: wanted)[0]
            let wasHeard = LockedFlag()
            let began = ContinuousClock.now
            let end = await carry(at: endpoint) { wasHeard.set() }
            if Task.isCancelled { return }
            switch end {
            case .over: return
            case .failed(let error): return drop(.failed(error.description))
            case .broken:
                calls.note(endpoint, failed: true)
                failed = endpoint
            }
            pace.noteEnd(wasHeard: wasHeard.isSet, lasted: began.duration(to: .now))
            guard let pause = pace.pause else { continue }
            do { try await Task.sleep(for: pause, clock: .continuous) } catch { return }
        }
    }

    private func carry(at endpoint: Endpoint, _ onHeard: @escaping @Sendable () -> Void) async
        -> End
    {
        let watch = StreamWatch(
            endpoint: endpoint, first: calls.settings.attemptTimeout,
            patience: calls.settings.streamPatience)
        carrier.withLock { $0 = watch }
        defer { carrier.withLock { $0 = nil } }
        return await watch.run {
            do {
                let attempt = try self.calls.attempt(at: endpoint, timeout: nil)
                try await attempt.join(self.joinRequest()) { message in
                    watch.noteHeard()
                    onHeard()
                    await self.take(message, from: endpoint)
                    return !self.cell.isOver
                }
                return self.cell.isOver ? .over : .broken
            } catch {
                return self.judge(error)
            }
        }
    }

    /// The place is taken: nothing but the end of the session, or of this client, is the end. A
    /// status that is final to other calls, of a proxy or a node of another version, says only that
    /// this way to hear of it is closed.
    private func judge(_ error: any Error) -> End {
        if let error = error as? LatchError, error.code == .shutDown { return .failed(error) }
        guard let rpc = error as? RPCError, let refusal = Refusal(trailers: rpc.metadata) else {
            return .broken
        }
        switch refusal.reason {
        case .unknownSession:
            cell.update { $0.take(.lost, sentAt: $1, at: $1) }
            return .over
        case .alreadyAcknowledged:
            // Its answer is no longer kept, so it was done. Who is in does not join twice.
            joinID.withLock { $0 = 0 }
            return .broken
        case .limit, .overloaded, .noLeader, .outcomeUnknown, .gap, .invalid, .tokenMoved,
            .noSuchParticipant, .noSuchLatch, .other:
            return .broken
        }
    }

    private func take(_ response: Latchd_V1_JoinResponse, from endpoint: Endpoint) async {
        guard !response.heartbeat, let news = Belief.News(response) else { return }
        // Not while a token is held: its end comes first, a name is only for people.
        if let namesHolder, case .queued = news, cell.held == nil {
            namesHolder(await readHolder(at: endpoint))
        }
        cell.update { $0.take(news, index: response.index, at: $1) }
    }

    /// Who holds the latch, as the node that told the place has it.
    private func readHolder(at endpoint: Endpoint) async -> String? {
        let request = Latchd_V1_GetLatchRequest.with {
            $0.namespace = name.namespace
            $0.name = name.name
            $0.stale = true
        }
        let timeout = min(calls.settings.attemptTimeout, .milliseconds(500))
        guard let attempt = try? calls.attempt(at: endpoint, timeout: timeout),
            let response = try? await attempt.cluster.getLatch(request, options: attempt.options),
            response.latch.state.hasHolder
        else { return nil }
        return response.latch.state.holder
    }
}
