import GRPCCore
import LatchAPI
import SwiftProtobuf

extension Calls.Attempt {
    /// The stub of the latch service.
    var latches: Latchd_V1_LatchService.Client<NodeTransport> {
        Latchd_V1_LatchService.Client(wrapping: connection)
    }

    /// The stub of the cluster service.
    var cluster: Latchd_V1_Cluster.Client<NodeTransport> {
        Latchd_V1_Cluster.Client(wrapping: connection)
    }

    /// Carries beats until `requests` ends or the stream breaks.
    func keepAlive(
        _ requests: AsyncStream<Latchd_V1_KeepAliveRequest>,
        onResponse take: @escaping @Sendable (Latchd_V1_KeepAliveResponse) -> Void
    ) async throws {
        try await latches.keepAlive(
            options: options,
            requestProducer: { writer in
                for await request in requests { try await writer.write(request) }
            },
            onResponse: { response in
                for try await message in response.messages { take(message) }
            })
    }

    /// Joins, or goes on with a joining, and hands over every message while `take` wants more.
    func join(
        _ request: Latchd_V1_JoinRequest,
        while take: @escaping @Sendable (Latchd_V1_JoinResponse) async -> Bool
    ) async throws {
        try await latches.join(request, options: options) { response in
            for try await message in response.messages {
                guard await take(message) else { return }
            }
        }
    }

    /// Joins and returns the first message.
    func joinOnce(_ request: Latchd_V1_JoinRequest) async throws -> Latchd_V1_JoinResponse {
        try await latches.join(request, options: options) { response in
            for try await message in response.messages { return message }
            throw RPCError(code: .unavailable, message: "the node ended the stream")
        }
    }

    /// Observes, and hands over every message while `take` wants more.
    func observe(
        _ request: Latchd_V1_ObserveRequest,
        while take: @escaping @Sendable (Latchd_V1_ObserveResponse) -> Bool
    ) async throws {
        try await latches.observe(request, options: options) { response in
            for try await message in response.messages {
                guard take(message) else { return }
            }
        }
    }
}

extension LatchName {
    /// The name as the wire has it.
    var wire: Latchd_V1_LatchName {
        .with {
            $0.namespace = namespace
            $0.name = name
        }
    }
}

extension Lease.Answer {
    /// What a node said; nil if it is not understood.
    init?(_ life: Latchd_V1_SessionLife) {
        switch life.state {
        case .alive:
            // Past a day it is no promise of ours.
            let longest = milliseconds(KeepAliveSchedule.longest)
            let validFor = min(life.validForMs, UInt64(clamping: longest))
            self = .alive(validFor: .milliseconds(validFor))
        case .jeopardy: self = .jeopardy
        case .lost: self = .lost
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }
}

extension Belief.Holding {
    /// What a node said; nil if it does not tell.
    init?(_ life: Latchd_V1_SessionLife) {
        guard life.state == .alive, life.index > 0 else { return nil }
        self.init(
            token: life.fencingToken, term: life.term, lossReason: LossReason(life.cause),
            index: life.index)
    }
}

extension Belief.News {
    /// What a node said; nil if it is not understood.
    init?(_ response: Latchd_V1_JoinResponse) {
        switch response.state {
        case .queued: self = .queued(position: Int(max(response.position, 1)))
        case .holding: self = .holding(token: response.fencingToken, term: response.term)
        case .out: self = .out(LossReason(response.cause))
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }
}

extension LossReason {
    /// Why a participant is out.
    init(_ cause: Latchd_V1_Cause) {
        self =
            switch cause {
            case .resigned: .resigned
            case .closed, .expired: .sessionEnded
            case .evicted: .evicted
            case .handedOver: .handedOver
            case .deleted: .deleted
            case .restored: .restored
            case .unspecified, .joined, .UNRECOGNIZED: .removed
            }
    }
}
