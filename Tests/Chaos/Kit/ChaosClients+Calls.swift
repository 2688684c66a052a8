import ClusterHarness
import GRPCCore
import HistoryChecker
import LatchAPI
import SwiftProtobuf

/// A session as its client knows it.
struct OwnSession: Sendable {
    let latch: String
    let id: UInt64
    let timeoutMilliseconds: Int
    /// It is opened, renewed and closed by `latchd.v1` and not by Atomix.
    var isOfV1 = false
    var requestID: UInt64 = 0
    var answeredID: UInt64 = 0
    var lastRenewed = ContinuousClock.now
    var isOver = false

    var isDueForRenewal: Bool {
        ContinuousClock.now - lastRenewed > .milliseconds(timeoutMilliseconds / 4)
    }
}

// Calls that are repeated at other nodes until their outcome is known; each attempt is recorded.
extension ChaosClients {
    static func header(
        _ latch: String, session: UInt64 = 0, requestID: UInt64 = 0,
        streams: [(id: UInt64, response: UInt64)] = []
    ) -> Atomix_Headers_RequestHeader {
        .with(latch, in: namespace, session: session, requestID: requestID, streams: streams)
    }

    /// A new session; nil when the run ends first. An attempt whose answer is lost leaves one
    /// behind that nobody uses, and that expires.
    func open(
        _ latch: String, client: Int, timeoutMilliseconds: Int, byV1: Bool = false
    ) async -> OwnSession? {
        while continues {
            let node = pickNode()
            let call = Call.openSession(
                latch: latch, timeoutMilliseconds: UInt64(timeoutMilliseconds))
            let (answer, _) = await recorder.attempt(call, client: client, node: node + 1) {
                if byV1 { return try await openByV1(latch, timeoutMilliseconds, at: node) }
                let answer = try await attempt(at: node).create(
                    Self.header(latch), milliseconds: timeoutMilliseconds)
                return (id: answer.header.sessionID, index: answer.header.index)
            } outcome: {
                (.opened(session: $0.id), $0.index)
            }
            if let answer {
                return OwnSession(
                    latch: latch, id: answer.id, timeoutMilliseconds: timeoutMilliseconds,
                    isOfV1: byV1)
            }
            avoid(node)
            await pause()
        }
        return nil
    }

    /// Keeps a session alive, at another node if one does not answer.
    func renew(
        _ session: inout OwnSession, client: Int,
        stream: (id: UInt64, response: UInt64)? = nil
    ) async {
        let (latch, id, current) = (session.latch, session.id, session)
        // Answers may still be asked for again: only old ones are acknowledged.
        let acknowledged = session.answeredID > 8 ? session.answeredID - 8 : 0
        let header = Self.header(
            latch, session: id, requestID: stream?.id ?? acknowledged,
            streams: stream.map { [$0] } ?? [])
        for _ in 0..<3 where continues {
            let node = pickNode()
            let sent = ContinuousClock.now
            let call = Call.keepAlive(latch: latch, session: id)
            let (answer, outcome): (Void?, Outcome?) = await recorder.attempt(
                call, client: client, node: node + 1
            ) {
                if current.isOfV1 { return try await renewByV1(current, at: node) }
                try await attempt(at: node).keepAlive(header)
            } outcome: {
                (.alive, nil)
            }
            if answer != nil {
                session.lastRenewed = sent
                return
            }
            if outcome == .unknownSession {
                session.isOver = true
                return
            }
            avoid(node)
            await pause()
        }
    }

    func read(_ latch: String, session: UInt64?, client: Int) async -> LatchView? {
        let node = pickNode()
        let call = Call.read(latch: latch, session: session)
        let view: LatchView?
        let outcome: Outcome?
        if let session {
            let result = await recorder.attempt(call, client: client, node: node + 1) {
                try await attempt(at: node).get(Self.header(latch, session: session))
            } outcome: {
                (.state(LatchView($0.latch)), $0.header.index)
            }
            (view, outcome) = (result.answer.map { LatchView($0.latch) }, result.outcome)
        } else {
            let result = await recorder.attempt(call, client: client, node: node + 1) {
                try await attempt(at: node).getLatchOrNothing(latch, namespace: Self.namespace)
            } outcome: {
                (.state(LatchView($0.latch.state)), $0.index)
            }
            (view, outcome) = (result.answer.map { LatchView($0.latch.state) }, result.outcome)
        }
        if outcome == nil { avoid(node) }
        return view
    }

    func close(_ session: OwnSession, client: Int) async {
        for _ in 0..<6 where continues {
            let node = pickNode()
            let call = Call.closeSession(latch: session.latch, session: session.id)
            let (answer, _): (Void?, Outcome?) = await recorder.attempt(
                call, client: client, node: node + 1
            ) {
                if session.isOfV1 { return try await closeByV1(session, at: node) }
                try await attempt(at: node).close(Self.header(session.latch, session: session.id))
            } outcome: {
                (.closed, nil)
            }
            if answer != nil { return }
            avoid(node)
            await pause()
        }
    }
}

extension LatchView {
    init(_ latch: Atomix_Leader_Latch) {
        self.init(
            term: latch.id, token: nil, holder: latch.leader.isEmpty ? nil : latch.leader,
            participants: latch.participants)
    }

    init(_ state: Latchd_V1_LatchState) {
        self.init(
            term: state.term, token: state.fencingToken,
            holder: state.hasHolder ? state.holder : nil, participants: state.participants,
            value: state.value)
    }
}

extension AtomixAttempt {
    /// A latch that does not exist is like one that nobody has touched.
    fileprivate func getLatchOrNothing(
        _ name: String, namespace: String
    ) async throws -> Latchd_V1_GetLatchResponse {
        do {
            return try await getLatch(name, namespace: namespace)
        } catch let error as RPCError where error.reason == "no-such-latch" {
            return .init()
        }
    }
}
