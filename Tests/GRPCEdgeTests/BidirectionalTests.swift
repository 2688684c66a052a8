import GRPCEdge
import NIOCore
import Testing

extension GRPCEdgeTests {
    @Suite struct BidirectionalCalls {
        @Test("Messages come one by one and in order, however they are cut into frames")
        func order() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let chat = client.open("/t.T/Chat")
                let sent = (0..<200).map { [UInt8](repeating: UInt8($0), count: $0) }
                let bytes: [UInt8] = sent.flatMap { message -> [UInt8] in
                    [0, 0, 0, 0, UInt8(message.count)] + message
                }
                var rest = bytes[...]
                var size = 1
                while !rest.isEmpty {
                    client.sendRaw(Array(rest.prefix(size)), on: chat)
                    client.write()
                    rest = rest.dropFirst(size)
                    size = size % 700 + 37
                }
                try client.run("all echoes") { client.answers[chat]?.messages.count == 200 }
                #expect(client.answers[chat]?.messages == sent)
                #expect(client.answers[chat]?.isClosed == false)
                client.end(chat)
                #expect(try client.finish(chat).grpcStatus == 0)
                #expect(test.service.halfClosed == 1)
            }
        }

        @Test("A held call delivers nothing; half close comes after the last message")
        func held() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let paced = client.open("/t.T/Paced")
                for size in 1...5 { client.send([UInt8](repeating: 1, count: size), on: paced) }
                client.end(paced)
                for count in 1...5 {
                    try client.run("message \(count)") { test.service.received.count == count }
                    // The connection serves others meanwhile.
                    #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                    #expect(test.service.received.count == count)
                    test.service.releasePaced()
                }
                #expect(try client.finish(paced).grpcStatus == 0)
                #expect(test.service.received == [1, 2, 3, 4, 5])
                #expect(test.service.halfClosed == 1)
            }
        }

        @Test("Many messages that wait are delivered one by one as the call is released")
        func heldMany() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let paced = client.open("/t.T/Paced")
                let sizes = (0..<600).map { $0 * 7 % 601 }
                for size in sizes { client.send([UInt8](repeating: 1, count: size), on: paced) }
                client.end(paced)
                for count in 1...sizes.count {
                    try client.run("message \(count)") { test.service.received.count >= count }
                    test.service.releasePaced()
                }
                #expect(try client.finish(paced).grpcStatus == 0)
                #expect(test.service.received == sizes)
            }
        }

        @Test("A held call takes no more than its window; it goes on where it stopped")
        func heldWindow() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let paced = client.open("/t.T/Paced")
                let message = [UInt8](repeating: 1, count: 256 << 10)
                for _ in 0..<16 { client.send(message, on: paced) }
                client.end(paced)
                try client.run("the first") { test.service.received.count == 1 }
                for _ in 0..<20 { _ = try client.call("/t.T/Echo", [4]) }
                // 4 MiB want to be sent; the window of 1 MiB and the first message bound it.
                #expect(client.unsentBytes(of: paced) >= 2 << 20)
                for count in 2...16 {
                    test.service.releasePaced()
                    try client.run("message \(count)") { test.service.received.count == count }
                }
                test.service.releasePaced()
                #expect(try client.finish(paced).grpcStatus == 0)
                #expect(test.service.received == [Int](repeating: 256 << 10, count: 16))
            }
        }

        @Test("A client that floods and reads no answer is stopped, then goes on when it reads")
        func unreadAnswers() async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                try peer.waitForSettings()
                // Acknowledged: from now on the window of a stream is 1 MiB.
                var bytes = RawPeer.frame(4, flags: 1, stream: 0, [])
                bytes += RawPeer.open("/t.T/Echoes", stream: 1)
                let message: [UInt8] = [0, 0, 0, 0, 16] + [UInt8](repeating: 3, count: 16)
                let body = Array(repeatElement(message, count: 700).joined())
                for _ in 0..<60 {
                    bytes += RawPeer.frame(0, flags: 0, stream: 1, body)
                }
                // The initial windows of a peer that announced none: 64 KiB of answers at most.
                let sent = peer.send(bytes, reads: false)
                try test.expectServes()
                let received = test.service.received.count
                #expect(sent)
                // 64 KiB in the window, 64 KiB in the call's queue, and what was under way.
                #expect(received <= 200)
                #expect(test.service.cancelled == 0)
                // Reading and giving credit moves it on.
                let more = RawPeer.frame(8, flags: 0, stream: 1, [0, 1, 0, 0])
                let moreForAll = RawPeer.frame(8, flags: 0, stream: 0, [0, 1, 0, 0])
                for round in 1...3 {
                    peer.send(more + moreForAll)
                    try eventually("round \(round)") {
                        peer.receive()
                        return test.service.received.count >= received + round * 60
                    }
                }
                try test.expectServes()
            }
        }

        @Test("Sending beyond the window of a held call is a protocol error: closed")
        func beyondTheWindow() async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                peer.send(RawPeer.open("/t.T/Paced", stream: 1))
                let message: [UInt8] = [0, 0, 0, 0, 255] + [UInt8](repeating: 3, count: 255)
                let body = Array(repeatElement(message, count: 60).joined())
                let frame = RawPeer.frame(0, flags: 0, stream: 1, body)
                for _ in 0..<200 {
                    guard peer.send(frame) else { break }
                }
                try eventually("the stream or the connection ends") {
                    peer.receive()
                    return peer.frameTypes.contains(3) || peer.frameTypes.contains(7)
                }
                #expect(test.service.received == [255])
                try test.expectServes()
            }
        }

        @Test("Held streams together hold a connection's window at most, and nobody else's")
        func manyHeld() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let message = [UInt8](repeating: 1, count: 300 << 10)
                let calls = (0..<12).map { _ in client.open("/t.T/Paced") }
                for call in calls { for _ in 0..<4 { client.send(message, on: call) } }
                try client.run("the first of each that fits") {
                    test.service.received.count >= 8
                }
                try test.expectServes()
                for call in calls { client.reset(call) }
                try client.run("all are cancelled") { test.service.cancelled == 12 }
                // Their credit came back: a large call goes through.
                let large = [UInt8](repeating: 9, count: 3_000_000)
                #expect(try client.call("/t.T/Echo", large).messages == [large])
                #expect(try client.call("/t.T/Echo", large).messages == [large])
                #expect(try client.call("/t.T/Echo", large).messages == [large])
            }
        }

        @Test("A message that does not end in time is DEADLINE_EXCEEDED; a quiet call is not")
        func incompleteMessage() async throws {
            try await withServer {
                $0.requestTimeoutMilliseconds = 200
            } _: { test in
                let client = try HTTP2Client(port: test.port)
                let quiet = client.open("/t.T/Chat")
                client.send([1], on: quiet)
                try client.run("an echo") { client.answers[quiet]?.messages == [[1]] }
                let partial = client.open("/t.T/Chat")
                client.sendRaw([0, 0, 0, 0, 9, 1, 2], on: partial)
                #expect(try client.finish(partial).grpcStatus == 4)
                #expect(test.service.cancelled == 1)
                client.send([2], on: quiet)
                try client.run("an echo") { client.answers[quiet]?.messages == [[1], [2]] }
                client.end(quiet)
                #expect(try client.finish(quiet).grpcStatus == 0)
            }
        }

        @Test("A cancel of a call with waiting messages reaches its service, and no message after")
        func cancelWhileHeld() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let paced = client.open("/t.T/Paced")
                for _ in 0..<10 { client.send([1, 2], on: paced) }
                try client.run("the first") { test.service.received.count == 1 }
                client.reset(paced)
                try client.run("it is cancelled") { test.service.cancelled == 1 }
                test.service.releasePaced()
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                #expect(test.service.received.count == 1)
                #expect(test.service.halfClosed == 0)
            }
        }

        @Test("Through a drain an open call goes on both ways until the client half-closes")
        func drain() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let chat = client.open("/t.T/Chat")
                client.send([1], on: chat)
                try client.run("an echo") { client.answers[chat]?.messages == [[1]] }
                let ended = Task { await test.server.shutdown(drainTimeout: .seconds(10)) }
                try client.run("GOAWAY") { client.goAways >= 1 }
                client.send([2], on: chat)
                try client.run("an echo") { client.answers[chat]?.messages == [[1], [2]] }
                client.end(chat)
                #expect(try client.finish(chat).grpcStatus == 0)
                try client.waitForClose()
                await ended.value
            }
        }

        @Test("A drain is bounded: an open bidirectional call is answered UNAVAILABLE")
        func drainCut() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let chat = client.open("/t.T/Chat")
                client.send([1], on: chat)
                try client.run("an echo") { client.answers[chat]?.messages == [[1]] }
                let ended = Task { await test.server.shutdown(drainTimeout: .milliseconds(200)) }
                #expect(try client.finish(chat).grpcStatus == 14)
                await ended.value
                #expect(test.service.cancelled == 1)
            }
        }
    }
}
