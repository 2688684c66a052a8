import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
package import LatchAPI
import LatchClient
import SwiftProtobuf
import Synchronization

/// Calls the Atomix latch service of one node as a stock client does, one session at a time, header
/// by header.
///
/// It keeps what a stock client keeps (session, last request id, highest index) and leaves
/// everything else to the test.
package final class LatchCaller: Sendable {
    private let connection: NodeConnection
    package let namespace: String
    package let name: String
    private let state = Mutex(State())

    private struct State {
        var session: UInt64 = 0
        var requestID: UInt64 = 0
        var index: UInt64 = 0
    }

    package init(_ connection: NodeConnection, name: String, namespace: String = "contract") {
        self.connection = connection
        self.name = name
        self.namespace = namespace
    }

    package var session: UInt64 { state.withLock { $0.session } }
    package var index: UInt64 { state.withLock { $0.index } }
    package var requestID: UInt64 { state.withLock { $0.requestID } }

    /// The same session through another node.
    package func moved(to connection: NodeConnection) -> LatchCaller {
        let other = LatchCaller(connection, name: name, namespace: namespace)
        let (session, requestID, index) = state.withLock { ($0.session, $0.requestID, $0.index) }
        other.state.withLock {
            $0.session = session
            $0.requestID = requestID
            $0.index = index
        }
        return other
    }

    package func nextRequestID() -> UInt64 {
        state.withLock {
            $0.requestID += 1
            return $0.requestID
        }
    }

    /// A header of this session.
    package func header(
        requestID: UInt64? = nil, session: UInt64? = nil, index: UInt64? = nil,
        streams: [(UInt64, UInt64)] = []
    ) -> Atomix_Headers_RequestHeader {
        let (own, last, seen) = state.withLock { ($0.session, $0.requestID, $0.index) }
        return .with(
            name, in: namespace, session: session ?? own, requestID: requestID ?? last,
            index: index ?? seen, streams: streams)
    }

    /// Adopts what a stock client adopts: a larger session id or index, only with an index above
    /// the highest seen (S1).
    private func adopt(_ header: Atomix_Headers_ResponseHeader) {
        state.withLock {
            guard header.index > $0.index else { return }
            $0.index = header.index
            $0.session = max($0.session, header.sessionID)
        }
    }

    private static let options: CallOptions = {
        var options = CallOptions.defaults
        options.timeout = .seconds(20)
        return options
    }()

    @discardableResult
    package func create(timeout milliseconds: Int? = 30_000) async throws
        -> Atomix_Leader_CreateResponse
    {
        var request = Atomix_Leader_CreateRequest()
        request.header = header(requestID: 0, session: 0, index: 0)
        if let milliseconds {
            request.timeout = .with {
                $0.seconds = Int64(milliseconds / 1_000)
                $0.nanos = Int32(milliseconds % 1_000) * 1_000_000
            }
        }
        let response = try await connection.latch.create(request, options: Self.options)
        adopt(response.header)
        return response
    }

    @discardableResult
    package func latch(
        _ participant: String, requestID: UInt64? = nil, session: UInt64? = nil
    ) async throws -> Atomix_Leader_LatchResponse {
        var request = Atomix_Leader_LatchRequest()
        request.header = header(requestID: requestID ?? nextRequestID(), session: session)
        request.participantID = participant
        let response = try await connection.latch.latch(request, options: Self.options)
        adopt(response.header)
        return response
    }

    @discardableResult
    package func get(requestID: UInt64? = nil, session: UInt64? = nil) async throws
        -> Atomix_Leader_GetResponse
    {
        var request = Atomix_Leader_GetRequest()
        request.header = header(requestID: requestID, session: session)
        let response = try await connection.latch.get(request, options: Self.options)
        adopt(response.header)
        return response
    }

    @discardableResult
    package func keepAlive(
        acknowledging requestID: UInt64? = nil, streams: [(UInt64, UInt64)] = [],
        session: UInt64? = nil
    ) async throws -> Atomix_Leader_KeepAliveResponse {
        var request = Atomix_Leader_KeepAliveRequest()
        request.header = header(requestID: requestID, session: session, streams: streams)
        return try await connection.latch.keepAlive(request, options: Self.options)
    }

    @discardableResult
    package func close(delete: Bool = false) async throws -> Atomix_Leader_CloseResponse {
        var request = Atomix_Leader_CloseRequest()
        request.header = header()
        request.delete = delete
        return try await connection.latch.close(request, options: Self.options)
    }

    /// Opens an Events stream and collects its frames until `body` returns.
    package func events<Result: Sendable>(
        requestID: UInt64? = nil, index: UInt64? = nil, _ body: (FrameLog) async throws -> Result
    ) async throws -> Result {
        var request = Atomix_Leader_EventRequest()
        request.header = header(requestID: requestID ?? nextRequestID(), index: index)
        let frames = FrameLog()
        let stub = connection.latch
        let stream = Task { [request] in
            do {
                var options = CallOptions.defaults
                options.timeout = .seconds(120)
                try await stub.events(request, options: options) { response in
                    for try await frame in response.messages { frames.append(frame) }
                }
                frames.end(nil)
            } catch {
                frames.end(error)
            }
        }
        defer { stream.cancel() }
        return try await body(frames)
    }
}

/// The frames of one stream as they come.
package final class FrameLog: Sendable {
    private struct State {
        var frames: [Atomix_Leader_EventResponse] = []
        var isEnded = false
        var error: (any Error)?
    }

    private let state = Mutex(State())

    fileprivate func append(_ frame: Atomix_Leader_EventResponse) {
        state.withLock { $0.frames.append(frame) }
    }

    fileprivate func end(_ error: (any Error)?) {
        state.withLock {
            $0.isEnded = true
            $0.error = error
        }
    }

    package var frames: [Atomix_Leader_EventResponse] { state.withLock { $0.frames } }

    /// Waits for at least `count` frames; returns all that came.
    @discardableResult
    package func wait(for count: Int, within seconds: Double = 10) async throws
        -> [Atomix_Leader_EventResponse]
    {
        try await eventually("\(count) frames (there are \(frames.count))", within: seconds) {
            let frames = self.frames
            return frames.count >= count ? frames : nil
        }
    }

    /// Waits for the end of the call; throws if it did not end with gRPC OK.
    package func waitForEnd(within seconds: Double = 10) async throws {
        let error = try await eventually("the end of the stream", within: seconds) {
            () -> (any Error)?? in
            state.withLock { $0.isEnded ? .some($0.error) : nil }
        }
        if let error { throw error }
    }
}
