import GRPCEdge
import NIOCore
import Testing

extension GRPCEdgeTests {
    /// Each attack must end with the attacker gone or harmless, and the server serving others.
    @Suite struct HostilePeers {
        @Test("Rapid Reset, 20,000 (CVE-2023-44487): closed")
        func rapidReset() async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                for burst in 0..<20 {
                    var bytes: [UInt8] = []
                    for number in 0..<1000 {
                        let stream = UInt32(2 * (burst * 1000 + number) + 1)
                        bytes += RawPeer.open("/t.T/Hold", stream: stream)
                        bytes += RawPeer.frame(3, flags: 0, stream: stream, [0, 0, 0, 8])
                    }
                    guard peer.send(bytes) else { break }
                }
                try peer.waitForClose()
                #expect(!test.service.hostileReasons.isEmpty)
                #expect(test.service.opened == test.service.cancelled)
                try test.expectServes()
            }
        }

        @Test("PING flood, read (CVE-2019-9512): closed", arguments: [true, false])
        func pingFlood(reads: Bool) async throws {
            try await expectClosed(reads: reads) { _ in
                RawPeer.frame(6, flags: 0, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8])
            }
        }

        @Test("SETTINGS flood (CVE-2019-9515): closed", arguments: [true, false])
        func settingsFlood(reads: Bool) async throws {
            try await expectClosed(reads: reads) { _ in
                RawPeer.frame(4, flags: 0, stream: 0, [0, 1, 0, 0, 16, 0])
            }
        }

        @Test("Empty DATA flood (CVE-2019-9518): closed")
        func emptyDataFlood() async throws {
            try await expectClosed(reads: true) { number in
                number == 0
                    ? RawPeer.open("/t.T/Chat", stream: 1)
                    : RawPeer.frame(0, flags: 0, stream: 1, [])
            }
        }

        @Test(
            "Frames of MadeYouReset (CVE-2025-8671) that end the connection at once",
            arguments: [
                // A window update of zero; DATA, and HEADERS, after the end of the request.
                (RawPeer.frame(8, flags: 0, stream: 1, [0, 0, 0, 0]), 1),
                (RawPeer.frame(0, flags: 0, stream: 1, [0]), 5),
                (RawPeer.frame(1, flags: 5, stream: 1, RawPeer.field("x", "y")), 5),
            ] as [([UInt8], UInt32)])
        func madeYouReset(frame: [UInt8], code: UInt32) async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                peer.send(
                    RawPeer.open("/t.T/Hold", stream: 1)
                        + RawPeer.frame(0, flags: 1, stream: 1, [0, 0, 0, 0, 0]) + frame)
                try peer.waitForClose()
                #expect(peer.goAwayCodes == [code])
                #expect(peer.resetCodes.isEmpty)
                #expect(test.service.hostileReasons.count == 1)
                try test.expectServes()
                #expect(test.service.opened == test.service.cancelled)
            }
        }

        @Test("Streams that we reset for what the client sends do not end a connection of few")
        func fewResets() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                for _ in 0..<100 {
                    let id = client.open("/t.T/Chat", [("content-length", "1")])
                    client.sendRaw([0, 0], on: id)
                    #expect(try client.finish(id).errorCode != 0)
                }
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                #expect(client.goAways == 0)
                #expect(test.service.hostileReasons.isEmpty)
            }
        }

        @Test(
            "PRIORITY and unknown frames, 100,000 each, are skipped", arguments: [2, 99] as [UInt8])
        func skippedFrames(type: UInt8) async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                let frame = RawPeer.frame(type, flags: 0, stream: 1, [0, 0, 0, 0, 1])
                let burst = Array(repeatElement(frame, count: 1000).joined())
                for _ in 0..<100 { #expect(peer.send(burst)) }
                try test.expectServes()
                #expect(test.service.hostileReasons.isEmpty)
            }
        }

        @Test("CONTINUATION flood (VU#421644): closed")
        func continuationFlood() async throws {
            try await expectClosed(reads: true) { number in
                number == 0
                    ? RawPeer.frame(1, flags: 0, stream: 1, RawPeer.requestBlock("/t.T/Echo"))
                    : RawPeer.frame(9, flags: 0, stream: 1, RawPeer.field("x", "y"))
            }
        }

        @Test("Streams beyond the limit are refused, the others go on")
        func tooManyStreams() async throws {
            try await withServer {
                $0.maximumConcurrentStreams = 100
            } _: { test in
                let peer = try RawPeer(port: test.port)
                for number in 0..<5000 {
                    let stream = UInt32(2 * number + 1)
                    var bytes = RawPeer.open("/t.T/Hold", stream: stream)
                    bytes += RawPeer.frame(0, flags: 1, stream: stream, [0, 0, 0, 0, 0])
                    guard peer.send(bytes) else { break }
                }
                try eventually("calls open") { test.service.opened >= 100 }
                #expect(test.service.opened == 100)
                try test.expectServes()
            }
        }

        @Test("A header list beyond the limit resets its stream only")
        func headerList() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let many = (0..<400).map { ("x-filler-\($0)", "0123456789") }
                let id = client.open("/t.T/Echo", many)
                client.end(id)
                #expect(try client.finish(id).errorCode != 0)
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                #expect(client.goAways == 0)
            }
        }

        @Test(
            "A request that is refused for its headers does not end a quiet connection later",
            arguments: [true, false])
        func refusedHead(isTooLong: Bool) async throws {
            try await withServer {
                $0.requestTimeoutMilliseconds = 200
            } _: { test in
                let client = try HTTP2Client(port: test.port)
                let chat = client.open("/t.T/Chat")
                let many = (0..<400).map { ("x-filler-\($0)", "0123456789") }
                // Or one without a path: HTTP/2 resets that stream by itself.
                let bad =
                    isTooLong
                    ? client.open("/t.T/Echo", many)
                    : client.openRaw([(":method", "POST"), (":scheme", "http")])
                client.end(bad)
                #expect(try client.finish(bad).errorCode != 0)
                // No header block follows, for three times as long as one may take.
                let end = ContinuousClock.now + .milliseconds(600)
                var count = 0
                repeat {
                    client.send([UInt8(truncatingIfNeeded: count)], on: chat)
                    count += 1
                    try client.run("an echo") {
                        client.answers[chat]?.messages.count == count
                    }
                } while ContinuousClock.now < end
                #expect(client.goAways == 0)
                #expect(test.service.hostileReasons == [])
            }
        }

        @Test("Trailers beyond the header list limit are no way around it")
        func trailerList() async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                peer.send(RawPeer.open("/t.T/Chat", stream: 1))
                let fields = (0..<400).flatMap { RawPeer.field("x-\($0)", "0123456789") }
                let half = Array(fields.prefix(fields.count / 2))
                peer.send(
                    RawPeer.frame(1, flags: 1, stream: 1, half)
                        + RawPeer.frame(9, flags: 4, stream: 1, Array(fields.dropFirst(half.count)))
                )
                try eventually("the call is cancelled") { test.service.cancelled == 1 }
                #expect(test.service.halfClosed == 0)
                try test.expectServes()
            }
        }

        @Test("Bytes that are no HTTP/2 preface: closed")
        func garbage() async throws {
            let tls: [UInt8] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]
            let almost = Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8)
            for bytes in [tls, almost, [0], Array("PRX".utf8)] {
                try await withServer { test in
                    let peer = try RawPeer(port: test.port, greets: false)
                    peer.send(bytes)
                    try peer.waitForClose()
                    #expect(test.service.hostileReasons.count == 1)
                    try test.expectServes()
                }
            }
        }

        @Test("ALTSVC, ORIGIN and unknown frames are ignored (CVE-2022-24668)")
        func extensionFrames() async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                for type in [10, 12, 16, 200] as [UInt8] {
                    for stream in [0, 1] as [UInt32] where type != 16 || stream == 0 {
                        peer.send(RawPeer.frame(type, flags: 0, stream: stream, [0, 0, 0, 1, 65]))
                    }
                }
                peer.send(RawPeer.frame(6, flags: 0, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8]))
                try test.expectServes()
            }
        }

        @Test("A connection that says nothing, or drips, is closed at the handshake deadline (N10)")
        func slowLoris() async throws {
            try await withServer {
                $0.handshakeTimeoutMilliseconds = 300
            } _: { test in
                let mute = try RawPeer(port: test.port, greets: false)
                let dripping = try RawPeer(port: test.port, greets: false)
                var rest = RawPeer.preface[...]
                try eventually("both are closed") {
                    if let byte = rest.popFirst(), rest.count % 2 == 0 { dripping.send([byte]) }
                    _ = mute.socket.readSome()
                    _ = dripping.socket.readSome()
                    return mute.socket.isClosed && dripping.socket.isClosed
                }
                try test.expectServes()
            }
        }

        @Test("Headers that never end close the connection; a body that never ends, the call (N10)")
        func slowRequest() async throws {
            try await withServer {
                $0.requestTimeoutMilliseconds = 300
            } _: { test in
                let peer = try RawPeer(port: test.port)
                peer.send(
                    RawPeer.frame(1, flags: 0, stream: 1, RawPeer.requestBlock("/t.T/Echo")))
                try peer.waitForClose()
                #expect(peer.goAwayCodes == [RawPeer.enhanceYourCalm])
                let client = try HTTP2Client(port: test.port)
                let id = client.open("/t.T/Echo")
                client.sendRaw([0, 0], on: id)
                #expect(try client.finish(id).grpcStatus == 4)
                let chat = client.open("/t.T/Chat")
                try client.run("it waits", within: .seconds(5)) { test.service.opened == 1 }
                client.send([1], on: chat)
                client.end(chat)
                #expect(try client.finish(chat).grpcStatus == 0)
                try test.expectServes()
            }
        }

        @Test("A client that sends requests and never reads stops being read, then is closed (A7)")
        func neverReading() async throws {
            try await withServer {
                $0.pingIntervalSeconds = 1
            } _: { test in
                let peer = try RawPeer(port: test.port)
                // A window for everything, so that only TCP holds the answers back.
                peer.send(
                    RawPeer.frame(4, flags: 0, stream: 0, [0, 4, 0x7F, 0xFF, 0xFF, 0xFF])
                        + RawPeer.frame(8, flags: 0, stream: 0, [0x7F, 0xFE, 0, 0]), reads: false)
                let body = [UInt8](repeating: 3, count: 16_000)
                var stream: UInt32 = 1
                var isTaken = true
                while isTaken, stream < 40_000 {
                    var bytes = RawPeer.open("/t.T/Echo", stream: stream)
                    bytes += RawPeer.frame(
                        0, flags: 1, stream: stream, [0, 0, 0, 0x3E, 0x80] + body)
                    isTaken = peer.send(bytes, reads: false)
                    stream += 2
                }
                #expect(!isTaken, "the server reads on although nobody reads its answers")
                try eventually("the silent peer is closed") { test.server.openConnections == 0 }
                try test.expectServes()
            }
        }

        @Test("Random frames after a good preface crash nothing", arguments: 0..<8)
        func randomFrames(seed: Int) async throws {
            var state = UInt64(seed) &+ 0x9E37_79B9_7F4A_7C15
            func next() -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return state >> 33
            }
            try await withServer { test in
                for _ in 0..<40 {
                    let peer = try RawPeer(port: test.port)
                    peer.send(RawPeer.open("/t.T/Chat", stream: 1))
                    for _ in 0..<20 {
                        let payload = (0..<next() % 40).map { _ in UInt8(next() & 255) }
                        peer.send(
                            RawPeer.frame(
                                UInt8(next() % 14), flags: UInt8(next() & 255),
                                stream: UInt32(next() % 6), payload))
                    }
                }
                try test.expectServes()
                try eventually("all are gone") { test.server.openConnections == 0 }
                #expect(test.service.opened == test.service.cancelled + test.service.halfClosed)
            }
        }

        /// Sends up to 200,000 frames; the server must close before the end or right after.
        private func expectClosed(reads: Bool, _ frame: (Int) -> [UInt8]) async throws {
            try await withServer { test in
                let peer = try RawPeer(port: test.port)
                for burst in 0..<200 {
                    var bytes: [UInt8] = []
                    for number in 0..<1000 { bytes += frame(burst * 1000 + number) }
                    guard peer.send(bytes, reads: reads) else { break }
                }
                if reads {
                    try peer.waitForClose()
                    #expect(peer.goAwayCodes == [RawPeer.enhanceYourCalm])
                }
                try eventually("the server let go") { test.server.openConnections == 0 }
                #expect(test.service.hostileReasons.count == 1)
                try test.expectServes()
            }
        }
    }
}
