import GRPCCore
import LatchAPI
import SwiftProtobuf

extension Calls.Attempt {
    /// Deletes a latch. Of the Atomix service, the only one that has a deletion; nothing else of it
    /// is used here.
    func delete(_ name: LatchName) async throws {
        let request = Atomix_Leader_CloseRequest.with {
            $0.header.name = .with {
                $0.namespace = name.namespace
                $0.name = name.name
            }
            $0.delete = true
        }
        let service = Atomix_Leader_LeaderLatchService.Client(wrapping: connection)
        try await service.close(request, options: options) { response in
            // Failures are in the response's header, not in the gRPC status.
            switch try response.message.header.status {
            case .ok: return
            case .notLeader: throw Refusal(.noLeader, "does not lead")
            case .error, .UNRECOGNIZED:
                throw Refusal(trailers: response.trailingMetadata)
                    ?? Refusal(.other(""), "refused without a reason")
            }
        }
    }
}
