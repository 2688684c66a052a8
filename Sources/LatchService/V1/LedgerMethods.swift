import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

// `latchd.v1.LatchService`: linearizable questions about the ledger.
extension LatchService {
    func history(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_HistoryRequest.self, bytes) { request throws(Failure) in
            let name = try LatchRequest.name(request.latch, isPresent: request.hasLatch)
            let after = request.afterToken
            let sink = UnarySink(call) { call, result in
                guard case .view(let found, let index) = result else {
                    return call.fail(result.failure(about: Subject(name)))
                }
                guard let view = found else { return call.fail(Subject(name).noSuchLatch) }
                call.reply(
                    Latchd_V1_HistoryResponse.with {
                        $0.terms = view.ledger.filter { $0.fencingToken > after }
                            .map(Latchd_V1_Term.init)
                        $0.truncated = view.lacksTerms(after: after)
                        $0.index = index
                    })
            }
            node.submit(.read(.view(name), sink))
        }
    }

    func checkToken(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_CheckTokenRequest.self, bytes) { request throws(Failure) in
            let name = try LatchRequest.name(request.latch, isPresent: request.hasLatch)
            let sink = UnarySink(call) { call, result in
                guard case .view(let view, let index) = result else {
                    return call.fail(result.failure(about: Subject(name)))
                }
                call.reply(
                    Latchd_V1_CheckTokenResponse.with {
                        $0.verdict = view?.verdict(on: request.fencingToken) ?? .unknown
                        $0.currentToken = view?.state.fencingToken ?? 0
                        $0.index = index
                    })
            }
            node.submit(.read(.view(name), sink))
        }
    }
}

extension LatchView {
    /// Whether terms between this token and the first one that is kept were dropped.
    func lacksTerms(after token: UInt64) -> Bool {
        guard let first = ledger.first else { return false }
        return first.isFar(from: token) && first.term > 1
    }

    /// What is known of a token.
    func verdict(on token: UInt64) -> Latchd_V1_TokenVerdict {
        guard token != 0, token <= state.fencingToken else { return .unknown }
        if token == state.fencingToken { return state.holder == nil ? .outdated : .current }
        if ledger.contains(where: { $0.fencingToken == token }) { return .outdated }
        // Older than the ledger: granted or not, it is not the current one.
        let isOlder = ledger.first.map { token < $0.fencingToken && $0.term > 1 } ?? true
        return isOlder ? .outdated : .unknown
    }
}
