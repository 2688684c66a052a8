import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

// What lets the stock client's normal entry point work without a controller: one group with one
// partition, whose endpoints are the members, this node first (decided rule 5).
extension LatchService {
    var atomixDirectoryMethods: [Method] {
        [
            Method("/atomix.controller.ControllerService/GetPartitionGroups", kind: .unary) {
                getPartitionGroups($0, $1)
            },
            Method("/atomix.primitive.PrimitiveService/GetPrimitives", kind: .unary) {
                getPrimitives($0, $1)
            },
        ]
    }

    private func getPartitionGroups(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard
            let request = call.decode(Atomix_Controller_GetPartitionGroupsRequest.self, from: bytes)
        else { return }
        let partition = Atomix_Controller_Partition.with {
            $0.partitionID = 1
            $0.endpoints = membersFromHere.map { member in
                .with {
                    $0.host = member.clientHost
                    $0.port = Int32(clamping: member.clientPort)
                }
            }
        }
        let group = Atomix_Controller_PartitionGroup.with {
            // The group that was asked for: the client wants exactly one match, with id and spec
            // present.
            $0.id = request.id
            $0.spec = .with {
                $0.partitions = 1
                $0.partitionSize = UInt32(clamping: node.settings.members.count)
            }
            $0.partitions = [partition]
        }
        call.reply(Atomix_Controller_GetPartitionGroupsResponse.with { $0.groups = [group] })
    }

    private func getPrimitives(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Primitive_GetPrimitivesRequest.self, from: bytes)
        else { return }
        guard request.type.isEmpty || request.type == Self.primitiveType else {
            return call.reply(Atomix_Primitive_GetPrimitivesResponse())
        }
        let namespace = request.namespace.isEmpty ? nil : request.namespace
        let sink = UnarySink(call) { call, result in
            guard case .primitives(let names) = result else {
                return call.fail(result.failure(session: 0))
            }
            call.reply(
                Atomix_Primitive_GetPrimitivesResponse.with {
                    $0.primitives = names.map { name in
                        .with {
                            $0.type = Self.primitiveType
                            $0.name = .with {
                                $0.name = name.name; $0.namespace = name.namespace
                            }
                        }
                    }
                })
        }
        node.submit(.read(.primitives(namespace: namespace), sink))
    }

    private static let primitiveType = "LeaderLatch"
}

extension Call {
    /// Fails a call of a service other than the Atomix latch's: there a gRPC status is what callers
    /// expect.
    func fail(_ failure: Failure) {
        let code: GRPCStatusCode
        switch failure.reason {
        case .noLeader, .outcomeUnknown: code = .unavailable
        case .overloaded, .limit: code = .resourceExhausted
        case .invalid: code = .invalidArgument
        case .noSuchParticipant, .noSuchLatch: code = .notFound
        case .unknownSession, .alreadyAcknowledged, .gap, .tokenMoved: code = .failedPrecondition
        }
        finish(GRPCStatus(code: code, message: failure.message), trailers: failure.trailers)
    }
}
