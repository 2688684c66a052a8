import ClusterHarness
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import HistoryChecker
import LatchAPI
import LatchClient
import SwiftProtobuf

/// A command of a session.
enum Work: Sendable {
    case join(String)
    case leave(String)
    case handOver(token: UInt64, to: String)
    case publish(token: UInt64, value: String)
}

// Commands to a latch. Atomix knows only the join; the others are calls of `latchd.v1` in the same
// session, under the same count of request ids.
//
// What such a call answers shows the latch some time after the command, when other commands may
// have followed: so it is recorded as two, a command that was done and a read.
extension ChaosClients {
    /// Does it under the session's next request id, again until it is answered; then now and then
    /// once more, as after a lost answer: the answer must be the same.
    func perform(_ work: Work, _ session: inout OwnSession, client: Int) async {
        session.requestID += 1
        var attempts = 0
        while continues, !session.isOver {
            if session.isDueForRenewal { await renew(&session, client: client) }
            let isAnswered = await attempt(work, &session, client: client, isFirst: attempts == 0)
            attempts += 1
            if isAnswered { break }
        }
        guard !session.isOver, random(below: 16) == 0 else { return }
        _ = await attempt(work, &session, client: client, isFirst: false)
    }

    /// One attempt with the session's current request id; true if it was answered, be it by a
    /// denial.
    private func attempt(
        _ work: Work, _ session: inout OwnSession, client: Int, isFirst: Bool
    ) async -> Bool {
        let node = pickNode()
        switch await outcome(of: work, session, client: client, at: node, isFirst: isFirst) {
        case .state, .done, .denied:
            session.answeredID = session.requestID
            return true
        case .unknownSession, .refused(reason: "gap"):
            session.isOver = true
        case nil:
            avoid(node)
        case .refused, .opened, .alive, .closed, .streamOpened, .streamClosed:
            break
        }
        await pause()
        return false
    }

    private func outcome(
        of work: Work, _ session: OwnSession, client: Int, at node: Int, isFirst: Bool
    ) async -> Outcome? {
        let call = Call(work, in: session)
        // A repetition is told what became of the first attempt, and what is shown beside it may be
        // as old.
        func shown(_ state: Latchd_V1_LatchState, _ index: UInt64) -> (LatchView, UInt64)? {
            isFirst ? (LatchView(state), index) : nil
        }
        let (stub, options) = (connections[node].latchV1, attempt(at: node).options)
        switch work {
        case .join(let participant):
            let header = Self.header(
                session.latch, session: session.id, requestID: session.requestID)
            return await recorder.attempt(call, client: client, node: node + 1) {
                try await attempt(at: node).latch(header, participant)
            } outcome: {
                (.state(LatchView($0.latch)), $0.header.index)
            }.outcome
        case .leave(let participant):
            let request = Latchd_V1_LeaveRequest.with {
                $0.session = session.v1
                $0.requestID = session.requestID
                $0.participant = participant
            }
            return await recorder.attempt(call, client: client, node: node + 1) {
                try await stub.leave(request, options: options)
            } outcome: { _ in
                (.done, nil)
            } shown: {
                shown($0.state, $0.index)
            }.outcome
        case .handOver(let token, let target):
            let request = Latchd_V1_HandOverRequest.with {
                $0.session = session.v1
                $0.requestID = session.requestID
                $0.fencingToken = token
                $0.to = target
            }
            return await recorder.attempt(call, client: client, node: node + 1) {
                try await stub.handOver(request, options: options)
            } outcome: { _ in
                (.done, nil)
            } shown: {
                shown($0.state, $0.index)
            }.outcome
        case .publish(let token, let value):
            let request = Latchd_V1_PublishRequest.with {
                $0.session = session.v1
                $0.requestID = session.requestID
                $0.fencingToken = token
                $0.value = value
            }
            return await recorder.attempt(call, client: client, node: node + 1) {
                try await stub.publish(request, options: options)
            } outcome: {
                (.done, $0.index)
            }.outcome
        }
    }

    // MARK: Sessions

