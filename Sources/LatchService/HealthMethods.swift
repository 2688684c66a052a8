import GRPCEdge
import LatchAPI
import LatchNode
import NIOCore
import SwiftProtobuf
import Synchronization

// The standard `grpc.health.v1.Health`: a node serves when it can bring a call to a decision, that
// is, when it knows a leader and has a link to it.
extension LatchService {
    var healthMethods: [Method] {
        let path = "/grpc.health.v1.Health/"
        let watchers = HealthWatchers(node)
        return [
            Method(path + "Check", kind: .unary) { check($0, $1) },
            Method(path + "Watch", kind: .serverStreaming) { watch($0, $1, watchers) },
        ]
    }

    /// The services whose health is the node's; the empty name is the whole server.
    private static let services: Set<String> = [
        "", "atomix.leader.LeaderLatchService", "atomix.controller.ControllerService",
        "atomix.primitive.PrimitiveService", "latchd.v1.Cluster", "latchd.v1.LatchService",
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
    ]

    private func check(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Grpc_Health_V1_HealthCheckRequest.self, from: bytes) else {
            return
        }
        guard Self.services.contains(request.service) else {
            return call.finish(
                GRPCStatus(
                    code: .notFound, message: "this server has no service \"\(request.service)\""))
        }
        call.reply(Grpc_Health_V1_HealthCheckResponse(isServing: node.status.readiness == .ready))
    }

    private func watch(_ call: Call, _ bytes: UnsafeRawBufferPointer, _ watchers: HealthWatchers) {
        guard let request = call.decode(Grpc_Health_V1_HealthCheckRequest.self, from: bytes) else {
            return
        }
        guard Self.services.contains(request.service) else {
            // By the protocol the stream stays open: the service may come into being.
            return call.send(
                Grpc_Health_V1_HealthCheckResponse.with { $0.status = .serviceUnknown })
        }
        watchers.add(call)
    }
}

extension Grpc_Health_V1_HealthCheckResponse {
    fileprivate init(isServing: Bool) {
        self.init()
        status = isServing ? .serving : .notServing
    }
}

/// The open Watch calls: each gets the current state, then every change.
private final class HealthWatchers: Sendable {
    private struct Watchers {
        var isServing: Bool?
        var calls: [ObjectIdentifier: Call] = [:]
    }

    private let watchers = Mutex(Watchers())
    private let node: LatchNode

    init(_ node: LatchNode) {
        self.node = node
        node.observeReadiness { [weak self] in self?.tell($0) }
    }

    private func tell(_ readiness: Readiness) {
        let calls = watchers.withLock { watchers in
            watchers.isServing = readiness == .ready
            return Array(watchers.calls.values)
        }
        for call in calls {
            call.loop.execute {
                call.send(Grpc_Health_V1_HealthCheckResponse(isServing: readiness == .ready))
                // A watch would only hold up the end of the process.
                if readiness == .stopping { call.finish() }
            }
        }
    }

    /// Called on the call's loop.
    func add(_ call: Call) {
        let id = ObjectIdentifier(call)
        call.onCancel = { [self] in
            watchers.withLock { _ = $0.calls.removeValue(forKey: id) }
        }
        let isServing = watchers.withLock { watchers in
            watchers.calls[id] = call
            return watchers.isServing
        }
        call.send(
            Grpc_Health_V1_HealthCheckResponse(
                isServing: isServing ?? (node.status.readiness == .ready)))
    }
}
