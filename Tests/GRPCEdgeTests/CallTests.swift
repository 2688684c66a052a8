import GRPCEdge
import NIOCore
import Testing

extension GRPCEdgeTests {
    @Suite struct Calls {
        @Test("A unary call is answered with one message and status OK")
        func unary() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let answer = try client.call("/t.T/Echo", [1, 2, 3])
                #expect(answer.fields[":status"] == "200")
                #expect(answer.fields["content-type"] == "application/grpc")
                #expect(answer.messages == [[1, 2, 3]])
                #expect(answer.grpcStatus == 0)
                #expect(answer.errorCode == 0)
                #expect(try client.call("/t.T/Echo", []).messages == [[]])
            }
        }

        @Test("A reply that hops from another thread arrives like an immediate one")
        func late() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let ids = (0..<50).map { client.start("/t.T/Late", [UInt8($0)]) }
                for (number, id) in ids.enumerated() {
                    #expect(try client.finish(id).messages == [[UInt8(number)]])
                }
            }
        }

        @Test("An error is Trailers-Only: one HEADERS frame, message and trailers percent-encoded")
        func error() async throws {
            try await withServer { test in
                let answer = try HTTP2Client(port: test.port).call("/t.T/Fail")
                #expect(answer.headerFrames == 1)
                #expect(answer.body.isEmpty)
                #expect(answer.grpcStatus == 9)
                #expect(answer.fields["grpc-message"] == "pas %C3%A9lu: 100%25 %E2%9C%93")
                #expect(answer.grpcMessage == "pas élu: 100% ✓")
                #expect(answer.fields["latchd-reason"] == "NOT_HOLDER")
                #expect(answer.fields["latchd-message"] == "%C3%A0 bient%C3%B4t")
            }
        }

        @Test("A reply can carry trailers of its own")
        func trailers() async throws {
            try await withServer { test in
                let answer = try HTTP2Client(port: test.port).call("/t.T/Trailers")
                #expect(answer.messages == [Array("x".utf8)])
                #expect(answer.grpcStatus == 0)
                #expect(answer.fields["latchd-token"] == "17")
            }
        }

        @Test("A server stream delivers each message when it is sent, then ends")
        func serverStreaming() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let id = client.start("/t.T/Ticks", [])
                try client.run("the first tick") { client.answers[id]?.messages.count == 1 }
                #expect(client.answers[id]?.isClosed == false)
                let answer = try client.finish(id)
                let texts = answer.messages.map { String(decoding: $0, as: UTF8.self) }
                #expect(texts == ["tick 1", "tick 2", "tick 3"])
                #expect(answer.grpcStatus == 0)
            }
        }

        @Test("A bidirectional call echoes message by message until the client half-closes")
        func bidirectional() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let id = client.open("/t.T/Chat")
                try client.run("the call opens") { test.service.opened == 1 }
                for round in 1...3 {
                    client.send([UInt8(round)], on: id)
                    try client.run("echo") { client.answers[id]?.messages.count == round }
                }
                // Several at once, and one in two halves.
                client.sendRaw([0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 8, 0, 0, 0], on: id)
                try client.run("two echoes") { client.answers[id]?.messages.count == 5 }
                client.sendRaw([0, 1, 9], on: id)
                try client.run("echo") { client.answers[id]?.messages.count == 6 }
                client.end(id)
                let answer = try client.finish(id)
                #expect(answer.messages == [[1], [2], [3], [7], [8], [9]])
                #expect(answer.grpcStatus == 0)
                #expect(test.service.halfClosed == 1)
                #expect(test.service.cancelled == 0)
            }
        }

        @Test(
            "A bidirectional call that the server ends first is wholly closed (RFC 9113 §8.1)")
        func serverEndsFirst() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let id = client.open("/t.T/Chat")
                client.send(Array("bye".utf8), on: id)
                let answer = try client.finish(id)
                #expect(answer.grpcStatus == 0)
                #expect(answer.errorCode == 0)
            }
        }

        @Test("3,000 calls in flight on one connection are all answered")
        func manyInFlight() async throws {
            try await withServer {
                $0.maximumConcurrentStreams = 4096
            } _: { test in
                let client = try HTTP2Client(port: test.port)
                let ids = (0..<3000).map { _ in client.start("/t.T/Hold", [1]) }
                try client.run("all are open") { test.service.opened == 3000 }
                test.service.releaseHeld()
                for id in ids { #expect(try client.finish(id).grpcStatus == 0) }
                #expect(test.service.cancelled == 0)
            }
        }

        @Test("3 MB go both ways, also 16 calls at once on a connection")
        func large() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let message = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                #expect(try client.call("/t.T/Echo", message).messages == [message])
                let ids = (0..<16).map { _ in client.start("/t.T/Late", message) }
                for id in ids { #expect(try client.finish(id).messages == [message]) }
                let chat = client.open("/t.T/Chat")
                client.send(message, on: chat)
                client.end(chat)
                #expect(try client.finish(chat).messages == [message])
            }
        }
    }
}