    func openByV1(
        _ latch: String, _ timeoutMilliseconds: Int, at node: Int
    ) async throws -> (id: UInt64, index: UInt64) {
        let request = Latchd_V1_OpenSessionRequest.with {
            $0.latch = Self.name(latch)
            $0.ttlMs = UInt64(timeoutMilliseconds)
        }
        let answer = try await connections[node].latchV1.openSession(
            request, options: attempt(at: node).options)
        // The number of the entry that opened it, where no backup was ever restored.
        return (answer.session.id, answer.session.id)
    }

    /// One beat on a stream of its own.
    func renewByV1(_ session: OwnSession, at node: Int) async throws {
        let beat = Latchd_V1_KeepAliveRequest.with { $0.sessions = [session.v1] }
        let state = try await connections[node].latchV1.keepAlive(
            options: attempt(at: node).options
        ) { writer in
            try await writer.write(beat)
        } onResponse: { response in
            for try await answer in response.messages { return answer.sessions.first?.state }
            return nil
        }
        switch state {
        case .alive: return
        case .lost: throw AtomixFailure(reason: "unknown-session", message: "lost")
        case .jeopardy, .unspecified, .UNRECOGNIZED, nil:
            throw AtomixFailure(reason: "outcome-unknown", message: "not decided in time")
        }
    }

    func closeByV1(_ session: OwnSession, at node: Int) async throws {
        _ = try await connections[node].latchV1.closeSession(
            .with { $0.session = session.v1 }, options: attempt(at: node).options)
    }

    // MARK: Operators

    // One attempt each: a second one is another command.

    func evict(
        _ participant: String, from latch: String, token: UInt64?, client: Int
    ) async {
        let node = pickNode()
        let request = Latchd_V1_EvictRequest.with {
            $0.latch = Self.name(latch)
            $0.participant = participant
            $0.fencingToken = token ?? 0
        }
        let call = Call.evict(latch: latch, participant: participant, session: nil, token: token)
        let (_, outcome) = await recorder.attempt(call, client: client, node: node + 1) {
            try await connections[node].latchV1.evict(request, options: attempt(at: node).options)
        } outcome: { _ in
            (.done, nil)
        } shown: {
            (LatchView($0.state), $0.index)
        }
        if outcome == nil { avoid(node) }
    }

    func handOver(_ latch: String, token: UInt64, to target: String, client: Int) async {
        let node = pickNode()
        let request = Latchd_V1_HandOverRequest.with {
            $0.latch = Self.name(latch)
            $0.fencingToken = token
            $0.to = target
        }
        let call = Call.handOver(
            latch: latch, session: nil, requestID: 0, token: token, to: target)
        let (_, outcome) = await recorder.attempt(call, client: client, node: node + 1) {
            try await connections[node].latchV1.handOver(
                request, options: attempt(at: node).options)
        } outcome: { _ in
            (.done, nil)
        } shown: {
            (LatchView($0.state), $0.index)
        }
        if outcome == nil { avoid(node) }
    }

    /// Ends all sessions of the latch.
    func delete(_ latch: String, client: Int) async {
        let node = pickNode()
        let call = Call.deleteLatch(latch: latch)
        let (_, outcome): (Void?, Outcome?) = await recorder.attempt(
            call, client: client, node: node + 1
        ) {
            try await attempt(at: node).close(Self.header(latch), delete: true)
        } outcome: {
            (.closed, nil)
        }
        if outcome == nil { avoid(node) }
    }

    static func name(_ latch: String) -> Latchd_V1_LatchName {
        .with {
            $0.namespace = namespace
            $0.name = latch
        }
    }
}

extension Call {
    fileprivate init(_ work: Work, in session: OwnSession) {
        let (latch, id, request) = (session.latch, session.id, session.requestID)
        switch work {
        case .join(let participant):
            self = .join(latch: latch, session: id, requestID: request, participant: participant)
        case .leave(let participant):
            self = .leave(latch: latch, session: id, requestID: request, participant: participant)
        case .handOver(let token, let target):
            self = .handOver(
                latch: latch, session: id, requestID: request, token: token, to: target)
        case .publish(let token, let value):
            self = .publish(
                latch: latch, session: id, requestID: request, token: token, value: value)
        }
    }
}

extension OwnSession {
    /// As `latchd.v1` names it: a session is one of the machine, whoever opened it.
    fileprivate var v1: Latchd_V1_Session {
        .with {
            $0.latch = ChaosClients.name(latch)
            $0.id = id
        }
    }
}
