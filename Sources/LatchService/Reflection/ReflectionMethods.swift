import GRPCEdge
import LatchAPI
import SwiftProtobuf

// The standard `grpc.reflection.v1.ServerReflection`, so that tools such as grpcurl need no .proto
// files. Its predecessor v1alpha is the same on the wire, and some tools know only that one.
extension LatchService {
    var reflectionMethods: [Method] {
        ["v1", "v1alpha"].map { version in
            let path = "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
            return Method(path, kind: .bidirectional) { call, _ in
                call.onMessage = { bytes in
                    guard bytes.count <= DescriptorIndex.maximumRequestBytes else {
                        return call.finish(
                            GRPCStatus(
                                code: .invalidArgument,
                                message: "no name here takes \(bytes.count) bytes"))
                    }
                    guard
                        let request = call.decode(
                            Grpc_Reflection_V1_ServerReflectionRequest.self, from: bytes)
                    else { return }
                    call.send(DescriptorIndex.own.answer(to: request))
                }
                call.onHalfClose = { call.finish() }
            }
        }
    }
}

extension DescriptorIndex {
    /// A request comes back in its answer, so it is not to be much larger than a name.
    static let maximumRequestBytes = 4 << 10

    /// The response to one request: an answer or an error, never the end of the stream.
    func answer(
        to request: Grpc_Reflection_V1_ServerReflectionRequest
    ) -> Grpc_Reflection_V1_ServerReflectionResponse {
        .with {
            $0.validHost = request.host
            $0.originalRequest = request
            $0.messageResponse = response(to: request.messageRequest)
        }
    }

    private typealias Response =
        Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse

    private func response(
        to request: Grpc_Reflection_V1_ServerReflectionRequest.OneOf_MessageRequest?
    ) -> Response {
        switch request {
        case .fileByFilename(let name):
            return response(files(from: name), "file \"\(name)\"")
        case .fileContainingSymbol(let symbol):
            return response(files(declaring: symbol), "symbol \"\(symbol)\"")
        case .fileContainingExtension(let extended):
            let what = "extension \(extended.extensionNumber) of \"\(extended.containingType)\""
            return response(nil, what)
        case .allExtensionNumbersOfType(let type):
            guard hasMessage(type) else { return response(nil, "type \"\(type)\"") }
            return .allExtensionNumbersResponse(.with { $0.baseTypeName = type })
        case .listServices:
            return .listServicesResponse(
                .with { list in
                    list.service = services.map { name in .with { $0.name = name } }
                })
        case nil:
            return error(.invalidArgument, "the request asks for nothing that is known here")
        }
    }

    private func response(_ files: [[UInt8]]?, _ what: String) -> Response {
        guard let files else { return error(.notFound, "this server has no \(what)") }
        return .fileDescriptorResponse(.with { $0.fileDescriptorProto = files.map { .init($0) } })
    }

    private func error(_ code: GRPCStatusCode, _ message: String) -> Response {
        .errorResponse(
            .with {
                $0.errorCode = Int32(code.rawValue)
                $0.errorMessage = message
            })
    }
}
