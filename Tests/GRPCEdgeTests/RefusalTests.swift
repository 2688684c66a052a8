import GRPCEdge
import NIOCore
import NIOPosix
import Testing

extension GRPCEdgeTests {
    @Suite struct Refusals {
        @Test("A request larger than the limit is refused with RESOURCE_EXHAUSTED")
        func oversized() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let answer = try client.call("/t.T/Echo", [UInt8](repeating: 1, count: 5_000_000))
                #expect(answer.grpcStatus == 8)
                #expect(answer.errorCode == 0)
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                let chat = client.open("/t.T/Chat")
                client.send([UInt8](repeating: 1, count: 5_000_000), on: chat)
                #expect(try client.finish(chat).grpcStatus == 8)
                #expect(test.service.cancelled == 1)
            }
        }

        @Test("Incomplete requests share one budget of memory; beyond it: RESOURCE_EXHAUSTED")
        func budget() async throws {
            try await withServer {
                $0.maximumBufferedRequestBytes = 1 << 20
            } _: { test in
                let client = try HTTP2Client(port: test.port)
                let part = [0, 0, 16, 0, 0] + [UInt8](repeating: 1, count: 700_000)
                let first = client.open("/t.T/Echo")
                client.sendRaw(part, on: first)
                let second = client.open("/t.T/Echo")
                client.sendRaw(part, on: second)
                try client.run("one is refused") {
                    client.answers[first]?.isClosed == true
                        || client.answers[second]?.isClosed == true
                }
                let refused = client.answers[first]?.isClosed == true ? first : second
                #expect(client.answers[refused]?.grpcStatus == 8)
                client.reset(refused == first ? second : first)
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
            }
        }

        @Test("An unknown method is UNIMPLEMENTED")
        func unknownMethod() async throws {
            try await withServer { test in
                let answer = try HTTP2Client(port: test.port).call("/t.T/Nothing")
                #expect(answer.grpcStatus == 12)
                #expect(answer.headerFrames == 1)
            }
        }

        @Test("Compressed messages are UNIMPLEMENTED")
        func compressed() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                for path in ["/t.T/Echo", "/t.T/Chat"] {
                    let id = client.open(path, [("grpc-encoding", "gzip")])
                    client.sendRaw([1, 0, 0, 0, 1, 7], on: id)
                    client.end(id)
                    let answer = try client.finish(id)
                    #expect(answer.grpcStatus == 12)
                    #expect(answer.fields["grpc-accept-encoding"] == "identity")
                }
            }
        }

        @Test(
            "A request that is not exactly one message is INTERNAL and reaches no handler",
            arguments: [
                [], [0], [0, 0, 0, 0], [0, 0, 0, 0, 2, 7], [0, 0, 0, 0, 1, 7, 8],
                [0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 8], [2, 0, 0, 0, 1, 7],
            ] as [[UInt8]])
        func badFraming(body: [UInt8]) async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let whole = client.open("/t.T/Hold")
                client.sendRaw(body, on: whole)
                client.end(whole)
                #expect(try client.finish(whole).grpcStatus == 13)
                // The same bytes, one DATA frame each.
                let split = client.open("/t.T/Hold")
                for byte in body {
                    client.sendRaw([byte], on: split)
                    client.write()
                }
                client.end(split)
                #expect(try client.finish(split).grpcStatus == 13)
                #expect(test.service.opened == 0)
            }
        }

        @Test("A bidirectional request that ends inside a message is INTERNAL")
        func truncatedChat() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let id = client.open("/t.T/Chat")
                client.sendRaw([0, 0, 0, 0, 9, 1], on: id)
                client.end(id)
                #expect(try client.finish(id).grpcStatus == 13)
                #expect(test.service.cancelled == 1)
                #expect(test.service.halfClosed == 0)
            }
        }

        @Test("What is not gRPC is told so in HTTP: 415 and 405")
        func notGRPC() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let base = [(":scheme", "http"), (":path", "/t.T/Echo"), (":authority", "test")]
                for type in ["text/plain", "application/grpcx", "application"] {
                    let id = client.openRaw(
                        [(":method", "POST")] + base + [("content-type", type), ("te", "trailers")])
                    client.end(id)
                    #expect(try client.finish(id).fields[":status"] == "415")
                }
                let id = client.openRaw([(":method", "GET")] + base)
                client.end(id)
                #expect(try client.finish(id).fields[":status"] == "405")
            }
        }

        @Test("application/grpc+proto is gRPC; a request without 'te: trailers' is INTERNAL")
        func contentTypeAndTE() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let base = [
                    (":method", "POST"), (":scheme", "http"), (":path", "/t.T/Echo"),
                    (":authority", "test"), ("content-type", "application/grpc+proto"),
                ]
                let good = client.openRaw(base + [("te", "trailers")])
                client.send([5], on: good)
                client.end(good)
                #expect(try client.finish(good).messages == [[5]])
                let bad = client.openRaw(base)
                client.send([5], on: bad)
                client.end(bad)
                #expect(try client.finish(bad).grpcStatus == 13)
            }
        }

        @Test("An HTTP/1.1 client reads a short 400 instead of frames")
        func http1() async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port, greets: false)
                peer.send(Array("POST / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                try peer.waitForClose()
                let text = String(decoding: peer.received, as: UTF8.self)
                #expect(text.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
                #expect(text.hasSuffix("gRPC over HTTP/2 only.\n"))
                try test.expectServes()
            }
        }

        @Test("A port in use is a clear error")
        func portInUse() async throws {
            try await withServer { test in
                var settings = EdgeSettings()
                settings.port = test.port
                let second = GRPCServer(
                    methods: [], settings: settings, group: MultiThreadedEventLoopGroup.singleton,
                    onEvent: { _ in })
                let error = await #expect(throws: EdgeError.self) { try await second.start() }
                let text = error.map { "\($0)" } ?? ""
                #expect(text.hasPrefix("cannot listen for gRPC on 127.0.0.1:\(test.port): "))
            }
        }
    }
}
