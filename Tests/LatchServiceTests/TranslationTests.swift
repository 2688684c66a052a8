import LatchAPI
import LatchMachine
import SwiftProtobuf
import Testing

@testable import LatchService

@Suite("Requests and answers of latchd.v1")
struct TranslationTests {
    @Test("What is missing, empty or too long is refused by its field's name")
    func checks() {
        func reason(_ body: () throws(Failure) -> Void) -> String {
            do throws(Failure) {
                try body()
                return ""
            } catch {
                #expect(error.reason == .invalid)
                return error.message
            }
        }
        let long = String(repeating: "x", count: 1_025)
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.name(.init(), isPresent: false)
            }.contains("latch is missing"))
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.name(.init(), isPresent: true)
            }.contains("latch.name is empty"))
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.name(.with { $0.name = long }, isPresent: true)
            }.contains("latch.name has 1025 bytes"))
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.name(
                    .with {
                        $0.name = "a"
                        $0.namespace = long
                    }, isPresent: true)
            }.contains("latch.namespace has 1025 bytes"))
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.session(.with { $0.latch.name = "a" }, isPresent: true)
            }.contains("session.id is 0"))
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.session(.with { $0.id = 7 }, isPresent: true)
            }.contains("session.latch is missing"))
        #expect(
            reason { () throws(Failure) in
                _ = try LatchRequest.participant("")
            }.contains("participant is empty"))
        #expect(
            reason { () throws(Failure) in _ = try LatchRequest.token(0) }
                .contains("fencing_token is 0"))
        #expect(
            reason { () throws(Failure) in _ = try LatchRequest.heartbeat(99) }
                .contains("heartbeat_ms is 99"))
        #expect(
            reason { () throws(Failure) in try LatchRequest.check(long, "value") }
                .contains("value has 1025 bytes"))
    }

    @Test(
        "A session's timeout is brought into the range",
        arguments: [
            (0, 30_000), (1, 10), (10, 10), (5_000, 5_000), (UInt64.max, 86_400_000),
        ] as [(UInt64, UInt64)])
    func timeout(asked: UInt64, taken: UInt64) {
        #expect(LatchRequest.timeout(asked) == taken)
    }

    @Test(
        "The certain life is the timeout less a thousandth, and at least 1 ms less",
        arguments: [
            (10, 9), (1_000, 999), (1_001, 999), (30_000, 29_970), (0, 0),
        ] as [(UInt64, UInt64)])
    func certainLife(timeout: UInt64, certain: UInt64) {
        #expect(Latchd_V1_SessionLife.certainLife(ofTimeout: timeout) == certain)
    }

    @Test("Every rejection has a reason, and says what to do")
    func rejections() {
        let subject = Subject(
            PrimitiveName(namespace: "pay", name: "primary"), session: 4, participant: "p",
            token: 9)
        #expect(subject.failure(.unknownSession).reason == .unknownSession)
        #expect(subject.failure(.tokenMoved).reason == .tokenMoved)
        #expect(subject.failure(.tokenMoved).message.contains("token 9"))
        #expect(subject.failure(.noSuchParticipant).message.contains("\"p\""))
        #expect(subject.failure(.noSuchPrimitive).message.contains("\"pay/primary\""))
        #expect(subject.failure(.gap).reason == .gap)
    }
}

@Suite("Reflection")
struct ReflectionTests {
    private let index = DescriptorIndex.own

    private func ask(
        _ request: Grpc_Reflection_V1_ServerReflectionRequest.OneOf_MessageRequest
    ) -> Grpc_Reflection_V1_ServerReflectionResponse {
        index.answer(
            to: .with {
                $0.host = "here"
                $0.messageRequest = request
            })
    }

    @Test("The embedded descriptors decode and name every service that is served")
    func services() {
        let names = ask(.listServices("")).listServicesResponse.service.map(\.name)
        #expect(
            names == [
                "atomix.controller.ControllerService", "atomix.leader.LeaderLatchService",
                "atomix.primitive.PrimitiveService", "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection", "latchd.v1.Cluster",
                "latchd.v1.LatchService",
            ])
    }

    @Test(
        "A symbol's file comes first, then all that it needs, each once",
        arguments: [
            "latchd.v1.Cluster", "latchd.v1.Cluster.GetLatch", "latchd.v1.GetLatchRequest",
            "latchd.v1.GetLatchRequest.stale", "latchd.v1.Role", "latchd.v1.ROLE_LEADER",
        ])
    func symbol(_ symbol: String) throws {
        let files = try ask(.fileContainingSymbol(symbol)).fileDescriptorResponse
            .fileDescriptorProto.map {
                try Google_Protobuf_FileDescriptorProto(serializedBytes: $0)
            }
        #expect(files.map(\.name) == ["latchd/v1/cluster.proto", "latchd/v1/latch.proto"])
    }

    @Test("A file by its name; what is not there is NOT_FOUND, and the request comes back")
    func errors() {
        let file = ask(.fileByFilename("google/protobuf/duration.proto"))
        #expect(file.fileDescriptorResponse.fileDescriptorProto.count == 1)
        for missing in [
            ask(.fileByFilename("no.proto")), ask(.fileContainingSymbol("latchd.v1.Nothing")),
            ask(.fileContainingExtension(.with { $0.containingType = "latchd.v1.Term" })),
            ask(.allExtensionNumbersOfType("no.Type")),
        ] {
            #expect(missing.errorResponse.errorCode == 5)
            #expect(missing.validHost == "here")
            #expect(missing.originalRequest.host == "here")
        }
        #expect(
            ask(.allExtensionNumbersOfType("latchd.v1.Term")).allExtensionNumbersResponse
                .baseTypeName == "latchd.v1.Term")
    }

    @Test("base64: with padding, over lines, and nothing foreign")
    func base64() {
        func decode(_ text: StaticString) -> [UInt8]? {
            Base64.decode(
                UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
        #expect(decode("bGF0\n  Y2hk") == Array("latchd".utf8))
        #expect(decode("bGE=") == Array("la".utf8))
        #expect(decode("-_") == nil)
    }
}
