import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

// `latchd.v1.LatchService`: sessions.
extension LatchService {
    func openSession(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_OpenSessionRequest.self, bytes) { request throws(Failure) in
            let name = try LatchRequest.name(request.latch, isPresent: request.hasLatch)
            let timeout = LatchRequest.timeout(request.ttlMs)
            let sink = UnarySink(call) { call, result in
                guard case .answer(.sessionOpened(let session), _) = result else {
                    return call.fail(result.failure(about: Subject(name)))
                }
                call.reply(
                    Latchd_V1_OpenSessionResponse.with {
                        $0.session = .with {
                            $0.latch = request.latch
                            $0.id = session
                        }
                        $0.life = .alive(session, timeout: timeout)
                    })
            }
            node.submit(.command(.openSession(name, timeoutMilliseconds: timeout), sink))
        }
    }

    func closeSession(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_CloseSessionRequest.self, bytes) { request throws(Failure) in
            let (name, session) = try LatchRequest.session(
                request.session, isPresent: request.hasSession)
            let sink = UnarySink(call) { call, result in
                guard case .answer(.closed, _) = result else {
                    return call.fail(result.failure(about: Subject(name, session: session)))
                }
                call.reply(Latchd_V1_CloseSessionResponse())
            }
            node.submit(.command(.closeSession(name, session), sink))
        }
    }
}

extension Call {
    /// Decodes the one request and serves it; a check that it does not pass ends the call.
    func serve<Request: SwiftProtobuf.Message>(
        _ type: Request.Type, _ bytes: UnsafeRawBufferPointer,
        _ body: (Request) throws(Failure) -> Void
    ) {
        guard let request = decode(type, from: bytes) else { return }
        do throws(Failure) {
            try body(request)
        } catch {
            fail(error)
        }
    }
}
