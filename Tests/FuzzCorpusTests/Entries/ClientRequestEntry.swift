import LatchAPI
import LatchMachine
import SwiftProtobuf

@testable import LatchService

/// Input: the number of a request message, and the message. What is accepted means the same after
/// it was encoded again, and passes or fails the service's own checks without a trap. The numbers
/// of ``ServiceCall`` make a whole call of it.
func fuzzClientRequest(_ input: [UInt8]) throws(FuzzFinding) {
    var reader = InputReader(input)
    let number = reader.byte()
    let bytes = reader.remaining()
    if let call = ServiceCall(rawValue: number) { return try call.run(bytes) }
    FuzzWork.countRequests()
    switch number % 12 {
    case 0:
        guard let request = try message(Atomix_Leader_CreateRequest.self, bytes) else { return }
        try check(request.header, request.hasHeader)
        try checkTimeout(request.timeout, request.hasTimeout)
    case 1:
        guard let request = try message(Atomix_Leader_KeepAliveRequest.self, bytes) else { return }
        try check(request.header, request.hasHeader)
    case 2:
        guard let request = try message(Atomix_Leader_CloseRequest.self, bytes) else { return }
        try check(request.header, request.hasHeader)
    case 3:
        guard let request = try message(Atomix_Leader_LatchRequest.self, bytes) else { return }
        try check(request.header, request.hasHeader)
        _ = try? AtomixRequest.check(request.participantID, "participant")
    case 4:
        guard let request = try message(Atomix_Leader_GetRequest.self, bytes) else { return }
        try check(request.header, request.hasHeader)
    case 5:
        guard let request = try message(Atomix_Leader_EventRequest.self, bytes) else { return }
        try check(request.header, request.hasHeader)
    case 6: _ = try message(Atomix_Controller_GetPartitionGroupsRequest.self, bytes)
    case 7: _ = try message(Atomix_Primitive_GetPrimitivesRequest.self, bytes)
    case 8: _ = try message(Latchd_V1_StatusRequest.self, bytes)
    case 9:
        let request = try message(Latchd_V1_ListLatchesRequest.self, bytes)
        if let request { try checkPageToken(request.pageToken) }
    case 10: _ = try message(Latchd_V1_GetLatchRequest.self, bytes)
    default: _ = try message(Grpc_Health_V1_HealthCheckRequest.self, bytes)
    }
}

/// The message; nil if it is none.
func message<Request: SwiftProtobuf.Message & Equatable>(
    _ type: Request.Type, _ bytes: [UInt8]
) throws(FuzzFinding) -> Request? {
    guard let request = try? Request(serializedBytes: bytes) else { return nil }
    guard let encoded: [UInt8] = try? request.serializedBytes(),
        let again = try? Request(serializedBytes: encoded), again == request
    else { throw FuzzFinding("\(Request.protoMessageName) changes when it is encoded") }
    return request
}

private func check(
    _ header: Atomix_Headers_RequestHeader, _ isPresent: Bool
) throws(FuzzFinding) {
    guard let request = try? AtomixRequest(header, isPresent: isPresent) else { return }
    guard !request.primitive.name.isEmpty, request.primitive.name.utf8.count <= Limits.nameBytes,
        request.primitive.namespace.utf8.count <= Limits.nameBytes, request.streams.count <= 256
    else { throw FuzzFinding("a request past a limit was accepted") }
}

private func checkTimeout(
    _ timeout: Google_Protobuf_Duration, _ isPresent: Bool
) throws(FuzzFinding) {
    let accepted = try? AtomixRequest.timeoutMilliseconds(timeout, isPresent: isPresent)
    guard let accepted else { return }
    guard
        (Limits.minimumTimeoutMilliseconds...Limits.maximumTimeoutMilliseconds).contains(accepted)
    else { throw FuzzFinding("a timeout of \(accepted) ms was accepted") }
}

private func checkPageToken(_ token: String) throws(FuzzFinding) {
    guard let name = PrimitiveName(pageToken: token) else { return }
    guard PrimitiveName(pageToken: name.pageToken) == name else {
        throw FuzzFinding("page token \(token) is another name when it is made again")
    }
}

/// A request of each kind with all its fields.
let clientRequestSeeds: [[UInt8]] = {
    let header = Atomix_Headers_RequestHeader.with {
        $0.name = .with {
            $0.namespace = "apps"
            $0.name = "demo"
        }
        $0.sessionID = 3
        $0.requestID = 2
        $0.index = 300
        $0.streams = [
            .with {
                $0.streamID = 2
                $0.responseID = 4
            }
        ]
    }
    let messages: [any SwiftProtobuf.Message] = [
        Atomix_Leader_CreateRequest.with {
            $0.header = header
            $0.timeout = .with {
                $0.seconds = 5
                $0.nanos = 1_000_000
            }
        },
        Atomix_Leader_KeepAliveRequest.with { $0.header = header },
        Atomix_Leader_CloseRequest.with {
            $0.header = header
            $0.delete = true
        },
        Atomix_Leader_LatchRequest.with {
            $0.header = header
            $0.participantID = "alpha"
        },
        Atomix_Leader_GetRequest.with { $0.header = header },
        Atomix_Leader_EventRequest.with { $0.header = header },
        Atomix_Controller_GetPartitionGroupsRequest.with {
            $0.id = .with {
                $0.namespace = "apps"
                $0.name = "raft"
            }
        },
        Atomix_Primitive_GetPrimitivesRequest.with {
            $0.type = "leader"
            $0.namespace = "apps"
        },
        Latchd_V1_StatusRequest(),
        Latchd_V1_ListLatchesRequest.with {
            $0.namespace = "apps"
            $0.prefix = "d"
            $0.pageSize = 10
            $0.pageToken = "4:appsdemo"
        },
        Latchd_V1_GetLatchRequest.with {
            $0.namespace = "apps"
            $0.name = "demo"
        },
        Grpc_Health_V1_HealthCheckRequest.with { $0.service = "latchd.v1.Cluster" },
    ]
    return messages.enumerated().map { number, message in
        [UInt8(number)] + ((try? message.serializedBytes()) ?? [])
    } + ServiceCall.seeds
}()
