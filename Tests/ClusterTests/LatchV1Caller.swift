import ClusterHarness
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LatchAPI
import LatchClient
import SwiftProtobuf
import Synchronization
import Testing

/// Messages of one stream as they come, for a test that looks at them from outside.
final class Received<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        var end: Result<Void, any Error>?
    }

    private let state = Mutex(State())

    var messages: [Message] { state.withLock { $0.messages } }

    func note(_ message: Message) { state.withLock { $0.messages.append(message) } }

    func finish(_ result: Result<Void, any Error>) { state.withLock { $0.end = result } }

    /// Waits for a message that `matches`.
    @discardableResult
    func wait(
        _ what: String, within seconds: Double = 15, for matches: (Message) -> Bool
    ) async throws -> Message {
        try await eventually(what, within: seconds) {
            if let found = messages.first(where: matches) { return found }
            if case .failure(let error) = state.withLock({ $0.end }) { throw error }
            return nil
        }
    }

    /// Waits for the end; returns the error with which the stream ended, if so.
    func waitForEnd() async throws -> RPCError? {
        let end = try await eventually("the stream's end") { state.withLock { $0.end } }
        switch end {
        case .success: return nil
        case .failure(let error): return error as? RPCError
        }
    }
}

/// The calls of `latchd.v1.LatchService` through one node, as a hand-written client makes them.
struct LatchV1Caller {
    let connection: NodeConnection
    let latch: Latchd_V1_LatchName

    init(_ connection: NodeConnection, _ name: String) {
        self.connection = connection
        latch = .with {
            $0.namespace = "v1"
            $0.name = name
        }
    }

    var stub: Latchd_V1_LatchService.Client<HTTP2ClientTransport.Posix> { connection.latchV1 }

    func open(ttl milliseconds: UInt64 = 30_000) async throws -> Latchd_V1_Session {
        let response = try await stub.openSession(
            .with {
                $0.latch = latch
                $0.ttlMs = milliseconds
            })
        #expect(response.life.state == .alive)
        #expect(response.life.validForMs < milliseconds)
        return response.session
    }

    /// Joins and returns the first response.
    func joinOnce(
        _ session: Latchd_V1_Session, _ participant: String, requestID: UInt64 = 0
    ) async throws -> Latchd_V1_JoinResponse {
        let request = Latchd_V1_JoinRequest.with {
            $0.session = session
            $0.participant = participant
            $0.requestID = requestID
            $0.noWait = true
        }
        return try await stub.join(request) { response in
            var messages: [Latchd_V1_JoinResponse] = []
            for try await message in response.messages { messages.append(message) }
            return try #require(messages.count == 1 ? messages.first : nil)
        }
    }

    /// Runs `body` while a Join stream is open.
    func join<Result: Sendable>(
        _ session: Latchd_V1_Session, _ participant: String, requestID: UInt64 = 0,
        _ body: (Received<Latchd_V1_JoinResponse>) async throws -> Result
    ) async throws -> Result {
        let request = Latchd_V1_JoinRequest.with {
            $0.session = session
            $0.participant = participant
            $0.requestID = requestID
        }
        let (stub, received) = (stub, Received<Latchd_V1_JoinResponse>())
        return try await during {
            try await stub.join(request) { response in
                for try await message in response.messages { received.note(message) }
            }
        } ended: {
            received.finish($0)
        } run: {
            try await body(received)
        }
    }

    /// Runs `body` while an Observe stream is open.
    func observe<Result: Sendable>(
        afterToken: UInt64 = 0, afterIndex: UInt64 = 0, heartbeat: UInt64 = 0,
        _ body: (Received<Latchd_V1_ObserveResponse>) async throws -> Result
    ) async throws -> Result {
        let request = Latchd_V1_ObserveRequest.with {
            $0.latch = latch
            $0.afterToken = afterToken
            $0.afterIndex = afterIndex
            $0.heartbeatMs = heartbeat
        }
        let (stub, received) = (stub, Received<Latchd_V1_ObserveResponse>())
        return try await during {
            try await stub.observe(request) { response in
                for try await message in response.messages { received.note(message) }
            }
        } ended: {
            received.finish($0)
        } run: {
            try await body(received)
        }
    }

    private func during<Result: Sendable>(
        _ stream: @escaping @Sendable () async throws -> Void,
        ended: @escaping @Sendable (Swift.Result<Void, any Error>) -> Void,
        run body: () async throws -> Result
    ) async throws -> Result {
        let task = Task {
            do {
                try await stream()
                ended(.success(()))
            } catch {
                ended(.failure(error))
            }
        }
        defer { task.cancel() }
        return try await body()
    }
}

/// The error that a call must fail with.
func failure(_ body: () async throws -> Void) async throws -> RPCError {
    do {
        try await body()
    } catch let error as RPCError {
        return error
    }
    throw HarnessError("the call succeeded")
}
